"""RAGents: agentic RAG as a typed gRPC service."""
