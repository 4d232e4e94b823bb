"""Every setting: its name, its default and its sentence. `RAGENTS_` before the name in capitals sets it."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ragents_server.errors import ConfigurationError

PREFIX = "RAGENTS_"
CLIENTS = frozenset({"RAGENTS_SERVER", "RAGENTS_TOKEN"})  # read by the command `ragents`, not by the server


def default_data() -> Path:
    """/var/lib/ragents for root, else $XDG_DATA_HOME/ragents."""
    if os.geteuid() == 0:
        return Path("/var/lib/ragents")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "ragents"


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (host and colon and port.isdigit() and int(port) < 65536):
        raise ValueError("must be HOST:NUMBER, such as 127.0.0.1:50051 or [::1]:50051")
    return value


Seconds = Annotated[float, Field(ge=0, le=86_400)]
Long = Annotated[float, Field(ge=1, le=10**9)]  # seconds too
Bytes = Annotated[int, Field(ge=0, le=2**40)]


class Settings(BaseSettings):
    """What the server is told by its environment; a secret may also come from a file named by NAME_FILE."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    listen: Annotated[str, AfterValidator(_address)] = Field(
        "127.0.0.1:50051", description="Where the gRPC server listens, HOST:NUMBER."
    )
    plaintext: bool = Field(False, description="Allow a plaintext listener that is not on loopback, behind a mesh.")
    reflection: bool = Field(True, description="Serve gRPC reflection, for grpcurl.")
    keys: Path | None = Field(None, description="File of API keys: JSON, SHA-256 of the token to its caller.")
    data: Path = Field(default_factory=default_data, description="Folder of the embedded database.")
    database: SecretStr | None = Field(None, description="PostgreSQL URL; unset: the embedded PostgreSQL.")
    database_connections: int = Field(10, ge=2, le=1000, description="Connections to the database at most.")
    database_timeout: Seconds = Field(30, description="Seconds a statement may take.")
    postgres_bin: Path | None = Field(None, description="Folder of PostgreSQL's programs for the embedded database.")
    embeddings: str = Field("minilm", description="Embedding model: minilm, or PROVIDER:MODEL of LangChain.")
    previous_embeddings: str = Field(
        "", description="The model of collections that are not reindexed yet; empty: none."
    )
    embedding_threads: int = Field(0, ge=0, le=256, description="Threads that embed; 0: one a core.")
    embedding_url: str = Field(
        "", description="Base URL of a compatible server that embeds; empty: the provider's own."
    )
    embedding_key: SecretStr | None = Field(
        None,
        description="The embedding model's API key; unset: the provider's own variable, and none to a URL of yours.",
    )
    embedding_timeout: Seconds = Field(30, description="Seconds a request to an embedding provider may take.")
    embedding_batch: int = Field(
        8, ge=1, le=256, description="Concurrent questions sent to a provider in one request at most."
    )
    embedding_wait: Seconds = Field(0, description="Seconds a question waits for others to be sent with.")
    writer: str = Field(
        "", description="Who writes answers: extractive or prompted; empty: prompted with a chat model."
    )
    chat_model: str = Field(
        "", description="Chat model: PROVIDER:MODEL of LangChain, or one's own as package.module:Class; empty: none."
    )
    chat_url: str = Field("", description="Base URL of an OpenAI-compatible server; empty: the provider's own.")
    chat_key: SecretStr | None = Field(
        None, description="The chat model's API key; unset: the provider's own variable, and none to a URL of yours."
    )
    chat_temperature: float = Field(0.7, ge=0, le=2, description="The chat model's temperature.")
    chat_tokens: int = Field(2000, ge=1, le=1_000_000, description="Tokens the chat model may write.")
    chat_timeout: Seconds = Field(
        45, description="Seconds a call of the chat model may take; below `deadline`, so that a hanging model is told."
    )
    cache: SecretStr | None = Field(
        None,
        description="Redis that replicas share a cache in: redis, rediss or redis+cluster URL; unset: memory alone.",
    )
    cache_timeout: float = Field(0.1, ge=0.005, le=0.2, description="Seconds that anything may wait for that Redis.")
    cache_connections: int = Field(8, ge=1, le=100, description="Connections to that Redis at most.")
    cache_compression: bool = Field(True, description="Compress what goes to that Redis, where it pays.")
    cache_embedding: bool = Field(True, description="Keep the vectors of questions.")
    cache_embedding_ttl: Seconds = Field(86_400, description="Seconds that a question's vector is kept.")
    cache_embedding_size: Bytes = Field(100 * 10**6, description="Bytes of such vectors in memory at most.")
    cache_retrieval: bool = Field(True, description="Keep the passages found for questions.")
    cache_retrieval_ttl: Seconds = Field(3600, description="Seconds that found passages are kept.")
    cache_retrieval_size: Bytes = Field(400 * 10**6, description="Bytes of found passages in memory at most.")
    cache_rewrite: bool = Field(True, description="Keep rewritten questions.")
    cache_rewrite_ttl: Seconds = Field(7200, description="Seconds that a rewritten question is kept.")
    cache_rewrite_size: Bytes = Field(50 * 10**6, description="Bytes of rewritten questions in memory at most.")
    cache_answer: bool = Field(True, description="Keep answers.")
    cache_answer_ttl: Seconds = Field(3600, description="Seconds that an answer is kept.")
    cache_answer_size: Bytes = Field(450 * 10**6, description="Bytes of answers in memory at most.")
    cache_semantic: bool = Field(
        False, description="Give a question the kept answer to one that asks the same in other words."
    )
    cache_semantic_threshold: float = Field(
        0.9, ge=0, le=1, description="The least cosine of two such questions' vectors."
    )
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
    rewriting: Literal["none", "contextual", "expand", "decompose", "hyde"] = Field(
        "contextual",
        description="How questions that do not say are rewritten; all but the first two need a chat model.",
    )
    top_k: int = Field(5, ge=1, le=100, description="Passages an answer may be written from.")
    reranker: str = Field("", description="A reranker of your own as package.module:Class; empty: none.")
    relevance: float = Field(1.0, ge=0, le=1, description="Relevance against diversity of passages (MMR); 1: no MMR.")
    chunk_size: int = Field(
        1000,
        ge=100,
        le=10_000,
        description="Characters of a passage at most; half as much more keeps a short document whole.",
    )
    chunk_overlap: int = Field(200, ge=0, le=5_000, description="Characters that neighbouring passages share at most.")
    deadline: Seconds = Field(60, description="Seconds a call may take when its caller sets no deadline.")
    max_deadline: Seconds = Field(300, description="Seconds a call may take at most.")
    upload_deadline: Seconds = Field(3600, description="Seconds an upload stream may take at most.")
    max_message: int = Field(4 * 2**20, ge=2**16, le=2**30, description="Bytes of a message at most.")
    max_metadata: int = Field(16 * 2**10, ge=2**12, le=2**20, description="Bytes of a call's metadata at most.")
    max_document: int = Field(64 * 2**20, ge=1024, le=2**30, description="Bytes of a document at most.")
    max_uploads: int = Field(4, ge=1, le=64, description="Documents of one upload stream worked on at once.")
    parsers: int = Field(2, ge=1, le=64, description="Processes that read documents.")
    parser_memory: int = Field(
        512 * 2**20, ge=2**27, le=2**36, description="Bytes of memory a document may take to read."
    )
    parser_timeout: Seconds = Field(60, description="Seconds a document may take to read.")
    lame_duck: Seconds = Field(2, description="Seconds between SIGTERM's NOT_SERVING and the end of new calls.")
    grace: Seconds = Field(30, description="Seconds that calls under way have to end after that.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then NAME_FILE, then the environment."""
        del dotenv_settings, file_secret_settings
        return init_settings, _SecretFiles(settings_cls), env_settings


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads a secret from the file that RAGENTS_NAME_FILE names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The file's content without its last newline, None when there is no such variable."""
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if not path or not is_secret(field):
            return None, field_name, False
        try:
            return Path(path).read_text().rstrip("\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            name = f"{PREFIX}{field_name.upper()}_FILE"
            why = (isinstance(error, OSError) and error.strerror) or "it is not UTF-8"
            raise ConfigurationError(f"{name}: cannot read the file: {why}") from None

    def __call__(self) -> dict[str, Any]:
        """All secrets that come from files."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def is_secret(field: FieldInfo) -> bool:
    """Whether the setting's value must not be shown."""
    return "SecretStr" in str(field.annotation)


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; ConfigurationError with one line that says what to change."""
    _refuse_unknown(environment)
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigurationError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None
    if settings.chunk_overlap * 2 > settings.chunk_size:
        raise ConfigurationError("RAGENTS_CHUNK_OVERLAP: must be at most half of RAGENTS_CHUNK_SIZE")
    return settings


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    fields = Settings.model_fields
    known = {PREFIX + name.upper() for name in fields}
    known |= {f"{PREFIX}{name.upper()}_FILE" for name, field in fields.items() if is_secret(field)}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known | CLIENTS:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            raise ConfigurationError(f"{name}: there is no such setting; did you mean {nearest}?")
