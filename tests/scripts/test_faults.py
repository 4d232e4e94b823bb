"""`scripts/faults`: the promises hold in the short forms, and the oracle of staleness sees what it must see."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ragents_client.v1.answer_pb2 import Passage
from scripts.faulting import __main__ as faults
from scripts.faulting.conversations import Conversations, Findings, Kept, Said, judge, judge_roles
from scripts.faulting.conversations import Place as Thread
from scripts.faulting.ledger import EDITION, Asked, Edition, Ledger, Place, signature
from scripts.faulting.load import percentile
from scripts.faulting.replicas import Key
from scripts.faulting.workload import Ask, Workload, places, text_of

ROOT = Path(__file__).parents[2]
PLACE = Place("amber", "plants", "granite.txt")


def short(name: str) -> dict[str, Any]:
    """The figures of the short form, which must hold its targets."""
    command = [sys.executable, "-m", "scripts.faulting", name, "--short", "--json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures: dict[str, Any] = json.loads(ran.stdout)
    return figures


def test_nothing_is_stale_or_foreign_and_the_control_finds_what_is() -> None:
    figures = short("stale")
    assert figures["stale"]["value"] == figures["foreign"]["value"] == figures["failed"]["value"] == 0
    assert figures["control_stale"]["value"] >= 1
    assert figures["compared"]["value"] >= 100


def test_one_answer_is_made_for_all_who_ask_at_once() -> None:
    figures = short("single-flight")
    assert figures["generations"]["value"] == 1
    assert figures["generations_without_cache"]["value"] == figures["asked"]["value"]


def test_no_question_fails_while_redis_is_away() -> None:
    assert short("redis-away")["failed"]["value"] == 0


def test_strangers_hurt_nobody_and_the_controls_find_what_would() -> None:
    figures = short("hostile")
    never = ("undocumented", "unavailable", "leaks", "without_reason", "log_errors", "foreign", "wrong", "failed")
    assert {name: figures[name]["value"] for name in never} == dict.fromkeys(never, 0)
    assert [
        name for name in figures if name.endswith("_left") and "control" not in name and figures[name]["value"]
    ] == []
    assert figures["sent"]["value"] == 1_500 and figures["cancelled"]["value"] >= 1_000
    assert figures["control_naive_leaks"]["value"] >= 1 and figures["control_leaking_tasks_left"]["value"] >= 1


def test_no_turn_is_lost_or_kept_twice_and_the_controls_find_what_is() -> None:
    figures = short("agents")
    wrong = ("lost", "doubled", "differing", "disordered", "roles_broken", "failed", "read_short", "gaps")
    assert {name: figures[name]["value"] for name in wrong} == dict.fromkeys(wrong, 0)
    assert figures["at_once_kept"]["value"] == figures["at_once_turns"]["value"]
    assert figures["control_kept_in_memory"]["value"] < figures["at_once_turns"]["value"]
    assert figures["same_generations"]["value"] == 1
    assert figures["frozen_fenced_refused"]["value"] >= 1 and figures["frozen_fenced_wrong"]["value"] == 0
    assert figures["control_unfenced_wrong"]["value"] >= 1


def test_no_replica_admits_more_than_the_limit_they_share_and_those_that_do_not_share_it_do() -> None:
    figures = short("limits")
    assert figures["admitted_over"]["value"] == figures["waiting_admitted_over"]["value"] == 0
    assert figures["obeying_share"]["value"] >= 0.99
    assert figures["control_unshared_admitted_over"]["value"] >= 1


def test_a_failing_model_is_left_alone_and_the_control_finds_what_is_not() -> None:
    figures = short("model")
    assert figures["upstream_ratio"]["value"] <= 1.1 < figures["control_upstream_ratio"]["value"]
    assert figures["quota_asked_too_soon"]["value"] == figures["hanging_left"]["value"] == 0
    assert figures["fallback_answered"]["value"] == figures["fallback_calls"]["value"]


def test_under_overload_the_urgent_are_served_and_without_admission_they_are_not() -> None:
    figures = short("admission")
    assert figures["double_critical_shed"]["value"] == figures["greedy_modest_shed"]["value"] == 0
    assert figures["tenfold_refused"]["value"] >= 1
    assert figures["control_critical_p99_ratio"]["value"] >= 3


def test_no_call_fails_while_replicas_are_replaced_and_those_that_just_stop_lose_some() -> None:
    figures = short("rollout")
    assert figures["failed"]["value"] == 0
    assert figures["in_flight"]["value"] >= figures["restarts"]["value"]
    assert figures["control_failed"]["value"] >= 1


def test_behind_envoy_nothing_fails_that_would_not_without_it_and_a_first_guess_at_its_settings_does() -> None:
    figures = short("envoy")
    assert figures["failed"]["value"] == 0
    assert figures["in_flight"]["value"] >= figures["restarts"]["value"]
    assert figures["outage_upstream"]["value"] <= 1.1
    assert figures["control_failed"]["value"] >= 1


def test_a_deployment_keeps_its_promises_whatever_happens_to_it() -> None:
    figures = short("drill")
    wrong = ("lost", "stale", "foreign", "doubled", "failed", "admitted_over")
    assert {name: figures[name]["value"] for name in wrong} == dict.fromkeys(wrong, 0)
    assert figures["fewest_in_flight"]["value"] >= 1
    assert figures["control_stale"]["value"] >= 1


def test_an_unknown_test_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        faults.main(["nothing"])
    assert ended.value.code == 2
    assert "single-flight" in capsys.readouterr().err


def shown(edition: Edition, text: str | None = None) -> Passage:
    """A passage of an edition, as a server shows it."""
    passage = Passage(text=text_of(edition) if text is None else text)
    passage.document.name, passage.document.collection = edition.place.name, edition.place.collection
    passage.document.metadata.update({EDITION: edition.number})
    return passage


def asked(began: float, ended: float, tenant: str = "amber", collection: str = "plants") -> Asked:
    return Asked(tenant, (collection,), began, ended)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def put(ledger: Ledger, began: float, returned: float, place: Place = PLACE, **how: Any) -> Edition:
    """A put that took so long."""
    edition = ledger.edition(place, **how)
    ledger.begin(place, edition, began).returned = returned
    return edition


def test_an_edition_may_be_shown_until_its_successors_put_has_returned(ledger: Ledger) -> None:
    first = put(ledger, 1, 2)
    put(ledger, 5, 6)
    assert not ledger.judge(asked(5.5, 7), [shown(first)]).stale
    assert ledger.judge(asked(6.1, 7), [shown(first)]).stale


def test_an_edition_may_be_shown_from_its_puts_beginning_on(ledger: Ledger) -> None:
    first = put(ledger, 1, 2)
    assert not ledger.judge(asked(0.5, 1.5), [shown(first)]).stale
    assert ledger.judge(asked(0.5, 0.9), [shown(first)]).stale


def test_a_deleted_document_must_not_be_shown(ledger: Ledger) -> None:
    first = put(ledger, 1, 2)
    ledger.begin(PLACE, None, 3).returned = 4
    assert ledger.judge(asked(4.1, 5), [shown(first)]).stale
    assert ledger.now_at(PLACE) is None


def test_a_change_that_never_returned_proves_nothing(ledger: Ledger) -> None:
    first = put(ledger, 1, 2)
    ledger.begin(PLACE, None, 3)
    assert not ledger.judge(asked(9, 10), [shown(first)]).stale
    assert not ledger.quiet(asked(9, 10), 11)


def test_new_metadata_beside_the_old_text_is_stale(ledger: Ledger) -> None:
    first = put(ledger, 1, 2)
    same_text = put(ledger, 3, 4, word_of=first)
    other_text = put(ledger, 5, 6)
    assert not ledger.judge(asked(4.5, 4.9), [shown(same_text, text_of(first))]).stale
    assert ledger.judge(asked(6.5, 7), [shown(other_text, text_of(first))]).stale


def test_what_belongs_to_others_is_foreign(ledger: Ledger) -> None:
    edition = put(ledger, 1, 2)
    unknown = Passage(text="Nobody put this.")
    assert not ledger.judge(asked(3, 4), [shown(edition)]).foreign
    assert ledger.judge(asked(3, 4, tenant="birch"), [shown(edition)]).foreign
    assert ledger.judge(asked(3, 4, collection="rivers"), [shown(edition)]).foreign
    assert ledger.judge(asked(3, 4), [unknown]).foreign


def test_a_collection_is_quiet_when_no_change_of_it_overlaps(ledger: Ledger) -> None:
    put(ledger, 1, 2)
    put(ledger, 10, 12, Place("amber", "plants", "harvest.txt"))
    put(ledger, 5, 6, Place("birch", "plants", "granite.txt"))
    assert ledger.quiet(asked(3, 4), 9.9)
    assert not ledger.quiet(asked(3, 4), 10)
    assert not ledger.quiet(asked(12, 13), 14)
    assert ledger.quiet(asked(12.1, 13), 14)


def test_a_changed_document_changes_the_signature_of_what_is_shown(ledger: Ledger) -> None:
    first = put(ledger, 1, 2)
    again = put(ledger, 3, 4, word_of=first)
    assert signature([shown(first)]) != signature([shown(again)])


def test_the_same_seed_draws_the_same_operations() -> None:
    drawn = [list(Workload(7, 2).operations(400)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != list(Workload(8, 2).operations(400))


def test_a_workload_puts_every_document_before_anything_else() -> None:
    first = list(Workload(1, 2).operations(400))[: len(places())]
    assert {
        operation.place for operation in first if not isinstance(operation, Ask) and hasattr(operation, "place")
    } == set(places())


def test_a_third_of_the_questions_are_exact_repeats() -> None:
    asks = [one for one in Workload(1, 2).operations(6000) if isinstance(one, Ask)]
    recent, repeats = list[bytes](), 0
    for ask in asks:
        question = ask.question.SerializeToString(deterministic=True) + ask.rpc.encode() + ask.key.token.encode()
        repeats += question in recent[-60:]
        recent.append(question)
    assert repeats / len(asks) >= 1 / 3


def test_a_percentile_is_the_smallest_value_that_so_many_are_not_above() -> None:
    assert percentile([float(one) for one in range(1, 101)], 0.99) == 99
    assert percentile([5.0], 0.99) == 5


KEY = Key("token-of-ada", "amber", user="ada")
FIRST, SECOND = Kept("one", "0 before: a"), Kept("two", "1 before: b")


def turn(kept: Kept, answer: str | None = None) -> Said:
    """A turn that was answered as it is kept, or otherwise; with "" it never was."""
    return Said(KEY, "mine", kept.question, kept.question, "unary", answer=kept.answer if answer is None else answer)


def found(said: list[Said], kept: list[Kept]) -> set[str]:
    """What is wrong with a thread in which this was said and this is kept."""
    findings = Findings()
    judge(said, kept, findings)
    return {kind for kind, words in findings.wrong.items() if words}


def test_what_was_answered_is_kept_once_in_the_order_that_each_has_seen() -> None:
    said = [turn(FIRST), turn(SECOND)]
    assert found(said, [FIRST, SECOND]) == set()
    assert found(said, [FIRST]) == {"lost"}
    assert found(said, [SECOND, FIRST]) == {"disordered"}
    assert found(said, [FIRST, SECOND, Kept("two", "2 before: b")]) >= {"doubled", "differing"}
    assert found(said, [FIRST, SECOND, Kept("three", "2 before: c")]) == {"unknown"}


def test_a_turn_that_was_not_acknowledged_may_be_kept_once_or_not_at_all() -> None:
    said = [turn(FIRST), turn(SECOND, "")]
    assert found(said, [FIRST]) == found(said, [FIRST, SECOND]) == set()
    assert found(said, [FIRST, SECOND, Kept("two", "2 before: c")]) == {"doubled"}


def test_saved_messages_are_the_exchanges_by_human_and_ai_in_turn() -> None:
    findings = Findings()
    judge_roles([("human", "one"), ("ai", "0 before: a")], [FIRST], findings)
    assert not findings.wrong
    judge_roles([("human", "left"), ("human", "one"), ("ai", "0 before: a")], [FIRST], findings)
    assert len(findings.wrong["roles_broken"]) == 1


async def test_two_answers_to_one_turn_must_be_equal() -> None:
    conversations, findings = Conversations(), Findings()
    said, again = turn(FIRST, ""), turn(FIRST, "")
    conversations.begin(said)
    conversations.begin(again)
    await conversations.acknowledge(said, "0 before: a", findings)
    await conversations.acknowledge(again, "0 before: a", findings)
    assert not findings.wrong
    await conversations.acknowledge(turn(FIRST, ""), "0 before: b", findings)
    assert len(findings.wrong["differing"]) == 1
    assert conversations.in_thread(Thread(KEY, "mine")) == [said]
