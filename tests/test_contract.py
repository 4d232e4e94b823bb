"""The contract and what is made from it: fresh, formatted, documented, and served to its last RPC."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, symbol_database
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

import ragents_client.v1
from ragents_server.server import SERVICES

ROOT = Path(__file__).parent.parent
STORED = ROOT / "ragents_server" / "stored" / "v1"
STUBS = ROOT / "ragents_client" / "v1"
BUF = Path(sys.executable).with_name("buf")
POOL = symbol_database.Default().pool
METHODS = [method for name in SERVICES for method in POOL.FindServiceByName(name).methods]
SERVED = ("QueryService", "DocumentService", "AgentService", "CacheService")
BUILT = [method for method in METHODS if method.containing_service.name in SERVED]


def described() -> descriptor_pb2.FileDescriptorSet:
    return descriptor_pb2.FileDescriptorSet.FromString((STUBS / "ragents.binpb").read_bytes())


def test_the_stubs_are_those_that_the_contract_generates(tmp_path: Path) -> None:
    folders = (tmp_path / "contract", tmp_path / "stored")
    for folder in folders:
        folder.mkdir()
    subprocess.run([ROOT / "scripts" / "generate", *folders], check=True, capture_output=True, timeout=280)
    for folder, stubs in zip(folders, (STUBS, STORED), strict=True):
        made = {path.name: path.read_bytes() for path in folder.iterdir()}
        kept = {path.name: path.read_bytes() for path in stubs.iterdir() if path.is_file()}
        if stubs is STORED:
            del kept["__init__.py"]
        assert made.keys() == kept.keys() - {"py.typed"}
        assert [name for name in made if made[name] != kept[name]] == []


@pytest.mark.parametrize("words", [["lint"], ["format", "--diff", "--exit-code"]])
def test_buf_finds_nothing(words: list[str]) -> None:
    done = subprocess.run([BUF, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        ("  // Answers one question.\n", "", "COMMENT_RPC"),
        ("  // The question. Required.\n", "", "COMMENT_FIELD"),
        ("// A question.\nmessage QueryRequest", "message QueryRequest", "COMMENT_MESSAGE"),
        ("returns (QueryResponse)", "returns (RetrieveResponse)", "RPC_RESPONSE_STANDARD_NAME"),
    ],
)
def test_buf_would_find_what_is_missing(tmp_path: Path, before: str, after: str, rule: str) -> None:
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    broken = tmp_path / "protos/ragents/v1/query_service.proto"
    text = broken.read_text()
    assert before in text
    broken.write_text(text.replace(before, after))
    command = [BUF, "lint", "--error-format=json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 100
    assert rule in done.stdout


def test_the_contract_imports_nothing_but_itself_and_protobuf() -> None:
    for path in (ROOT / "protos").rglob("*.proto"):
        for name in re.findall(r'^import "(.*)";', path.read_text(), re.MULTILINE):
            assert name.startswith(("google/protobuf/", "ragents/v1/")), f"{path.name} imports {name}"


def test_the_nouns_stand_in_no_service_file() -> None:
    for file in described().file:
        if file.name.endswith("_service.proto"):
            assert file.service
            assert all(re.fullmatch(r"\w+(Request|Response)|UploadEnd", one.name) for one in file.message_type)
        else:
            assert not file.service


def test_every_file_has_its_options_for_other_languages() -> None:
    for file in described().file:
        if file.package == "ragents.v1":
            kept = (file.options.go_package, file.options.java_package, file.options.csharp_namespace)
            assert kept == ("ragents/v1;ragentsv1", "ragents.v1", "Ragents.V1")


def test_the_descriptor_set_is_that_of_the_stubs() -> None:
    files = {file.name: file for file in described().file}
    assert {path.name for path in (ROOT / "protos/ragents/v1").iterdir()} == {
        Path(name).name for name in files if name.startswith("ragents/")
    }
    for name in sorted(name for name in files if name.startswith("ragents/")):
        of_the_stub, file = descriptor_pb2.FileDescriptorProto(), files[name]
        POOL.FindFileByName(name).CopyToProto(of_the_stub)
        file.ClearField("source_code_info")
        for field in (field for message in file.message_type for field in message.field):
            field.ClearField("json_name")  # the one derived from the name, which stubs leave out
        assert of_the_stub == file, name


def test_every_message_and_enum_is_importable_from_the_package() -> None:
    for file in described().file:
        if file.package == "ragents.v1":
            for one in (*file.message_type, *file.enum_type):
                assert hasattr(ragents_client.v1, one.name), one.name


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_rpc_says_what_a_repetition_does(method: MethodDescriptor) -> None:
    options = descriptor_pb2.MethodOptions
    level = method.GetOptions().idempotency_level
    reads = ("Get", "List", "Query", "StreamQuery", "Retrieve", "BatchQuery", "AttachRun")
    expected = options.NO_SIDE_EFFECTS if method.name.startswith(reads) else options.IDEMPOTENT
    assert level == expected


def test_every_rpc_that_changes_something_has_a_name_for_the_change() -> None:
    """Either the request's own fields say what it is, as a put or a delete does, or a request_id."""
    for method in METHODS:
        if method.name in ("Run", "StreamRun"):
            assert "request_id" in method.input_type.fields_by_name["turn"].message_type.fields_by_name
        if method.name in ("SubmitBatch", "ForkThread"):
            assert "request_id" in method.input_type.fields_by_name


def test_every_enum_begins_with_unspecified() -> None:
    for file in described().file:
        if file.package == "ragents.v1":
            for enum in file.enum_type:
                assert (enum.value[0].number, enum.value[0].name.endswith("_UNSPECIFIED")) == (0, True)


def call(channel: grpc.Channel, method: MethodDescriptor) -> tuple[grpc.StatusCode, str]:
    """An empty request, as the weakest of clients sends it."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    request, reply = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    how = {"request_serializer": request.SerializeToString, "response_deserializer": reply.FromString}
    try:
        if method.client_streaming:
            list(channel.stream_stream(path, **how)(iter([request()]), timeout=20))
        elif method.server_streaming:
            list(channel.unary_stream(path, **how)(request(), timeout=20))
        else:
            channel.unary_unary(path, **how)(request(), timeout=20)
    except grpc.RpcError as error:
        caught: Any = error
        return caught.code(), caught.details()
    return grpc.StatusCode.OK, ""


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_rpc_is_served_or_says_that_it_is_not(grpc_channel: grpc.Channel, method: MethodDescriptor) -> None:
    code, details = call(grpc_channel, method)
    if method in BUILT:
        documented = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}
        assert code in documented, details
    else:
        assert code in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.OK}, details


def test_an_rpc_that_does_not_exist_is_unimplemented(grpc_channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        grpc_channel.unary_unary("/ragents.v1.QueryService/Guess")(b"", timeout=20)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
