"""Settings: batches that are answered in the background."""

from pydantic import BaseModel, Field

from ragents_server.settings.kinds import Long


class Batches(BaseModel):
    """Batches that are answered in the background."""

    batch_workers: int = Field(4, ge=0, le=1000, description="Questions of batches answered at once here; 0: none.")
    batch_attempts: int = Field(5, ge=1, le=100, description="Attempts at a question of a batch before it is given up.")
    batch_kept: Long = Field(86_400, description="Seconds that a batch is kept after its end.")
    batch_jobs: int = Field(
        100_000, ge=1, le=10_000_000, description="Questions of batches that may be without an outcome, in all."
    )
    batch_tenant_jobs: int = Field(20_000, ge=1, le=10_000_000, description="The same for each tenant.")
