"""Grafana's dashboards: described here once, written as JSON, and drawn from a real Prometheus."""
