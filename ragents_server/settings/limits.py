"""Settings: how often each user and each tenant may ask."""

from pathlib import Path

from pydantic import BaseModel, Field, SecretStr

from ragents_server.settings.kinds import Count, Seconds


class Limits(BaseModel):
    """How often each user and each tenant may ask; 0 means no such limit."""

    limits: SecretStr | None = Field(
        None,
        description="Redis for limits and queues, never evicting; unset: limits in process, the queue in the database.",
    )
    limits_timeout: float = Field(0.1, ge=0.005, le=2, description="Seconds that a call may wait for that Redis.")
    rate_limit_wait: Seconds = Field(30, description="Seconds a call may wait for its limit; 0: it is refused at once.")
    requests_per_minute: Count = Field(60, description="Requests of a user in a minute; 0: any number, as below.")
    requests_per_hour: Count = Field(1000, description="Requests of a user in an hour.")
    burst: Count = Field(10, description="Requests of a user at once, after a pause; 0: those of a minute.")
    concurrency: Count = Field(0, description="Calls of a user under way at once.")
    tokens_per_minute: Count = Field(0, description="Tokens of the chat model that a user may use in a minute.")
    tenant_requests_per_minute: Count = Field(0, description="Requests of a tenant in a minute.")
    tenant_requests_per_hour: Count = Field(0, description="Requests of a tenant in an hour.")
    tenant_burst: Count = Field(0, description="Requests of a tenant at once, after a pause; 0: those of a minute.")
    tenant_concurrency: Count = Field(0, description="Calls of a tenant under way at once.")
    tenant_tokens_per_minute: Count = Field(
        0, description="Tokens of the chat model that a tenant may use in a minute."
    )
    quotas: Path | None = Field(
        None, description="File of limits by a credential's quota: JSON, {quota: {requests_per_minute: …}}."
    )
