"""Settings: traces for Opik."""

from pydantic import BaseModel, Field, SecretStr


class Tracing(BaseModel):
    """Traces for Opik."""

    opik_url: str = Field(
        "",
        pattern=r"^(https?://[^\s@]+)?$",
        description="Opik's API, such as `http://opik:5173/api`; nothing is traced where it is unset.",
    )
    opik_key: SecretStr | None = Field(None, description="Opik's API key, where it wants one.")
    opik_workspace: str = Field("", description="The workspace at Opik, where it wants one.")
    opik_project: str = Field("ragents", min_length=1, description="The project at Opik that traces go to.")
    trace_share: float = Field(1.0, ge=0, le=1, description="Share of calls that are traced, 0 to 1.")
    trace_contents: bool = Field(
        True, description="Whether traces tell what was asked, found and answered, or only how it went."
    )
    trace_redaction: bool = Field(
        True, description="Whether addresses, numbers and secrets are replaced in traces before they are sent."
    )
