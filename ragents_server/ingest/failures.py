"""Why a document is refused: a reason of the contract and one sentence for the person who sent it."""

from typing import Literal

Reason = Literal[
    "DOCUMENT_EMPTY",
    "DOCUMENT_TOO_LARGE",
    "DOCUMENT_ENCRYPTED",
    "DOCUMENT_CORRUPT",
    "DOCUMENT_UNSUPPORTED",
    "DOCUMENT_BOMB",
    "DOCUMENT_TIMEOUT",
    "DOCUMENT_MEMORY",
    "DOCUMENT_PARSER_CRASHED",
    "DOCUMENT_NAME",
]


class DocumentError(Exception):
    """One document cannot go in; the others can. `message` says what is wrong and what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason: Reason = reason
        self.message = message
