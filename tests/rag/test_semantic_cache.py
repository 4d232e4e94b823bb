"""The answer to the same question in other words: given where all that it depends on is the same, else never."""

import zlib
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest

from ragents_client.v1 import (
    CACHE_LAYER_ANSWER,
    CACHE_MODE_NONE,
    CACHE_MODE_REFRESH,
    CACHE_MODE_UNSPECIFIED,
    CACHE_OUTCOME_HIT,
    CACHE_OUTCOME_MISS,
    CACHE_OUTCOME_REVALIDATED,
    CacheServiceStub,
    ClearCacheRequest,
    DeleteDocumentRequest,
    DocumentServiceStub,
    Exchange,
    GetCacheStatsRequest,
    LayerStats,
    QueryRequest,
    QueryResponse,
    QueryServiceStub,
    Question,
    ReportBadHitRequest,
)
from ragents_client.v1.answer_pb2 import Answer, Citation, Condition, Passage, Refusal, Usage
from ragents_client.v1.cache_pb2 import CacheUse
from ragents_client.v1.event_pb2 import Event
from ragents_server.cache.clearings import Clearings
from ragents_server.cache.layer import Layer, Stores, entry_key
from ragents_server.cache.memory import Memory
from ragents_server.cache.statistics import Statistics
from ragents_server.cache.stores import LAYERS
from ragents_server.caller import Caller, act_for
from ragents_server.facts import telling
from ragents_server.models.minilm import MiniLM
from ragents_server.rag.cached import digests
from ragents_server.rag.cached.semantic import WORDINGS, Semantic
from ragents_server.rag.cached.writer import CachedWriter
from ragents_server.rag.retrieval import Found
from ragents_server.stored.v1.entry_pb2 import Wording, Wordings
from tests.servers import bearer, keys_file, server_thread
from tests.services.calls import put, puts, results, whole

HARBOUR = "The harbour of Visby was dredged in 1912. Ships of 400 tons may enter it since then."
MILL = "The mill at Lund grinds rye on Mondays. Its miller is called Alva."
ADA = "ada"
ASKED = "When was the harbour of Visby dredged?"
AGAIN = "In what year was Visby's harbor dredged?"


@pytest.fixture(scope="module")
def server_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    ada = {"tenant": "acme", "user": "ada", "scopes": ["ask", "write"]}
    bob = {"tenant": "beta", "user": "bob", "scopes": ["ask", "write"]}
    keys = keys_file(tmp_path_factory.mktemp("keys"), ada=ada, bob=bob)
    # So low that cosines alone would let nearly everything pass.
    return {"keys": keys, "cache_semantic": True, "cache_semantic_threshold": 0.5}


def query(channel: grpc.Channel, text: str, collection: str, token: str = ADA, **how: Any) -> QueryResponse:
    request = QueryRequest(question=Question(text=text, collections=[collection], **how))
    return QueryServiceStub(channel).Query(request, metadata=bearer(token), timeout=60)


def putting(channel: grpc.Channel, text: str, collection: str, name: str = "harbour.txt", token: str = ADA) -> str:
    response = results(puts(channel, whole(name, text.encode(), collection), metadata=bearer(token)))[0]
    assert response.WhichOneof("event") == "document", response
    return str(response.document.id)


@pytest.fixture
def place(grpc_channel: grpc.Channel, request: pytest.FixtureRequest) -> str:
    """A collection of the test's own, with one document."""
    name = f"place-{zlib.crc32(request.node.name.encode())}"
    putting(grpc_channel, HARBOUR, name)
    return name


def stats(channel: grpc.Channel) -> LayerStats:
    found = CacheServiceStub(channel).GetCacheStats(GetCacheStatsRequest(), metadata=bearer("ada"), timeout=20)
    return next(layer for layer in found.layers if layer.layer == CACHE_LAYER_ANSWER)


def test_a_question_in_other_words_gets_the_answer_that_is_there(grpc_channel: grpc.Channel, place: str) -> None:
    before = stats(grpc_channel)
    first, second = query(grpc_channel, ASKED, place), query(grpc_channel, AGAIN, place)
    assert first.cache.outcome == CACHE_OUTCOME_MISS
    assert second.cache.outcome == CACHE_OUTCOME_HIT
    assert second.cache.entry_id == first.cache.entry_id
    assert second.cache.age.ToNanoseconds() > 0
    assert second.answer.text == first.answer.text
    assert list(second.answer.citations) == list(first.answer.citations)
    after = stats(grpc_channel)
    assert (after.requests - before.requests, after.hits - before.hits) == (2, 1)
    assert query(grpc_channel, AGAIN, place).cache.entry_id == first.cache.entry_id  # now as an exact repeat


@pytest.mark.parametrize(
    "other",
    [
        "When was the harbour of Visby not dredged?",
        "When were the 2 harbours of Visby dredged?",
        "When was the harbour of Lund dredged?",
        "Why was the harbour of Visby dredged?",
        "When will the harbour of Visby be dredged?",
    ],
)
def test_another_question_is_answered_by_itself(grpc_channel: grpc.Channel, place: str, other: str) -> None:
    query(grpc_channel, ASKED, place)
    assert query(grpc_channel, other, place).cache.outcome == CACHE_OUTCOME_MISS


def test_another_tenant_and_another_collection_get_nothing_of_it(grpc_channel: grpc.Channel, place: str) -> None:
    query(grpc_channel, ASKED, place)
    putting(grpc_channel, HARBOUR, place, token="bob")
    putting(grpc_channel, HARBOUR, f"{place}-2")
    assert query(grpc_channel, AGAIN, place, "bob").cache.outcome == CACHE_OUTCOME_MISS
    assert query(grpc_channel, AGAIN, f"{place}-2").cache.outcome == CACHE_OUTCOME_MISS
    assert query(grpc_channel, AGAIN, place).cache.outcome == CACHE_OUTCOME_HIT


def test_other_passages_make_another_answer_until_they_are_gone(grpc_channel: grpc.Channel, place: str) -> None:
    first = query(grpc_channel, ASKED, place)
    mill = putting(grpc_channel, MILL, place, "mill.txt")
    assert query(grpc_channel, AGAIN, place).cache.outcome == CACHE_OUTCOME_MISS
    request = DeleteDocumentRequest(document_id=mill)
    DocumentServiceStub(grpc_channel).DeleteDocument(request, metadata=bearer("ada"), timeout=20)
    again = query(grpc_channel, "When was Visby's harbour dredged?", place)
    assert (again.cache.outcome, again.cache.entry_id) == (CACHE_OUTCOME_REVALIDATED, first.cache.entry_id)


def test_a_changed_document_is_not_answered_from_as_it_was(grpc_channel: grpc.Channel, place: str) -> None:
    assert "1912" in query(grpc_channel, ASKED, place).answer.text
    putting(grpc_channel, HARBOUR.replace("1912", "1913"), place)
    changed = query(grpc_channel, AGAIN, place)
    assert changed.cache.outcome == CACHE_OUTCOME_MISS
    assert "1913" in changed.answer.text


@pytest.mark.parametrize("what", [{}, {"layers": [CACHE_LAYER_ANSWER]}, {"collection": ""}])
def test_what_is_cleared_is_not_found_by_other_words(
    grpc_channel: grpc.Channel, place: str, what: dict[str, Any]
) -> None:
    query(grpc_channel, ASKED, place)
    named = {key: value or place for key, value in what.items()}
    stub = CacheServiceStub(grpc_channel)
    assert stub.ClearCache(ClearCacheRequest(**named), metadata=bearer("ada"), timeout=20).entries
    assert query(grpc_channel, AGAIN, place).cache.outcome == CACHE_OUTCOME_MISS


def test_wordings_are_dropped_with_what_they_are_of(grpc_channel: grpc.Channel, place: str) -> None:
    query(grpc_channel, ASKED, place)
    request = ClearCacheRequest(collection=place, layers=[CACHE_LAYER_ANSWER])
    cleared = CacheServiceStub(grpc_channel).ClearCache(request, metadata=bearer("ada"), timeout=20)
    assert cleared.entries == 2  # the answer and the wording


def test_a_reported_answer_is_not_found_by_other_words(grpc_channel: grpc.Channel, place: str) -> None:
    query(grpc_channel, ASKED, place)
    entry = query(grpc_channel, AGAIN, place).cache.entry_id
    request = ReportBadHitRequest(entry_id=entry)
    CacheServiceStub(grpc_channel).ReportBadHit(request, metadata=bearer("ada"), timeout=20)
    before = stats(grpc_channel)
    again = query(grpc_channel, AGAIN, place)
    assert again.cache.outcome == CACHE_OUTCOME_MISS
    assert again.cache.entry_id != entry
    after = stats(grpc_channel)
    assert (after.requests - before.requests, after.hits - before.hits) == (1, 0)


@pytest.mark.parametrize("mode", [CACHE_MODE_NONE, CACHE_MODE_REFRESH])
def test_a_mode_that_does_not_read_finds_no_other_words(grpc_channel: grpc.Channel, place: str, mode: Any) -> None:
    query(grpc_channel, ASKED, place)
    assert query(grpc_channel, AGAIN, place, cache_mode=mode).cache.outcome == CACHE_OUTCOME_MISS


def test_a_question_with_a_history_is_answered_by_itself(grpc_channel: grpc.Channel, place: str) -> None:
    query(grpc_channel, ASKED, place)
    history = [Exchange(question="Who is the miller at Lund?", answer="Alva.")]
    assert query(grpc_channel, AGAIN, place, history=history).cache.outcome == CACHE_OUTCOME_MISS


@pytest.mark.parametrize("settings", [{}, {"cache_semantic": True, "cache_semantic_threshold": 0.99}])
def test_it_is_off_by_default_and_bound_to_the_threshold(settings: dict[str, Any]) -> None:
    with server_thread(**settings) as address, grpc.insecure_channel(address) as channel:
        put(channel, "harbour.txt", HARBOUR, "place")
        query(channel, ASKED, "place")
        assert query(channel, AGAIN, "place").cache.outcome == CACHE_OUTCOME_MISS


class Counting:
    """A writer that cites its second passage, or refuses, and counts."""

    model = "counting"

    def __init__(self) -> None:
        self.written = 0
        self.refuses = False

    async def __call__(self, question: Question, found: Found) -> AsyncGenerator[Event, None]:
        self.written += 1
        answer = Answer(text=f"{found.passages[1].text} [2]", passages=found.passages, usage=Usage(model=self.model))
        answer.citations.append(Citation(number=2, quote=found.passages[1].text))
        if self.refuses:
            answer.refusal.CopyFrom(Refusal(message="no"))
        yield Event(answer=answer)


class Asking:
    """Asks a cached writer for what was found, in this process."""

    def __init__(self, model: MiniLM) -> None:
        self.model = model
        self.writer = Counting()
        self.mode: Any = CACHE_MODE_UNSPECIFIED
        self.memory = Memory(dict.fromkeys(LAYERS, 10**8))
        stores = Stores(self.memory, None, Clearings(), Statistics(None))
        self.layer = Layer("answer", stores, seconds=3600)
        self.cached = self.signed("signature")

    def signed(self, signature: str) -> CachedWriter:
        semantic = Semantic(self.layer, signature=signature, threshold=0.5)
        return CachedWriter(self.writer, self.layer, signature=signature, semantic=semantic)

    async def __call__(self, text: str, *passages: str, searched: str = "", **how: Any) -> tuple[Answer, CacheUse]:
        question = Question(text=text, collections=how.pop("collections", ["a"]), **how)
        found = await self.found(searched or text, *passages)
        act_for(Caller("acme", "ada"))
        with telling(self.mode) as facts:
            events = [event async for event in self.cached(question, found)]
        return events[-1].answer, facts.answer

    async def found(self, text: str, *passages: str) -> Found:
        return Found(
            question=text,
            vector=(await self.model.embed_queries([text]))[0],
            passages=tuple(Passage(text=passage, version=passage) for passage in passages),
            sentences=(),
            sentence_vectors=(),
            idf={},
            embeddings=self.model,
        )


@pytest.fixture
async def asking() -> AsyncGenerator[Asking, None]:
    async with MiniLM.open(threads=1) as model:
        yield Asking(model)


async def test_citations_count_in_the_order_of_the_answer_that_is_given(asking: Asking) -> None:
    await asking(ASKED, "one", "two", "three")
    answer, use = await asking(AGAIN, "three", "one", "two")
    assert use.outcome == CACHE_OUTCOME_HIT
    assert [passage.text for passage in answer.passages] == ["one", "two", "three"]
    assert answer.passages[answer.citations[0].number - 1].text == answer.citations[0].quote == "two"


async def test_all_that_an_answer_depends_on_is_looked_at(asking: Asking) -> None:
    await asking(ASKED, "one", "two")
    condition = Condition(field="year", exists=True)
    assert (await asking(AGAIN, "one", "two", "three"))[1].outcome == CACHE_OUTCOME_MISS
    assert (await asking(AGAIN, "one", "other"))[1].outcome == CACHE_OUTCOME_MISS
    assert (await asking(AGAIN, "one", "two", collections=["a", "b"]))[1].outcome == CACHE_OUTCOME_MISS
    asking.cached = asking.signed("another model")
    assert (await asking("When was Visby's harbour dredged?", "one", "two"))[1].outcome == CACHE_OUTCOME_MISS
    asking.cached = asking.signed("signature")
    again = "When was the harbor at Visby dredged?"
    assert (await asking(again, "one", "two", conditions=[condition]))[1].outcome == CACHE_OUTCOME_MISS
    assert (await asking("When did you dredge the harbour of Visby?", "two", "one"))[1].outcome == CACHE_OUTCOME_HIT


async def test_a_question_that_was_searched_for_otherwise_is_answered_by_itself(asking: Asking) -> None:
    await asking(ASKED, "one", "two")
    assert (await asking(AGAIN, "one", "two", searched="visby harbour"))[1].outcome == CACHE_OUTCOME_MISS


async def test_who_was_refused_may_ask_again_in_other_words(asking: Asking) -> None:
    asking.writer.refuses = True
    await asking(ASKED, "one", "two")
    await asking(AGAIN, "one", "two")
    assert asking.writer.written == 2
    assert (await asking(ASKED, "one", "two"))[1].outcome == CACHE_OUTCOME_HIT  # in the same words: the same refusal


async def test_only_the_latest_questions_are_remembered(asking: Asking) -> None:
    await asking(ASKED, "one", "two")
    for number in range(WORDINGS - 1):
        await asking(f"What is the length of quay {number}?", "one", "two")
    assert (await asking(AGAIN, "one", "two"))[1].outcome == CACHE_OUTCOME_HIT
    await asking("What is the length of the last quay?", "one", "two")
    assert (await asking("When was Visby's harbour dredged?", "one", "two"))[1].outcome == CACHE_OUTCOME_MISS


async def test_the_closest_question_whose_answer_is_still_there_is_taken(asking: Asking) -> None:
    far = "Can you tell me in which year Visby's harbor was dredged, please?"
    vectors = await asking.model.embed_queries([AGAIN, ASKED, far])
    asking.mode = CACHE_MODE_REFRESH  # both are written, though each would do for the other
    entries = [(await asking(text, "one", "two"))[1].entry_id for text in (ASKED, far)]
    assert asking.writer.written == 2
    asking.mode = CACHE_MODE_UNSPECIFIED
    closest, other = sorted((0, 1), key=lambda at: -float(vectors[0] @ vectors[at + 1]))
    assert (await asking(AGAIN, "one", "two"))[1].entry_id == entries[closest]
    key = entry_key("acme", entries[closest])
    assert key is not None
    asking.memory.forget(key)
    assert (await asking(AGAIN, "one", "two"))[1].entry_id == entries[other]


@pytest.mark.parametrize(("cut", "order"), [(0, [0, 1]), (-4, [0, 1]), (None, [0, 0]), (None, [0]), (None, [0, 2])])
async def test_spoilt_wordings_are_a_miss_and_are_replaced(asking: Asking, cut: int | None, order: list[int]) -> None:
    answer = bytes.fromhex((await asking(ASKED, "one", "two"))[1].entry_id.removeprefix("answer-"))
    found = await asking.found(ASKED, "one", "two")
    digest = digests.wordings("signature", Question(text=ASKED, collections=["a"]), found)
    slot = asking.layer.slot("acme", digest)
    spoilt = Wording(question=ASKED, vector=found.vector.tobytes()[:cut], answer=answer, order=order)
    await slot.put(Wordings(wordings=[spoilt]).SerializeToString())
    assert (await asking(AGAIN, "two", "one"))[1].outcome == CACHE_OUTCOME_MISS
    now = await slot.peek(Wordings.FromString)
    assert now is not None
    assert [one.question for one in now.value.wordings] == [AGAIN]
