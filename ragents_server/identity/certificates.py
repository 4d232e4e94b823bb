"""The listener's certificate: read from files, and read again when they have changed."""

import logging
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from ragents_server.errors import ConfigurationError

log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(slots=True)
class Certificates:
    """Certificate chain and key in PEM, and with `client_ca` the authorities whose clients alone may connect."""

    cert: Path
    key: Path
    client_ca: Path | None
    _seen: Stamp = ()  # of the files that were read last, good or broken
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def credentials(self) -> grpc.ServerCredentials:
        """For a port of a server; ConfigurationError for files that will not do."""
        try:
            self._seen, first = self._stamp(), self._read()
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"RAGENTS_TLS_CERT: cannot be used: {_why(error)}") from None
        fetch: Any = self.fetch  # the stubs do not know that None means no change
        return grpc.dynamic_ssl_server_credentials(first, fetch, self.client_ca is not None)

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """What has changed since the last call, None to go on with what there is; grpc asks at every connection.

        A change that cannot be used is told once and changes nothing.
        """
        with self._lock:
            try:
                before = self._stamp()
                if before == self._seen:
                    return None
                read = self._read()
                if self._stamp() != before:
                    return None  # replaced while it was read: the next connection reads it whole
            except (OSError, ValueError) as error:
                self._refuse(error)
                return None
            self._seen = before
        log.info("the certificate was replaced")
        return read

    def _refuse(self, error: Exception) -> None:
        """Says so, once a state of the files."""
        try:
            now = self._stamp()
        except OSError:
            now = ((0, 0, 0),)  # one of them is not there
        if now != self._seen:
            self._seen = now
            log.warning("the new certificate cannot be used, going on with the old one: %s", _why(error))

    def _stamp(self) -> Stamp:
        files = (self.cert, self.key) if self.client_ca is None else (self.cert, self.key, self.client_ca)
        stats = [file.stat() for file in files]
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in stats)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        """The files' content; OSError (of which SSLError is one) or ValueError when they do not belong together."""
        trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trial.load_cert_chain(self.cert, self.key, password=lambda: "")  # else it would ask at the terminal
        authorities = None if self.client_ca is None else self.client_ca.read_bytes()
        if authorities is not None:
            trial.load_verify_locations(cadata=authorities.decode("ascii"))
        return grpc.ssl_server_certificate_configuration([(self.key.read_bytes(), self.cert.read_bytes())], authorities)


def _why(error: Exception) -> str:
    """What is wrong, without a word of the files' content."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}"
    return "not PEM"
