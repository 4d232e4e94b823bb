"""Turns through the real channel: run once, one at a time, remembered, interrupted, failed, left and cancelled."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Value

from ragents_client.v1 import (
    RUN_STATE_ANSWERED,
    RUN_STATE_CANCELLED,
    RUN_STATE_INTERRUPTED,
    RUN_STATE_RUNNING,
    AgentServiceStub,
    AttachRunRequest,
    CancelRunRequest,
    DeleteThreadRequest,
    Event,
    ForkThreadRequest,
    GetRunRequest,
    GetThreadHistoryRequest,
    GetThreadRequest,
    Limits,
    ListAgentsRequest,
    ListThreadsRequest,
    Question,
    Reply,
    Run,
    RunRequest,
    StreamRunRequest,
    Turn,
)
from tests.redis_servers import valkey_beside
from tests.servers import bearer, keys_file
from tests.services.calls import details, error_of, failed
from tests.talking_agents import AGENTS, gates

SECONDS = 20
ADA, BOB, EVE = "token-of-ada", "token-of-bob", "token-of-eve"


@pytest.fixture(scope="module", params=["database", "redis"])
def server_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """Checkpoints in the database, and in a Redis."""
    keys = keys_file(
        tmp_path_factory.mktemp("keys"),
        **{ADA: {"tenant": "acme", "user": "ada"}, BOB: {"tenant": "acme", "user": "bob"}, EVE: {"tenant": "evil"}},
    )
    settings = {"agents": f"simple,{AGENTS}", "agent": "echo", "keys": keys}
    if request.param == "database":
        yield settings
        return
    with valkey_beside() as url:
        yield settings | {"checkpoints": url}


@pytest.fixture
def agents(grpc_channel: grpc.Channel) -> Any:
    return AgentServiceStub(grpc_channel)


def fresh() -> str:
    return uuid4().hex


def turn(text: str = "", agent: str = "echo", thread: str = "", request: str = "", **fields: Any) -> Turn:
    if "reply" not in fields:
        fields["question"] = Question(text=text)
    return Turn(agent=agent, thread_id=thread, request_id=request or fresh(), **fields)


def reply(run: Run, value: str | bool, request: str = "", agent: str = "") -> Turn:
    given = Value(bool_value=value) if isinstance(value, bool) else Value(string_value=value)
    said = Reply(interrupt_id=run.interrupt.id, value=given)
    return turn(agent=agent, thread=run.thread_id, request=request, reply=said)


def run(agents: Any, asked: Turn, token: str = ADA, seconds: float = SECONDS) -> Run:
    answered: Run = agents.Run(RunRequest(turn=asked), timeout=seconds, metadata=bearer(token)).run
    return answered


def streamed(agents: Any, asked: Turn, token: str = ADA) -> Any:
    return agents.StreamRun(StreamRunRequest(turn=asked), timeout=SECONDS, metadata=bearer(token))


def attached(agents: Any, run_id: str, after: int = 0, token: str = ADA) -> list[Event]:
    request = AttachRunRequest(run_id=run_id, after_seq=after)
    return [one.event for one in agents.AttachRun(request, timeout=SECONDS, metadata=bearer(token))]


def exchanges(agents: Any, thread: str, token: str = ADA) -> list[tuple[str, str]]:
    found = agents.GetThread(GetThreadRequest(thread_id=thread), timeout=SECONDS, metadata=bearer(token))
    return [(one.question, one.answer) for one in found.exchanges]


def kinds(events: list[Event]) -> list[str]:
    return [str(event.WhichOneof("kind")) for event in events]


@pytest.fixture
def word() -> str:
    """A question's text that no other test has."""
    return f"walk {fresh()}"


@pytest.fixture
def waiting(agents: Any, word: str) -> Iterator[Any]:
    """A run that waits in its second step: its stream, read up to there."""
    call = streamed(agents, turn(word, "walker"))
    events = []
    for response in call:
        events.append(response.event)
        if response.event.step.name == "second":
            break
    assert gates.reached[word].wait(SECONDS)
    yield call, events
    gates.open[word].set()
    call.cancel()


def test_the_agents_are_listed(agents: Any) -> None:
    found = agents.ListAgents(ListAgentsRequest(), timeout=SECONDS, metadata=bearer(ADA)).agents
    assert [agent.name for agent in found] == ["asker", "echo", "simple", "walker"]
    assert found[2].description and "memory" in found[2].capabilities


def test_a_turn_is_answered_and_its_thread_remembers(agents: Any) -> None:
    first = run(agents, turn("one"))
    assert (first.state, first.answer.text, first.agent) == (RUN_STATE_ANSWERED, "0: one", "echo")
    second = run(agents, turn("two", thread=first.thread_id))
    assert second.answer.text == "1: two"
    assert exchanges(agents, first.thread_id) == [("one", "0: one"), ("two", "1: two")]
    assert second.create_time.ToNanoseconds() <= second.update_time.ToNanoseconds()


def test_the_servers_own_agent_answers_where_none_is_named_and_a_thread_keeps_its_own(agents: Any) -> None:
    assert run(agents, turn("one", agent="")).agent == "echo"
    asked = run(agents, turn("one", agent="asker"))
    assert run(agents, turn("again", agent="", thread=asked.thread_id)).state == RUN_STATE_INTERRUPTED


def test_the_events_are_numbered_without_gaps_and_the_last_one_is_the_answer(agents: Any) -> None:
    events = [one.event for one in streamed(agents, turn("which mole is it"))]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert kinds(events) == ["started", *["delta"] * 5, "answer"]
    assert events[0].started.attempt == 1 and events[0].started.thread_id
    assert "".join(event.delta.text for event in events) == events[-1].answer.text == "0: which mole is it"


def test_an_agent_that_begins_again_counts_as_one_more_attempt_of_the_run(agents: Any) -> None:
    events = [one.event for one in streamed(agents, turn("begin again"))]
    begun = [event.started for event in events if event.HasField("started")]
    assert [one.attempt for one in begun] == [1, 2]
    assert begun[0].run_id == begun[1].run_id and begun[0].thread_id == begun[1].thread_id


def test_the_same_request_again_runs_nothing(agents: Any, word: str) -> None:
    asked = turn(word)
    first, again = run(agents, asked), run(agents, asked)
    assert gates.done[word] == 1
    assert first == again
    events = [one.event for one in streamed(agents, asked)]
    assert kinds(events) == ["answer"] and events[0].answer == first.answer
    assert exchanges(agents, first.thread_id) == [(word, f"0: {word}")]


def test_the_same_request_many_times_at_once_is_one_turn(agents: Any, word: str) -> None:
    asked = turn(word, "walker")
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(run, agents, asked) for _ in range(20)]
        assert gates.reached[word].wait(SECONDS)
        gates.open[word].set()
        runs = [call.result() for call in calls]
    assert gates.done[f"second {word}"] == 1
    assert len({one.SerializeToString() for one in runs}) == 1
    assert len(exchanges(agents, runs[0].thread_id)) == 1


def test_another_request_under_the_same_id_is_refused(agents: Any) -> None:
    asked = turn("one")
    run(agents, asked)
    other = turn("two", request=asked.request_id)
    error = failed(agents.Run, RunRequest(turn=other), metadata=bearer(ADA))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)["ErrorInfo"].reason == "REQUEST_ID_REUSED"
    assert (
        run(agents, turn("two", request=asked.request_id), BOB).answer.text == "0: two"
    )  # the ids are each user's own


def test_turns_of_one_thread_are_run_one_after_the_other(agents: Any) -> None:
    thread = f"mine {fresh()}"
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda n: run(agents, turn(f"q{n}", thread=thread)).answer.text, range(10)))
    kept = exchanges(agents, thread)
    assert sorted(answers) == sorted(answer for _, answer in kept)
    assert [answer.partition(":")[0] for _, answer in kept] == [str(n) for n in range(10)]


def test_a_turn_that_cannot_begin_within_its_deadline_is_aborted(agents: Any, waiting: Any) -> None:
    _, events = waiting
    thread = events[0].started.thread_id
    error = failed(agents.Run, RunRequest(turn=turn("two", thread=thread)), timeout=0.6, metadata=bearer(ADA))
    assert error.code() == grpc.StatusCode.ABORTED
    assert details(error)["ErrorInfo"].reason == "THREAD_BUSY"


def test_a_turn_that_waits_says_so_and_runs_when_it_may(agents: Any, waiting: Any, word: str) -> None:
    _, events = waiting
    call = streamed(agents, turn("two", thread=events[0].started.thread_id))
    assert next(call).event.WhichOneof("kind") == "queued"
    gates.open[word].set()
    assert [one.event for one in call][-1].answer.text == "1: two"


def test_an_interrupt_is_replied_to_in_its_thread(agents: Any, word: str) -> None:
    asked = run(agents, turn(word, "asker"))
    assert asked.state == RUN_STATE_INTERRUPTED
    assert (asked.interrupt.text, list(asked.interrupt.options)) == ("Which harbour?", ["north", "south"])
    thread = agents.GetThread(GetThreadRequest(thread_id=asked.thread_id), metadata=bearer(ADA)).thread
    assert (thread.interrupt, thread.turns) == (asked.interrupt, 0)
    told = run(agents, reply(asked, "south"))
    assert (told.state, told.answer.text) == (RUN_STATE_ANSWERED, "You said 'south'.")
    assert exchanges(agents, asked.thread_id) == [(word, "You said 'south'.")]


def test_a_reply_is_idempotent_by_its_interrupt(agents: Any, word: str) -> None:
    asked = run(agents, turn(word, "asker"))
    first, again = run(agents, reply(asked, "south")), run(agents, reply(asked, "south"))
    assert first.answer == again.answer and gates.done[word] == 1
    error = failed(agents.Run, RunRequest(turn=reply(asked, "north")), metadata=bearer(ADA))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in details(error)["BadRequest"].field_violations] == ["turn.reply.interrupt_id"]


def test_a_question_instead_of_a_reply_drops_the_turn_that_asked(agents: Any) -> None:
    asked = run(agents, turn("one", "asker"))
    told = run(agents, turn("two", thread=asked.thread_id))
    assert told.answer.text == "0: two"
    assert exchanges(agents, asked.thread_id) == [("two", "0: two")]
    error = failed(agents.Run, RunRequest(turn=reply(asked, "north")), metadata=bearer(ADA))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_failed_turn_leaves_nothing_and_its_request_goes_on_where_it_was(agents: Any, word: str) -> None:
    asked = turn(word, "walker", thread=f"mine {fresh()}")
    gates.failing.add(word)
    gates.open[word].set()
    error = failed(agents.Run, RunRequest(turn=asked), metadata=bearer(ADA))
    assert (error.code(), details(error)["ErrorInfo"].reason) == (grpc.StatusCode.UNAVAILABLE, "MODEL_UNAVAILABLE")
    assert exchanges(agents, asked.thread_id) == []
    gates.failing.discard(word)
    events = [one.event for one in streamed(agents, asked)]
    assert events[0].started.attempt == 2 and events[0].seq > 1
    assert events[-1].answer.text == f"Walked {word}"
    assert gates.done[f"first {word}"] == 1  # it was saved
    assert exchanges(agents, asked.thread_id) == [(word, f"Walked {word}")]


def test_the_turn_after_a_failed_one_begins_where_that_one_had_begun(agents: Any, word: str) -> None:
    thread = run(agents, turn("one")).thread_id
    gates.failing.add(word)
    gates.open[word].set()
    failed(agents.Run, RunRequest(turn=turn(word, "walker", thread=thread)), metadata=bearer(ADA))
    assert run(agents, turn("two", thread=thread)).answer.text == "1: two"
    assert [question for question, _ in exchanges(agents, thread)] == ["one", "two"]


def test_who_leaves_stops_the_run_and_whoever_asks_again_goes_on(agents: Any, word: str) -> None:
    asked = turn(word, "walker")
    call = streamed(agents, asked)
    assert gates.reached[word].wait(SECONDS) or next(call)
    call.cancel()
    for _ in range(1000):
        if gates.left[word]:
            break
        gates.open["nobody's"].wait(0.01)
    assert gates.left[word] == 1
    gates.open[word].set()
    assert run(agents, asked).answer.text == f"Walked {word}"
    assert gates.done[f"first {word}"] == 1


def test_a_detached_run_goes_on_without_its_caller(agents: Any, word: str) -> None:
    asked = turn(word, "walker", detached=True)
    call = streamed(agents, asked)
    started = next(call).event.started
    assert gates.reached[word].wait(SECONDS)
    call.cancel()
    gates.open[word].set()
    events = attached(agents, started.run_id)
    assert events[-1].answer.text == f"Walked {word}"
    assert gates.left[word] == 0
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_attaching_misses_and_repeats_nothing(agents: Any, waiting: Any, word: str) -> None:
    call, before = waiting
    run_id = before[0].started.run_id
    with ThreadPoolExecutor(2) as pool:
        whole = pool.submit(attached, agents, run_id)
        rest = pool.submit(attached, agents, run_id, before[-1].seq)
        gates.open[word].set()
        own = before + [one.event for one in call]
        assert whole.result() == own
        assert rest.result() == own[len(before) :]
    assert attached(agents, run_id) == own
    assert attached(agents, run_id, own[-1].seq) == []


def test_a_run_tells_how_far_it_is(agents: Any, waiting: Any) -> None:
    _, events = waiting
    started = events[0].started
    found = agents.GetRun(GetRunRequest(run_id=started.run_id), metadata=bearer(ADA)).run
    assert (found.state, found.thread_id, found.WhichOneof("outcome")) == (RUN_STATE_RUNNING, started.thread_id, None)
    thread = agents.GetThread(GetThreadRequest(thread_id=started.thread_id), metadata=bearer(ADA)).thread
    assert thread.run_id == started.run_id


def test_a_cancelled_run_is_over_for_good(agents: Any, waiting: Any, word: str) -> None:
    call, events = waiting
    request = CancelRunRequest(run_id=events[0].started.run_id)
    ended = agents.CancelRun(request, timeout=SECONDS, metadata=bearer(ADA)).run
    assert (ended.state, ended.failure.code) == (RUN_STATE_CANCELLED, grpc.StatusCode.CANCELLED.value[0])
    error = error_of(call)
    assert (error.code(), details(error)["ErrorInfo"].reason) == (grpc.StatusCode.CANCELLED, "CANCELLED")
    assert (
        error_of(agents.AttachRun(AttachRunRequest(run_id=request.run_id), metadata=bearer(ADA))).code() == error.code()
    )
    again = agents.CancelRun(request, metadata=bearer(ADA)).run
    assert again == ended
    thread = events[0].started.thread_id
    assert run(agents, turn("two", thread=thread)).answer.text == "0: two"


def test_an_answered_run_cannot_be_cancelled(agents: Any) -> None:
    answered = run(agents, turn("one"))
    assert agents.CancelRun(CancelRunRequest(run_id=answered.id), metadata=bearer(ADA)).run == answered


def test_a_spent_budget_ends_the_run_and_asking_again_does_not_spend_more(agents: Any, word: str) -> None:
    asked = turn(word, "walker", limits=Limits(max_time=Duration(nanos=300_000_000)))
    error = failed(agents.Run, RunRequest(turn=asked), metadata=bearer(ADA))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(error)["ErrorInfo"].reason == "BUDGET_SPENT"
    assert gates.left[word] == 1
    gates.open[word].set()
    assert failed(agents.Run, RunRequest(turn=asked), metadata=bearer(ADA)).code() == error.code()


def test_threads_are_listed_the_latest_first_and_page_by_page(agents: Any) -> None:
    token = EVE
    ids = [run(agents, turn(f"q{n}"), token).thread_id for n in range(5)]
    run(agents, turn("more", thread=ids[1]), token)
    seen, page = [], ""
    for _ in range(10):
        request = ListThreadsRequest(page_size=2, page_token=page)
        found = agents.ListThreads(request, metadata=bearer(token))
        seen += [(one.id, one.title, one.turns) for one in found.threads]
        page = found.next_page_token
        if not page:
            break
    assert [one for one, _, _ in seen] == [ids[1], ids[4], ids[3], ids[2], ids[0]]
    assert seen[0][1:] == ("q1", 2)
    error = failed(agents.ListThreads, ListThreadsRequest(page_token=page or "x"), metadata=bearer(ADA))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_the_history_has_each_saved_step_and_can_be_forked_from(agents: Any) -> None:
    thread = run(agents, turn("one")).thread_id
    run(agents, turn("two", thread=thread))
    history = agents.GetThreadHistory(GetThreadHistoryRequest(thread_id=thread), metadata=bearer(ADA)).checkpoints
    assert [len(one.exchanges) for one in history] == sorted((len(one.exchanges) for one in history), reverse=True)
    assert all(one.parent_id == before.id for one, before in itertools.pairwise(history))
    assert list(history[0].next) == [] and "answer" in {step for one in history for step in one.next}
    after_one = next(one for one in history if len(one.exchanges) == 1 and not one.next)
    request = ForkThreadRequest(thread_id=thread, checkpoint_id=after_one.id, request_id=fresh())
    forked = agents.ForkThread(request, metadata=bearer(ADA)).thread
    assert agents.ForkThread(request, metadata=bearer(ADA)).thread == forked
    assert (forked.turns, forked.agent) == (1, "echo")
    assert run(agents, turn("other two", thread=forked.id)).answer.text == "1: other two"
    assert [question for question, _ in exchanges(agents, thread)] == ["one", "two"]
    assert [question for question, _ in exchanges(agents, forked.id)] == ["one", "other two"]
    other = ForkThreadRequest(thread_id=thread, request_id=request.request_id)
    assert details(failed(agents.ForkThread, other, metadata=bearer(ADA)))["ErrorInfo"].reason == "REQUEST_ID_REUSED"


def test_a_deleted_thread_is_gone_with_its_runs(agents: Any) -> None:
    ended = run(agents, turn("one"))
    agents.DeleteThread(DeleteThreadRequest(thread_id=ended.thread_id), metadata=bearer(ADA))
    for call in (
        lambda: failed(agents.GetThread, GetThreadRequest(thread_id=ended.thread_id), metadata=bearer(ADA)),
        lambda: failed(agents.GetRun, GetRunRequest(run_id=ended.id), metadata=bearer(ADA)),
        lambda: failed(agents.DeleteThread, DeleteThreadRequest(thread_id=ended.thread_id), metadata=bearer(ADA)),
        lambda: failed(agents.Run, RunRequest(turn=turn("two", thread=ended.thread_id)), metadata=bearer(ADA)),
    ):
        assert call().code() == grpc.StatusCode.NOT_FOUND


def test_a_thread_that_is_deleted_while_it_runs_keeps_nothing_of_the_run(agents: Any, waiting: Any, word: str) -> None:
    call, events = waiting
    started = events[0].started
    agents.DeleteThread(DeleteThreadRequest(thread_id=started.thread_id), metadata=bearer(ADA))
    gates.open[word].set()
    assert error_of(call).code() in {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE}
    assert failed(agents.GetRun, GetRunRequest(run_id=started.run_id), metadata=bearer(ADA)).code() == (
        grpc.StatusCode.NOT_FOUND
    )


@pytest.mark.parametrize("token", [BOB, EVE])
def test_somebody_elses_thread_and_run_are_as_unknown_as_absent_ones(agents: Any, token: str) -> None:
    theirs = run(agents, turn("one"), ADA)
    absent = fresh()

    def told(call: Any, request: Any) -> tuple[Any, ...]:
        error = (
            error_of(call(request, metadata=bearer(token)))
            if call == agents.AttachRun
            else failed(call, request, metadata=bearer(token))
        )
        status = dict(error.trailing_metadata())["grpc-status-details-bin"]
        return error.code(), error.details(), status

    for call, make in (
        (agents.GetThread, lambda thread, _: GetThreadRequest(thread_id=thread)),
        (agents.GetThreadHistory, lambda thread, _: GetThreadHistoryRequest(thread_id=thread)),
        (agents.ForkThread, lambda thread, _: ForkThreadRequest(thread_id=thread, request_id=fresh())),
        (agents.DeleteThread, lambda thread, _: DeleteThreadRequest(thread_id=thread)),
        (agents.Run, lambda thread, _: RunRequest(turn=turn("mine", thread=thread))),
        (agents.GetRun, lambda _, one: GetRunRequest(run_id=one)),
        (agents.CancelRun, lambda _, one: CancelRunRequest(run_id=one)),
        (agents.AttachRun, lambda _, one: AttachRunRequest(run_id=one)),
    ):
        foreign = told(call, make(theirs.thread_id, theirs.id))
        assert foreign == told(call, make(absent, absent))
        assert foreign[0] == grpc.StatusCode.NOT_FOUND
    assert exchanges(agents, theirs.thread_id) == [("one", "0: one")]


def test_two_users_may_give_their_threads_the_same_name(agents: Any) -> None:
    name = f"mine {fresh()}"
    assert run(agents, turn("one", thread=name), ADA).answer.text == "0: one"
    assert run(agents, turn("two", thread=name), BOB).answer.text == "0: two"
    assert exchanges(agents, name, BOB) == [("two", "0: two")]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Turn(question=Question(text="x")), "turn.request_id"),
        (Turn(request_id="r" * 129, question=Question(text="x")), "turn.request_id"),
        (Turn(request_id="r"), "turn.input"),
        (Turn(request_id="r", question=Question()), "turn.question.text"),
        (Turn(request_id="r", question=Question(text="x", history=[{"question": "y"}])), "turn.question.history"),
        (Turn(request_id="r", agent="nobody", question=Question(text="x")), "turn.agent"),
        (Turn(request_id="r", thread_id="t" * 129, question=Question(text="x")), "turn.thread_id"),
        (Turn(request_id="r", reply=Reply(interrupt_id="i", value=Value(bool_value=True))), "turn.thread_id"),
        (Turn(request_id="r", thread_id="t", reply=Reply(value=Value(bool_value=True))), "turn.reply.interrupt_id"),
        (Turn(request_id="r", thread_id="t", reply=Reply(interrupt_id="i")), "turn.reply.value"),
        (Turn(request_id="r", question=Question(text="x"), limits=Limits(max_steps=-1)), "turn.limits.max_steps"),
        (Turn(request_id="r", question=Question(text="x"), limits=Limits(max_time=Duration())), "turn.limits.max_time"),
    ],
)
def test_a_wrong_field_is_named(agents: Any, wrong: Turn, field: str) -> None:
    error = failed(agents.Run, RunRequest(turn=wrong), metadata=bearer(ADA))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in details(error)["BadRequest"].field_violations] == [field]
