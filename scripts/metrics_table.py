"""Prints the table of metrics that stands in docs/metrics.md between its markers."""

from ragents_server.telemetry.catalogue import FAMILIES


def rows() -> list[str]:
    """The table's lines."""
    lines = ["| metric | kind | labels | what it is |", "|---|---|---|---|"]
    for one in FAMILIES:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.sentence} |")
    return lines


if __name__ == "__main__":
    print("\n".join(rows()))
