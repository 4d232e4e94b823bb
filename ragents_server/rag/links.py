"""What may be taken for a link by whoever shows a text: found wide rather than narrow, however it is disguised."""

import html
import re
import unicodedata

REMOVED = "[link removed]"

_LINK = re.compile(
    r"""(?:(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*:[/\\]{2}         # any scheme; looked for once a word, else long words cost
    |(?:https?|ftp|wss?|file):                                # browsers need no slashes after these
    |(?:data|javascript|vbscript|mailto|tel|blob):(?=\S)
    |[/\\]{2}(?=\S)|(?<=["'=(])[/\\]{2}                       # the page's own scheme
    |www\.
    |(?<![\w.-])(?:[\w-]+\.)+[^\W\d_]{2,}(?=(?:[/?\#]|:\d)\S) # a host with a path, which some viewers make a link
    )[^\s<>"'`]*""",
    re.IGNORECASE | re.VERBOSE,
)
_CLOSING = ".,;:!?)]}*_|"  # may follow a link, and are not of it


def links(text: str) -> frozenset[str]:
    """The links in `text`, as they read without entities, look-alike characters and characters that do not show."""
    return frozenset(found.rstrip(_CLOSING) for found in _LINK.findall(_plain(text)))


def without(word: str) -> str:
    """What stands for a word with links that must not leave; the stop behind it stays."""
    return REMOVED + word[len(word.rstrip(".,;:!?")) :]


def _plain(text: str) -> str:
    unfolded = unicodedata.normalize("NFKC", html.unescape(text))
    return "".join(character for character in unfolded if unicodedata.category(character) != "Cf")
