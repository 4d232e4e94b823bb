"""How much of what answers a question stands in the first characters that retrieval returns: chunking and ranking."""

from collections.abc import Sequence

from ragents_client.v1 import Passage
from scripts.evaluation.ranking import mean
from scripts.evaluation.service import Service
from scripts.evaluation.sets import Spanned
from scripts.figures import Figure

BUDGET = 5000  # characters
LEAST = 0.88


async def evaluate(data: Spanned, service: Service) -> list[Figure]:
    """The share of the gold characters among the first 5,000 returned, over all questions and by question."""
    await service.put_files(data.files)
    found = await service.retrieve(question for question, _, _ in data.questions)
    contents = {name: path.read_bytes() for name, path in data.files.items()}
    covered, wanted, shares, exact = 0, 0, [], []
    for (_, document, spans), passages in zip(data.questions, found, strict=True):
        gold = {at for start, end in spans for at in range(start, end)}
        hit = len(gold & returned(passages, document, contents))
        covered, wanted = covered + hit, wanted + len(gold)
        shares.append(hit / len(gold))
        exact += [is_exact(passage, contents) for passage in passages]
    return [
        Figure.at_least(f"{data.name}.gold_characters", covered / wanted, LEAST, "share"),
        Figure(f"{data.name}.gold_characters_by_question", mean(shares), "share"),
        Figure.at_least(f"{data.name}.exact_spans", mean(exact), 1, "share"),
        Figure(f"{data.name}.questions", len(found), "questions"),
        Figure(f"{data.name}.passages", service.passages, "passages"),
    ]


def returned(passages: Sequence[Passage], document: str, contents: dict[str, bytes]) -> set[int]:
    """The characters of a document among the first 5,000 of the passages, best first; repeated ones use them up too."""
    found, left = set[int](), BUDGET
    for passage in passages:
        taken = min(left, len(passage.text))
        left -= taken
        if passage.document.name == document:
            start = len(contents[document][: passage.span.start].decode())
            found.update(range(start, start + taken))
    return found


def is_exact(passage: Passage, contents: dict[str, bytes]) -> bool:
    """Whether the passage's text is what its span says of the file."""
    return contents[passage.document.name][passage.span.start : passage.span.end] == passage.text.encode()
