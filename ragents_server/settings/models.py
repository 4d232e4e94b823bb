"""Settings: the models that embed and write."""

from pydantic import BaseModel, Field, SecretStr

from ragents_server.settings.kinds import Seconds


class Models(BaseModel):
    """The models that embed and write."""

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
    chat_fallbacks: str = Field(
        "",
        description="Models asked in turn while the chat model fails: PROVIDER:MODEL or PROVIDER:MODEL@BASE_URL, commas"
        " between; empty: none.",
    )
    chat_fallback_key: SecretStr | None = Field(
        None, description="The fallbacks' API key; unset: the provider's own variable, and none to a URL of yours."
    )
    model_prices: str = Field(
        "",
        description="Dollars for a million tokens, MODEL=IN/OUT, commas between, such as `openai:gpt-4o=2.5/10`.",
    )
    attempts: int = Field(
        3,
        ge=1,
        le=10,
        description="Times that a call asks a failing provider at most; retries have a budget.",
    )
    chat_temperature: float = Field(0.7, ge=0, le=2, description="The chat model's temperature.")
    chat_tokens: int = Field(2000, ge=1, le=1_000_000, description="Tokens the chat model may write.")
    chat_timeout: Seconds = Field(
        45, description="Seconds a call of the chat model may take; below `deadline`, so that a hanging model is told."
    )
