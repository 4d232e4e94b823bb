"""The one name that a client's certificate counts by: its URI, else its DNS name, else its subject's common name.

The first form that a certificate has decides, and with several names of that form it counts by none: which of them
were meant, its authority alone knows. A URI has a colon and the others have none, so none passes for another's form.
"""

import re
import ssl
from collections.abc import Iterable, Mapping, Sequence

LONGEST = 512  # characters of a name
PLAIN = re.compile(r"[\x21-\x7e]+")
# RFC 2253, as OpenSSL and BoringSSL write a subject: `CN=Ada\, the first,O=acme+OU=sails`.
ATTRIBUTE = re.compile(
    r'([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)=((?:\\[0-9A-Fa-f]{2}|\\[^0-9A-Fa-f]|[^\\,+"])*)([,+]|\Z)'
)
ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)

Properties = Mapping[str, Iterable[bytes]]  # of a connection, as gRPC tells them


class NoName(Exception):
    """The certificate has no name that counts."""


def name_of(uris: Sequence[str], hosts: Sequence[str], subject: str) -> str:
    """The name among a certificate's; NoName where there is not exactly one."""
    form = uris or hosts
    names = form or common_names(subject)
    if len(names) != 1:
        raise NoName(f"it has {len(names)} names of the form that counts")
    name = names[0]
    if form and not PLAIN.fullmatch(name):
        raise NoName("its name has other characters than names have")
    if not 0 < len(name) <= LONGEST or not name.isprintable() or (":" in name) is not bool(uris):
        raise NoName("its name is empty, too long or of another form")
    return name


def common_names(subject: str) -> list[str]:
    """The CNs of an RFC 2253 subject; NoName for one that cannot be read."""
    found, at = [], 0
    while at < len(subject):
        attribute = ATTRIBUTE.match(subject, at)
        if attribute is None or (attribute[3] and attribute.end() == len(subject)):
            raise NoName("its subject cannot be read")
        if attribute[1].upper() in ("CN", "2.5.4.3"):
            found.append(_unescaped(attribute[2]))
        at = attribute.end()
    return found


def _unescaped(value: str) -> str:
    """The value that was meant; `#…` is one of a type that is no text."""
    if value.startswith("#"):
        raise NoName("its common name is no text")
    try:
        return ESCAPED.sub(_character, value.encode()).decode()
    except UnicodeError:
        raise NoName("its common name is no text") from None


def _character(escaped: re.Match[bytes]) -> bytes:
    return escaped[1] if len(escaped[1]) == 1 else bytes([int(escaped[1], 16)])


def name_shown(properties: Properties) -> str | None:
    """The name of the certificate that a connection was made with, None where there was none; NoName as above."""
    pem = b"".join(properties.get("x509_pem_cert", ()))
    if not pem:
        return None
    try:
        uris, hosts = ([one.decode("ascii") for one in properties.get(f"peer_{form}", ())] for form in ("uri", "dns"))
        subject = b"".join(properties.get("x509_subject", ())).decode("ascii")
    except UnicodeDecodeError:
        raise NoName("its names are not ASCII") from None
    name = name_of(uris, hosts, subject)
    if name.encode() + b"\0" in ssl.PEM_cert_to_DER_cert(pem.decode("ascii")):
        raise NoName("its name goes on after a NUL")  # where gRPC's ends: it would pass for another's
    return name
