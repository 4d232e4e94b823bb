"""grpcurl against the server: with reflection, and with the descriptor set where that is off."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import symbol_database

from ragents_server.server import SERVICES
from tests.servers import server_thread
from tests.services.calls import put

GRPCURL = Path(sys.executable).with_name("grpcurl")
DESCRIPTORS = Path(__file__).parent.parent / "ragents_client" / "v1" / "ragents.binpb"


def grpcurl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([GRPCURL, "-plaintext", *words], capture_output=True, text=True, timeout=30, check=False)


def said(*words: str) -> str:
    done = grpcurl(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_service_is_listed(grpc_addr: str) -> None:
    listed = set(said(grpc_addr, "list").split())
    assert set(SERVICES) <= listed
    assert {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} <= listed


@pytest.mark.parametrize("service", SERVICES)
def test_every_rpc_is_described(grpc_addr: str, service: str) -> None:
    described = said(grpc_addr, "describe", service)
    for method in symbol_database.Default().pool.FindServiceByName(service).methods:
        assert f"rpc {method.name} (" in described


@pytest.mark.parametrize("kind", ["ErrorInfo", "RetryInfo", "BadRequest", "QuotaFailure"])
def test_the_details_of_errors_are_described_too(grpc_addr: str, kind: str) -> None:
    assert f"message {kind}" in said(grpc_addr, "describe", f"google.rpc.{kind}")


def test_a_question_is_asked_by_hand(grpc_addr: str, grpc_channel: grpc.Channel) -> None:
    put(grpc_channel, "quokka.txt", "The quokka lives on Rottnest Island.")
    question = json.dumps({"question": {"text": "Where does the quokka live?"}})
    answer = json.loads(said("-d", question, grpc_addr, "ragents.v1.QueryService/Query"))["answer"]
    assert "Rottnest" in answer["text"]
    assert answer["citations"][0]["quote"] == "The quokka lives on Rottnest Island."


def test_a_document_is_put_by_hand(grpc_addr: str) -> None:
    upload = json.dumps({"upload": {"name": "hand.txt", "content": "VGhlIGhhbmQgd2F2ZXMu", "collection": "hand"}})
    done = said("-d", upload, grpc_addr, "ragents.v1.DocumentService/PutDocuments")
    assert '"outcome": "PUT_OUTCOME_CREATED"' in done


def test_an_error_is_shown_with_its_details(grpc_addr: str) -> None:
    done = grpcurl("-d", "{}", grpc_addr, "ragents.v1.QueryService/Query")
    assert done.returncode != 0
    assert "Code: InvalidArgument" in done.stderr
    assert "question.text" in done.stderr
    assert "INVALID_REQUEST" in done.stderr


def test_health_is_asked_by_hand(grpc_addr: str) -> None:
    for service in ("", "ragents-readiness", "ragents-liveness", *SERVICES):
        asked = json.dumps({"service": service})
        assert "SERVING" in said("-d", asked, grpc_addr, "grpc.health.v1.Health/Check")
    unknown = grpcurl("-d", '{"service": "nobody"}', grpc_addr, "grpc.health.v1.Health/Check")
    assert "NotFound" in unknown.stderr


def test_without_reflection_the_descriptor_set_serves() -> None:
    settings: dict[str, Any] = {"reflection": False}
    with server_thread(**settings) as address:
        assert "reflection" in grpcurl(address, "list").stderr
        words = ["-protoset", str(DESCRIPTORS), address, "ragents.v1.DocumentService/ListCollections"]
        assert json.loads(said(*words)) == {}
