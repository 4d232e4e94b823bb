"""A turn as it is asked for: whose it is, and the ids that follow from that.

Ids are hashes, so that a request that is sent again finds its run and its new thread without asking anybody.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property

from ragents_client.v1.agent_pb2 import Turn
from ragents_server.caller import Caller

GIVEN = re.compile(r"[0-9a-f]{32}")  # an id that a server gave a thread; other names are their users' own


def identity(kind: str, *names: str) -> str:
    """32 hexadecimal digits that stand for these names and nothing else."""
    digest = hashlib.blake2b(digest_size=16)
    for name in ("ragents", kind, *names):
        digest.update(f"{len(name)}:{name}".encode(errors="surrogatepass"))
    return digest.hexdigest()


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


def to_text(caller: Caller) -> str:
    """The caller, as it is kept with a run."""
    return json.dumps({**asdict(caller), **{name: sorted(getattr(caller, name)) for name in _sets()}})


def from_text(text: str) -> Caller:
    """The caller that `to_text` was given."""
    fields = json.loads(text)
    return Caller(**{**fields, **{name: frozenset(fields[name]) for name in _sets() if name in fields}})


def _sets() -> list[str]:
    return [name for name, kind in Caller.__annotations__.items() if "frozenset" in str(kind)]
