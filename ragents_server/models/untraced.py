"""Keeps LangChain from sending questions and documents to a tracing service because the environment says so."""

import os

_SWITCHES = ("LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGCHAIN_TRACING")


def stop_tracing() -> None:
    """To be called before anything of LangChain's is imported: it reads its switches once."""
    os.environ.update(dict.fromkeys(_SWITCHES, "false"))
