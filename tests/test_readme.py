"""The README is true: its commands run, and print what it says."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ragents_client import Client
from scripts import figures_table
from tests.postgres_servers import data_folder, free_port
from tests.servers import server_thread

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent


def block(name: str) -> str:
    """The code between a pair of markers."""
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", README, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with server_thread() as address:
        with Client(address) as rag:
            put = rag.put_documents(ROOT / "docs")
        assert any(result.document is not None for result in put)
        yield address


@pytest.mark.parametrize("command", block("grpcurl").splitlines())
def test_each_grpcurl_example_runs(command: str, address: str) -> None:
    line = command.replace("grpcurl", str(BIN / "grpcurl"), 1).replace("127.0.0.1:50051", address)
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    if "QueryService/Query" in command or "StreamQuery" in command:
        assert "RAGents is a service that answers questions from your own documents over gRPC" in done.stdout
        assert "docs/index.md" in done.stdout
    if "Health" in command:
        assert '"SERVING"' in done.stdout


def test_the_descriptor_set_serves_grpcurl_without_reflection(address: str) -> None:
    asked = '{"question": {"text": "What is RAGents?"}}'
    protoset = str(ROOT / "ragents_client/v1/ragents.binpb")
    with server_thread(reflection=False) as silent:
        listing = subprocess.run([BIN / "grpcurl", "-plaintext", silent, "list"], capture_output=True, check=False)
        assert listing.returncode != 0
    command = [BIN / "grpcurl", "-plaintext", "-protoset", protoset, "-d", asked, address]
    done = subprocess.run(
        [*command, "ragents.v1.QueryService/Query"], capture_output=True, text=True, check=False, timeout=60
    )
    assert "over gRPC" in done.stdout, done.stderr


def test_a_refusal_prints_code_reason_and_advice(address: str) -> None:
    command = [BIN / "grpcurl", "-plaintext", "-d", "{}", address, "ragents.v1.QueryService/Query"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    for word in ("InvalidArgument", "INVALID_REQUEST", "question.text", "advice"):
        assert word in done.stderr


def test_the_python_example_runs(address: str) -> None:
    program = block("python").replace("127.0.0.1:50051", address)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "RAGents is a service that answers questions from your own documents over gRPC" in done.stdout
    assert "docs/index.md" in done.stdout


def test_the_figures_are_those_that_were_measured() -> None:
    table = re.search(r"<!-- figures -->\n(.*?)\n<!-- /figures -->", README, re.DOTALL)
    assert table is not None
    assert table[1].splitlines() == figures_table.rows()


def test_every_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_the_first_command_answers_in_a_fresh_clone() -> None:
    """The tree as it is, without .venv, installed and asked as the README says."""
    with data_folder() as folder:
        clone = folder / "clone"
        listing = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
        ).stdout
        for name in listing.decode().split("\0")[:-1]:
            if (ROOT / name).is_file():
                (clone / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, clone / name)
        given = os.environ | {"RAGENTS_LISTEN": f"127.0.0.1:{free_port()}", "RAGENTS_DATA": str(folder / "data")}
        command = [clone / "scripts/quickstart", "--ask", "What is RAGents?"]
        done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=280, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "RAGents is a service that answers questions from your own documents over gRPC" in done.stdout
        assert re.search(r"\[1\] .*docs/index\.md, line 3", done.stdout)
        assert not list((folder / "data/postgres/cluster").glob("postmaster.pid"))
