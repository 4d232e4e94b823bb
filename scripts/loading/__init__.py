"""A deployment of our own under load: Envoy, replicas, a Redis, PostgreSQL and a slow model, all on loopback."""
