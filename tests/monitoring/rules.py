"""The rules as they stand in the files, and what each is read by."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tests.monitoring.prometheus import MONITORING, ROOT

CASES = ROOT / "tests/monitoring/cases"
NAME = re.compile(r"(?<![\w:\"{])(?:ragents_|grpc_server_|kube_|container_|process_|namespace_job)[\w:]+|\bup(?=\{)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a group, in the words of its file."""

    group: str
    content: dict[str, Any]

    @property
    def alerts(self) -> bool:
        return "alert" in self.content

    @property
    def name(self) -> str:
        return str(self.content.get("alert") or self.content["record"])

    @property
    def expr(self) -> str:
        return str(self.content["expr"])

    @property
    def reads(self) -> set[str]:
        """Names of metrics and of recorded rules."""
        return set(NAME.findall(self.expr))

    def with_(self, **changes: Any) -> "Rule":
        """The rule with other fields; None takes one away."""
        content = {key: value for key, value in (self.content | changes).items() if value is not None}
        return Rule(self.group, content)


def rules() -> list[Rule]:
    """All of them, in the order of the files."""
    return list(_read())


def _read() -> Iterator[Rule]:
    for path in sorted(MONITORING.glob("rules/*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from (Rule(group["name"], one) for one in group["rules"])


def below(rule: Rule, every: Sequence[Rule]) -> set[str]:
    """The recorded rules that it reads, and those that they read."""
    found: set[str] = set()
    wanted = set(rule.reads)
    while wanted:
        name = wanted.pop()
        recorded = next((one for one in every if one.name == name and not one.alerts), None)
        if recorded is not None and name not in found:
            found.add(name)
            wanted |= recorded.reads
    return found
