"""Callers by the certificate that they show, to this listener or to a proxy that is believed."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ragents_server.caller import Caller
from ragents_server.errors import ConfigurationError, Unauthenticated
from ragents_server.identity.callers import caller_in, read_rows
from ragents_server.identity.certificate_names import LONGEST, NoName, Properties, name_shown
from ragents_server.identity.forwarded import Proxies, name_forwarded

log = logging.getLogger(__name__)

SETTING = "RAGENTS_CERTIFICATES"
PAUSE = 1.0  # seconds between two looks at the file


@dataclass(frozen=True, slots=True)
class Shown:
    """What a call shows beside its token."""

    peer: str  # as gRPC names it
    properties: Callable[[], Properties]  # of its connection; told anew by each call
    forwarded: Sequence[str]  # the header of proxies, as often as it was sent


class CertifiedCallers:
    """The file's callers by their certificates' name. It is read again when it changes; one that will not do is told
    once and changes nothing."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._seen = self._stamp()
        self._callers = read_callers(path)
        self._look_at = clock() + PAUSE

    async def find(self, name: str) -> Caller | None:
        """The caller of this name; a change of the file counts after a second."""
        if (now := self._clock()) >= self._look_at:
            self._look_at = now + PAUSE  # the others go on with what there is
            await asyncio.to_thread(self._look)
        return self._callers.get(name)

    def _look(self) -> None:
        if (stamp := self._stamp()) == self._seen:
            return
        self._seen = stamp
        try:
            self._callers = read_callers(self._path)
        except ConfigurationError as error:
            log.warning("going on with the callers that were read last: %s", error)
        else:
            log.info("the callers by certificate were read again: %d", len(self._callers))

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)


class ClientCertificates:
    """Knows callers by their certificates."""

    def __init__(self, callers: CertifiedCallers, proxies: Proxies | None) -> None:
        self._callers = callers
        self._proxies = proxies

    async def authenticate(self, shown: Shown) -> Caller | None:
        """The certificate's caller, None where none was shown; Unauthenticated for any that is not known.

        From a proxy that is believed its header alone counts, for the connection's certificate is the proxy's own;
        from anybody else the header says nothing.
        """
        try:
            if self._proxies is not None and self._proxies.trust(shown.peer):
                name = name_forwarded(shown.forwarded)
            else:
                name = name_shown(shown.properties())
        except NoName as why:
            raise Unauthenticated(f"the certificate says not who calls: {why}") from None
        if name is None:
            return None
        if (caller := await self._callers.find(name)) is None:
            raise Unauthenticated(f"the certificate of {name} is not known")
        return caller


def read_callers(path: Path) -> Mapping[str, Caller]:
    """Reads `{"spiffe://…": {"tenant": …, …}}`; ConfigurationError says what is wrong."""
    rows = read_rows(path, setting=SETTING, names="names of certificates")
    for name in rows:
        if not name or len(name) > LONGEST or not name.isprintable():
            raise ConfigurationError(f"{SETTING}: a name must be 1 to {LONGEST} printable characters")
    return {name: caller_in(row, f"{SETTING}: {name[:64]!r}") for name, row in rows.items()}
