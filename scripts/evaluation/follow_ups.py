"""Whether a follow-up finds what it is about: as it is, as the server rewrites it, as a person would ask it alone.

`follow_ups.jsonl` was written by hand over one set. Its half `dev`, by articles, was looked at while the rules were
made; only its half `test` is measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragents_client import AsyncClient
from ragents_client.v1 import Exchange, Question
from ragents_client.v1.answer_pb2 import REWRITING_CONTEXTUAL, REWRITING_NONE
from ragents_server.rag.contextual import contextual
from scripts.evaluation.progress import in_order
from scripts.evaluation.ranking import CUT, best, mean, ndcg
from scripts.evaluation.service import Service
from scripts.evaluation.sets import DataSet, Ranked, rows
from scripts.figures import Figure

FILE = Path(__file__).with_name("follow_ups.jsonl")
SET = "6b815cad6b43e30f9d3de644d6bcbbdb8ecf5bb3510e4721c34c71bd8fd480f0"  # XQuAD, by fingerprint
RECOVERED = 0.6  # of what a follow-up loses against the question that a person would ask alone
WORSE = 0.01  # that a question which stands alone may become


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A follow-up and the document it is about; a `switch` is a question that stands alone after another matter."""

    gold: str
    history: tuple[Exchange, ...]
    text: str
    standalone: str
    switch: bool

    @property
    def gains(self) -> dict[str, int]:
        """The judgment: one document."""
        return {self.gold: 1}


@dataclass(frozen=True, slots=True)
class Place:
    """Where to ask: a set's collection on the server."""

    client: AsyncClient
    service: Service
    collection: str

    async def rank(self, what: str, questions: Sequence[Question]) -> list[list[str]]:
        """The best documents for each question."""

        async def ask(question: Question) -> list[str]:
            passages = await self.client.retrieve(question, collections=self.collection, top_k=CUT)
            return best((name, score.fused) for name, score in self.service.scored(passages))

        return await in_order(f"follow-ups {what}: retrieve", ask, questions)


async def evaluate(data: DataSet, place: Place) -> list[Figure]:
    """The figures, where the set is the one that the follow-ups were written over; none for any other."""
    if not isinstance(data, Ranked) or data.fingerprint != SET:
        return []
    read = read_follow_ups(FILE)
    follow_ups = [one for one in read if not one.switch]
    switches = [one for one in read if one.switch]
    return [
        *await recovered(f"{data.name}.follow_ups", place, follow_ups),
        *await unharmed(f"{data.name}.topic_switches", place, switches),
        *await unharmed(f"{data.name}.own_questions", place, own_questions(data, follow_ups)),
    ]


def read_follow_ups(path: Path) -> list[FollowUp]:
    """The half `test`."""
    return [
        FollowUp(
            row["gold"],
            tuple(Exchange(**exchange) for exchange in row["history"]),
            row["follow_up"],
            row["standalone"],
            row["kind"] == "switch",
        )
        for row in rows(path)
        if row["split"] == "test"
    ]


def own_questions(data: Ranked, follow_ups: Sequence[FollowUp]) -> list[FollowUp]:
    """The set's own questions about the articles of these follow-ups, each after the history of another article."""
    articles = {_article(one.gold) for one in follow_ups}
    asked = [
        (data.queries[query], name)
        for query, gains in data.gains.items()
        for name in gains
        if _article(name) in articles
    ]
    return [
        FollowUp(name, _unrelated(follow_ups, number, name).history, text, text, switch=True)
        for number, (text, name) in enumerate(asked)
    ]


def _unrelated(follow_ups: Sequence[FollowUp], number: int, name: str) -> FollowUp:
    others = [one for one in follow_ups if _article(one.gold) != _article(name)]
    return others[number % len(others)]


def _article(name: str) -> str:
    return name.partition("-")[0]


async def recovered(name: str, place: Place, follow_ups: Sequence[FollowUp]) -> list[Figure]:
    """How much of what a follow-up loses the rewriting gets back."""
    ways = {
        "as_they_are": [Question(text=one.text, rewriting=REWRITING_NONE) for one in follow_ups],
        "contextual": [rewritten(one) for one in follow_ups],
        "by_hand": [Question(text=one.standalone, rewriting=REWRITING_NONE) for one in follow_ups],
    }
    rankings = {way: await place.rank(way, questions) for way, questions in ways.items()}
    quality = {way: qualities(follow_ups, ranking) for way, ranking in rankings.items()}
    raw, own, ceiling = (quality[way]["ndcg"] for way in ways)
    share = (own - raw) / (ceiling - raw) if ceiling > raw else 1.0
    return [
        *(Figure(f"{name}.{way}.{kind}", value) for way, found in quality.items() for kind, value in found.items()),
        Figure.at_least(f"{name}.recovered", share, RECOVERED, "share of the nDCG lost"),
        Figure(f"{name}.questions", len(follow_ups), "questions"),
    ]


async def unharmed(name: str, place: Place, switches: Sequence[FollowUp]) -> list[Figure]:
    """What an unrelated history does to questions that stand alone."""
    plain = await place.rank("alone", [Question(text=one.text, rewriting=REWRITING_NONE) for one in switches])
    after = await place.rank("after another matter", [rewritten(one) for one in switches])
    raw, own = qualities(switches, plain)["ndcg"], qualities(switches, after)["ndcg"]
    same = mean([contextual(one.text, one.history) == one.text for one in switches])
    return [
        Figure(f"{name}.as_they_are.ndcg", raw),
        Figure.at_least(f"{name}.contextual.ndcg", own, raw - WORSE),
        Figure(f"{name}.unchanged", same, "share"),
        Figure(f"{name}.questions", len(switches), "questions"),
    ]


def rewritten(one: FollowUp) -> Question:
    """The question with its history, for the server to rewrite."""
    return Question(text=one.text, history=one.history, rewriting=REWRITING_CONTEXTUAL)


def qualities(asked: Sequence[FollowUp], rankings: Sequence[Sequence[str]]) -> Mapping[str, float]:
    """Recall among the first and the first five, and nDCG@10, of the one right document."""
    pairs = list(zip(asked, rankings, strict=True))
    return {
        "recall_1": mean([one.gold in ranking[:1] for one, ranking in pairs]),
        "recall_5": mean([one.gold in ranking[:5] for one, ranking in pairs]),
        "ndcg": mean([ndcg(ranking, one.gains) for one, ranking in pairs]),
    }
