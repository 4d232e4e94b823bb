"""The pages of several processes as one: numbers add up, but those that each process tells of the whole server."""

import json
from collections.abc import Iterable, Sequence

from prometheus_client.metrics_core import Metric

from ragents_server.telemetry.catalogue import FAMILIES

# Families whose largest number is the server's; of Prometheus' own, the start of the oldest process is not needed.
GREATEST = {family.name.removesuffix("_total") for family in FAMILIES if family.merged == "max"}
GREATEST |= {"process_start_time_seconds", "process_max_fds"}
LASTING = ("_total", "_bucket", "_sum", "_count")  # samples that never sink: those of a process that ended stay


def packed(families: Iterable[Metric]) -> bytes:
    """Families in one line."""
    rows = [
        (one.name, one.documentation, one.type, [(it.name, it.labels, it.value) for it in one.samples])
        for one in families
    ]
    return json.dumps(rows, separators=(",", ":")).encode()


def unpacked(line: bytes) -> list[Metric]:
    """What was packed."""
    families = []
    for name, sentence, kind, samples in json.loads(line):
        made = Metric(name, sentence, kind)
        for sample in samples:
            made.add_sample(*sample)
        families.append(made)
    return families


def lasting(families: Iterable[Metric]) -> list[Metric]:
    """What stays of a process that ended: what it has counted."""
    left = []
    for one in families:
        if one.type in {"counter", "histogram"}:
            made = Metric(one.name, one.documentation, one.type)
            for it in one.samples:
                if it.name.endswith(LASTING):
                    made.add_sample(it.name, it.labels, it.value)
            left.append(made)
    return left


def merged(pages: Sequence[Iterable[Metric]]) -> list[Metric]:
    """One page of several."""
    families = dict[str, Metric]()
    sums = dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]]()
    for one in (one for page in pages for one in page):
        families.setdefault(one.name, Metric(one.name, one.documentation, one.type))
        numbers = sums.setdefault(one.name, {})
        for it in one.samples:
            place = it.name, tuple(it.labels.items())
            if place not in numbers:
                numbers[place] = it.value
            elif one.name in GREATEST or it.name.endswith("_created"):
                numbers[place] = max(numbers[place], it.value)
            else:
                numbers[place] += it.value
    for name, made in families.items():
        for (sample, labels), value in sums[name].items():
            made.add_sample(sample, dict(labels), value)
    return list(families.values())
