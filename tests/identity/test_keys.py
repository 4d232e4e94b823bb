"""The file of API keys: who a token is, and which files are refused at the start."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ragents_server.caller import Caller
from ragents_server.errors import ConfigurationError
from ragents_server.identity.keys import read_keys
from ragents_server.identity.tokens import hash_token

HASH = hashlib.sha256(b"t").hexdigest()


def written(folder: Path, content: Any) -> Path:
    path = folder / "keys.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


async def test_a_token_is_known_by_its_hash(tmp_path: Path) -> None:
    row = {"tenant": "acme", "user": "ada", "scopes": ["ask", "admin"], "collections": ["a", "b"], "priority": "HIGH"}
    keys = read_keys(written(tmp_path, {HASH: row | {"quota": "large"}}))
    expected = Caller("acme", "ada", frozenset({"ask", "admin"}), frozenset({"a", "b"}), "HIGH", "large")
    assert await keys.authenticate("t") == expected
    for other in ("", "T", "t ", HASH, "\udcff"):
        assert await keys.authenticate(other) is None


async def test_a_row_with_a_tenant_alone_may_ask_and_nothing_else(tmp_path: Path) -> None:
    caller = await read_keys(written(tmp_path, {HASH: {"tenant": "acme"}})).authenticate("t")
    assert caller == Caller("acme", "acme", frozenset({"ask"}), frozenset(), "NORMAL", "default")
    assert caller.may_use("anything")
    assert caller.may_call("anything")


async def test_a_row_may_name_the_tools_that_agents_may_call_for_it(tmp_path: Path) -> None:
    caller = await read_keys(written(tmp_path, {HASH: {"tenant": "acme", "tools": ["retrieve", "date"]}})).authenticate(
        "t"
    )
    assert caller is not None
    assert [caller.may_call(name) for name in ("retrieve", "date", "calculate", "")] == [True, True, False, False]


def test_the_hash_is_the_one_that_sha256sum_prints() -> None:
    assert hash_token("secret").hex() == "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"
    assert hash_token("ü") == hashlib.sha256("ü".encode()).digest()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "must map"),
        ("{}", "must map"),
        ('"text"', "must map"),
        ({"t": {"tenant": "a"}}, "is not a SHA-256"),
        ({HASH.upper(): {"tenant": "a"}}, "is not a SHA-256"),
        ({HASH: None}, "needs a tenant"),
        ({HASH: {}}, "needs a tenant"),
        ({HASH: {"tenant": ""}}, "needs a tenant"),
        ({HASH: {"tenant": 1}}, "needs a tenant"),
        ({HASH: {"tenant": "a", "tenat": "b"}}, "unknown field 'tenat'"),
        ({HASH: {"tenant": "a", "scopes": ["root"]}}, "scopes must be"),
        ({HASH: {"tenant": "a", "scopes": "ask"}}, "scopes must be"),
        ({HASH: {"tenant": "a", "scopes": [["ask"]]}}, "scopes must be"),
        ({HASH: {"tenant": "a", "scopes": None}}, "scopes must be"),
        ({HASH: {"tenant": "a", "priority": "URGENT"}}, "priority must be"),
        ({HASH: {"tenant": "a", "priority": ["HIGH"]}}, "priority must be"),
        ({HASH: {"tenant": "a", "collections": "public"}}, "collections must be"),
        ({HASH: {"tenant": "a", "collections": [1]}}, "collections must be"),
        ({HASH: {"tenant": "a", "collections": None}}, "collections must be"),
        ({HASH: {"tenant": "a", "tools": "retrieve"}}, "tools must be"),
        ({HASH: {"tenant": "a", "tools": [1]}}, "tools must be"),
        ({HASH: {"tenant": "a", "tools": None}}, "tools must be"),
        ({HASH: {"tenant": "a", "user": ""}}, "user and quota"),
        ({HASH: {"tenant": "a", "user": 7}}, "user and quota"),
        ({HASH: {"tenant": "a", "quota": []}}, "user and quota"),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_one_line(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_keys(written(tmp_path, content))
    assert str(caught.value).startswith("RAGENTS_KEYS: ")
    assert "\n" not in str(caught.value)
    assert HASH not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"RAGENTS_KEYS: cannot read .*No such file"):
        read_keys(tmp_path / "absent.json")
    with pytest.raises(ConfigurationError, match=r"RAGENTS_KEYS: cannot read .*Is a directory"):
        read_keys(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="is not JSON"):
        read_keys(tmp_path / "binary")
