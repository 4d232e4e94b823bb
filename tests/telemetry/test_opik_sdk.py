"""Opik's own SDK reads our traces, from a server that recorded them."""

import asyncio
import json
import os
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest

from ragents_client.v1 import AgentServiceStub, Question, RunRequest, Turn
from tests.openai_server import Call, Reply, openai_server
from tests.opik_server import Recorded
from tests.telemetry.tracing import traced

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-opik/bin/python"
SECONDS = 120  # the SDK takes its time to start


async def read_back(opik: Recorded, home: Path) -> Any:
    """What the SDK makes of what was sent; it may connect to nothing but the recording server."""
    if not PYTHON.exists():
        pytest.skip("Opik's SDK is not installed")
    quiet = {"OPIK_SENTRY_ENABLE": "false", "OPIK_ANALYTICS_ENABLE": "false", "OPIK_URL_OVERRIDE": opik.url}
    command = [PYTHON, Path(__file__).parent / "read_back.py", opik.url, "ragents"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), **quiet}
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment)
    sent = {"traces": opik.traces, "spans": opik.spans, "scores": opik.scores}
    async with asyncio.timeout(SECONDS):
        out, said = await process.communicate(json.dumps(sent).encode())
    assert process.returncode == 0, said.decode()
    return json.loads(out.splitlines()[-1])


async def test_the_sdk_reads_a_turn_of_ours_with_its_tree_thread_tokens_and_cost(tmp_path: Path) -> None:
    said = iter([Reply(calls=[Call("retrieve", '{"query": "quokka"}')]), Reply(["It lives on Rottnest Island."])])
    async with (
        openai_server(lambda _: next(said, "Rottnest.")) as model,
        traced(
            chat_model="openai:gpt-4o",
            chat_url=model.url,
            chat_key="a-key-of-tests",
            model_prices="openai:gpt-4o=2.5/10",
        ) as (opik, channel),
    ):
        await opik.trace("PutDocuments")
        opik.traces.clear()
        opik.spans.clear()
        turn = Turn(agent="react", thread_id="t1", request_id="r1", question=Question(text="Where is the quokka?"))
        await AgentServiceStub(channel).Run(RunRequest(turn=turn), timeout=60)
        await opik.trace("Run")
        await opik.span("agent react")
        read = await read_back(opik, tmp_path)
    assert read["unknown"] == []
    assert read["names"] == ["Run"]
    assert read["thread"] == "local/local/t1"
    assert "quokka" in json.dumps(read["question"])
    assert read["lasted"] > 0
    spans = read["spans"]
    assert all(one["ended"] for one in spans)
    parents = {one["id"]: one["name"] for one in spans}
    named = {one["name"]: one for one in spans}
    assert parents[named["agent react"]["parent"]] == "rpc"
    assert named["tool retrieve"]["type"] == "tool"
    generations = [one for one in spans if one["name"] == "generation"]
    assert generations
    assert all(one["type"] == "llm" and one["usage"]["total_tokens"] > 0 and one["cost"] > 0 for one in generations)
