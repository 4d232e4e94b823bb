"""Whether the documents that answer a question are among the first passages, beside BM25 over the same passages."""

from collections.abc import Sequence

from ragents_client.v1 import Passage
from scripts.evaluation.ranking import mean
from scripts.evaluation.service import Service
from scripts.evaluation.sets import Filed
from scripts.figures import Figure

FIRST = 5  # passages


async def evaluate(data: Filed, service: Service) -> list[Figure]:
    """Of the fusion and of either leg: the share of the gold documents found, and of the passages that are theirs."""
    await service.put_files(data.files)
    found = await service.retrieve(question for question, _ in data.questions)
    golds = [gold for _, gold in data.questions]
    figures = []
    for leg, label in (("fused", ""), ("lexical", "_by_bm25"), ("dense", "_by_cosine")):
        firsts = [first(passages, leg) for passages in found]
        recalls = [len(gold & set(names)) / len(gold) for gold, names in zip(golds, firsts, strict=True)]
        within = [mean([name in gold for name in names]) for gold, names in zip(golds, firsts, strict=True) if names]
        figures += [
            Figure(f"{data.name}.gold_documents{label}", mean(recalls), "share"),
            Figure(f"{data.name}.passages_of_gold_documents{label}", mean(within), "share"),
        ]
    return [
        *figures,
        Figure(f"{data.name}.questions", len(found), "questions"),
        Figure(f"{data.name}.passages", service.passages, "passages"),
    ]


def first(passages: Sequence[Passage], leg: str) -> list[str]:
    """The documents of the first passages by one score, one name a passage."""
    ranked = sorted(passages, key=lambda passage: -getattr(passage.score, leg))
    return [passage.document.name for passage in ranked[:FIRST]]
