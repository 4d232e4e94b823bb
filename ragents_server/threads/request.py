"""A turn as it is asked for: whose it is, and the ids that follow from that.

Ids are hashes, so that a request that is sent again finds its run and its new thread without asking anybody.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

from ragents_client.v1.agent_pb2 import Turn
from ragents_server.caller import Caller
from ragents_server.ids import identity

GIVEN = re.compile(r"[0-9a-f]{32}")  # an id that a server gave a thread; other names are their users' own


def thread_key(caller: Caller, thread_id: str) -> str:
    """What a thread is stored under; nobody else's thread has it, whatever its id."""
    return identity("thread", caller.tenant, caller.user, thread_id)


@dataclass(frozen=True)
class TurnRequest:
    """One turn of one caller."""

    caller: Caller
    turn: Turn

    @cached_property
    def run_id(self) -> str:
        """The run's id."""
        return identity("run", self.caller.tenant, self.caller.user, self.turn.request_id)

    @cached_property
    def thread_id(self) -> str:
        """The thread's id; a new one's follows from the request."""
        named = self.turn.thread_id
        return named or identity("new thread", self.caller.tenant, self.caller.user, self.turn.request_id)

    @cached_property
    def key(self) -> str:
        """What the thread is stored under."""
        return thread_key(self.caller, self.thread_id)

    @cached_property
    def digest(self) -> bytes:
        """Of all that is asked for."""
        asked = Turn()
        asked.CopyFrom(self.turn)
        asked.ClearField("detached")  # how it is waited for is no part of it
        return hashlib.blake2b(asked.SerializeToString(deterministic=True), digest_size=16).digest()

    @property
    def must_exist(self) -> bool:
        """Whether the thread has to be there: it has an id that a server gave, or is replied in."""
        return GIVEN.fullmatch(self.turn.thread_id) is not None or self.turn.HasField("reply")

    @property
    def reply_to(self) -> str | None:
        """The run that waits on the reply, which is what an interrupt's id names."""
        return self.turn.reply.interrupt_id if self.turn.HasField("reply") else None
