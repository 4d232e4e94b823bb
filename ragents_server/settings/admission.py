"""Settings: how much is worked for at once, and who waits."""

from pydantic import BaseModel, Field


class Admission(BaseModel):
    """How much is worked for at once, and who waits."""

    executions: int = Field(50, ge=1, le=10_000, description="Answers and runs worked for at once.")
    queue: int = Field(200, ge=0, le=100_000, description="Calls that may wait for their turn.")
