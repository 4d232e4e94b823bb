"""The one name that a certificate counts by, and what a proxy may say of one."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragents_server.identity.certificate_names import NoName, common_names, name_of
from ragents_server.identity.forwarded import LONGEST, name_forwarded, proxies_in

ADA, EVE = "spiffe://mesh/ada", "spiffe://mesh/eve"


@pytest.mark.parametrize(
    ("uris", "hosts", "subject", "name"),
    [
        ([ADA], ["ada.host"], "CN=ada", ADA),
        ([], ["ada.host"], "CN=ada", "ada.host"),
        ([], [], "CN=ada", "ada"),
        ([], [], "O=acme,CN=ada+OU=CN", "ada"),
        ([], [], r"CN=Lovelace\, Ada,O=acme\,CN=eve", "Lovelace, Ada"),
        ([], [], r"CN=\C3\BCnal", "ünal"),
        ([], [], r"CN=\"ada\" \\ \+", '"ada" \\ +'),
        ([], [], "2.5.4.3=ada", "ada"),
    ],
)
def test_the_first_form_that_there_is_counts(uris: list[str], hosts: list[str], subject: str, name: str) -> None:
    assert name_of(uris, hosts, subject) == name


@pytest.mark.parametrize(
    ("uris", "hosts", "subject"),
    [
        ([], [], ""),
        ([], [], "O=acme"),
        ([], [], "CN="),
        ([ADA, "spiffe://mesh/eve"], [], ""),
        ([], ["ada.host", "eve.host"], "CN=ada"),
        ([], [], "CN=ada,CN=eve"),
        ([""], ["ada.host"], ""),
        (["ada"], [], ""),  # no URI, and not to pass for a DNS name
        ([], [ADA], ""),
        ([], [], f"CN={ADA}"),  # not to pass for a URI
        ([], [], r"CN=ada\00.eve"),
        ([], [], "CN=ada\n"),
        ([], [], "CN=#0c03616461"),
        ([], [], r"CN=\FF"),
        ([], [], r"CN=ada\4"),
        ([], [], 'CN="ada"'),
        ([], [], "CN=ada,"),
        ([], [], "ada"),
        ([], [], "/O=acme/CN=ada"),
        ([], [], "CN=" + "a" * 513),
        (["spiffe://mesh/" + "a" * 512], [], ""),
        (["spiffe://mesh/a b"], [], ""),
    ],
)
def test_a_certificate_of_which_it_is_not_sure_who_it_names_is_nobodys(
    uris: list[str], hosts: list[str], subject: str
) -> None:
    with pytest.raises(NoName):
        name_of(uris, hosts, subject)


def test_what_is_escaped_in_a_subject_begins_no_other_attribute() -> None:
    assert common_names(r"O=x\,CN=ada,CN=eve") == ["eve"]
    assert common_names(r"CN=eve\,CN=ada") == ["eve,CN=ada"]
    assert common_names("") == []


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (f"By=spiffe://mesh/ragents;Hash=468ed33b;URI={ADA}", ADA),
        (f'By=x;Hash=ab;Subject="CN=eve";URI={ADA};DNS=ada.host', ADA),
        ('Hash=ab;Subject="";URI=;DNS=ada.host', "ada.host"),
        ('Subject="CN=Lovelace\\, Ada;,O=x";Hash=ab', "Lovelace, Ada;"),
        (f"URI=spiffe://mesh/eve,By=x;URI={ADA}", ADA),
        (f'Subject="O=\\",URI=spiffe://mesh/eve";URI="{ADA}"', ADA),
        (f'Subject="a,b;URI=spiffe://mesh/eve,";URI={ADA}', ADA),
        (f"uri={ADA}", ADA),
        (f"URI=spiffe://mesh/eve, URI={ADA}", ADA),
        (f'Cert="-----BEGIN%20CERTIFICATE-----%0A";Chain="%2C";URI={ADA}', ADA),
    ],
)
def test_the_last_element_names_the_nearest_proxys_client(header: str, name: str) -> None:
    assert name_forwarded([header]) == name


def test_without_the_header_there_is_no_certificate() -> None:
    assert name_forwarded([]) is None


@pytest.mark.parametrize(
    "values",
    [
        [f"URI={ADA}", f"URI={ADA}"],
        [""],
        ["  "],
        [ADA],
        [f"URI={ADA};"],
        [f"URI={ADA},"],
        [f",URI={ADA}"],
        [f"URI={ADA};;Hash=ab"],
        [f'URI="{ADA}'],
        [f'URI="{ADA}"x'],
        [f'URI={ADA}"'],
        [f'By="x,URI={ADA}'],
        [f"URI={ADA};URI=spiffe://mesh/eve"],
        [f"URI={ADA};URI={ADA}"],
        ["DNS=ada.host;DNS=eve.host"],
        ['Subject="CN=ada";Subject="CN=eve"'],
        ['Subject="CN=ada\\"'],  # the backslash keeps the quote, and so nothing ends it
        [f"Name={ADA};URI={ADA}"],
        [f"Name=x,URI={ADA}"],
        [f"URI={ADA}\tHash=ab"],
        ["By=spiffe://mesh/ragents;Hash=ab"],
        [f'By="{"x" * LONGEST}";URI={ADA}'],
    ],
)
def test_a_header_that_is_in_doubt_names_nobody(values: list[str]) -> None:
    with pytest.raises(NoName):
        name_forwarded(values)


def test_a_subject_cannot_leave_its_quotes() -> None:
    """Envoy puts a subject in quotes as OpenSSL has escaped it: a quote in it has its backslash already."""
    subject = r"CN=eve\",O=x\;URI\=spiffe://mesh/ada\,URI\=spiffe://mesh/ada"
    assert name_forwarded([f'Hash=ab;Subject="{subject}";URI=spiffe://mesh/eve']) == "spiffe://mesh/eve"
    assert name_forwarded([f'Hash=ab;Subject="{subject}"']) == 'eve"'


@pytest.mark.parametrize(
    ("networks", "peer", "trusted"),
    [
        ("127.0.0.0/8", "ipv4:127.0.0.6:15006", True),
        ("127.0.0.0/8", "ipv4:10.0.0.1:127", False),
        ("127.0.0.0/8", "ipv6:%5B::ffff:127.0.0.1%5D:1", True),
        ("127.0.0.0/8,::1/128", "ipv6:%5B::1%5D:40692", True),
        ("::1/128", "ipv6:%5B::2%5D:1", False),
        ("::1", "ipv6:[::1]:1", True),
        ("fe80::/10", "ipv6:%5Bfe80::1%25eth0%5D:1", True),
        ("10.1.2.3", "ipv4:10.1.2.3:1", True),
        ("unix", "unix:", True),
        ("unix", "unix:/run/ragents.sock", True),
        ("unix,10.0.0.0/8", "unix-abstract:10.0.0.1:1", False),
        ("unix", "ipv4:127.0.0.1:1", False),
        ("127.0.0.0/8,::1/128", "unix:127.0.0.1:1", False),
        ("127.0.0.0/8", "", False),
        ("127.0.0.0/8", "ipv4:localhost:1", False),
    ],
)
def test_a_peer_is_believed_by_its_network(networks: str, peer: str, trusted: bool) -> None:
    assert proxies_in(networks).trust(peer) is trusted


@pytest.mark.parametrize("networks", ["", "mesh", "10.0.0.1/8", "0.0.0.0/0", "::/0", "127.0.0.0/8,", "unix:"])
def test_what_is_no_network_or_is_all_of_them_is_refused(networks: str) -> None:
    with pytest.raises(ValueError):
        proxies_in(networks)


PIECES = [
    "URI=",
    "By=",
    "DNS=",
    "Subject=",
    "Cert=",
    EVE,
    '"',
    ",",
    ";",
    "=",
    "\\",
    " ",
    "CN=eve",
    "x",
    "\x00",
    "\u00fc",
]
OWN = [
    f"By=x;Hash=ab;URI={ADA}",
    f'By=x;Subject="";URI={ADA}',
    f'Hash=ab;Subject="CN=a\\"\\,URI\\={EVE}";URI={ADA};DNS=a',
]


@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join), st.sampled_from(OWN))
@settings(max_examples=2000, deadline=None, derandomize=True)
def test_whatever_a_proxy_was_told_before_its_own_element_the_name_is_its_own_or_none(told: str, own: str) -> None:
    """A proxy that appends puts a comma and its element behind what its client sent."""
    with suppress(NoName):
        assert name_forwarded([f"{told},{own}"]) == ADA


@given(st.lists(st.sampled_from([*PIECES, "ada", "\\2C", "+", "O=x", "CN="]), max_size=24).map("".join))
@settings(max_examples=2000, deadline=None, derandomize=True)
def test_any_text_is_a_name_or_none(text: str) -> None:
    for read in (lambda: name_forwarded([text]), lambda: name_of([], [], text), lambda: name_of([text], [], "")):
        with suppress(NoName):
            assert 0 < len(read() or "") <= 512
