"""How often the semantic cache would answer a question with another one's answer, and how often that is wrong.

The questions come one after the other, in several shuffled orders. One hits when an earlier one that was not a hit
itself is as close as the threshold and passes the guard; the hit is wrong when the two have not the same intent. Half
of the intents is for choosing the threshold (the first, the third and so on, by name), the other half for judging it.
Intents are labels that people gave: some questions with the same words have different ones, and count as wrong.
No documents belong to the questions: the real cache also asks for the same passages, and so hits less.

Without the guard a sample of the judged half is streamed, and with the guard too, to compare. With the guard each half
is streamed whole: only questions that some other one of their half could pass the guard with need vectors.
"""

import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ragents_server.models.embeddings import Vectors
from ragents_server.models.minilm import MiniLM
from ragents_server.rag.paraphrase import Reading, same_meaning
from ragents_server.settings import Settings
from scripts.evaluation.progress import in_order
from scripts.evaluation.sets import Intended
from scripts.figures import Figure

SEED = 77  # of the sample; the orders have the seeds 0, 1, …
ORDERS = 30
SAMPLE = 2000  # questions streamed without the guard
SHOWN = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97, 0.99)
TRIED = [number / 100 for number in range(80, 100)]  # thresholds to choose from
WRONG = 0.01  # of the hits
NEAR = 0.02  # of the threshold that the choosing half says
SHIPPED = float(Settings.model_fields["cache_semantic_threshold"].default)

Question = tuple[str, str]  # text, intent


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the streams came to, all orders together."""

    asked: int
    hits: int
    wrong: int

    @property
    def hit_ratio(self) -> float:
        """Hits among the questions."""
        return self.hits / max(1, self.asked)

    @property
    def wrong_ratio(self) -> float:
        """Wrong ones among the hits."""
        return self.wrong / max(1, self.hits)

    def figures(self, name: str) -> list[Figure]:
        """Both."""
        return [
            Figure(f"{name}.hits", self.hit_ratio, "share of questions"),
            Figure(f"{name}.wrong", self.wrong_ratio, "share of hits"),
        ]


@dataclass(frozen=True, slots=True)
class Stream:
    """Questions of which some may hit: of each its intent, and the others that may answer it, closest first."""

    intents: Sequence[str]
    near: Sequence[Sequence[tuple[float, int]]]
    others: int  # questions that cannot hit

    def ask(self, threshold: float) -> Outcome:
        """Asks them in every order."""
        hits = wrong = 0
        for seed in range(ORDERS):
            order = list(range(len(self.intents)))
            random.Random(seed).shuffle(order)
            answered = set[int]()
            for one in order:
                hit = next((at for cosine, at in self.near[one] if cosine >= threshold and at in answered), None)
                if hit is None:
                    answered.add(one)
                else:
                    hits, wrong = hits + 1, wrong + (self.intents[hit] != self.intents[one])
        return Outcome(ORDERS * (len(self.intents) + self.others), hits, wrong)


async def evaluate(data: Intended, model: MiniLM) -> list[Figure]:
    """Hits and wrong hits by threshold, with the guard and without, and those of the shipped threshold."""
    choosing, judging = halves(data)
    sample = judging[:SAMPLE]
    vectors = await embedded(sample, model)
    chosen, judged = [await guarded(half, model) for half in (choosing, judging)]
    streams = {
        "sample.plain": streamed(sample, vectors, guard=False),
        "sample.guarded": streamed(sample, vectors, guard=True),
        "choosing.guarded": chosen,
        "judging.guarded": judged,
    }
    found = [
        figure
        for kind, stream in streams.items()
        for threshold in SHOWN
        for figure in stream.ask(threshold).figures(f"{data.name}.{kind}.t{threshold * 100:.0f}")
    ]
    choice = choose({threshold: chosen.ask(threshold) for threshold in TRIED})
    outcome = judged.ask(SHIPPED)
    return [
        *found,
        Figure.near(f"{data.name}.semantic_threshold", SHIPPED, choice, NEAR, "cosine"),
        Figure(f"{data.name}.semantic_hits", outcome.hit_ratio, "share of questions"),
        Figure.at_most(f"{data.name}.semantic_wrong_hits", outcome.wrong_ratio, WRONG, "share of hits"),
        Figure(f"{data.name}.semantic_hits_judged", outcome.hits / ORDERS, "hits an order"),
        Figure(f"{data.name}.guard", cost([text for text, _ in sample]), "us of CPU"),
    ]


def choose(outcomes: Mapping[float, Outcome]) -> float:
    """The threshold with the smallest share of wrong hits, of those that keep at least half of all that can be had."""
    most = max(outcome.hits for outcome in outcomes.values())
    kept = {threshold: outcome for threshold, outcome in outcomes.items() if 2 * outcome.hits >= most}
    return min(kept, key=lambda threshold: (kept[threshold].wrong_ratio, threshold))


def halves(data: Intended) -> tuple[list[Question], list[Question]]:
    """The questions for choosing and those for judging, by their intents, shuffled."""
    choosing = frozenset(sorted({intent for _, intent in data.questions})[::2])
    parts = [[one for one in data.questions if (one[1] in choosing) is first] for first in (True, False)]
    for part in parts:
        random.Random(SEED).shuffle(part)
    return parts[0], parts[1]


async def guarded(questions: Sequence[Question], model: MiniLM) -> Stream:
    """All the questions, with the guard: those that share all that carries something with no other one cannot hit."""
    alike = defaultdict[tuple[str, ...], list[Question]](list)
    for one in questions:
        alike[tuple(Reading.of(one[0]).content)].append(one)
    some = [one for group in alike.values() if len(group) > 1 for one in group]
    return streamed(some, await embedded(some, model), guard=True, others=len(questions) - len(some))


async def embedded(questions: Sequence[Question], model: MiniLM) -> Vectors:
    """The questions' vectors."""

    async def embed(question: Question) -> Vectors:
        vector: Vectors = (await model.embed_queries([question[0]]))[0]
        return vector

    found = await in_order("questions: embed", embed, questions)
    return np.stack(found) if found else np.empty((0, model.dimension), np.float32)


def streamed(questions: Sequence[Question], vectors: Vectors, *, guard: bool, others: int = 0) -> Stream:
    """The questions with those that may answer them, at the lowest threshold."""

    def near(one: int) -> list[tuple[float, int]]:
        cosines = vectors @ vectors[one]
        close = [(float(cosines[at]), int(at)) for at in np.flatnonzero(cosines >= TRIED[0]) if at != one]
        text = questions[one][0]
        return sorted((row for row in close if not guard or same_meaning(text, questions[row[1]][0])), reverse=True)

    return Stream([intent for _, intent in questions], [near(one) for one in range(len(questions))], others)


def cost(texts: Sequence[str]) -> float:
    """Microseconds of CPU that the guard takes for two questions."""
    began = time.process_time()
    for a, b in pairwise(texts):
        same_meaning(a, b)
    return (time.process_time() - began) / max(1, len(texts) - 1) * 1e6
