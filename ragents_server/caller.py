"""Who asks: the identity that keys all data."""

import json
from contextvars import ContextVar
from dataclasses import asdict, dataclass

SCOPES = ("ask", "write", "act_for_users", "admin")
PRIORITIES = ("LOW", "NORMAL", "HIGH", "CRITICAL")


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller of one call.

    Documents, collections and caches belong to `tenant`; threads and runs to tenant and `user`.
    `collections` are the granted ones, empty for all of the tenant's. `priority` is the ceiling. `tools` are those that
    an agent may call for this caller, empty for all of the server's.
    """

    tenant: str
    user: str
    scopes: frozenset[str] = frozenset(SCOPES)
    collections: frozenset[str] = frozenset()
    priority: str = "CRITICAL"
    quota: str = "default"
    tools: frozenset[str] = frozenset()

    def may_use(self, collection: str) -> bool:
        """Whether the collection is granted."""
        return not self.collections or collection in self.collections

    def may_call(self, tool: str) -> bool:
        """Whether an agent may call the tool for this caller."""
        return not self.tools or tool in self.tools


LOCAL = Caller(tenant="local", user="local", quota="local")


def to_text(caller: Caller) -> str:
    """The caller, as it is kept with what is worked at without a call."""
    return json.dumps({**asdict(caller), **{name: sorted(getattr(caller, name)) for name in _sets()}})


def from_text(text: str) -> Caller:
    """The caller that `to_text` was given."""
    fields = json.loads(text)
    return Caller(**{**fields, **{name: frozenset(fields[name]) for name in _sets() if name in fields}})


def _sets() -> list[str]:
    return [name for name, kind in Caller.__annotations__.items() if "frozenset" in str(kind)]


_current: ContextVar[Caller] = ContextVar("caller", default=LOCAL)


def current_caller() -> Caller:
    """The caller of the RPC being served."""
    return _current.get()


def act_for(caller: Caller) -> None:
    """Makes `caller` the current one for the rest of the task; each RPC is served in a task of its own."""
    _current.set(caller)
