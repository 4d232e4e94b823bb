"""The line: by priority, fair among tenants and users, never starving anybody, bounded."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from ragents_server.admission.line import PASSED, Line
from ragents_server.caller import PRIORITIES

LOW, NORMAL, HIGH, CRITICAL = range(4)


@dataclass(eq=False)
class Call:
    name: str = ""
    priority: int = NORMAL
    tenant: str = "acme"
    user: str = "ada"


def line_of(*calls: Call, most: int = 1000) -> Line[Call]:
    line = Line[Call](most)
    for call in calls:
        assert line.add(call) is None
    return line


def names(line: Line[Call]) -> str:
    return " ".join(line.pop().name for _ in range(len(line)))


def test_the_most_urgent_go_first_and_equals_in_the_order_of_coming() -> None:
    line = line_of(
        Call("l1", LOW), Call("n1"), Call("c1", CRITICAL), Call("h1", HIGH), Call("n2"), Call("c2", CRITICAL)
    )
    assert names(line) == "c1 c2 h1 n1 n2 l1"


def test_tenants_take_turns_and_so_do_the_users_of_each() -> None:
    calls = [Call(f"a{i}", tenant="acme", user="ada") for i in range(4)]
    calls += [Call(f"b{i}", tenant="acme", user="bob") for i in range(2)]
    calls += [Call(f"z{i}", tenant="zen", user="zoe") for i in range(2)]
    assert names(line_of(*calls)) == "a0 z0 b0 z1 a1 b1 a2 a3"


def test_whoever_comes_after_a_while_goes_before_those_who_never_cease_to_ask() -> None:
    line = line_of(*(Call(f"g{i}", tenant="greedy", user="gil") for i in range(6)))
    assert line.pop().name == "g0"
    line.add(Call("m0", tenant="modest", user="mia"))
    line.add(Call("g", tenant="greedy", user="gus"))
    assert [line.pop().name for _ in range(3)] == ["m0", "g", "g1"]


def test_whoever_comes_again_at_once_has_no_more_than_its_turn() -> None:
    line = line_of(*(Call("g", tenant="greedy") for _ in range(10)))
    served = ""
    for _ in range(10):
        line.add(Call("m", tenant="modest"))  # one at a time: it never waits behind itself
        served += line.pop().name + line.pop().name
    assert Counter(served) == {"g": 10, "m": 10}
    assert "ggg" not in served
    assert "mmm" not in served


def test_a_line_that_was_empty_remembers_no_turns() -> None:
    line = line_of(*(Call("g", tenant="greedy") for _ in range(10)))
    names(line)
    line.add(Call("m", tenant="modest"))
    line.add(Call("g", tenant="greedy"))
    assert names(line) == "m g"


def test_a_priority_that_is_passed_over_keeps_more_than_one_of_twenty() -> None:
    line = line_of(*(Call(f"{p}{i}", p) for p in range(4) for i in range(200)))
    first = Counter(line.pop().priority for _ in range(200))
    assert first[LOW] == 200 // (PASSED + 1)
    assert first[NORMAL] in {11, 12}  # those that are due at once go one after the other
    assert first[HIGH] in {11, 12}
    assert first[CRITICAL] <= 200 - 34


def test_a_priority_keeps_its_share_though_a_full_line_has_no_room_for_it() -> None:
    line = line_of(*(Call(f"h{i}", HIGH) for i in range(10)), most=10)
    served = Counter[int]()
    for _ in range(400):
        for call in (Call("l", LOW), Call("h", HIGH), Call("n"), Call("h", HIGH)):
            line.add(call)
        served[line.pop().priority] += 1
    assert served[LOW] >= 20
    assert served[NORMAL] >= 20
    assert served[HIGH] >= 300


def test_a_full_line_sends_the_least_urgent_of_whoever_has_most_away() -> None:
    low = [Call(f"l{i}", LOW, tenant="acme") for i in range(3)]
    line = line_of(*low, Call("z", LOW, tenant="zen"), most=4)
    critical = Call("c", CRITICAL, tenant="zen")
    assert line.add(critical) is low[2]  # the last one of the tenant that has most
    assert line.add(late := Call("late", LOW, tenant="acme")) is late  # it has most itself
    assert line.add(Call("new", LOW, tenant="new")) is low[1]  # who has nothing yet goes before who has two
    assert names(line) == "c l0 z new"


def test_the_last_places_are_kept_for_the_more_urgent() -> None:
    line = Line[Call](20)
    for priority, places in ((LOW, 17), (NORMAL, 18), (HIGH, 19), (CRITICAL, 20)):
        while line.add(call := Call(priority=priority)) is None:
            pass
        assert len(line) == places
        assert call.priority == priority


def test_who_becomes_more_urgent_keeps_a_place() -> None:
    low = [Call(f"l{i}", LOW) for i in range(17)]
    line = line_of(*low, *(Call(f"c{i}", CRITICAL) for i in range(3)), most=20)
    line.raise_to(low[5], NORMAL)
    assert len(line) == 20
    assert names(line).startswith("c0 c1 c2 l5 l0")


def test_of_one_tenant_the_user_that_has_most_goes() -> None:
    ada = [Call(f"a{i}", user="ada") for i in range(3)]
    line = line_of(*ada, most=3)
    assert line.add(Call("b", user="bob")) is ada[2]
    assert line.add(again := Call("a", user="ada")) is again
    assert names(line) == "a0 b a1"


def test_no_critical_call_goes_while_anybody_else_waits() -> None:
    line = line_of(*(Call(f"h{i}", HIGH) for i in range(10)), most=10)
    gone = [line.add(Call(f"c{i}", CRITICAL)) for i in range(10)]
    assert all(one is not None and one.priority == HIGH for one in gone)
    assert line.add(last := Call("c", CRITICAL)) is last


CALLS = st.builds(
    Call, priority=st.integers(0, 3), tenant=st.sampled_from(["acme", "zen", "evil"]), user=st.sampled_from("abc")
)


@settings(max_examples=200, deadline=None)
@given(st.lists(CALLS, min_size=1, max_size=40), st.data())
def test_positions_tell_the_order_of_who_goes_and_whoever_leaves_is_forgotten(
    calls: list[Call], data: st.DataObject
) -> None:
    line = line_of(*calls)
    for _ in range(data.draw(st.integers(0, 5))):
        gone = calls.pop(data.draw(st.integers(0, len(calls) - 1))) if len(calls) > 1 else None
        if gone is not None:
            line.remove(gone)
    assert dict(line.sizes()) == {
        name: sum(call.priority == place for call in calls) for place, name in enumerate(PRIORITIES)
    }
    told = {id(call): line.position(call) for call in calls}
    assert sorted(told.values()) == list(range(len(calls)))
    order = [line.pop() for _ in range(len(calls))]
    if len(calls) <= PASSED:  # nobody has been passed over so often
        assert [told[id(call)] for call in order] == list(range(len(calls)))
    assert Counter(map(id, order)) == Counter(map(id, calls))
