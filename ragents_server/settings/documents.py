"""Settings: the database, the documents in it and how they are found."""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr

from ragents_server.settings.kinds import Seconds


def default_data() -> Path:
    """/var/lib/ragents for root, else $XDG_DATA_HOME/ragents."""
    if os.geteuid() == 0:
        return Path("/var/lib/ragents")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "ragents"


class Documents(BaseModel):
    """The database, the documents in it and how they are found."""

    data: Path = Field(default_factory=default_data, description="Folder of the embedded database.")
    database: SecretStr | None = Field(None, description="PostgreSQL URL; unset: the embedded PostgreSQL.")
    database_connections: int = Field(10, ge=2, le=1000, description="Connections to the database at most.")
    database_timeout: Seconds = Field(30, description="Seconds a statement may take.")
    postgres_bin: Path | None = Field(None, description="Folder of PostgreSQL's programs for the embedded database.")
    rewriting: Literal["none", "contextual", "expand", "decompose", "hyde"] = Field(
        "contextual",
        description="How questions that do not say are rewritten; all but the first two need a chat model.",
    )
    top_k: int = Field(5, ge=1, le=100, description="Passages an answer may be written from.")
    reranker: str = Field("", description="A reranker of your own as package.module:Class; empty: none.")
    relevance: float = Field(1.0, ge=0, le=1, description="Relevance against diversity of passages (MMR); 1: no MMR.")
    chunk_size: int = Field(
        1000,
        ge=100,
        le=10_000,
        description="Characters of a passage at most; half as much more keeps a short document whole.",
    )
    chunk_overlap: int = Field(200, ge=0, le=5_000, description="Characters that neighbouring passages share at most.")
    max_document: int = Field(64 * 2**20, ge=1024, le=2**30, description="Bytes of a document at most.")
    max_uploads: int = Field(4, ge=1, le=64, description="Documents of one upload stream worked on at once.")
    parsers: int = Field(2, ge=1, le=64, description="Processes that read documents.")
    parser_memory: int = Field(
        512 * 2**20, ge=2**27, le=2**36, description="Bytes of memory a document may take to read."
    )
    parser_timeout: Seconds = Field(60, description="Seconds a document may take to read.")
