"""What a bench cannot go on from."""


class BenchError(Exception):
    """What was measured was not what the figure says."""
