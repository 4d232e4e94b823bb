"""What a load cannot go on from."""


class LoadError(Exception):
    """It could not be measured; the message says why."""
