"""Kinds of values that several settings have."""

from typing import Annotated

from pydantic import Field

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Long = Annotated[float, Field(ge=1, le=10**9)]  # seconds too
Bytes = Annotated[int, Field(ge=0, le=2**40)]

Count = Annotated[int, Field(ge=0, le=10**9)]
