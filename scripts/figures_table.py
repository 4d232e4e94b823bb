"""Prints the table of kept figures that stands in README.md between its markers: those that have a target."""

import json

from scripts.figures import FOLDER, number

PAGES = (
    "eval",
    "bench-main",
    "bench-cache",
    "bench-agents",
    "bench-limits",
    "bench-tracing",
    "faults-stale",
    "faults-single-flight",
    "faults-redis-away",
    "faults-agents",
    "faults-limits",
    "faults-admission",
    "faults-model",
    "faults-rollout",
    "faults-envoy",
    "faults-drill",
    "load-users",
    "load-replay",
    "load-burst",
    "load-priorities",
    "load-claims",
    "image",
    "hpa",
)


def rows() -> list[str]:
    """The table's lines, with command, date and machine above each page's figures."""
    lines: list[str] = []
    for page in PAGES:
        kept = json.loads((FOLDER / f"{page}.json").read_text(encoding="utf-8"))
        machine = kept["machine"]
        lines += [f"`{kept['command']}`, {kept['date']}, {machine['cores']} cores of {machine['cpu']}:", ""]
        lines += ["| figure | value | target | |", "|---|---|---|---|"]
        for name, figure in kept["figures"].items():
            if figure["target"]:
                value = f"{number(figure['value'])} {figure['unit']}".strip()
                lines.append(f"| {name} | {value} | {figure['target']} | {'holds' if figure['ok'] else 'missed'} |")
        lines.append("")
    return lines[:-1]


if __name__ == "__main__":
    print("\n".join(rows()))
