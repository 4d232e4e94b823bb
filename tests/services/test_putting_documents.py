"""PutDocuments: what goes in, what is refused, and that a refused document stops no other."""

import hashlib
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from ragents_client.v1 import (
    DOCUMENT_STATE_READY,
    PROGRESS_STAGE_PARSED,
    PROGRESS_STAGE_RECEIVED,
    PROGRESS_STAGE_SEARCHABLE,
    PUT_OUTCOME_CREATED,
    PUT_OUTCOME_UNCHANGED,
    PUT_OUTCOME_UPDATED,
    DocumentServiceStub,
    GetDocumentRequest,
    ListCollectionsRequest,
    ListDocumentsRequest,
    PutDocumentsRequest,
    Upload,
    UploadEnd,
)
from tests.services import calls
from tests.services.calls import chunked, put, puts, refused, results, retrieve, whole

MOST = 20_000
MOLE = b"# The harbour\n\nThe mole at Genoa was lengthened by 240 metres in 1901.\n"


@pytest.fixture(scope="module")
def server_settings() -> dict[str, Any]:
    return {"max_document": MOST}


def listed(channel: grpc.Channel, collection: str) -> list[str]:
    request = ListDocumentsRequest(collection=collection, page_size=1000)
    return [one.name for one in DocumentServiceStub(channel).ListDocuments(request, timeout=20).documents]


def test_a_whole_document_goes_in_and_is_told_back_as_it_is_kept(grpc_channel: grpc.Channel) -> None:
    responses = puts(grpc_channel, whole("a/harbour.md", MOLE, "whole", year=1901, tags=["sea", "stone"]))
    stages = [one.progress.stage for one in responses if one.WhichOneof("event") == "progress"]
    assert stages[:3] == [PROGRESS_STAGE_RECEIVED, PROGRESS_STAGE_PARSED, PROGRESS_STAGE_SEARCHABLE]
    result = responses[-1]
    assert (result.index, result.name, result.outcome) == (0, "a/harbour.md", PUT_OUTCOME_CREATED)
    document = result.document
    assert document.state == DOCUMENT_STATE_READY
    assert (document.collection, document.name, document.size) == ("whole", "a/harbour.md", len(MOLE))
    assert (document.media_type, document.passages) == ("text/markdown", 1)
    assert document.metadata["year"] == 1901
    assert document.create_time.seconds > 0
    again = DocumentServiceStub(grpc_channel).GetDocument(GetDocumentRequest(document_id=document.id), timeout=20)
    assert again.document == document


def test_a_result_is_sent_only_when_the_document_can_be_found(grpc_channel: grpc.Channel) -> None:
    put(grpc_channel, "found.txt", "The quokka lives on Rottnest Island.", "found")
    assert calls.names(retrieve(grpc_channel, "Where does the quokka live?", "found")) == {"found.txt"}


@pytest.mark.parametrize("size", [1, 7, 256 * 1024])
def test_a_document_in_chunks_is_the_same_version_as_in_one_message(grpc_channel: grpc.Channel, size: int) -> None:
    content = ("Ein Würfel ünd zwölf Kekse. " * 3).encode()
    one = results(puts(grpc_channel, chunked(f"{size}.txt", content, "chunks", size)))[0]
    other = put(grpc_channel, f"{size}.txt", content, "chunks")
    assert other.outcome == PUT_OUTCOME_UNCHANGED
    assert other.document.version == one.document.version


def test_a_document_of_empty_chunks_between_others_is_whole(grpc_channel: grpc.Channel) -> None:
    parts = chunked("gaps.txt", b"The lamp is green.", "gaps", 6)
    parts.insert(2, PutDocumentsRequest(chunk=b""))
    assert results(puts(grpc_channel, parts))[0].document.size == 18


def test_several_documents_in_one_stream_each_have_a_result(grpc_channel: grpc.Channel) -> None:
    parts = [
        *whole("0.txt", b"Zero is a number.", "several"),
        *chunked("1.txt", b"One is a number. " * 50, "several", 100),
        *whole("2.txt", b"Two is a number.", "several"),
        *chunked("3.txt", b"Three is a number.", "several", sha256=""),
    ]
    found = results(puts(grpc_channel, parts))
    assert {index: one.document.name for index, one in found.items()} == {i: f"{i}.txt" for i in range(4)}
    assert listed(grpc_channel, "several") == ["0.txt", "1.txt", "2.txt", "3.txt"]


def test_the_last_of_two_documents_of_one_name_in_a_stream_is_the_one_that_stays(grpc_channel: grpc.Channel) -> None:
    for attempt in range(3):
        first = f"The first of {attempt} is long. ".encode() * 100
        parts = [*whole("twice.txt", first, "twice"), *whole("twice.txt", b"The second is short.", "twice")]
        found = results(puts(grpc_channel, parts))
        assert found[1].document.size == 20
        kept = DocumentServiceStub(grpc_channel).GetDocument(GetDocumentRequest(document_id=found[0].document.id))
        assert kept.document.version == found[1].document.version


def test_a_bad_document_stops_no_good_one(grpc_channel: grpc.Channel) -> None:
    parts = [
        *whole("good.txt", b"The kettle is copper.", "mixed"),
        *whole("../up.txt", b"Out of the folder.", "mixed"),
        *whole("broken.pdf", b"%PDF-1.7 and nothing else", "mixed"),
        *chunked("empty.txt", b"", "mixed"),
        *whole("no collection.txt", b"Where to?", "not/a collection"),
        *chunked("wrong.txt", b"The hash is wrong.", "mixed", sha256="0" * 64),
        *chunked("large.txt", b"x" * (MOST + 1), "mixed"),
        *whole("good too.txt", b"The pan is iron.", "mixed"),
    ]
    found = results(puts(grpc_channel, parts))
    said = [calls.reason(found[i].failure) if found[i].HasField("failure") else "" for i in range(8)]
    assert said == [
        "", "DOCUMENT_NAME", "DOCUMENT_CORRUPT", "DOCUMENT_EMPTY", "INVALID_REQUEST", "DOCUMENT_CORRUPT",
        "DOCUMENT_TOO_LARGE", "",
    ]  # fmt: skip
    assert all(found[i].failure.code == grpc.StatusCode.INVALID_ARGUMENT.value[0] for i in range(1, 7))
    assert listed(grpc_channel, "mixed") == ["good too.txt", "good.txt"]


def test_a_document_of_the_most_bytes_goes_in_and_one_byte_more_does_not(grpc_channel: grpc.Channel) -> None:
    content = b"All work and no play.".ljust(MOST)
    assert put(grpc_channel, "most.txt", content, "sizes").document.size == MOST
    assert calls.reason(refused(grpc_channel, "more.txt", content + b"x", collection="sizes")) == "DOCUMENT_TOO_LARGE"


@pytest.mark.parametrize(
    "name", ["", " ", "/etc/passwd", "a//b.txt", "./a.txt", "a/../b.txt", "a\\b.txt", "a\0.txt", "a\nb.txt", "n" * 1025]
)
def test_a_name_that_is_no_relative_path_is_refused(grpc_channel: grpc.Channel, name: str) -> None:
    assert calls.reason(refused(grpc_channel, name, b"Some words.", collection="names")) == "DOCUMENT_NAME"


@pytest.mark.parametrize(
    "name", ["ä/ö ü.txt", "日本語.txt", "'; DROP TABLE documents; --.txt", "a%_b.txt", "n" * 1020 + ".txt"]
)
def test_an_odd_name_is_kept_as_it_is(grpc_channel: grpc.Channel, name: str) -> None:
    assert put(grpc_channel, name, b"The words of an odd name.", "odd").document.name == name
    request = ListDocumentsRequest(collection="odd", name_prefix=name)
    found = DocumentServiceStub(grpc_channel).ListDocuments(request, timeout=20).documents
    assert [one.name for one in found] == [name]


@pytest.mark.parametrize(
    "fields",
    [{"a": "x" * 16_384}, {"a": "nul \0 here"}, {"nul\0key": 1}, {"a": float("nan")}, {"a": [1, {"b": float("inf")}]}],
)
def test_metadata_that_cannot_be_kept_is_refused(grpc_channel: grpc.Channel, fields: dict[str, Any]) -> None:
    failure = refused(grpc_channel, "m.txt", b"Some words.", collection="refused-metadata", **fields)
    assert calls.reason(failure) == "INVALID_REQUEST"
    assert "metadata" in failure.message
    assert not listed(grpc_channel, "refused-metadata")


@pytest.mark.parametrize(
    "fields",
    [
        {"a": "x" * 16_000},
        {"none": None, "zero": 0, "half": 0.5, "no": False, "empty": "", "list": [], "deep": {"er": [{"x": "ü"}]}},
        {"large": 1e300, "small": 5e-324, "int": 2**53},
        {"": "an empty key", "key with ünicode": "日本"},
        {"escape": "a backslash and digits: \\u0000", "zero": 0},
    ],
)
def test_metadata_comes_back_as_it_went_in(grpc_channel: grpc.Channel, fields: dict[str, Any]) -> None:
    result = put(grpc_channel, "kept.txt", b"Some words.", "kept-metadata", **fields)
    assert result.document.metadata == calls.struct(**fields), result
    again = put(grpc_channel, "kept.txt", b"Some words.", "kept-metadata", **fields)
    assert again.outcome == PUT_OUTCOME_UNCHANGED


def test_the_same_bytes_again_change_nothing(grpc_channel: grpc.Channel) -> None:
    first = put(grpc_channel, "same.txt", b"The tide turns at six.", "again", a=1)
    second = put(grpc_channel, "same.txt", b"The tide turns at six.", "again", a=1)
    assert (first.outcome, second.outcome) == (PUT_OUTCOME_CREATED, PUT_OUTCOME_UNCHANGED)
    assert second.document == first.document


def test_other_bytes_are_a_new_version_and_the_old_text_is_gone(grpc_channel: grpc.Channel) -> None:
    old = put(grpc_channel, "v.txt", "The password was swordfish.", "versions")
    new = put(grpc_channel, "v.txt", "The gate closes at nine.", "versions")
    assert new.outcome == PUT_OUTCOME_UPDATED
    assert new.document.id == old.document.id
    assert new.document.version != old.document.version
    assert new.document.create_time == old.document.create_time
    texts = [one.text for one in retrieve(grpc_channel, "swordfish password", "versions")]
    assert texts == ["The gate closes at nine."]


def test_other_metadata_is_an_update_of_the_same_version(grpc_channel: grpc.Channel) -> None:
    old = put(grpc_channel, "m.txt", b"The moon is round.", "meta", year=1)
    new = put(grpc_channel, "m.txt", b"The moon is round.", "meta", year=2)
    assert new.outcome == PUT_OUTCOME_UPDATED
    assert new.document.version == old.document.version
    assert new.document.metadata["year"] == 2
    assert retrieve(grpc_channel, "moon", "meta")[0].document.metadata["year"] == 2


def test_a_refused_version_leaves_the_one_before(grpc_channel: grpc.Channel) -> None:
    kept = put(grpc_channel, "k.txt", b"The bell rings twice.", "older")
    refused(grpc_channel, "k.txt", b"\0\1\2\3" * 100, collection="older")
    assert retrieve(grpc_channel, "bell", "older")[0].version == kept.document.version


def test_the_same_name_put_by_many_at_once_is_one_document(grpc_channel: grpc.Channel) -> None:
    texts = [f"Version {number} says so." for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda text: put(grpc_channel, "one.txt", text, "race"), texts))
    assert all(one.HasField("document") for one in done)
    assert len({one.document.id for one in done}) == 1
    found = retrieve(grpc_channel, "Which version says so?", "race")
    kept = DocumentServiceStub(grpc_channel).GetDocument(GetDocumentRequest(document_id=done[0].document.id)).document
    assert [one.version for one in found] == [kept.version]
    assert found[0].text in texts
    assert hashlib.sha256(found[0].text.encode()).hexdigest().startswith(kept.version)


def test_one_name_in_two_collections_is_two_documents(grpc_channel: grpc.Channel) -> None:
    one, other = (put(grpc_channel, "n.txt", b"The same words.", where) for where in ("left", "right"))
    assert one.document.id != other.document.id
    assert (one.outcome, other.outcome) == (PUT_OUTCOME_CREATED, PUT_OUTCOME_CREATED)


def test_an_upload_without_a_collection_goes_to_the_default(grpc_channel: grpc.Channel) -> None:
    assert put(grpc_channel, "d.txt", b"The default words.").document.collection == "default"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([PutDocumentsRequest(chunk=b"x")], "before any upload"),
        ([PutDocumentsRequest(end=UploadEnd())], "before any upload"),
        ([PutDocumentsRequest()], "before any upload"),
        ([*whole("a.txt", b"A.", "order"), PutDocumentsRequest(chunk=b"x")], "before any upload"),
        (chunked("a.txt", b"A.", "order")[:2], "ended within 'a.txt'"),
        (chunked("a.txt", b"A.", "order")[:1], "ended within 'a.txt'"),
        (chunked("a.txt", b"A.", "order")[:2] + whole("b.txt", b"B.", "order"), "end"),
        ([*chunked("a.txt", b"A.", "order")[:2], PutDocumentsRequest()], "empty request"),
        ([*chunked("a.txt", b"", "order")[:1], PutDocumentsRequest(chunk=b"x" * (256 * 1024 + 1))], "262,145"),
    ],
    ids=["chunk first", "end first", "nothing first", "chunk after whole", "no end", "header only", "new before end",
         "nothing within", "chunk too large"],
)  # fmt: skip
def test_a_stream_whose_parts_are_out_of_order_is_refused(
    grpc_channel: grpc.Channel, parts: list[PutDocumentsRequest], said: str
) -> None:
    call = DocumentServiceStub(grpc_channel).PutDocuments(iter(parts), timeout=20)
    error = calls.error_of(call)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert calls.details(error)["ErrorInfo"].reason == "INVALID_REQUEST"
    assert said in error.details()


def test_documents_that_were_sent_whole_go_in_although_the_stream_breaks_later(grpc_channel: grpc.Channel) -> None:
    sent = [part for i in range(3) for part in whole(f"{i}.txt", f"The word {i} is here.".encode(), "broken")]
    call = DocumentServiceStub(grpc_channel).PutDocuments(iter([*sent, PutDocumentsRequest(chunk=b"x")]), timeout=60)
    told = []
    with pytest.raises(grpc.RpcError) as caught:
        told.extend(call)  # keeps what came before the error
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert listed(grpc_channel, "broken") == ["0.txt", "1.txt", "2.txt"]


def test_an_empty_stream_is_no_error(grpc_channel: grpc.Channel) -> None:
    assert puts(grpc_channel, []) == []


def test_an_upload_that_is_cancelled_midway_leaves_nothing_of_it(grpc_channel: grpc.Channel) -> None:
    parts: queue.Queue[PutDocumentsRequest | None] = queue.Queue()
    call = DocumentServiceStub(grpc_channel).PutDocuments(iter(parts.get, None), timeout=60)
    for part in [*whole("done.txt", b"The whole one.", "cancelled"), *chunked("half.txt", b"x " * 1000, "cancelled")]:
        if not part.HasField("end"):
            parts.put(part)
    answered: Iterator[Any] = iter(call)
    while next(answered).WhichOneof("event") != "document":
        pass
    call.cancel()
    parts.put(None)
    with pytest.raises(grpc.RpcError) as caught:
        list(answered)
    assert caught.value.code() == grpc.StatusCode.CANCELLED
    assert listed(grpc_channel, "cancelled") == ["done.txt"]
    assert results(puts(grpc_channel, chunked("half.txt", b"The other half.", "cancelled")))[0].HasField("document")


def test_results_come_back_while_the_stream_is_still_open(grpc_channel: grpc.Channel) -> None:
    parts: queue.Queue[PutDocumentsRequest | None] = queue.Queue()
    call = DocumentServiceStub(grpc_channel).PutDocuments(iter(parts.get, None), timeout=60)
    for index in range(3):
        parts.put(whole(f"{index}.txt", b"Told at once.", "open")[0])
        while (response := next(call)).WhichOneof("event") != "document":
            assert response.index == index
    parts.put(None)
    assert list(call) == []


def test_a_reader_that_never_reads_stops_at_the_deadline_and_harms_nobody(grpc_channel: grpc.Channel) -> None:
    many = [part for i in range(60) for part in whole(f"{i}.txt", b"Unread.", "unread")]
    call = DocumentServiceStub(grpc_channel).PutDocuments(iter(many), timeout=0.5)
    assert put(grpc_channel, "r.txt", b"Somebody reads.", "unread-neighbour").HasField("document")
    assert call.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.OK)


def test_a_collection_appears_with_its_first_document_and_not_with_a_refused_one(grpc_channel: grpc.Channel) -> None:
    refused(grpc_channel, "x.pdf", b"%PDF-", collection="never")
    put(grpc_channel, "x.txt", b"Something.", "once")
    listing = DocumentServiceStub(grpc_channel).ListCollections(ListCollectionsRequest(page_size=1000), timeout=20)
    found = {one.name: one for one in listing.collections}
    assert "never" not in found
    assert (found["once"].documents, found["once"].passages, found["once"].dimension) == (1, 1, 384)


def test_the_media_type_is_the_callers_where_it_is_known(grpc_channel: grpc.Channel) -> None:
    upload = Upload(name="page", content=b"<p>The <b>bold</b> claim.</p>", collection="types", media_type="text/html")
    kept = results(puts(grpc_channel, [PutDocumentsRequest(upload=upload)]))[0].document
    assert kept.media_type == "text/html"
    assert retrieve(grpc_channel, "bold claim", "types")[0].text == "The bold claim."
