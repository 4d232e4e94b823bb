"""Fusion: what the formula promises, whatever the legs say, and diversity on request."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragents_server.index.search import Found, Hit
from ragents_server.rag.fusion import diversify, fuse


def found(*hits: tuple[int, float, float | None], bound: float = 10.0) -> Found:
    return Found(tuple(Hit(*hit) for hit in hits), bound)


def test_the_score_is_the_weighted_sum_of_scaled_bm25_and_cosine() -> None:
    [best, second] = fuse(found((1, 4.0, 0.5), (2, 2.0, 0.7)))
    scale = 0.4 / math.sqrt(10.0 * 4.0)
    assert (best.passage, second.passage) == (1, 2)
    assert best.fused == pytest.approx(scale * 4 + 0.6 * 0.5)
    assert second.fused == pytest.approx(scale * 2 + 0.6 * 0.7)
    assert (best.lexical, best.dense) == (4.0, 0.5)


def test_a_question_of_mostly_unknown_words_trusts_its_words_less() -> None:
    hits = ((1, 4.0, 0.5), (2, 2.0, 0.75))
    assert [one.passage for one in fuse(found(*hits, bound=5.0))] == [1, 2]
    assert [one.passage for one in fuse(found(*hits, bound=100.0))] == [2, 1]


def test_a_passage_without_a_vector_counts_as_the_least_similar() -> None:
    ranked = fuse(found((1, 1.0, 0.6), (2, 1.0, None), (3, 1.0, 0.2)))
    assert [one.passage for one in ranked] == [1, 2, 3]
    assert ranked[1].fused == ranked[2].fused
    assert ranked[1].dense is None


def test_words_alone_and_vectors_alone_keep_their_order() -> None:
    assert [one.passage for one in fuse(found((1, 1.0, None), (2, 3.0, None)))] == [2, 1]
    assert [one.passage for one in fuse(found((1, 0.0, 0.1), (2, 0.0, 0.3), bound=0.0))] == [2, 1]
    assert fuse(Found()) == []


def test_weights_may_be_chosen() -> None:
    hits = found((1, 4.0, 0.5), (2, 2.0, 0.9))
    assert [one.passage for one in fuse(hits, lexical_weight=1.0, dense_weight=0.0)] == [1, 2]
    assert [one.passage for one in fuse(hits, lexical_weight=0.0, dense_weight=1.0)] == [2, 1]


HITS = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from([0.0, 1.0, 2.5]), st.sampled_from([None, -0.5, 0.0, 0.5])),
    unique_by=lambda hit: hit[0],
)


@given(HITS, st.randoms())
def test_the_order_depends_on_scores_and_ids_alone(hits: list[tuple[int, float, float | None]], dice: object) -> None:
    shuffled = list(hits)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    ranked = fuse(found(*hits))
    assert fuse(found(*shuffled)) == ranked
    assert [(-one.fused, one.passage) for one in ranked] == sorted((-one.fused, one.passage) for one in ranked)


@given(HITS)
def test_a_passage_that_is_better_in_both_legs_is_never_below(hits: list[tuple[int, float, float | None]]) -> None:
    ranked = fuse(found(*hits))
    place = {one.passage: number for number, one in enumerate(ranked)}
    for one in ranked:
        for other in ranked:
            if (
                one.dense is not None
                and other.dense is not None
                and one.lexical > other.lexical
                and one.dense > other.dense
            ):
                assert place[one.passage] < place[other.passage]


def test_diversity_prefers_what_has_not_been_said() -> None:
    ranked = fuse(found((1, 0.0, 0.9), (2, 0.0, 0.89), (3, 0.0, 0.6)))
    same, other = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    vectors = {1: same, 2: same, 3: other}
    assert [one.passage for one in diversify(ranked, vectors, 2, relevance=0.5)] == [1, 3]
    assert [one.passage for one in diversify(ranked, vectors, 3, relevance=1.0)] == [1, 2, 3]
    assert [one.passage for one in diversify(ranked, {}, 9, relevance=0.5)] == [1, 2, 3]
    assert diversify([], {}, 3, relevance=0.5) == []
