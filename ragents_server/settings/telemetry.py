"""Settings: what is told of how the server fares, and where."""

from pydantic import BaseModel, Field

from ragents_server.settings.kinds import Address


class Telemetry(BaseModel):
    """What is told of how the server fares, and where."""

    metrics_listen: Address | None = Field(
        None, description="Where Prometheus reads metrics over HTTP, HOST:NUMBER; nothing is counted where it is unset."
    )
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: str = Field(
        "auto",
        pattern="^(auto|text|json)$",
        description="`text`, `json`, or `auto`: text on a terminal, JSON elsewhere.",
    )
    log_calls: str = Field(
        "errors",
        pattern="^(off|errors|all)$",
        description="Which calls have a line in the log: `off`, `errors` (by the server's fault) or `all`.",
    )
