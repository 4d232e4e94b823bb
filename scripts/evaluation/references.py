"""What the server's legs are held against: bm25s, and an exact search of the same model's vectors of whole texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import bm25s  # type: ignore[import-untyped] # ships no types
import numpy as np
import Stemmer
from numpy.typing import NDArray

from ragents_server.models.minilm import MiniLM
from scripts.evaluation.progress import in_order

DEPTH = 100  # the best of each leg that are fused: with it the published figures come out

Scores = NDArray[np.float32]


async def rank(
    name: str, corpus: Mapping[str, str], questions: Sequence[str], model: MiniLM
) -> dict[str, list[list[str]]]:
    """Document ids best first, a list a question: of each leg alone, and of both by min-max scaling, half and half.

    `name` is the set's, for what is said meanwhile.
    """
    names, texts = list(corpus), list(corpus.values())
    lexical = bm25_scores(texts, questions)
    dense = await dense_scores(name, texts, questions, model)
    return {
        "lexical": [_best(row, names) for row in lexical],
        "dense": [_best(row, names) for row in dense],
        "fused": [_best(min_max(*both), names) for both in zip(lexical, dense, strict=True)],
    }


def bm25_scores(texts: Sequence[str], queries: Sequence[str]) -> Scores:
    """bm25s with English stems and stop words, k1 1.5 and b .75: a row a query, a column a text."""
    options: dict[str, Any] = {"stopwords": "en", "stemmer": Stemmer.Stemmer("english"), "show_progress": False}
    index = bm25s.BM25(k1=1.5, b=0.75)
    index.index(bm25s.tokenize(list(texts), **options), show_progress=False)
    asked = bm25s.tokenize(list(queries), return_ids=False, **options)
    return np.stack([index.get_scores(words) if words else np.zeros(len(texts), np.float32) for words in asked])


async def dense_scores(name: str, texts: Sequence[str], queries: Sequence[str], model: MiniLM) -> Scores:
    """Cosines of whole texts, cut where the model cuts them: a row a query, a column a text."""

    async def embed(text: str) -> Scores:
        return (await model.embed_passages([text], [()]))[0].passage

    vectors = np.stack(await in_order(f"{name}: embed for the reference", embed, texts))
    found: Scores = await model.embed_queries(queries) @ vectors.T
    return found


def min_max(lexical: Scores, dense: Scores) -> Scores:
    """Each leg's best scaled to 0 to 1, half and half; a leg gives nothing to what is not among its best."""
    fused = np.zeros_like(dense)
    for leg in (lexical, dense):
        top = _top(leg)
        fused[top] += _scaled(leg[top]) / 2
    return fused


def _scaled(scores: Scores) -> Scores:
    least, most = scores.min(), scores.max()
    return (scores - least) / (most - least) if most > least else np.zeros_like(scores)


def _top(scores: Scores) -> NDArray[np.intp]:
    return np.argsort(-scores, kind="stable")[:DEPTH]


def _best(scores: Scores, names: Sequence[str]) -> list[str]:
    return [names[at] for at in _top(scores) if scores[at] > 0]
