"""Settings: what the README says of them, what is refused, and that secrets stay secret."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from ragents_server import settings
from ragents_server.errors import ConfigurationError
from ragents_server.settings import Settings, is_secret, read_settings
from tests.services.processes import finished

ROOT = Path(__file__).parent.parent
SECRETS = [name for name, field in Settings.model_fields.items() if is_secret(field)]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("RAGENTS_")]:
        monkeypatch.delenv(name)


def table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("settings_table", ROOT / "scripts" / "settings_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(monkeypatch: pytest.MonkeyPatch, **given: str) -> Settings:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    import os

    return read_settings(os.environ)


def test_the_readme_has_every_setting_with_its_default_and_its_sentence() -> None:
    readme = (ROOT / "README.md").read_text()
    marked = re.search(r"<!-- settings -->\n(.*?)<!-- /settings -->", readme, re.DOTALL)
    assert marked is not None
    lines = [line for line in marked[1].splitlines() if line]
    assert lines == table().rows(), "run scripts/settings_table.py"


def test_every_setting_has_a_row_and_a_sentence() -> None:
    rows = table().rows()[2:]
    assert [row.split("`")[1] for row in rows] == [f"RAGENTS_{name.upper()}" for name in Settings.model_fields]
    for field in Settings.model_fields.values():
        assert field.description
        assert field.description.endswith(".")
        assert "|" not in field.description


def test_no_name_is_one_that_kubernetes_injects() -> None:
    for name in Settings.model_fields:
        assert not name.endswith("_port")
        assert name != "port"
        assert "_service_" not in f"_{name}_"


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        ("RAGENTS_LISTNE", "RAGENTS_LISTEN"),
        ("RAGENTS_DATABSE", "RAGENTS_DATABASE"),
        ("RAGENTS_DATABASE_FIEL", "RAGENTS_DATABASE_FILE"),
        ("RAGENTS_PORT", ""),
        ("RAGENTS_LISTEN_FILE", ""),
    ],
)
def test_an_unknown_setting_is_refused_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, unknown: str, nearest: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"{unknown}: .* did you mean {nearest}") as caught:
        read(monkeypatch, **{unknown: "x"})
    assert "\n" not in str(caught.value)


def test_the_clients_variables_are_not_the_servers_business(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, RAGENTS_SERVER="elsewhere:1", RAGENTS_TOKEN="abc").listen == "127.0.0.1:50051"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RAGENTS_LISTEN", "50051"),
        ("RAGENTS_LISTEN", "127.0.0.1:grpc"),
        ("RAGENTS_LISTEN", "127.0.0.1:70000"),
        ("RAGENTS_LISTEN", ":50051"),
        ("RAGENTS_PLAINTEXT", "perhaps"),
        ("RAGENTS_TOP_K", "0"),
        ("RAGENTS_TOP_K", "many"),
        ("RAGENTS_DEADLINE", "-1"),
        ("RAGENTS_DEADLINE", "nan"),
        ("RAGENTS_DEADLINE", "inf"),
        ("RAGENTS_RELEVANCE", "1.5"),
        ("RAGENTS_LOG_LEVEL", "LOUD"),
        ("RAGENTS_MAX_MESSAGE", "4MB"),
        ("RAGENTS_CHUNK_OVERLAP", "900"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_setting(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(monkeypatch, **{name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)


def test_an_empty_variable_is_as_if_it_were_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, RAGENTS_TOP_K="", RAGENTS_DATABASE="").database is None


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    found = read(monkeypatch, **{f"RAGENTS_{name.upper()}": "postgresql://u:hunter2@h/d"})
    assert getattr(found, name).get_secret_value() == "postgresql://u:hunter2@h/d"
    for shown in (repr(found), str(found), str(found.model_dump()), found.model_dump_json()):
        assert "hunter2" not in shown


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("  söcret with spaces \n")
    found = read(monkeypatch, **{f"RAGENTS_{name.upper()}_FILE": str(secret)})
    assert getattr(found, name).get_secret_value() == "  söcret with spaces "


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_secret_file_that_cannot_be_read_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ConfigurationError, match="RAGENTS_DATABASE_FILE: cannot read the file"):
        read(monkeypatch, RAGENTS_DATABASE_FILE=str(tmp_path / "secret"))


def test_settings_do_not_change() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        Settings().top_k = 3  # type: ignore[misc]


def test_the_data_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.os, "geteuid", lambda: 0)
    assert Settings().data == Path("/var/lib/ragents")
    monkeypatch.setattr(settings.os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/home/somebody/data")
    assert Settings().data == Path("/home/somebody/data/ragents")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert Settings().data == Path.home() / ".local/share/ragents"


async def test_the_command_ends_with_78_and_one_line() -> None:
    status, out, said = await finished(top_k="many")
    assert (status, out, said.count("\n")) == (78, "", 1)
    assert said.startswith("ragents-server: RAGENTS_TOP_K: ")
    status, out, said = await finished(to_pk=3)
    assert (status, out, said.count("\n")) == (78, "", 1)
    assert "did you mean RAGENTS_TOP_K?" in said
