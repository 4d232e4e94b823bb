"""Agents and who runs them. LangGraph is imported with the first agent, and traces nothing."""

from ragents_server.models.untraced import stop_tracing

stop_tracing()
