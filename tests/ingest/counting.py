"""A token counter for tests that need no model."""


def words(text: str) -> int:
    return len(text.split())
