"""Requests in many words, drawn by a seed: the forms were written down before they were tried, and no rule has them."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

NAMES = ("harbour.txt", "notes/fees 2024.md", "Minutes of May.docx", "tariff.pdf", "a-b_c.csv", "Bylaws (final).txt")
TITLES = ("Harbour Rules", "The Ice Winter", "Fees and Dues", "Annual Report", "Guild Charter")
THINGS = ("rye bread", "pilotage", "the old mole", "winter ice", "mooring", "the customs house", "cod liver oil")
PLACES = ("Bergen", "the east quay", "Oslo", "Trondheim", "the fish market")

OPENING = (
    "Open {name}",
    "please open {name}",
    "Could you please open {name}?",
    "Show me {name}",
    "Can you show us the file {name}",
    "I'd like to read {name}",
    "Read {name} to me, please",
    "Display the document {name}.",
    "I want you to open the document called '{title}'",
    'Show me the document "{title}"',
    "print {name}",
    "Would you open up {name}",
    "View the file {name}, part 2",
    "open {name} from the beginning",
    "Show the full text of {name}",
    "Let me see {name}",
    "Bring up {name}",
    "Pull up the document {name}",
    "I need to look at {name}",
    "Open the {title} document",
)
SEARCHING = (
    "What does {thing} cost in {place}?",
    "Show me what is said of {thing}",
    "Show me the price of {thing}",
    "Tell me about {thing}",
    "Who may use {place}?",
    "Read up on {thing} in {place}",
    "Where is the document about {thing} kept?",
    "When does {place} open?",
    "Is {thing} open to the public?",
    "Open questions about {thing}",
    "Which file mentions {thing}?",
    "How many people lived in {place} in 1838?",
    "What happened in {place} on 3 May 1840?",
    "The price of {thing}",
    "Give me everything on {thing}",
    "Does {name} mention {thing}?",
    "What does {name} say about {thing}?",
    "Summarize what is known about {thing}",
    "Why was {thing} forbidden in {place}?",
    "Find the rule on {thing}",
)
CALCULATING = (
    "What is {a} times {b}?",
    "{a} * {b}",
    "Compute {a} + {b} - 7",
    "How much is {p}% of {a}?",
    "{a} plus {b}",
    "Calculate ({a} + {b}) / 2",
    "What is {a} minus {b}?",
)
DATING = (
    "How many days are there from 3 May 2024 to 9 June 2024?",
    "What day of the week was 17 May 1814?",
    "What date is {a} days after 1 March 2023?",
    "Is 1900 a leap year?",
)
COMPOUND = (
    "What does {thing} cost and who may use {place}?",
    "Who sells {thing}? Where is {place}?",
    "When was {place} built, and why is {thing} forbidden there?",
    "Tell me about {thing} and explain how {place} is run.",
    "How old is {place}; what is {thing}?",
)
# A second set, written when the rules stood, and measured once: see test_rules.
LATER = {
    "open_document": (
        "Would you mind opening {name}?",
        "Let us look into {name}",
        "May I see {name}",
        "Go ahead and open {name}",
        "Now open {name}",
        "Get me the file {name}",
        "Give me the document {name}",
        "I want to see {name} again",
        "open: {name}",
        "Fetch {name} for me",
        'Can we read "{title}"?',
        "Please display the file called {name}",
    ),
    "retrieve": (
        "I wonder who owned {place}.",
        "See whether {thing} was sold in {place}",
        "Look up {thing}",
        "Get the facts on {thing}",
        "{thing}, {place}: which rules apply?",
        "Could you say how {thing} is taxed?",
        "Let me know what {thing} costs",
        "In which year was {place} built?",
        "Read about {thing}",
        "Show how {thing} is made",
        "What opens in {place}?",
        "There was a fire in {place}. Who paid for it?",
    ),
    "compound": (
        "How is {thing} made and where is it sold?",
        "Describe {place} and list its owners.",
        "In which year was {place} built and who paid?",
        "Is {thing} taxed? How much is due?",
    ),
}
KINDS = {
    "open_document": OPENING,
    "retrieve": SEARCHING,
    "calculate": CALCULATING,
    "date": DATING,
    "compound": COMPOUND,
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request, the kind it is of, and the document that it names."""

    kind: str
    text: str
    document: str = ""


def requests(
    seed: int, count: int, kinds: Mapping[str, tuple[str, ...]] = MappingProxyType(KINDS)
) -> Iterator[Request]:
    """`count` requests, the same for the same seed."""
    drawn = random.Random(seed)
    for _ in range(count):
        kind = drawn.choice(sorted(kinds))
        form = drawn.choice(kinds[kind])
        slots = {
            "name": drawn.choice(NAMES),
            "title": drawn.choice(TITLES),
            "thing": drawn.choice(THINGS),
            "place": drawn.choice(PLACES),
            "a": drawn.randrange(13, 900),
            "b": drawn.randrange(2, 90),
            "p": drawn.randrange(2, 90),
        }
        document = next((str(slots[slot]) for slot in ("name", "title") if f"{{{slot}}}" in form), "")
        text = form.format(**slots)
        yield Request(kind, drawn.choice((text, text, text.lower() if not document else text)), document)
