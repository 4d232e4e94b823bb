"""What was solved as an answer, and the result of the turn before in the question of this one."""

import re
from collections.abc import Iterator, Sequence

from ragents_client.v1.answer_pb2 import REFUSAL_REASON_NOT_ANSWERED, Answer, Refusal

_THAT = re.compile(
    r"\b(?:that|this|it|the (?:result|answer|sum|total|date)|the same)\b(?! (?:is|was|true|follow))", re.IGNORECASE
)
_AND = re.compile(r"^(?:and|now|then|so)\b[\s,]*", re.IGNORECASE)


def answer_of(value: str, text: str, steps: Sequence[str]) -> Answer:
    """The sentence and the steps; a refusal where nothing was computed."""
    if not value:
        return Answer(text=text, refusal=Refusal(reason=REFUSAL_REASON_NOT_ANSWERED, message=text))
    counted = " ".join(f"{number}. {step}{'' if step.endswith('.') else '.'}" for number, step in enumerate(steps, 1))
    return Answer(text=f"{text} Steps: {counted}" if counted else text)


def with_result(text: str, result: str) -> Iterator[str]:
    """The text, and the text in which "that" is the last result."""
    yield text
    if not re.fullmatch(r"-?[\d./-]+", result):
        return
    value = f"({result})" if "/" in result or result.startswith("-") else result
    filled, count = _THAT.subn(value, _AND.sub("", text), count=1)
    if count:
        yield filled
