"""Answers and sources as people read them."""

from ragents_client.command.screen import say
from ragents_client.v1 import Answer, Passage

QUOTE = 400  # characters of a quote that are shown; the answer's own text may be a whole document


def place(passage: Passage) -> str:
    """Where a passage stands: `report.pdf, page 4`, `docs/index.md, line 3` or `notes.docx, "Heading"`."""
    name = passage.document.name or passage.document.id
    if passage.first_page and passage.last_page > passage.first_page:
        return f"{name}, pages {passage.first_page}-{passage.last_page}"
    if passage.first_page:
        return f"{name}, page {passage.first_page}"
    if passage.first_line:
        return f"{name}, line {passage.first_line}"
    if passage.heading:
        return f'{name}, "{passage.heading.rsplit(" > ", 1)[-1]}"'
    return name


def sources(answer: Answer) -> list[tuple[int, str, str]]:
    """Number, place and quote of each citation, by number; the same one only once."""
    found = {(one.number, place(one.passage), " ".join(one.quote.split())) for one in answer.citations}
    return sorted(found)


def show_sources(answer: Answer) -> None:
    """Prints the numbered citations below an answer."""
    for number, where, quote in sources(answer):
        say(f"[{number}] {where}", style="cyan")
        if quote:
            say(f"    “{quote if len(quote) <= QUOTE else f'{quote[: QUOTE - 1]}…'}”", style="dim")


def show_refusal(answer: Answer) -> None:
    """Prints why there is no answer."""
    say(answer.text or answer.refusal.message, style="yellow")
    if answer.text and answer.refusal.message not in answer.text:
        say(answer.refusal.message, style="dim")
