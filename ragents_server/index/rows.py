"""Rows of the database as nouns of the contract, and back."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from ragents_client.v1.document_pb2 import DOCUMENT_STATE_READY, DOCUMENT_STATE_SEARCHABLE, Collection, Document
from ragents_server.errors import InvalidRequest

Row = Mapping[str, Any]

NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # escaped by JSON, not a backslash that was written so


def to_json(metadata: Struct) -> str:
    """The text that the database keeps; raises InvalidRequest for what JSON or PostgreSQL cannot hold."""
    try:
        text = json.dumps(json_format.MessageToDict(metadata), allow_nan=False, ensure_ascii=False)
        text.encode()
    except (ValueError, json_format.Error) as error:
        raise _invalid("a number that is not finite, or text that is not Unicode") from error
    if NUL.search(text):
        raise _invalid("the character U+0000")
    return text


def _invalid(what: str) -> InvalidRequest:
    message = f"metadata holds {what}"
    return InvalidRequest(message, violations={"metadata": message})


def to_struct(text: str) -> Struct:
    """The inverse of `to_json`."""
    metadata = Struct()
    metadata.update(json.loads(text))
    return metadata


def to_time(moment: datetime) -> Timestamp:
    """A contract's time."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def to_document(row: Row) -> Document:
    """A whole row of `documents`, with its collection's name."""
    return Document(
        id=row["id"].hex,
        collection=row["collection"],
        name=row["name"],
        version=row["version"],
        media_type=row["media_type"],
        size=row["size"],
        state=DOCUMENT_STATE_READY if row["embedded"] else DOCUMENT_STATE_SEARCHABLE,
        metadata=to_struct(row["metadata"]),
        passages=row["passages"],
        create_time=to_time(row["create_time"]),
        update_time=to_time(row["update_time"]),
    )


def to_collection(row: Row) -> Collection:
    """A row of `collections`."""
    return Collection(
        name=row["name"],
        documents=row["documents"],
        passages=row["passages"],
        embedding_model=row["embedding_model"],
        dimension=row["dimension"],
        create_time=to_time(row["create_time"]),
    )
