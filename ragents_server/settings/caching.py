"""Settings: what is kept to be told again."""

from pydantic import BaseModel, Field, SecretStr

from ragents_server.settings.kinds import Bytes, Seconds


class Caching(BaseModel):
    """What is kept to be told again."""

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
