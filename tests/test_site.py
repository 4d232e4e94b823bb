"""The documentation's site: every page is in its navigation, and what is in the navigation is there."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def named(entries: Any) -> Iterator[str]:
    """The files that a navigation names, at whatever depth."""
    for entry in entries if isinstance(entries, list) else entries.values():
        if isinstance(entry, str):
            yield entry
        else:
            yield from named(entry)


def test_every_page_is_in_the_navigation_once() -> None:
    project = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    pages = sorted(named(project["nav"]))
    assert pages == sorted(str(path.relative_to(DOCS)) for path in DOCS.glob("**/*.md") if not decision(path))


def decision(path: Path) -> bool:
    """Decisions are listed on a page of their own."""
    return path.parent.name == "decisions" and path.name != "README.md"


def test_every_decision_is_listed() -> None:
    listed = (DOCS / "decisions/README.md").read_text()
    assert all(f"({path.name})" in listed for path in DOCS.glob("decisions/0*.md"))
