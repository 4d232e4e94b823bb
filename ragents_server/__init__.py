"""RAGents: agentic RAG as a typed gRPC service."""

import os

# Read when grpc is imported. We never fork without exec; with its fork handlers on, grpc writes a line of its own into
# the standard error of every child that is started while calls are under way.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
