"""The contract's descriptor set with google.api.http options, as Envoy's transcoder reads it."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2, status_pb2

ROOT = Path(__file__).parent.parent
CONTRACT = ROOT / "ragents_client/v1/ragents.binpb"
RULES = ROOT / "k8s/envoy/http.yaml"
WRITTEN = ROOT / "k8s/envoy/ragents-http.binpb"


def rules() -> dict[str, http_pb2.HttpRule]:
    """By the full name of the RPC."""
    given = yaml.safe_load(RULES.read_text())["http"]["rules"]
    found = [ParseDict(one, http_pb2.HttpRule()) for one in given]
    return {one.selector: one for one in found}


def methods(described: FileDescriptorSet) -> Iterator[tuple[str, FileDescriptorProto, MethodDescriptorProto]]:
    """Each RPC with its full name and its file."""
    for file in described.file:
        for service in file.service:
            for method in service.method:
                yield f"{file.package}.{service.name}.{method.name}", file, method


def mapped() -> bytes:
    """The file's bytes. ValueError where RPCs and paths are not the same."""
    described, ruled = FileDescriptorSet.FromString(CONTRACT.read_bytes()), rules()
    option: Any = annotations_pb2.http
    found = list(methods(described))
    if odd := {name for name, _, _ in found} ^ ruled.keys():
        raise ValueError(f"without a path, or without an RPC: {', '.join(sorted(odd))}")
    for name, file, method in found:
        rule = http_pb2.HttpRule()
        rule.CopyFrom(ruled[name])
        rule.selector = ""
        method.options.Extensions[option].CopyFrom(rule)
        if option.file.name not in file.dependency:
            file.dependency.append(option.file.name)
    files = {file.name: file for file in described.file}
    # The last two are no part of the contract's own files: a failure's details, which Envoy writes as JSON.
    for added in (option.file, status_pb2.DESCRIPTOR, error_details_pb2.DESCRIPTOR):
        files |= dict(own_and_needed(added))
    return FileDescriptorSet(file=ordered(files)).SerializeToString(deterministic=True)


def own_and_needed(file: FileDescriptor) -> Iterator[tuple[str, FileDescriptorProto]]:
    """The file and those that it imports."""
    for needed in file.dependencies:
        yield from own_and_needed(needed)
    copy = FileDescriptorProto()
    file.CopyToProto(copy)
    yield file.name, copy


def ordered(files: Mapping[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Each after those that it imports."""
    order: dict[str, FileDescriptorProto] = {}
    while len(order) < len(files):
        order |= {name: file for name, file in files.items() if set(file.dependency) <= order.keys()}
    return list(order.values())


def main() -> int:
    """0: written."""
    WRITTEN.write_bytes(mapped())
    print(f"written: {WRITTEN}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
