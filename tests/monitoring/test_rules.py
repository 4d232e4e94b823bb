"""Every alert fires when it should and is silent when it should be; and no broken rule passes for whole."""

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import pytest
import yaml

from ragents_server.telemetry.catalogue import FAMILIES
from tests.monitoring.mutants import mutants
from tests.monitoring.prometheus import MONITORING, ROOT, promtool
from tests.monitoring.rules import CASES, Rule, below, rules

RULES = rules()
ALERTS = [one for one in RULES if one.alerts]
OURS = {one.name for one in FAMILIES} | {
    f"{one.name}_{part}" for one in FAMILIES if one.kind == "histogram" for part in ("bucket", "count", "sum")
}
OTHERS = {
    "up",  # Prometheus' own
    "kube_pod_container_status_restarts_total",  # kube-state-metrics
    "kube_pod_container_resource_limits",
    "container_memory_working_set_bytes",  # cAdvisor
}
SAME = {  # broken rules that mean what the whole one does
    ("RagentsRestarts", "a tenth: 0.1"),  # one start in six hours is more than either
    ("RagentsDeadLetters", "a tenth: 1"),  # there are no parts of a question
    ("RagentsDown", "another operator: sum"),  # where none is there, the most is none too
    # Longer than the cases are: they would have to tell of weeks.
    ("RagentsBudgetGoneInFiveDays", "a longer window: 6"),
    ("RagentsBudgetGoneInTenDays", "a longer window: 1"),
    ("RagentsBudgetGoneInAMonth", "a longer window: 3"),
}


def test_the_rules_are_well_formed() -> None:
    content, said = promtool("check", "rules", *sorted(MONITORING.glob("rules/*.yaml")))
    assert content, said


@pytest.mark.parametrize("case", sorted(CASES.glob("*.yaml")), ids=lambda one: one.stem)
def test_each_rule_is_as_its_cases_say(case: Path) -> None:
    content, said = promtool("test", "rules", case)
    assert content, said


@pytest.mark.parametrize("alert", ALERTS, ids=lambda one: one.name)
def test_each_alert_has_cases_that_fire_and_cases_that_do_not(alert: Rule) -> None:
    tests = yaml.safe_load((CASES / f"{alert.name}.yaml").read_text())["tests"]
    assert {one["alertname"] for test in tests for one in test["alert_rule_test"]} == {alert.name}
    expected = [[one["exp_alerts"] for one in test["alert_rule_test"]] for test in tests]
    assert any(any(times) for times in expected)
    assert sum(not any(times) for times in expected) >= 2
    assert len(expected) >= 3


@pytest.mark.parametrize("alert", ALERTS, ids=lambda one: one.name)
def test_each_alert_says_how_urgent_it_is_and_where_to_read_on(alert: Rule) -> None:
    assert alert.content["labels"]["severity"] in {"page", "ticket"}
    assert set(alert.content["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert.content["annotations"]["runbook_url"] == f"docs/alerts.md#{alert.name.lower()}"
    section = re.search(
        rf"^## {alert.name}\n(.*?)(?=^## |\Z)", (ROOT / "docs/alerts.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert section is not None
    for part in ("**Means**", "**Look at**", "**Do**"):
        assert part in section[1]


def test_the_rules_read_what_there_is() -> None:
    recorded = {one.name for one in RULES if not one.alerts}
    for rule in RULES:
        assert rule.reads <= OURS | OTHERS | recorded, rule.name
        assert rule.reads


@pytest.mark.parametrize("rule", RULES, ids=lambda one: one.name)
def test_the_cases_catch_a_broken_rule(rule: Rule, tmp_path: Path) -> None:
    promtool("--version")  # or be skipped
    broken = list(enumerate(mutants(rule)))
    assert broken
    broken = [(number, one) for number, one in broken if (rule.name, one[0].partition(" at ")[0]) not in SAME]
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        caught = pool.map(lambda one: _is_caught(one[1][1], tmp_path / str(one[0])), broken)
        assert [what for (_, (what, _)), so in zip(broken, caught, strict=True) if not so] == []


def _is_caught(mutant: Rule, folder: Path) -> bool:
    readers = [one for one in ALERTS if one.name == mutant.name or mutant.name in below(one, RULES)]
    # Those on the budget tell of hours and days, and take the longest.
    cases = [CASES / f"{one.name}.yaml" for one in sorted(readers, key=lambda one: "Budget" in one.name)]
    if not mutant.alerts:
        cases.insert(0, CASES / "recording.yaml")
    return any(_fails(mutant, one, folder) for one in cases)


def _fails(mutant: Rule, case: Path, folder: Path) -> bool:
    """Whether promtool finds that the cases do not hold; the first of a file, which is short, is tried alone."""
    folder.mkdir(exist_ok=True)
    head, *tests = re.split(r"(?m)^(?=  - name: )", case.read_text())
    head = re.sub(r"rule_files: .*", "rule_files: [rules.yaml]", head)
    (folder / "rules.yaml").write_text(_file(mutant, case.stem))
    for some in (tests[:1], tests[1:]):
        (folder / "case.yaml").write_text(head + "".join(some))
        content, said = promtool("test", "rules", folder / "case.yaml")
        assert content or "exp:" in said or "err:" in said, said  # and not that it cannot be read
        if not content:
            return True
    return False


def _file(mutant: Rule, reader: str) -> str:
    """The rules that this reader needs, with the broken one in its place."""
    wanted = [one for one in RULES if one.name == reader or (reader == "recording" and not one.alerts)]
    names = {one.name for one in wanted}.union(*(below(one, RULES) for one in wanted))
    needed: Sequence[Rule] = [mutant if one.name == mutant.name else one for one in RULES if one.name in names]
    groups = [
        {"name": name, "rules": [one.content for one in members]}
        for name, members in groupby(needed, key=lambda one: one.group)
    ]
    return yaml.safe_dump({"groups": groups})
