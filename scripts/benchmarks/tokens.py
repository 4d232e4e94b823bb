"""What the agent `logical` asks of a chat model beside `simple`, on questions of three kinds; the model is scripted."""

from collections.abc import Mapping
from statistics import fmean

from ragents_client import AsyncClient
from ragents_client.v1 import Answer
from scripts.benchmarks.errors import BenchError
from scripts.benchmarks.texts import Author
from scripts.evaluation.server import running_server
from scripts.figures import Figure
from tests.openai_server import openai_server

COLLECTION = "tokens"
WRITTEN = "What is asked stands in the first passage [1]."
MOST = 1.0  # of the tokens of `simple`
MADE = 20  # further documents
AGENTS = ("simple", "logical")

DOCUMENTS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "handbook.md": (
        "The notice period for employees is four weeks. Holidays are planned in January.",
        {"department": "Human Resources", "status": "final", "year": 2023, "published": "2023-02-01"},
    ),
    "lease.txt": (
        "Either side may end the lease after a period of ninety days in writing. The rent is 900 euros a month.",
        {"department": "Legal", "status": "draft", "year": 2019, "published": "2019-05-20"},
    ),
    "rates.txt": (
        "The entrance fee of the museum is 12 euros. Children under six enter free of charge.",
        {"department": "Sales", "status": "final", "year": 2021, "published": "2021-11-11"},
    ),
    "old-rates.txt": (
        "The entrance fee of the museum is 7 euros. Students pay half the entrance fee.",
        {"department": "Sales", "status": "archived", "year": 2015, "published": "2015-01-01"},
    ),
}
COMPUTABLE: Mapping[str, str] = {
    "What is 17 * 23 - 4?": "387",
    "What is 15 % of 240?": "36",
    "How many days are there between 3 March 2024 and 1 May 2024?": "59",
    "Ann is older than Ben. Ben is older than Cid. Who is the oldest?": "Ann",
}
CONSTRAINED = (
    "What is the notice period, in markdown files only?",
    "What is the entrance fee of the museum, where status is archived?",
    "What is the entrance fee in documents published before 2019?",
    "According to lease.txt, how much is the rent?",
)
PLAIN = (
    "How much is the rent a month?",
    "When are holidays planned?",
    "Who enters the museum free of charge?",
    "How long is the notice period for employees?",
)


async def tokens() -> list[Figure]:
    """Tokens a question of each agent; each question begins a thread."""
    async with openai_server(lambda _: WRITTEN) as model:
        settings = {"CHAT_MODEL": "openai:stub", "CHAT_URL": model.url, "CHAT_KEY": "none", "WRITER": "prompted"}
        async with running_server({**settings, "AGENTS": ",".join(AGENTS)}) as client:
            await _fill(client)
            simple, logical = [await _asked(client, agent) for agent in AGENTS]
    right = sum(value in logical[question].text.partition("\n")[0] for question, value in COMPUTABLE.items())
    return [
        Figure.at_most("tokens_of_logical", _tokens(logical) / _tokens(simple), MOST, "times simple's"),
        Figure("tokens_logical", _tokens(logical), "a question"),
        Figure("tokens_simple", _tokens(simple), "a question"),
        Figure("computed_right", right, f"of {len(COMPUTABLE)}"),
    ]


async def _asked(client: AsyncClient, agent: str) -> Mapping[str, Answer]:
    answers = {}
    for question in (*COMPUTABLE, *CONSTRAINED, *PLAIN):
        run = await client.run(agent, question, collections=COLLECTION)
        if not run.HasField("answer"):
            raise BenchError(f"{agent} did not answer: {question}")
        answers[question] = run.answer
    return answers


def _tokens(answers: Mapping[str, Answer]) -> float:
    """Read and written, a question."""
    return fmean(one.usage.input_tokens + one.usage.output_tokens for one in answers.values())


async def _fill(client: AsyncClient) -> None:
    author = Author()
    for name, (text, fields) in DOCUMENTS.items():
        await client.put_documents([(name, text.encode())], collection=COLLECTION, metadata=fields)
    made = [(f"{number}.txt", author.passage().text.encode()) for number in range(MADE)]
    await client.put_documents(made, collection=COLLECTION)
