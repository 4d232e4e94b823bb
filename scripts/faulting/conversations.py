"""The oracle of conversations: which turns were acknowledged, and whether what is kept of a thread agrees with that.

It knows nothing of leases, attempts or checkpoints: only what was asked, what was answered, and when.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import NamedTuple

from scripts.faulting.replicas import Key

HUMAN, AI = "human", "ai"
WRONG = ("lost", "doubled", "differing", "unknown", "disordered", "roles_broken")


class Place(NamedTuple):
    """Whose thread."""

    key: Key
    thread: str


class Kept(NamedTuple):
    """An exchange as it is kept."""

    question: str
    answer: str


@dataclass(eq=False, slots=True)
class Said:
    """One turn as its caller knows it; `answered` is inf until it is."""

    key: Key
    thread: str  # empty until it is known
    request: str
    question: str
    way: str
    begins: bool = False  # it names no thread, so that it begins one
    began: float = field(default_factory=monotonic)
    answered: float = inf
    answer: str = ""
    run: str = ""
    sends: int = 0
    refusal: str = ""  # the last one, in words

    @property
    def place(self) -> Place:
        """Where it is said."""
        return Place(self.key, self.thread)


@dataclass(slots=True)
class Findings:
    """Counts by name, and what was wrong in words."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def blame(self, kind: str, words: str) -> None:
        """One more of a kind that must not be."""
        self.wrong[kind].append(words)


class Conversations:
    """All turns, by their questions, no two of which are the same."""

    def __init__(self) -> None:
        self.said: dict[str, Said] = {}
        self._answered = asyncio.Condition()

    def begin(self, said: Said) -> None:
        """Before it is sent; several may send the same."""
        self.said.setdefault(said.question, said)

    async def acknowledge(self, said: Said, answer: str, findings: Findings) -> None:
        """An OK came; a second one must say the same."""
        first = self.said[said.question]
        for one in (first, said):
            if one.answer not in ("", answer):
                findings.blame("differing", f"{one.question!r} was answered {one.answer!r}, then {answer!r}")
            if not one.answer:
                one.thread, one.run, one.answer, one.answered = said.thread, said.run, answer, monotonic()
        async with self._answered:
            self._answered.notify_all()

    def in_thread(self, place: Place) -> list[Said]:
        """What was said there."""
        return [one for one in self.said.values() if one.place == place]

    def places(self) -> set[Place]:
        """All threads that are known by name."""
        return {one.place for one in self.said.values() if one.thread}

    async def until(self, true: Callable[[], bool]) -> None:
        """Returns when it is so; looked at with each answer."""
        async with self._answered:
            await self._answered.wait_for(true)

    def goes_on(self, place: Place, since: float) -> float:
        """When the first turn of the thread was answered after that; inf: none yet."""
        return min((one.answered for one in self.in_thread(place) if one.answered > since), default=inf)


def judge(said: Iterable[Said], kept: Sequence[Kept], findings: Findings) -> None:
    """Every acknowledged turn is kept once as it was answered, in an order that agrees with what each has seen."""
    known = {one.question: one for one in said}
    times = Counter(one.question for one in kept)
    for at, one in enumerate(kept):
        if one.question not in known:
            findings.blame("unknown", f"{one} is kept where nobody said it")
        elif known[one.question].answer not in ("", one.answer):
            findings.blame("differing", f"{known[one.question].answer!r} was answered, {one} is kept")
        if one.answer.partition(" ")[0] != str(at):
            findings.blame("disordered", f"{one} is kept as number {at}")
    for question, number in times.items():
        if number > 1:
            findings.blame("doubled", f"{question!r} is kept {number} times")
    for turn in known.values():
        if turn.answer and turn.question not in times:
            findings.blame("lost", f"{turn.question!r} was answered {turn.answer!r} and is not kept")


def judge_roles(messages: Sequence[tuple[str, str]], kept: Sequence[Kept], findings: Findings) -> None:
    """The saved messages are the exchanges, by people and model in turn."""
    wanted = [pair for one in kept for pair in ((HUMAN, one.question), (AI, one.answer))]
    if list(messages) != wanted:
        roles = "".join(role[0] for role, _ in messages)
        findings.blame("roles_broken", f"{len(kept)} exchanges are kept beside {roles}")
