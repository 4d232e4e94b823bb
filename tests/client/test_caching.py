"""`ragents cache`, and what the other commands ask of the cache and tell of it."""

import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from ragents_client import FieldViolation, InvalidRequest, PermissionDenied, Unimplemented
from ragents_client.command.caching import Layer
from ragents_client.v1 import (
    CACHE_LAYER_ANSWER,
    CACHE_LAYER_EMBEDDING,
    CACHE_LAYER_UNSPECIFIED,
    CACHE_MODE_NONE,
    CACHE_MODE_REFRESH,
    CACHE_MODE_UNSPECIFIED,
    CACHE_OUTCOME_HIT,
    CACHE_OUTCOME_MISS,
    CACHE_OUTCOME_REVALIDATED,
    CACHE_OUTCOME_SHARED,
    CACHE_OUTCOME_UNSPECIFIED,
    Answer,
    CacheLayer,
    CacheOutcome,
    CacheUse,
    ClearCacheResponse,
    Document,
    Event,
    GetCacheStatsResponse,
    LayerStats,
    QueryResponse,
    Refusal,
    ReportBadHitResponse,
    RetrieveResponse,
    StreamQueryResponse,
)

RAGENTS = [sys.executable, "-c", "from ragents_client.command import main; main()"]
ANSWER = Answer(text="Mole 2.")
STATS = GetCacheStatsResponse(
    layers=[
        LayerStats(
            layer=CACHE_LAYER_EMBEDDING,
            requests=1_234_567,
            hits=1_200_000,
            misses=34_567,
            hit_ratio=0.972,
            bytes=123_456_789,
            entries=40_210,
            evictions=12,
            errors=3,
        ),
        LayerStats(layer=CACHE_LAYER_ANSWER, bytes=3e9, bad_hits=2),
    ]
)


def answered(outcome: CacheOutcome.ValueType, age: float, entry_id: str) -> StreamQueryResponse:
    """The end of a stream that used the cache so."""
    use = CacheUse(outcome=outcome, age=Duration(seconds=int(age), nanos=int(age % 1 * 1e9)), entry_id=entry_id)
    return StreamQueryResponse(event=Event(answer=ANSWER), cache=use)


def with_stdin_a_terminal(typed: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command with what somebody types; its output goes into pipes."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, typed.encode())  # the terminal keeps it until it is read
        return subprocess.run(
            [*RAGENTS, *arguments], stdin=theirs, capture_output=True, text=True, check=False, timeout=60
        )
    finally:
        os.close(theirs)
        os.close(ours)


def test_each_layer_of_the_contract_has_its_name() -> None:
    assert [one.number for one in Layer] == [one for one in CacheLayer.values() if one != CACHE_LAYER_UNSPECIFIED]


def test_stats_in_a_pipe_are_a_line_a_layer_with_exact_bytes(ragents: Any, serve: Any) -> None:
    server = serve(GetCacheStats=STATS)
    assert ragents("cache", "stats").stdout.splitlines() == [
        "embedding\t1234567\t1200000\t34567\t0.972\t123456789\t40210\t12\t3\t0",
        "answer\t0\t0\t0\t0.000\t3000000000\t0\t0\t0\t2",
    ]
    assert not server.calls[0].request.all_tenants


def test_stats_on_a_terminal_are_a_table_with_headings_and_human_sizes(on_a_terminal: Any, serve: Any) -> None:
    serve(GetCacheStats=STATS)
    status, shown = on_a_terminal("cache", "stats")
    assert status == 0
    for word in ("layer", "requests", "misses", "ratio", "evictions", "123.5 MB", "3.0 GB", "0.972"):
        assert word in shown


def test_stats_as_json_are_the_contracts_own(ragents: Any, serve: Any) -> None:
    server = serve(GetCacheStats=STATS)
    first, second = json.loads(ragents("cache", "stats", "--all-tenants", "--json").stdout)["layers"]
    assert (first["layer"], first["hitRatio"], second["badHits"]) == ("CACHE_LAYER_EMBEDDING", 0.972, 2)
    assert server.calls[0].request.all_tenants


def test_a_layer_of_a_newer_server_is_shown_by_its_number(ragents: Any, serve: Any) -> None:
    serve(GetCacheStats=LayerStats(layer=99, hits=1))  # type: ignore[arg-type] # no value of this release
    assert ragents("cache", "stats").stdout.startswith("99\t0\t1\t")


def test_the_figures_of_all_tenants_are_refused_in_a_line(ragents: Any, serve: Any) -> None:
    serve(GetCacheStats=PermissionDenied("this needs the scope admin"))
    result = ragents("cache", "stats", "--all-tenants")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("PermissionDenied: this needs the scope admin")


def test_a_script_clears_everything_without_being_asked(ragents: Any, serve: Any) -> None:
    server = serve(ClearCache=ClearCacheResponse(entries=12))
    assert ragents("cache", "clear").stdout == "cleared 12 entries\n"
    asked = server.calls[0].request
    assert (list(asked.layers), asked.collection, asked.document_id, asked.all_tenants) == ([], "", "", False)


@pytest.mark.parametrize(
    ("typed", "status", "cleared"), [("n\n", 1, 0), ("\n", 1, 0), ("y\n", 0, 1)], ids=["no", "enter", "yes"]
)
def test_a_person_clears_everything_only_when_meant(serve: Any, typed: str, status: int, cleared: int) -> None:
    server = serve(ClearCache=ClearCacheResponse(entries=1))
    done = with_stdin_a_terminal(typed, "cache", "clear", "--all-tenants")
    assert done.stderr.startswith("Clear the whole cache of all tenants?")
    assert (done.returncode, server.count("ClearCache")) == (status, cleared)
    assert done.stdout.lstrip(" ") == "cleared 1 entry\n" * cleared


@pytest.mark.parametrize(
    "narrowed",
    [("--yes",), ("--layer", "answer"), ("--collection", "c"), ("--document", "0" * 32)],
    ids=lambda it: it[0],
)
def test_a_person_is_not_asked_about_a_part_or_after_yes(serve: Any, narrowed: tuple[str, ...]) -> None:
    serve(ClearCache=ClearCacheResponse())
    done = with_stdin_a_terminal("n\n", "cache", "clear", *narrowed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "cleared 0 entries\n", "")


def test_what_is_given_narrows_what_is_cleared(ragents: Any, serve: Any) -> None:
    kept = Document(id="a" * 32, name="moles.md")
    server = serve(ClearCache=ClearCacheResponse(entries=3), ListDocuments=kept)
    result = ragents(
        *("cache", "clear", "--layer", "answer", "--layer", "embedding", "--collection", "harbour"),
        *("--document", "moles.md", "--all-tenants", "--json"),
    )
    assert json.loads(result.stdout) == {"entries": 3}
    looked_up, asked = (call.request for call in server.calls)
    assert (looked_up.collection, looked_up.name_prefix) == ("harbour", "moles.md")
    assert list(asked.layers) == [CACHE_LAYER_ANSWER, CACHE_LAYER_EMBEDDING]
    assert (asked.collection, asked.document_id, asked.all_tenants) == ("harbour", "a" * 32, True)


def test_a_document_is_taken_by_its_id_without_a_look_up(ragents: Any, serve: Any) -> None:
    server = serve(ClearCache=ClearCacheResponse())
    assert ragents("cache", "clear", "--document", "b" * 32).exit_code == 0
    assert [(call.rpc, call.request.document_id) for call in server.calls] == [("ClearCache", "b" * 32)]


def test_nothing_is_cleared_for_a_document_that_is_not_there(ragents: Any, serve: Any) -> None:
    server = serve(ClearCache=ClearCacheResponse(), ListDocuments=Document(id="a" * 32, name="moles.md.old"))
    result = ragents("cache", "clear", "--document", "moles.md")
    assert (result.exit_code, server.count("ClearCache")) == (1, 0)
    assert "no document 'moles.md' in the collection default" in result.stderr


def test_an_unknown_layer_is_wrong_usage_that_names_the_four(ragents: Any, serve: Any) -> None:
    server = serve(ClearCache=ClearCacheResponse())
    result = ragents("cache", "clear", "--layer", "answers")
    assert (result.exit_code, server.calls) == (2, [])
    for layer in ("answers", *Layer):
        assert f"'{layer}'" in result.stderr


def test_a_bad_hit_is_reported_with_what_is_wrong(ragents: Any, serve: Any) -> None:
    server = serve(ReportBadHit=ReportBadHitResponse())
    assert ragents("cache", "report", "e1", "wrong mole").stdout == "reported e1\n"
    assert json.loads(ragents("cache", "report", "e1", "--json").stdout) == {"entryId": "e1"}
    assert [(call.request.entry_id, call.request.comment) for call in server.calls] == [
        ("e1", "wrong mole"),
        ("e1", ""),
    ]


def test_a_report_that_is_refused_names_the_field(ragents: Any, serve: Any) -> None:
    too_long = FieldViolation("comment", "must be at most 1,024 bytes")
    serve(ReportBadHit=InvalidRequest("comment must be at most 1,024 bytes", violations=[too_long]))
    result = ragents("cache", "report", "e1", "x" * 1025)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "  comment: must be at most 1,024 bytes\n" in result.stderr


@pytest.mark.parametrize(
    ("options", "mode"),
    [((), CACHE_MODE_UNSPECIFIED), (("--fresh",), CACHE_MODE_REFRESH), (("--no-cache",), CACHE_MODE_NONE)],
    ids=["as it is", "fresh", "no cache"],
)
def test_a_question_says_how_the_cache_is_used(ragents: Any, serve: Any, options: tuple[str, ...], mode: int) -> None:
    server = serve(StreamQuery=Event(answer=ANSWER), Query=ANSWER, Retrieve=RetrieveResponse())
    for arguments in (("ask", "?"), ("ask", "?", "--json"), ("retrieve", "?")):
        assert ragents(*arguments, *options).exit_code == 0
    assert [call.rpc for call in server.calls] == ["StreamQuery", "Query", "Retrieve"]
    assert {call.request.question.cache_mode for call in server.calls} == {mode}


@pytest.mark.parametrize("command", ["ask", "retrieve"])
def test_fresh_and_no_cache_exclude_each_other(ragents: Any, serve: Any, command: str) -> None:
    server = serve()
    result = ragents(command, "?", "--fresh", "--no-cache")
    assert (result.exit_code, server.calls) == (2, [])
    assert "--fresh" in result.stderr


def test_both_clients_say_how_the_cache_is_used(connect: Any, serve: Any) -> None:
    server = serve(StreamQuery=Event(answer=ANSWER), Query=ANSWER, Retrieve=RetrieveResponse())
    with connect(server.address) as rag:
        rag.query("?", cache_mode=CACHE_MODE_REFRESH)
        rag.query_response("?", cache_mode=CACHE_MODE_REFRESH)
        list(rag.stream_query("?", cache_mode=CACHE_MODE_REFRESH))
        rag.retrieve("?", cache_mode=CACHE_MODE_REFRESH)
    assert [call.request.question.cache_mode for call in server.calls] == [CACHE_MODE_REFRESH] * 4


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (answered(CACHE_OUTCOME_HIT, 11.6, "e1"), "from the cache, 12 s old, entry e1"),
        (answered(CACHE_OUTCOME_HIT, 0.2, "e1"), "from the cache, under 1 s old, entry e1"),
        (answered(CACHE_OUTCOME_HIT, 1500, ""), "from the cache, 25 min old"),
        (answered(CACHE_OUTCOME_HIT, 86_400, "e\x1b1"), "from the cache, 24 h old, entry e1"),
        (
            answered(CACHE_OUTCOME_REVALIDATED, 90, "e1"),
            "from the cache, its passages are unchanged, 90 s old, entry e1",
        ),
        (answered(CACHE_OUTCOME_SHARED, 0, "e1"), "shared with a call that asked the same, entry e1"),
    ],
    ids=["hit", "just made", "minutes", "hours", "revalidated", "shared"],
)
def test_an_answer_from_the_cache_says_so_on_a_terminal(
    on_a_terminal: Any, serve: Any, end: StreamQueryResponse, told: str
) -> None:
    serve(StreamQuery=end)
    status, shown = on_a_terminal("ask", "?")
    assert status == 0
    assert shown.splitlines() == ["Mole 2.", f"\x1b[2m{told}\x1b[0m"]


def test_a_chat_tells_what_comes_from_the_cache(serve: Any) -> None:
    serve(StreamQuery=answered(CACHE_OUTCOME_HIT, 12, "e1"), ListAgents=Unimplemented("no agents"))
    ours, theirs = pty.openpty()
    with subprocess.Popen([*RAGENTS, "chat"], stdin=subprocess.PIPE, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        running.communicate(b"Which mole?\n", 60)
        shown = os.read(ours, 65536).decode()
        os.close(ours)
    assert "Mole 2." in shown
    assert "from the cache, 12 s old, entry e1" in shown


def test_a_refusal_from_the_cache_says_so_too(on_a_terminal: Any, serve: Any) -> None:
    refused = Event(answer=Answer(text="No.", refusal=Refusal(message="No.")))
    serve(StreamQuery=StreamQueryResponse(event=refused, cache=CacheUse(outcome=CACHE_OUTCOME_HIT)))
    status, shown = on_a_terminal("ask", "?")
    assert (status, "from the cache" in shown) == (3, True)


@pytest.mark.parametrize("outcome", [CACHE_OUTCOME_UNSPECIFIED, CACHE_OUTCOME_MISS], ids=["unspecified", "miss"])
def test_an_answer_made_for_the_call_says_nothing_of_the_cache(
    on_a_terminal: Any, serve: Any, outcome: CacheOutcome.ValueType
) -> None:
    serve(StreamQuery=answered(outcome, 0, "e1"))
    assert on_a_terminal("ask", "?") == (0, "Mole 2.\r\n")


def test_an_answer_from_the_cache_looks_like_any_other_in_a_pipe(ragents: Any, serve: Any) -> None:
    serve(StreamQuery=answered(CACHE_OUTCOME_HIT, 12, "e1"))
    result = ragents("ask", "?")
    assert (result.stdout, result.stderr) == ("Mole 2.\n", "")


def test_json_tells_how_the_cache_was_used(ragents: Any, serve: Any) -> None:
    use = CacheUse(outcome=CACHE_OUTCOME_HIT, age=Duration(seconds=12), entry_id="e1")
    serve(Query=QueryResponse(answer=ANSWER, cache=use))
    told = json.loads(ragents("ask", "?", "--json").stdout)["cache"]
    assert told == {"outcome": "CACHE_OUTCOME_HIT", "age": "12s", "entryId": "e1"}


def test_passages_from_the_cache_say_so(on_a_terminal: Any, ragents: Any, serve: Any) -> None:
    found = answered(CACHE_OUTCOME_HIT, 12, "retrieval-1")
    serve(Retrieve=RetrieveResponse(cache=found.cache))
    assert "from the cache, 12 s old, entry retrieval-1" in on_a_terminal("retrieve", "?")[1]
    assert json.loads(ragents("retrieve", "?", "--json").stdout)["cache"]["entryId"] == "retrieval-1"
    assert ragents("retrieve", "?").stdout == ""
