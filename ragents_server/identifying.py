"""Who is known to the server: the authenticators that are set, one after the other; opened and closed here."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from ragents_server.connections.statements import Pool
from ragents_server.identity.authentication import Authenticator, Chain
from ragents_server.identity.keys import read_keys
from ragents_server.identity.stored_keys import open_stored_keys
from ragents_server.settings import Settings


@asynccontextmanager
async def open_authenticator(settings: Settings, pool: Pool) -> AsyncIterator[Authenticator | None]:
    """Asks each in turn; None where everybody is the local caller. ConfigurationError for a file that will not do."""
    async with AsyncExitStack() as stack:
        authenticators: list[Authenticator] = []
        if settings.keys is not None:
            authenticators.append(read_keys(settings.keys))
        if "keys" in settings.identities:
            authenticators.append(await stack.enter_async_context(open_stored_keys(pool, trust=settings.keys_ttl)))
        yield Chain(authenticators) if authenticators else None


def identifies(settings: Settings) -> bool:
    """Whether callers need a credential."""
    return settings.keys is not None or bool(settings.identities)
