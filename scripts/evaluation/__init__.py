"""Quality figures: retrieval, chunking and answers, measured through gRPC on a server of its own."""
