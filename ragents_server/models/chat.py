"""The role `chat model`: messages in, pieces of text out as they are written."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    text: str


class Finish(Enum):
    """Why a model stopped writing."""

    DONE = "done"
    CUT = "cut"  # at its limit of tokens
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Piece:
    """What arrived at once; tokens are those told with this piece, and their sum is the call's."""

    text: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    finish: Finish | None = None
    model: str = ""  # who wrote it, where that is not the model that was asked


class ChatModel(Protocol):
    """Writes; the last pieces tell why it stopped, and nothing that was cut off on the way ends without an error."""

    model: str

    def __call__(self, messages: Sequence[Message]) -> AsyncGenerator[Piece, None]:
        """The answer in pieces; closing the generator ends the call.

        Raises ModelUnavailable, ModelQuota and ContextTooLong.
        """
        ...
