"""A document's name is a relative path that stays below its folder."""

import pytest

from ragents_server.ingest.failures import DocumentError
from ragents_server.ingest.names import check_name


@pytest.mark.parametrize("name", ["a", "papers/a.pdf", "a b.txt", "..a/b..", "übér/文書.md", "a" * 1024])
def test_relative_paths_are_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    ["", " ", "/a", "..", "../a", "a/../b", "a/..", "./a", "a//b", "a/", "a\\b", "a\0b", "a\nb", "\x7f", "\u2028a",
     "a" * 1025, "é" * 513, "\ud800"],
)  # fmt: skip
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_name(name)
    assert caught.value.reason == "DOCUMENT_NAME"
