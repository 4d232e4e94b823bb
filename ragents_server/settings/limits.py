"""Settings: what replicas share to hold limits and to queue."""

from pydantic import BaseModel, Field, SecretStr


class Limits(BaseModel):
    """What replicas share to hold limits and to queue."""

    limits: SecretStr | None = Field(
        None,
        description="Redis for limits and queues, never evicting; unset: limits in process, the queue in the database.",
    )
