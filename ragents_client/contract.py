"""What the contract's descriptors tell the client: the RPC of each request, and which may be sent again."""

from collections.abc import Iterator
from functools import cache
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from ragents_client.v1 import (
    agent_service_pb2,
    cache_service_pb2,
    document_service_pb2,
    health_service_pb2,
    query_service_pb2,
)

FILES = (agent_service_pb2, cache_service_pb2, document_service_pb2, health_service_pb2, query_service_pb2)


def all_methods() -> Iterator[MethodDescriptor]:
    """Every RPC of the contract."""
    for file in FILES:
        for service in file.DESCRIPTOR.services_by_name.values():
            yield from service.methods


@cache
def methods() -> MappingProxyType[str, MethodDescriptor]:
    """The RPCs by the full name of their request: each has a request of its own."""
    return MappingProxyType({method.input_type.full_name: method for method in all_methods()})


def method_of(request: type[Message]) -> MethodDescriptor:
    """The RPC that a request belongs to."""
    return methods()[request.DESCRIPTOR.full_name]


def path_of(method: MethodDescriptor) -> str:
    """The RPC's path on the wire, `/package.Service/Method`."""
    return f"/{method.containing_service.full_name}/{method.name}"


def request_of(method: MethodDescriptor) -> Any:
    """The class of the RPC's request."""
    return GetMessageClass(method.input_type)


def response_of(method: MethodDescriptor) -> Any:
    """The class of the RPC's response."""
    return GetMessageClass(method.output_type)


def may_repeat(method: MethodDescriptor) -> bool:
    """Whether the same request may be sent twice without doing anything twice."""
    return bool(method.GetOptions().idempotency_level)  # 0: nothing is promised
