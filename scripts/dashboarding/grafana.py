"""A dashboard as Grafana reads it: version 39 of its schema, importable as it is."""

import json
from typing import Any

from scripts.dashboarding.panels import Dashboard, Panel, across

WIDTH, HEIGHT = 24, 8  # of a screen, and of a panel
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def text(dashboard: Dashboard) -> str:
    """The file."""
    return json.dumps(model(dashboard), indent=2) + "\n"


def model(dashboard: Dashboard) -> dict[str, Any]:
    """The whole of it; ids and places follow from the order."""
    return {
        "uid": f"ragents-{dashboard.name}",
        "title": dashboard.title,
        "tags": ["ragents"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [
            {"type": "dashboards", "tags": ["ragents"], "asDropdown": False, "title": "RAGents", "keepTime": True}
        ],
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "panels": _panels(dashboard),
    }


def _variables() -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return [source, _variable("namespace", ""), _variable("job", '{namespace=~"$namespace"}')]


def _variable(name: str, within: str) -> dict[str, Any]:
    query = f"label_values(ragents_uptime_seconds{within}, {name})"
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    y = 0
    for heading, row in dashboard.rows:
        made.append(
            {"type": "row", "title": heading, "collapsed": False, "panels": [], "gridPos": _place(0, y, WIDTH, 1)}
        )
        y += 1
        wide = WIDTH // across(row)
        for number, panel in enumerate(row):
            down, right = divmod(number, across(row))
            made.append(_panel(panel, _place(right * wide, y + down * HEIGHT, wide, HEIGHT)))
        y += HEIGHT * -(-len(row) // across(row))
    return [{"id": number, **one} for number, one in enumerate(made, 1)]


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    drawn: dict[str, Any] = {"lineWidth": 1, "fillOpacity": 25 if panel.stacked else 8, "showPoints": "never"}
    drawn["stacking"] = {"mode": "normal" if panel.stacked else "none"}
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.line is not None:
        drawn["thresholdsStyle"] = {"mode": "line"}
        steps.append({"color": "red", "value": panel.line})
    thresholds = {"mode": "absolute", "steps": steps}
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.sentence,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [
            {"refId": chr(65 + number), "datasource": SOURCE, "expr": one.expression, "legendFormat": one.legend}
            for number, one in enumerate(panel.queries)
        ],
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": drawn, "thresholds": thresholds},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }
