"""Closed classes of words, as the grammar lists them."""


def closed_class(*texts: str) -> frozenset[str]:
    """The words of one or more texts."""
    return frozenset(word for text in texts for word in text.split())
