"""How the agent `langgraph` plans, grades and rewrites: by rules, or by what a chat model says.

Both search for the question itself too, so that a bad plan or a bad rewriting costs time and loses nothing.
"""

import re
import secrets
from collections.abc import Sequence
from typing import Protocol

from ragents_client.v1.answer_pb2 import Passage, Question
from ragents_server.agents.asking import Asking
from ragents_server.agents.prompts import grading
from ragents_server.index.terms import terms
from ragents_server.models.grammar import PARTS, parts
from ragents_server.rag.contextual import contextual
from ragents_server.rag.extractive import extract
from ragents_server.rag.retrieval import Found
from ragents_server.rag.strategies import Decompose, Expand, Hyde
from ragents_server.rag.writers import candidates

_LONGEST_GRADE = 1_000  # characters
_WORD = re.compile(r"[\w'’.-]*\w")


class Looking(Protocol):
    """The decisions of a search in several steps."""

    async def plan(self, question: Question) -> list[str]:
        """The questions to search for, at most PARTS, each standing alone."""
        ...

    async def grade(self, found: Found) -> list[Passage]:
        """The passages that help to answer `found.question`; none: search on."""
        ...

    async def rewrite(self, found: Found, attempt: int) -> str | None:
        """Other words to search with, for the 1st, 2nd, … time; None: there are no more."""
        ...


class ByRules:
    """Without a model: the form of the question, and how well sentences answer it."""

    async def plan(self, question: Question) -> list[str]:
        """The parts that the grammar tells apart."""
        return list(parts(contextual(question.text, question.history)))

    async def grade(self, found: Found) -> list[Passage]:
        """All of them where the extractive writer finds an answer, else none."""
        extraction = extract(found.question, found.vector, await candidates(found), found.idf)
        return list(found.passages) if extraction.answered else []

    async def rewrite(self, found: Found, attempt: int) -> str | None:
        """First the rarer words alone, then with the headings above what was closest."""
        if attempt == 1:
            return _rarer(found)
        headings = " ".join(dict.fromkeys(passage.heading for passage in found.passages[:2] if passage.heading))
        return f"{found.question} {headings}" if attempt == 2 and headings else None


class ByModel:
    """With a chat model; what it says is read strictly, and what cannot be read changes nothing."""

    def __init__(self, chat: Asking) -> None:
        self._chat = chat
        self._ways = (Expand(chat), Hyde(chat))

    async def plan(self, question: Question) -> list[str]:
        """The parts that the model tells apart."""
        rewritten = await Decompose(self._chat)(question)
        return list(rewritten.searches[1 : 1 + PARTS]) or [rewritten.text]

    async def grade(self, found: Found) -> list[Passage]:
        """Those that the model names; all where it names nothing that can be read."""
        if not found.passages:
            return []
        rules, text = grading(found.question, found.passages, secrets.token_hex(8))
        said = await self._chat.say(rules, text, _LONGEST_GRADE)
        numbers = {int(number) for number in re.findall(r"(?<![\w.])\d{1,3}(?!\w|\.\d)", said)}
        if not numbers and "NONE" in said.upper():
            return []
        kept = [passage for number, passage in enumerate(found.passages, 1) if number in numbers]
        return kept or list(found.passages)

    async def rewrite(self, found: Found, attempt: int) -> str | None:
        """First with related words, then a passage that might answer."""
        if attempt > len(self._ways):
            return None
        rewritten = await self._ways[attempt - 1](Question(text=found.question))
        return rewritten.searches[1] if len(rewritten.searches) > 1 else None


def _rarer(found: Found) -> str | None:
    """The words that tell most, by the idf of their terms; None where all tell as much."""
    weights = [found.idf.get(term, 0.0) for term in set(terms(found.question))]
    if len(weights) < 2:
        return None
    mean = sum(weights) / len(weights)
    words: Sequence[str] = _WORD.findall(found.question)
    kept = [word for word in words if any(found.idf.get(term, 0.0) >= mean for term in terms(word))]
    return " ".join(kept) if 0 < len(kept) < len(words) else None
