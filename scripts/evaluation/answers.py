"""Whether answers hold what was asked, are short, cite exactly, and are refused where the documents do not tell."""

import re
from collections.abc import Mapping, Sequence

from ragents_client.v1 import Answer, Citation
from scripts.evaluation.ranking import mean
from scripts.evaluation.service import Service
from scripts.evaluation.sets import Answered, Asked
from scripts.figures import Figure

GOLD = 0.82
WORDS = 60
REFUSED = 0.93
FALSELY_REFUSED = 0.07
SHORT = 200  # questions of either kind in the short form: with fewer, a share means little

_MARKERS = re.compile(r"\s?\[\d+\]")


async def evaluate(data: Answered, service: Service, *, short: bool = False) -> list[Figure]:
    """The figures of one set of questions."""
    questions = few(data.questions) if short else data.questions
    await service.put_texts(data.corpus)
    answers = await service.answer(question.text for question in questions)
    texts = {name: data.corpus[own].encode() for name, own in service.documents.items()}
    return judge(data.name, list(zip(questions, answers, strict=True)), texts)


def few(questions: Sequence[Asked]) -> list[Asked]:
    """The questions of the short form."""
    kinds = ([one for one in questions if one.answerable is kind] for kind in (True, False))
    return [one for kind in kinds for one in spread(kind, SHORT)]


def spread(questions: Sequence[Asked], number: int) -> Sequence[Asked]:
    """So many of the questions, evenly over them all."""
    count = len(questions)
    return questions if count <= number else [questions[at * count // number] for at in range(number)]


def judge(name: str, asked: Sequence[tuple[Asked, Answer]], texts: Mapping[str, bytes]) -> list[Figure]:
    """The figures of questions and their answers; `texts` are the documents."""
    answerable = [(question, answer) for question, answer in asked if question.answerable]
    unanswerable = [answer for question, answer in asked if not question.answerable]
    given = [(question, answer) for question, answer in answerable if not answer.HasField("refusal")]
    written = [answer for _, answer in asked if not answer.HasField("refusal")]
    gold = [holds(answer, question.answers) for question, answer in given]
    cited = [is_cited(answer, texts) for answer in written]
    found = [
        Figure.at_least(f"{name}.gold_in_answers", mean(gold), GOLD, "share"),
        Figure.at_least(f"{name}.gold_in_answerable", sum(gold) / max(1, len(answerable)), GOLD, "share"),
        Figure.at_most(f"{name}.words", mean([len(plain(answer).split()) for answer in written]), WORDS, "words"),
        Figure.at_most(f"{name}.false_refusals", 1 - len(given) / max(1, len(answerable)), FALSELY_REFUSED, "share"),
        Figure.at_least(f"{name}.answers_cited_exactly", mean(cited), 1, "share"),
        Figure(f"{name}.answerable", len(answerable), "questions"),
        Figure(f"{name}.unanswerable", len(unanswerable), "questions"),
    ]
    if unanswerable:
        refused = mean([answer.HasField("refusal") for answer in unanswerable])
        found.append(Figure.at_least(f"{name}.unanswerable_refused", refused, REFUSED, "share"))
    return found


def plain(answer: Answer) -> str:
    """The answer's words without its markers: [4] is no answer to "how many?"."""
    return " ".join(_MARKERS.sub("", answer.text).split())


def holds(answer: Answer, golds: Sequence[str]) -> bool:
    """Whether one of the right answers stands in the text, as whole words."""
    text = plain(answer)
    return any(re.search(rf"(?<!\w){re.escape(' '.join(gold.split()))}(?!\w)", text) for gold in golds if gold.strip())


def is_cited(answer: Answer, texts: Mapping[str, bytes]) -> bool:
    """Whether there is a citation, and each one's quote stands where it says: in answer, passage and document."""
    return bool(answer.citations) and all(is_exact(citation, answer, texts) for citation in answer.citations)


def is_exact(citation: Citation, answer: Answer, texts: Mapping[str, bytes]) -> bool:
    """Whether one citation's three spans hold the same words; the answer's may be spaced otherwise."""
    if not 1 <= citation.number <= len(answer.passages):
        return False
    passage, quote = answer.passages[citation.number - 1], citation.quote.encode()
    said = answer.text.encode()[citation.answer_span.start : citation.answer_span.end].decode()
    place, document = citation.passage.span, texts[citation.passage.document.name]
    return (
        bool(quote)
        and passage.document.id == citation.passage.document.id
        and passage.text.encode()[citation.passage_span.start : citation.passage_span.end] == quote
        and document[place.start : place.end] == quote
        and said.split() == citation.quote.split()
    )
