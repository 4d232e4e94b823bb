"""Kinds of values that several settings have."""

from typing import Annotated

from pydantic import AfterValidator, Field

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Long = Annotated[float, Field(ge=1, le=10**9)]  # seconds too
Bytes = Annotated[int, Field(ge=0, le=2**40)]

Count = Annotated[int, Field(ge=0, le=10**9)]


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (host and colon and port.isdigit() and int(port) < 65536):
        raise ValueError("must be HOST:NUMBER, such as 127.0.0.1:50051 or [::1]:50051")
    return value


Address = Annotated[str, AfterValidator(_address)]
