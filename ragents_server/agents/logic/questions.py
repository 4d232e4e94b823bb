"""Questions back: what is unclear about a question, and what a reply to it means."""

import re
from dataclasses import dataclass
from typing import Any

from ragents_client.v1.agent_pb2 import INTERRUPT_KIND_CLARIFICATION, Interrupt
from ragents_server.index.terms import terms
from ragents_server.rag.contextual import leans
from ragents_server.solving import Ambiguous

MOST_CLARIFICATIONS = 2  # of a turn
LONGEST_REPLY = 500  # characters that are added to a question

_PRONOUN = re.compile(r"\b(it|its|they|them|their|he|him|his|she|her|hers|this|that|these|those)\b", re.IGNORECASE)
_FEW = 2  # words of substance: a question with more can be looked for


@dataclass(frozen=True, slots=True)
class Unclear:
    """What is asked back, as the state of a graph can hold it."""

    question: str
    options: tuple[str, ...]
    texts: tuple[str, ...]  # what the question becomes with each option

    @classmethod
    def of(cls, found: Ambiguous) -> "Unclear":
        """Of readings."""
        return cls(found.question, found.options, found.texts)

    def interrupt(self, *, again: bool) -> Interrupt:
        """As the user sees it; `again`: the first reply was none of the options."""
        text = f"Please choose one of these. {self.question}" if again else self.question
        return Interrupt(kind=INTERRUPT_KIND_CLARIFICATION, text=text, options=self.options)

    def chosen(self, reply: Any) -> str | None:
        """The question as the reply makes it; None where it is none of the options."""
        if isinstance(reply, bool):
            words = "yes" if reply else "no"
        elif isinstance(reply, int | float):
            at = int(reply) - 1 if reply == int(reply) else -1
            return self.texts[at] if 0 <= at < len(self.texts) else None
        else:
            words = " ".join(str(reply).split()).strip(" .!\"'").casefold()
        if words.isdigit() and len(words) < 4 and 0 < int(words) <= len(self.texts):
            return self.texts[int(words) - 1]
        found = [text for option, text in zip(self.options, self.texts, strict=True) if option.casefold() == words]
        return found[0] if found else None


def added(text: str, reply: Any) -> str:
    """The question with a free reply."""
    said = " ".join(str(reply).split())[:LONGEST_REPLY]
    return f"{text} ({said})" if said else text


def unexplained(text: str) -> Unclear | None:
    """What a short question's pronoun stands for, where nothing was said before that explains it."""
    found = _PRONOUN.search(text)
    if found is None or not leans(text) or len(set(terms(text)) - set(terms(found.group()))) > _FEW:
        return None
    return Unclear(f"What does “{found.group()}” stand for?", (), ())
