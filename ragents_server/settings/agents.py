"""Settings: agents, their tools, runs and threads."""

from pathlib import Path

from pydantic import BaseModel, Field, SecretStr

from ragents_server.settings.kinds import Long, Seconds


class Agents(BaseModel):
    """Agents, their tools, runs and threads."""

    agents: str = Field(
        "simple,logical,langgraph,react",
        description="Agents that are loaded, separated by commas; one's own as package.module:build.",
    )
    agent: str = Field("simple", description="The agent of a new thread whose turn names none.")
    tools: str = Field(
        "retrieve,open_document,calculate,date",
        description="Tools that agents may call, separated by commas; one's own as package.module:function.",
    )
    tool_approval: str = Field("", description="Tools whose every call a person approves, separated by commas.")
    mcp: Path | None = Field(None, description="File of MCP servers whose tools agents may call: JSON, mcpServers.")
    tool_timeout: Seconds = Field(30, description="Seconds a call of a tool may take.")
    tool_output: int = Field(20_000, ge=100, le=1_000_000, description="Characters a tool may return.")
    run_tokens: int = Field(200_000, ge=1, le=100_000_000, description="Tokens a run may read and write at most.")
    run_time: Seconds = Field(300, description="Seconds a run may take at most, detached or not.")
    run_kept: Long = Field(604_800, description="Seconds that a run's outcome is kept for its request_id.")
    checkpoints: SecretStr | None = Field(
        None, description="Redis that keeps the state of threads, never evicting; unset: the database."
    )
    checkpoints_timeout: Seconds = Field(2, description="Seconds that a request to that Redis may take.")
    checkpoint_key: SecretStr | None = Field(
        None, description="Secret that checkpoints are sealed with; all replicas need the same."
    )
    max_checkpoints_per_thread: int = Field(10, ge=1, le=10_000, description="Checkpoints of a thread that are kept.")
    thread_ttl: Long | None = Field(
        None, description="Seconds after its last use that a thread is deleted; unset: 3600 in Redis, never elsewhere."
    )
