"""Settings: who is served, where, and how long."""

from pydantic import BaseModel, Field

from ragents_server.settings.kinds import Address, Seconds


class Serving(BaseModel):
    """Who is served, where, and how long."""

    listen: Address = Field("127.0.0.1:50051", description="Where the gRPC server listens, HOST:NUMBER.")
    processes: int = Field(
        1,
        ge=1,
        le=32,
        description="Processes that serve as one server; executions, queue, workers, caches, parsers and connections"
        " are divided among them.",
    )
    deadline: Seconds = Field(60, description="Seconds a call may take when its caller sets no deadline.")
    max_deadline: Seconds = Field(300, description="Seconds a call may take at most.")
    upload_deadline: Seconds = Field(3600, description="Seconds an upload stream may take at most.")
    max_message: int = Field(4 * 2**20, ge=2**16, le=2**30, description="Bytes of a message at most.")
    max_metadata: int = Field(16 * 2**10, ge=2**12, le=2**20, description="Bytes of a call's metadata at most.")
    connection_age: Seconds = Field(
        300,
        description="Seconds after which a client is asked to connect anew, so that new servers get calls; 0: never.",
    )
    lame_duck: Seconds = Field(2, description="Seconds between SIGTERM's NOT_SERVING and the end of new calls.")
    grace: Seconds = Field(30, description="Seconds that calls under way have to end after that.")
