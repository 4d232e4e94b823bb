"""What is imported when, and that nothing of it sends what it is asked to anybody."""

import os
import subprocess
import sys

TRACING = {"LANGSMITH_TRACING": "true", "LANGCHAIN_TRACING_V2": "true", "LANGSMITH_ENDPOINT": "http://127.0.0.1:9"}


def run(program: str, **environment: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, env={**os.environ, **environment})


def test_agents_are_not_traced_even_where_the_environment_asks_for_it() -> None:
    run(
        """if True:
        import ragents_server.agents.react, ragents_server.agents.graph, ragents_server.agents.simple
        from langsmith.utils import tracing_is_enabled
        assert not tracing_is_enabled()""",
        **TRACING,
    )


def test_the_server_starts_without_what_only_agents_need() -> None:
    run(
        """if True:
        import sys
        import ragents_server.server, ragents_server.wiring, ragents_server.operations
        heavy = {"langgraph", "langchain", "langchain_core", "langsmith", "sympy", "mcp"}
        assert not heavy & {name.partition(".")[0] for name in sys.modules}"""
    )
