"""Prints the table of settings that stands in README.md between its markers."""

from pydantic_core import PydanticUndefined

from ragents_server.settings import PREFIX, Settings

LATE = {"data": "`/var/lib/ragents` as root, else `$XDG_DATA_HOME/ragents`"}  # found out when the server starts


def rows() -> list[str]:
    """The table's lines."""
    lines = ["| setting | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        plain = "" if field.default in (None, "", PydanticUndefined) else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {LATE.get(name, plain)} | {field.description} |")
    return lines


if __name__ == "__main__":
    print("\n".join(rows()))
