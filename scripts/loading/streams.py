"""Streams of questions with a name, the same for the same seed, and the hits that no cache could exceed on them."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

EXCITE = Path(__file__).parents[3] / "shared/data/traffic/excite_1997_ids.tsv"  # beside the checkout, never in it
TOPICS = ("amber", "basalt", "cedar", "dune", "ember", "fjord", "garnet", "harbor", "indigo", "juniper")


def document(topic: str) -> bytes:
    """What the questions about a topic are answered from."""
    told = f"The mark of the {topic} is the {topic[::-1]} seal."
    rest = f"The {topic} is kept in the northern hall and shown to visitors on the first day of each month."
    return f"{told} {rest}\n".encode()


def question(number: int) -> str:
    """A question of this number: another text than any other's, about one of the documents."""
    return f"What is the mark of the {TOPICS[number % len(TOPICS)]} (asked as {number})?"


def zipf(length: int, questions: int, exponent: float, *, seed: int) -> list[int]:
    """Numbers of questions by Zipf's law."""
    chances = 1 / np.arange(1, questions + 1) ** exponent
    drawn = np.random.default_rng(seed).choice(questions, size=length, p=chances / chances.sum())
    return [int(one) for one in drawn]


def distinct(length: int) -> list[int]:
    """No question twice."""
    return list(range(length))


def excite(length: int, path: Path = EXCITE) -> list[int]:
    """What people asked the search engine Excite in 1997, in their order, as numbers; empty where it is not there."""
    if not path.is_file():
        return []
    with path.open(newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    numbers: dict[str, int] = {}
    return [numbers.setdefault(row["query_id"], len(numbers)) for row in rows][:length]


def apart(stream: Sequence[int], number: int) -> list[int]:
    """The same stream of other questions, none of which a stream with another number has."""
    return [10**6 * number + one for one in stream]


def repeats(stream: Sequence[int]) -> float:
    """The share of a stream that was asked before in it: what a cache that keeps everything would hit."""
    return 1 - len(set(stream)) / len(stream)
