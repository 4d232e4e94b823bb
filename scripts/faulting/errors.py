"""What a fault test cannot go on from."""


class FaultError(Exception):
    """The test itself did not come about; its figures would say nothing."""
