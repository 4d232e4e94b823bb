"""Who is trusted and who one is: certificate authorities, one's own certificate and its key, from PEM files."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

File = str | os.PathLike[str]
Tls = bool | File | grpc.ChannelCredentials | None
CA, CERTIFICATE, KEY = "RAGENTS_CA", "RAGENTS_CLIENT_CERT", "RAGENTS_CLIENT_KEY"


@dataclass(frozen=True, slots=True)
class Files:
    """PEM files: the authorities to trust (None: gRPC's own), and the certificate to show with its key."""

    ca: File | None = None
    certificate: File | None = None
    key: File | None = None

    def __bool__(self) -> bool:
        return any((self.ca, self.certificate, self.key))

    def or_from(self, environment: Mapping[str, str]) -> "Files":
        """What is not given from RAGENTS_CA, RAGENTS_CLIENT_CERT and RAGENTS_CLIENT_KEY; the last two only together."""
        ca = self.ca or environment.get(CA) or None
        if self.certificate or self.key:
            return Files(ca, self.certificate, self.key)
        return Files(ca, environment.get(CERTIFICATE) or None, environment.get(KEY) or None)

    def credentials(self) -> grpc.ChannelCredentials:
        """For a channel; ValueError says which file will not do, and why."""
        if bool(self.certificate) != bool(self.key):
            raise ValueError("a client's certificate and its key are needed together")
        authorities = None if self.ca is None else _read(self.ca)
        if authorities is not None:
            _require_authorities(authorities, self.ca)
        if self.certificate is None or self.key is None:
            return grpc.ssl_channel_credentials(authorities)
        shown, key = _read(self.certificate), _read(self.key)
        _require_pair(self.certificate, self.key)
        return grpc.ssl_channel_credentials(authorities, key, shown)


def credentials_of(tls: Tls, files: Files) -> grpc.ChannelCredentials | None:
    """None for plaintext. `tls`: False: plaintext; True, or None with files: TLS; a path: TLS with these authorities.

    The environment's files count unless it is False or credentials that are made already.
    """
    if isinstance(tls, grpc.ChannelCredentials) or tls is False:
        if files:
            raise ValueError("certificates are given, and tls= says otherwise: leave it out, or tls=True")
        return tls or None
    if isinstance(tls, str | os.PathLike):
        if files.ca:
            raise ValueError("the authorities are given twice, with tls= and with ca=")
        files = Files(tls, files.certificate, files.key)
    files = files.or_from(os.environ)
    return files.credentials() if files or tls else None


def _read(path: File) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None


def _require_authorities(pem: bytes, path: File | None) -> None:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError):
        raise ValueError(f"{path} holds no certificate, PEM") from None


def _require_pair(certificate: File, key: File) -> None:
    """gRPC would tell of a wrong pair only in its own log."""
    import ssl

    try:  # without a password it would ask for one at the terminal
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"{key} is not the key of {certificate}") from None
        raise ValueError(f"{certificate} and {key} are no certificate and key, PEM, without a password") from None
    except ValueError:
        raise ValueError(f"{key} needs a password; give one without") from None
