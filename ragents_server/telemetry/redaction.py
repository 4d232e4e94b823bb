"""What must not leave with a trace: addresses, numbers and secrets that people write into questions and documents."""

import hashlib
import re
from collections.abc import Iterable, Iterator

SHORTEST = 8  # characters of a setting's secret that is looked for; what is shorter may be a word
# Each with the name that stands in its place. What looks like one without being one is replaced too.
KINDS = {
    "SECRET": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # JSON Web Token
    r"|\b(?:sk|pk|rk|ragents|gh[pousr]|xox[abpr]|glpat|hf)[-_][\w-]{16,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}"
    r"|(?i:\bbearer\s+)[\w.~+/=-]{8,}"
    r"|(?i:\b(?:password|passwd|secret|token|api[_-]?key)\b[\"']?\s*[:=]\s*[\"']?)[^\s\"',;]{4,}"
    r"|(?<=://)[^\s/:@]+:[^\s/@]+(?=@)",
    "EMAIL": r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+",
    "IBAN": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b",
    "SSN": r"\b\d{3}-\d{2}-\d{4}\b",
    "CARD": r"\b(?:\d[ -]?){12,18}\d\b",
    "PHONE": r"(?<![\w.])\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d(?:[ .-]?\d){6,11}(?!\w)"
    r"|(?<![\w.])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\w)",
}
PATTERNS = {name: re.compile(pattern) for name, pattern in KINDS.items()}
# What a text must have for one of a kind to be in it, cheap to look for: most texts have little of this.
WORDS = ("-----begin", "eyj", "akia", "asia", "aiza", "bearer", "passw", "secret", "token", "api")
KEY = re.compile(r"[-_][\w-]{16}|://")
DIGITS = re.compile(r"\d[\d ().-]{6}")
IBAN = re.compile(r"[A-Z][A-Z]\d\d")


class Redaction:
    """Replaces them; `secrets` are the server's own."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({one for one in secrets if len(one) >= SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """The text with the name of what stood there in brackets."""
        if self._known is not None:
            text = self._known.sub("[SECRET]", text)
        for name in _suspected(text):
            text = PATTERNS[name].sub(f"[{name}]", text)
        return text

    def name(self, text: str) -> str:
        """Somebody's name: where it tells an address or the like, a stand-in that is always the same."""
        if self(text) == text:
            return text
        return f"user-{hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}"


def _suspected(text: str) -> Iterator[str]:
    lower = text.lower()
    if any(word in lower for word in WORDS) or KEY.search(text):
        yield "SECRET"
    if "@" in text:
        yield "EMAIL"
    if IBAN.search(text):
        yield "IBAN"
    if DIGITS.search(text):
        yield from ("SSN", "CARD", "PHONE")
