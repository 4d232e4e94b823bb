"""Every failure: an exception with its status code, its reason in the contract, and what the caller should do."""


class ConfigurationError(Exception):
    """The server cannot start as configured; the text is one line that says what to change. Exit status 78."""
