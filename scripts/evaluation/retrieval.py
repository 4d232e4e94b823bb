"""How well documents are ranked: the server's two legs and their fusion, beside references made in the same run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragents_server.models.minilm import MiniLM
from scripts.evaluation.ranking import best, mean, ndcg
from scripts.evaluation.references import rank
from scripts.evaluation.service import Service
from scripts.evaluation.sets import Ranked
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


PUBLISHED = {  # by fingerprint
    "e7b383328755149ea45b2c47c86b2e9e3dd437a963d3e10f0557df23e20f54f8": Published(0.365, 0.374, 0.406),  # Cranfield
    "6f9fc50f7986f9ce7a1ecb98c4c9758e0867c72d3bf35d1a17707edf9a76e80a": Published(0.503, 0.445, 0.570),  # CACM
    "e4ce1335ba4914ea0d574e6a08264e1c2d3677d93acf2ea699cfef31d19cca88": Published(0.428, 0.433, 0.488),  # NPL
    "6b815cad6b43e30f9d3de644d6bcbbdb8ecf5bb3510e4721c34c71bd8fd480f0": Published(0.968, 0.944, 0.980, True),  # XQuAD
}


async def evaluate(data: Ranked, service: Service, model: MiniLM) -> list[Figure]:
    """The figures of one set."""
    await service.put_texts(data.corpus)
    questions = list(data.queries.values())
    found = [service.scored(passages) for passages in await service.retrieve(questions)]
    parts = found if len(service.documents) <= service.part else await service.scores(questions)
    rankings = {
        "lexical": [best((name, score.lexical) for name, score in each if score.lexical > 0) for each in parts],
        "dense": [best((name, score.dense) for name, score in each) for each in found],
        "fused": [best((name, score.fused) for name, score in each) for each in found],
    }
    own = {leg: quality(data, ranked) for leg, ranked in rankings.items()}
    references = await rank(data.name, data.corpus, questions, model)
    reference = {leg: quality(data, ranked) for leg, ranked in references.items()}
    return [*figures(data, own, reference), *sizes(data, service)]


def quality(data: Ranked, rankings: Sequence[Sequence[str]]) -> float:
    """The mean nDCG@10 of the queries' rankings, in the order of the queries."""
    return mean([ndcg(ranking, data.gains[query]) for query, ranking in zip(data.queries, rankings, strict=True)])


def figures(data: Ranked, own: Mapping[str, float], reference: Mapping[str, float]) -> list[Figure]:
    """The legs and the fusion, each with its reference, and with what was published where that is known."""
    published, name = PUBLISHED.get(data.fingerprint), data.name
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
