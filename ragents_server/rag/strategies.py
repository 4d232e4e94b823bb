"""The ways to rewrite a question: not at all, by rules from the history, or by what a chat model says.

Those that ask a model start from the question that the rules make, and always search for that one too: whatever a
model writes, nothing is lost but time. What cannot be used of its text is left out.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice

from ragents_client.v1.answer_pb2 import (
    REWRITING_CONTEXTUAL,
    REWRITING_DECOMPOSE,
    REWRITING_EXPAND,
    REWRITING_HYDE,
    REWRITING_NONE,
    Question,
)
from ragents_server.index.terms import terms
from ragents_server.models.chat import ChatModel, Finish, Message
from ragents_server.rag.contextual import contextual
from ragents_server.rag.rewriting import Kind, Rewritten, Strategy
from ragents_server.signals import span

LONGEST = 4_000  # characters of a model's text that are read; its call is ended there
WORDS = 12  # that `expand` adds at most
PARTS = 4  # that `decompose` makes at most
PASSAGE = 1_000  # characters of what `hyde` searches with; the embedding reads no more

_EXPAND = f"""\
You help to search the user's documents. Write up to {WORDS} words or short terms, other than those of the question,
that a text answering it is likely to use: synonyms, names, technical terms. One line, separated by commas, and nothing
else. Do not answer the question."""

_DECOMPOSE = f"""\
You help to search the user's documents. If the question asks for several things, write one question for each, at most
{PARTS}, one a line, each understandable without the others, in the words of the question where you can. If it asks for
one thing, repeat it. Write the questions and nothing else. Do not answer them."""

_HYDE = """\
You help to search the user's documents. Write the passage, of at most 100 words, that a document answering the question
would hold, in the language of the question and in the tone of such a document. It is only searched with, so guess what
you do not know. Write the passage and nothing else."""

VERSION = hashlib.blake2b("\0".join((_EXPAND, _DECOMPOSE, _HYDE)).encode(), digest_size=8).hexdigest()
"""Of what models are told; a question rewritten under other words is not the same."""

_BULLET = re.compile(r"^(?:[-*•–]|\(?\d{1,2}[.):]|[a-d][.)])\s+")
_QUOTES = " \t\"'`*“”.;"


def strategies(chat: ChatModel | None) -> dict[Kind, Strategy]:
    """Those there are with this chat model; without one, the two that need none."""
    found: dict[Kind, Strategy] = {REWRITING_NONE: as_it_is, REWRITING_CONTEXTUAL: by_rules}
    if chat is not None:
        found |= {REWRITING_EXPAND: Expand(chat), REWRITING_DECOMPOSE: Decompose(chat), REWRITING_HYDE: Hyde(chat)}
    return found


async def as_it_is(question: Question) -> Rewritten:
    """`none`."""
    return Rewritten.of(question.text)


async def by_rules(question: Question) -> Rewritten:
    """`contextual`."""
    return Rewritten.of(contextual(question.text, question.history))


class Expand:
    """`expand`: searches once more with related words added."""

    def __init__(self, chat: ChatModel) -> None:
        self._chat = chat

    async def __call__(self, question: Question) -> Rewritten:
        """The question, and the question with up to WORDS terms behind it."""
        text = contextual(question.text, question.history)
        said = await _said(self._chat, _EXPAND, text)
        words = list(islice(_related(said.text, text), WORDS))
        return Rewritten.of(text, *([f"{text} {' '.join(words)}"] if words else []), kept=said.kept)


class Decompose:
    """`decompose`: searches once more for each part of a compound question."""

    def __init__(self, chat: ChatModel) -> None:
        self._chat = chat

    async def __call__(self, question: Question) -> Rewritten:
        """The question, and two to PARTS parts of it."""
        text = contextual(question.text, question.history)
        said = await _said(self._chat, _DECOMPOSE, text)
        parts = list(islice(_parts(said.text, text), PARTS))
        return Rewritten.of(text, *(parts if len(parts) > 1 else ()), kept=said.kept)


class Hyde:
    """`hyde`: searches once more with a passage that might answer (Gao et al. 2022)."""

    def __init__(self, chat: ChatModel) -> None:
        self._chat = chat

    async def __call__(self, question: Question) -> Rewritten:
        """The question, and a hypothetical passage."""
        text = contextual(question.text, question.history)
        said = await _said(self._chat, _HYDE, text)
        passage = " ".join(said.text.split())[:PASSAGE]
        return Rewritten.of(text, *([passage] if terms(passage) else []), kept=said.kept)


@dataclass(frozen=True, slots=True)
class _Said:
    """A model's words; `kept`: they are the one's that was asked."""

    text: str
    kept: bool


async def _said(chat: ChatModel, rules: str, text: str) -> _Said:
    """What the model writes, cut at LONGEST; nothing where it declines."""
    written, length, tokens, kept = list[str](), 0, [0, 0], True
    with span("rewrite_model", model=chat.model) as told:
        async with aclosing(chat([Message("system", rules), Message("user", text)])) as pieces:
            async for piece in pieces:
                written.append(piece.text)
                kept = kept and piece.model in ("", chat.model)
                length += len(piece.text)
                tokens = [tokens[0] + piece.input_tokens, tokens[1] + piece.output_tokens]
                if piece.finish is Finish.DECLINED:
                    written.clear()
                if piece.finish is Finish.DECLINED or length > LONGEST:
                    break
        told.set(input_tokens=tokens[0], output_tokens=tokens[1])
    # Half characters and NUL, which a model may well write, can be neither embedded nor stored.
    return _Said("".join(written)[:LONGEST].encode(errors="ignore").decode().replace("\0", " "), kept)


def _lines(text: str) -> Iterator[str]:
    """The lines with something in them, without the bullets and quotes around it."""
    for line in text.splitlines():
        if stripped := _BULLET.sub("", line.strip()).strip(_QUOTES):
            yield stripped


def _related(written: str, text: str) -> Iterator[str]:
    """The terms in what a model wrote that say something new; what is long is no term but talk."""
    known = set(terms(text))
    for line in _lines(written):
        for item in re.split(r"[,;]", line):
            term = _BULLET.sub("", item.strip()).strip(_QUOTES)
            found = set(terms(term))
            if found - known and len(term) <= 60 and len(term.split()) <= 4 and not term.endswith((":", "!", "?")):
                known |= found
                yield term


def _parts(written: str, text: str) -> Iterator[str]:
    """The lines that are parts of the question: each has words of it and is not longer, and none comes twice."""
    asked, seen = set(terms(text)), {text.casefold()}
    for part in _lines(written):
        if asked & set(terms(part)) and len(part) <= len(text) + 100 and part.casefold() not in seen:
            seen.add(part.casefold())
            yield part
