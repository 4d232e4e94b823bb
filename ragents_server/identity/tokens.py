"""Tokens of API keys: how one is made, and what is kept of it."""

import hashlib
import re
import secrets

PREFIX = "rag_"  # so that scanners of source code recognise one that leaked
TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


def new_token() -> str:
    """A fresh token: the prefix and 256 random bits in base64url."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """SHA-256 of a token, 32 bytes."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
