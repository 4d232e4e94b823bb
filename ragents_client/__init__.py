"""The client of RAGents."""
