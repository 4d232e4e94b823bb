"""The measurement of the semantic cache: what counts as a hit, when it is wrong, and which half says so."""

import json
import random
from pathlib import Path

import numpy as np

from ragents_server.models.minilm import MiniLM
from scripts.evaluation.semantic import ORDERS, Outcome, choose, evaluate, halves, streamed
from scripts.evaluation.sets import Intended, find_sets

ASKED = (
    ("How do I reset my PIN?", "pin"),
    ("How can I reset the PIN?", "pin"),
    ("How do I not reset my PIN?", "other"),
    ("Where is the bank?", "place"),
)


def streams(*cosines: float) -> tuple[Outcome, Outcome]:
    """The outcomes at .9 without the guard and with it; each question's cosine is with the first one."""
    vectors = np.array([[at, (1 - at**2) ** 0.5] for at in cosines], np.float32)
    plain, guarded = (streamed(ASKED[: len(cosines)], vectors, guard=guard).ask(0.9) for guard in (False, True))
    return plain, guarded


def test_a_hit_is_close_and_with_the_guard_means_the_same() -> None:
    plain, guarded = streams(1.0, 1.0, 1.0, 0.0)
    assert (plain.asked, plain.hits) == (4 * ORDERS, 2 * ORDERS)
    assert 0 < plain.wrong < plain.hits
    assert (guarded.hits, guarded.wrong) == (ORDERS, 0)
    assert streams(1.0, 0.85)[0].hits == 0


def test_a_hit_answers_nobody_else() -> None:
    vectors = np.array([[1, 0], [0.92, 0.39191836], [0.69, 0.7238094]], np.float32)  # close to the next one alone
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    orders = [list(range(3)) for _ in range(ORDERS)]
    for seed, order in enumerate(orders):
        random.Random(seed).shuffle(order)
    outcome = streamed(ASKED[:3], vectors, guard=False).ask(0.9)
    assert outcome.hits == sum(2 if order[0] == 1 else 1 for order in orders)


def test_the_halves_share_no_intent_and_lose_no_question(tmp_path: Path) -> None:
    lines = [{"text": f"{text} {number}", "intent": f"{intent}{number}"} for text, intent in ASKED for number in (1, 2)]
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, lines[0]]))
    (data,) = find_sets(tmp_path)
    assert isinstance(data, Intended)
    choosing, judging = halves(data)
    assert sorted([*choosing, *judging]) == sorted((line["text"], line["intent"]) for line in lines)
    assert {intent for _, intent in choosing} == {"other1", "pin1", "place1"}
    assert {intent for _, intent in judging} == {"other2", "pin2", "place2"}


def test_the_threshold_with_the_fewest_wrong_hits_is_chosen_unless_it_costs_most_hits() -> None:
    hits = {
        0.8: Outcome(1000, 100, 4),
        0.9: Outcome(1000, 90, 1),
        0.95: Outcome(1000, 80, 1),
        0.99: Outcome(1000, 49, 0),
    }
    assert choose(hits) == 0.9
    assert choose({0.8: Outcome(10, 0, 0), 0.9: Outcome(10, 0, 0)}) == 0.8


async def test_a_wrong_hit_on_the_judged_half_misses_the_target() -> None:
    asked = (("When is it open?", "a"), ("How do I reset my PIN?", "b"), ("How can I reset my PIN?", "b"))
    wrong = (*asked[:2], ("How can I reset my PIN?", "d"), ("Is it far?", "c"))
    async with MiniLM.open(threads=1) as model:
        for questions, holds in ((asked, True), (wrong, False)):
            found = {one.name: one for one in await evaluate(Intended("x", questions), model)}
            assert found["x.semantic_wrong_hits"].ok is holds
            assert found["x.semantic_hits"].value == 0.5 if holds else found["x.semantic_hits"].value > 0
            assert found["x.sample.plain.t80.hits"].value > 0
