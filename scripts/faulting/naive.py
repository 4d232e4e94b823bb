"""A small server as programs often are: it decodes, looks things up and trusts; for the control of the barrage."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from ragents_client import v1

KINDS = {  # of each RPC the request, and the method here
    "Query": (v1.QueryRequest, "query"),
    "ListDocuments": (v1.ListDocumentsRequest, "list_documents"),
    "GetDocument": (v1.GetDocumentRequest, "get_document"),
    "GetBatch": (v1.GetBatchRequest, "get_batch"),
}


class Naive:
    """Answers four RPCs from one secret that belongs to whoever asks first."""

    def __init__(self, folder: Path, secret: str) -> None:
        self._folder = folder
        self._batches: dict[str, list[str]] = {}
        self._shelves = {"default": ["granite.txt", secret]}

    async def query(self, request: v1.QueryRequest, _: Any) -> v1.QueryResponse:
        """The best passage's text."""
        shelf = self._shelves[(request.question.collections or ["default"])[0]]
        return v1.QueryResponse(answer=v1.Answer(text=shelf[request.question.top_k]))

    async def list_documents(self, request: v1.ListDocumentsRequest, _: Any) -> v1.ListDocumentsResponse:
        """The names after the one that the token tells."""
        names = self._shelves[request.collection or "default"][int(request.page_token or 0) :]
        return v1.ListDocumentsResponse(documents=[v1.Document(name=name) for name in names])

    async def get_document(self, request: v1.GetDocumentRequest, _: Any) -> v1.GetDocumentResponse:
        """A document, from its file."""
        content = (self._folder / request.document_id).read_bytes()
        return v1.GetDocumentResponse(document=v1.Document(size=len(content)))

    async def get_batch(self, request: v1.GetBatchRequest, _: Any) -> v1.GetBatchResponse:
        """How many are left."""
        return v1.GetBatchResponse(batch=v1.Batch(total=len(self._batches[request.batch_id])))


@asynccontextmanager
async def naive_server(folder: Path, secret: str) -> AsyncIterator[tuple[str, grpc.aio.Channel]]:
    """One that runs on a free port of loopback, without any guard: its address, and a channel to it."""
    naive, server = Naive(folder, secret), grpc.aio.server()
    by_service: dict[str, dict[str, Any]] = {"ragents.v1.QueryService": {}, "ragents.v1.DocumentService": {}}
    for name, (kind, method) in KINDS.items():
        service = "ragents.v1.DocumentService" if "Document" in name else "ragents.v1.QueryService"
        by_service[service][name] = grpc.unary_unary_rpc_method_handler(
            getattr(naive, method), kind.FromString, lambda response: response.SerializeToString()
        )
    for service, handlers in by_service.items():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            yield address, channel
    finally:
        await server.stop(None)
