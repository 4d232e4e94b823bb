"""How well documents are ranked: the server's two legs and their fusion, beside references made in the same run."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragents_client.v1 import Passage
from ragents_server.models.minilm import MiniLM
from scripts.evaluation.ranking import best, mean, ndcg
from scripts.evaluation.references import rank
from scripts.evaluation.service import Service
from scripts.evaluation.sets import Ranked, qrels
from scripts.figures import Figure

BELOW_REFERENCE = 0.005
BELOW_BETTER_LEG = 0.02
NEAR_PUBLISHED = 0.005
UNIT = "nDCG@10"


@dataclass(frozen=True, slots=True)
class Published:
    """nDCG@10 as published for a set; `holds` where the dense leg has to show it, because pooling would move it."""

    lexical: float
    dense: float
    fused: float
    holds: bool = False


# By the SHA-256 of the judgments: a set is what it holds, whatever its folder is called.
PUBLISHED: dict[str, Published] = {}


async def evaluate(data: Ranked, service: Service, model: MiniLM) -> list[Figure]:
    """The figures of one set."""
    await service.put_texts(data.corpus)
    found = await service.retrieve(data.queries.values())
    by_query = dict(zip(data.queries, found, strict=True))
    own = {leg: quality(data, legs(by_query, leg, service.documents)) for leg in ("lexical", "dense", "fused")}
    ranked = await rank(data.corpus, data.queries, model)
    reference = {leg: quality(data, getattr(ranked, leg)) for leg in ("lexical", "dense", "fused")}
    return [*figures(data, own, reference), *sizes(data, service)]


def legs(found: Mapping[str, Sequence[Passage]], leg: str, documents: Mapping[str, str]) -> dict[str, list[str]]:
    """Documents by the score of one leg, or of the fusion, for each query.

    The 100 best by fusion hold each leg's own best but for what the other leg finds far behind.
    """
    return {
        query: best((documents[one.document.name], getattr(one.score, leg)) for one in passages)
        for query, passages in found.items()
    }


def quality(data: Ranked, rankings: Mapping[str, Sequence[str]]) -> float:
    """The mean nDCG@10 over the judged queries."""
    return mean([ndcg(rankings[query], gains) for query, gains in data.gains.items()])


def figures(data: Ranked, own: Mapping[str, float], reference: Mapping[str, float]) -> list[Figure]:
    """The legs and the fusion, each with its reference, and with what was published where that is known."""
    published, name = PUBLISHED.get(fingerprint(data)), data.name
    better = max(own["lexical"], own["dense"], reference["lexical"], reference["dense"])
    dense = Figure(f"{name}.dense", own["dense"], UNIT)
    if published is not None and published.holds:
        dense = Figure.near(dense.name, dense.value, published.dense, NEAR_PUBLISHED, UNIT)
    found = [
        Figure(f"{name}.lexical", own["lexical"], UNIT),
        Figure(f"{name}.lexical_bm25s", reference["lexical"], UNIT),
        dense,
        Figure(f"{name}.dense_exact", reference["dense"], UNIT),
        Figure.at_least(f"{name}.fusion", own["fused"], reference["fused"] - BELOW_REFERENCE, UNIT),
        Figure(f"{name}.fusion_reference", reference["fused"], UNIT),
        Figure.at_least(f"{name}.fusion_over_better_leg", own["fused"] - better, -BELOW_BETTER_LEG, UNIT),
    ]
    if published is not None:
        found += [
            Figure(f"{name}.published_bm25", published.lexical, UNIT),
            Figure(f"{name}.published_dense", published.dense, UNIT),
            Figure(f"{name}.published_fusion", published.fused, UNIT),
        ]
    return found


def sizes(data: Ranked, service: Service) -> list[Figure]:
    """How large the set is, and how much of it was cut."""
    return [
        Figure(f"{data.name}.queries", len(data.queries), "queries"),
        Figure(f"{data.name}.documents", len(service.documents), "documents"),
        Figure(f"{data.name}.passages", service.passages, "passages"),
        Figure(f"{data.name}.documents_cut", service.cut, "documents"),
    ]


def means(found: Sequence[Figure]) -> list[Figure]:
    """The fusion over all sets of the run must be above the reference."""
    own = [one.value for one in found if one.name.endswith(".fusion")]
    reference = [one.value for one in found if one.name.endswith(".fusion_reference")]
    if len(own) < 2:
        return []
    return [
        Figure.at_least("mean.fusion", mean(own), mean(reference), UNIT),
        Figure("mean.fusion_reference", mean(reference), UNIT),
    ]


def fingerprint(data: Ranked) -> str:
    """What the judgments hold, as a number."""
    path = qrels(data.folder)
    assert path is not None
    return hashlib.sha256(path.read_bytes()).hexdigest()
