"""Several processes that serve on one port as one server: a parent that starts, watches and ends them, and they."""
