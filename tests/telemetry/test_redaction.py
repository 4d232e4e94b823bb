"""What is replaced before a trace leaves, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragents_server.telemetry.contents import BEYOND, LONGEST, plain
from ragents_server.telemetry.redaction import PATTERNS, Redaction

PRIVATE = [
    ("mail ada.lovelace+x@example.co.uk now", "mail [EMAIL] now"),
    ("call +44 20 7946 0958 or (212) 555-0100", "call [PHONE] or [PHONE]"),
    ("card 4111 1111 1111 1111.", "card [CARD]."),
    ("iban GB29 NWBK 6016 1331 9268 19", "iban [IBAN]"),
    ("ssn 078-05-1120", "ssn [SSN]"),
    ("key sk-proj-abcdefghijklmnop1234", "key [SECRET]"),
    ("key sk-proj-abcdefgh-ijklmnop", "key [SECRET]"),
    ("aws AKIAIOSFODNN7EXAMPLE", "aws [SECRET]"),
    ("Authorization: Bearer abcdefgh.ijkl", "Authorization: [SECRET]"),
    ("password = hunter2hunter2", "[SECRET]"),
    ("postgres://ada:s3cret@db/rag", "postgres://[SECRET]@db/rag"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[SECRET]"),
    ("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\nend", "[SECRET]\nend"),
]


@pytest.mark.parametrize(("text", "told"), PRIVATE)
def test_what_is_private_is_replaced_by_its_kind(text: str, told: str) -> None:
    assert Redaction()(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "Which mole may a 20 m boat use on 2026-11-26 at 12:30?",
        "Section 4.2.1 of RFC 9562, version 1.81.1",
        "The token bucket holds 500 tokens.",
        "Rottnest Island has 10,000 quokkas; see [1].",
    ],
)
def test_what_people_ask_stays(text: str) -> None:
    assert Redaction()(text) == text


PIECES = ("+", "(212) ", "555", "-", " ", "01", "GB29", "@", ".com", "://", "sk-", "a" * 17, "token=")
FRAGMENTS = [*(text for text, _ in PRIVATE), *PIECES]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=6).map("".join))
def test_what_is_cheap_to_look_for_hides_nothing(text: str) -> None:
    slow = text
    for name, pattern in PATTERNS.items():
        slow = pattern.sub(f"[{name}]", slow)
    assert Redaction()(text) == slow


def test_the_server_s_own_secrets_are_replaced_wherever_they_stand() -> None:
    redact = Redaction(["correct horse battery", "tiny"])
    assert redact("say correct horse battery, tiny") == "say [SECRET], tiny"


def test_a_user_who_is_an_address_is_told_by_a_code_that_stays_the_same() -> None:
    redact = Redaction()
    assert redact.name("ada") == "ada"
    assert redact.name("ada@example.com") == redact.name("ada@example.com") != redact.name("bob@example.com")
    assert "ada" not in redact.name("ada@example.com")


@given(st.integers(0, 40))
def test_the_cut_of_a_long_text_leaves_no_half_of_a_secret(shift: int) -> None:
    secret = "sk-abcdefghijklmnopqrstuvwxyz0123456789"
    told = plain(f"{'a ' * ((LONGEST - shift) // 2)} {secret} {'b ' * BEYOND}", Redaction())
    assert len(told) <= LONGEST + 1
    assert "abcdef" not in told
