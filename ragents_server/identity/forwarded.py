"""What a proxy says of its client's certificate (`x-forwarded-client-cert`, Envoy's), and whose word on it counts."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

from ragents_server.identity.certificate_names import NoName, name_of

HEADER = "x-forwarded-client-cert"
LONGEST = 8192  # characters
UNIX = "unix"
KEYS = frozenset({"by", "hash", "cert", "chain", "subject", "uri", "dns"})
# Elements end with a comma and pairs with a semicolon; in quotes, neither does, and a backslash keeps what follows.
PAIR = re.compile(r' *([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^",;]*))([,;]|\Z)')


class Proxies:
    """The peers that are believed: by network, or those on a unix socket."""

    def __init__(self, networks: Sequence[IPv4Network | IPv6Network], *, unix: bool) -> None:
        self._networks = tuple(networks)
        self._unix = unix

    def trust(self, peer: str) -> bool:
        """Whether one of them is the peer, as gRPC names it: `ipv4:127.0.0.1:1`, `ipv6:%5B::1%5D:1`, `unix:…`."""
        kind, _, rest = unquote(peer).partition(":")
        if kind not in ("ipv4", "ipv6"):  # an abstract socket may be called like an address
            return kind == "unix" and self._unix
        try:
            address = ip_address(rest.rpartition(":")[0].strip("[]"))
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def proxies_in(text: str) -> Proxies:
    """Those of `127.0.0.0/8,::1/128,unix`; ValueError for what is no network, or is every one."""
    words = [word.strip() for word in text.split(",")]
    networks = [ip_network(word) for word in words if word != UNIX]
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("a network of all addresses would let everybody be anybody")
    return Proxies(networks, unix=UNIX in words)


def name_forwarded(values: Sequence[str]) -> str | None:
    """The name in the header of a proxy that is believed, None where it sent none; NoName for all that is in doubt.

    Its last element counts alone: it is the nearest proxy's own, those before it are what that one was told.
    """
    if not values:
        return None
    if len(values) > 1 or len(values[0]) > LONGEST:
        raise NoName(f"{HEADER} was sent twice, or is longer than {LONGEST} characters")
    element = _last_element(values[0])
    subjects = element.get("subject", [""])
    if len(subjects) > 1:
        raise NoName(f"{HEADER} names two subjects")
    uris, hosts = ([_unquoted(one) for one in element.get(key, ()) if one] for key in ("uri", "dns"))
    return name_of(uris, hosts, subjects[0])


def _last_element(header: str) -> dict[str, list[str]]:
    """Its values by key in lower case, as they stand between their quotes; NoName for a header that is malformed."""
    element: dict[str, list[str]] = {}
    at, separator = 0, ","
    while separator:
        element = {} if separator == "," else element
        pair = PAIR.match(header, at)
        if pair is None or pair[1].lower() not in KEYS:
            raise NoName(f"{HEADER} is malformed")
        element.setdefault(pair[1].lower(), []).append(pair[3] if pair[2] is None else pair[2])
        at, separator = pair.end(), pair[4]
    return element


def _unquoted(value: str) -> str:
    """Without the backslashes. A subject keeps them: Envoy puts it in quotes as OpenSSL has escaped it."""
    return re.sub(r"\\(.)", r"\1", value)
