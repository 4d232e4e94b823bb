"""A text as the grammar reads it: small letters, plain signs, numbers in digits, courtesies left out.

Number words are those up to millions ("two hundred and five thousand", "a dozen", "three point five", "1.2 million");
`2½`, `x²`, `×`, `÷`, `−`, `√` and thousands separators become plain signs.
"""

import re
import unicodedata
from collections.abc import Iterator

from ragents_server.solving.vocabulary import closed_class

LONGEST = 2000  # characters of a text that is read at all

_SIGNS = str.maketrans(
    {"×": "*", "·": "*", "∙": "*", "⋅": "*", "✕": "*", "÷": "/", "∕": "/", "⁄": "/", "−": "-", "–": "-", "—": "-"}
    | {"‑": "-", "’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "´": "'", "≥": ">=", "≤": "<=", "≠": "!="}
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SUPERSCRIPT = re.compile(r"[⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_VULGAR = re.compile(r"(\d*)\s?([¼½¾⅐⅑⅒⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:([,'_\u00a0\u2009\u202f])\d{3})(?:\1\d{3})*(?![\d])")

_UNITS = {
    word: at
    for at, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS = {
    word: 10 * at
    for at, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2)
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_NUMBER_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?|[^a-z\d]+")
# "Which one is larger" counts nothing.
_NOT_COUNTED = closed_class("which this that the no any each every only other another someone another's right wrong")

_COURTESY = closed_class(
    "hi hello hey there dear please kindly could can would will you u tell me us i i'd i'm d like love want need wish "
    "to know let let's see just quick quickly question one ok okay so well now thanks thank help out here wonder "
    "wondering was am curious if say explain remind give a an short brief little small tiny next the question's "
    "puzzle riddle problem task exercise homework here's following think about consider suppose assume imagine "
    "given that do maybe perhaps also and then look listen excuse sorry again once more for my in advance lot much "
    "very cheers ta appreciated regards best kind show exactly precisely actually really by way new old"
)
_PAUSES = " \t\n,;:!-"


def plain(text: str, *, joined: bool = True) -> str:
    """Small letters and plain signs; `joined` reads "two hundred and five" as one number."""
    text = _SUPERSCRIPT.sub(lambda found: "^" + found.group().translate(_SUPERSCRIPTS), text)
    text = _VULGAR.sub(_vulgar, text).translate(_SIGNS).lower()
    text = _THOUSANDS.sub(lambda found: re.sub(r"\D", "", found.group()), text)
    text = re.sub(r"\bper\s?cent\b|\bpercent\b|\bpct\b", "%", text)
    text = re.sub(r"\*\*", "^", text)
    text = re.sub(r"\b(what|who|which|how|it|that|where|when|here|there)'s\b", r"\1 is", text)
    text = re.sub(r"\s+", " ", text).strip()
    return _digits(text, joined=joined)


def _vulgar(found: re.Match[str]) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", found.group(2)).partition("⁄")
    return f"({found.group(1)}+{top}/{bottom})" if found.group(1) else f"({top}/{bottom})"


def _digits(text: str, *, joined: bool) -> str:
    """Number words as digits."""
    pieces = _NUMBER_WORD.findall(text)
    out, at = list[str](), 0
    while at < len(pieces):
        end, value = _number(pieces, at, joined=joined)
        if end == at:
            out.append(pieces[at])
            at += 1
        else:
            out.append(value)
            at = end
    return "".join(out)


def _is_counted(pieces: list[str], at: int) -> bool:
    """Whether the word there begins a number: "one" after "which" does not, "a" before "hundred" does."""
    word = pieces[at]
    if word == "one":
        return at < 2 or pieces[at - 2] not in _NOT_COUNTED
    if word == "a":
        return (
            at + 2 < len(pieces) and pieces[at + 1] == " " and (pieces[at + 2] in _SCALES or pieces[at + 2] == "dozen")
        )
    return word in _UNITS or word in _TENS


def _number(pieces: list[str], at: int, *, joined: bool) -> tuple[int, str]:
    """Where the number that begins there ends, and its digits; the same place where none begins."""
    if pieces[at][0].isdecimal():
        return _scaled(pieces, at)
    if not _is_counted(pieces, at):
        return at, ""
    sum_, end, last = (0, 0), at, ""
    while end < len(pieces):
        word = pieces[end]
        if word == "and" and joined and last in _SCALES and _follows(pieces, end):
            end += 2
            continue
        longer = _longer(sum_, word, last)
        if longer is None:
            break
        sum_, last, end = longer, word, end + 1
        if pieces[end : end + 1] not in ([" "], ["-"]) or end + 1 == len(pieces):
            break
        end += 1
    if last == "a":
        return at, ""
    while pieces[end - 1] in {" ", "-"}:
        end -= 1
    return _decimals(pieces, end, str(sum(sum_)))


def _longer(sum_: tuple[int, int], word: str, last: str) -> tuple[int, int] | None:
    """What was counted in thousands and below them, with one more word; None where it does not go on."""
    total, group = sum_
    if word in _UNITS and not (last in _UNITS or (last in _TENS and _UNITS[word] > 9)):
        return total, group + _UNITS[word]
    if word in _TENS and last not in _UNITS and last not in _TENS:
        return total, group + _TENS[word]
    if word == "a" and not last:
        return total, 1
    if word == "hundred" and last:
        return total, max(group, 1) * 100
    if word in _SCALES and last:
        return total + max(group, 1) * _SCALES[word], 0
    return (total, group * 12) if word == "dozen" and last else None


def _follows(pieces: list[str], at: int) -> bool:
    """Whether a small number follows the "and" there."""
    return at + 2 < len(pieces) and (pieces[at + 2] in _UNITS or pieces[at + 2] in _TENS)


def _decimals(pieces: list[str], end: int, whole: str) -> tuple[int, str]:
    """With "point five" behind it, where that follows."""
    if pieces[end : end + 3 : 2] and "".join(pieces[end : end + 3]) == " point ":
        digits, place = "", end + 3
        while place < len(pieces) and _UNITS.get(pieces[place], 10) < 10:
            digits += str(_UNITS[pieces[place]])
            end, place = place + 1, place + 2
        return end, f"{whole}.{digits}" if digits else whole
    return end, whole


def _scaled(pieces: list[str], at: int) -> tuple[int, str]:
    """Digits with a scale behind them: "3 million", "2 dozen"."""
    if at + 2 < len(pieces) and pieces[at + 1] == " ":
        scale = 12 if pieces[at + 2] == "dozen" else _SCALES.get(pieces[at + 2], 0)
        if scale and pieces[at].count(".") == 0:
            return at + 3, str(int(pieces[at]) * scale)
        if scale:
            whole, _, decimals = pieces[at].partition(".")
            zeros = len(str(scale)) - 1
            if scale != 12 and len(decimals) <= zeros:
                return at + 3, str(int(whole + decimals.ljust(zeros, "0")))
    return at, ""


def openings(text: str) -> Iterator[str]:
    """The text, and the text without its first words as long as these are courtesies."""
    yield text
    shorter = without_welcome(text)
    if shorter != text:
        text = shorter
        yield text
    for _ in range(24):
        found = re.match(r"([^\W\d_]+(?:'[^\W\d_]+)?)[\s,;:!.-]*", text)
        if found is None or found.group(1).lower() not in _COURTESY or found.end() == len(text):
            return
        text = text[found.end() :]
        yield text


_WELCOME = re.compile(
    r"\s*(?:(?:hi|hello|hey|dear all)(?: there)?|please|(?:can|could|would|will) you (?:please |kindly )?(?:tell "
    r"me|help me(?: out)?(?: here)?|say)|"
    r"tell me|help me(?: out)?(?: here)?|do you know|i(?:'d| would) (?:like|love) to know|i (?:want|need|wish) to know|"
    r"(?:can|could|would|will) you (?:please |kindly )?[a-z' ]{2,25}(?=:)|"
    r"good (?:morning|afternoon|evening|day)|(?:would|do) you mind (?:telling|explaining to|helping) me|(?:could|"
    r"can|may) i ask(?: you)?|"
    r"(?:(?:my|an?|the|for|here|quick|next|another|this|one|little|small|short|is|pls|please|help|me|maths?|"
    r"homework|question|riddle|puzzle|exercise|task|"
    r"problem|thing|asking) ?)+(?=:)|"
    r"i(?:'m| am| was) (?:just )?(?:wondering|curious)|just (?:curious|wondering)|(?:a )?quick (?:one|question)|"
    r"ok(?:ay)?|so|well|now|"
    r"here(?: is|'s) (?:a|my) (?:little |short |small )?(?:riddle|puzzle|question|problem)|(?:a |my "
    r")?(?:question|riddle|puzzle))(?:[\s,:;.!-]+)",
    re.IGNORECASE,
)
_FAREWELL = re.compile(
    r"[\s,.!]*(?<=[\s,.!?=])(?:(?:many |very many |so |and )?(?:thanks|thank you|thx|cheers|ta|please|pls)(?: "
    r"(?:a lot|so much|very much|in advance|again|"
    r"already|a million|everyone|for (?:your|the|any) help))*|for me(?: please)?|"
    r"(?:thanks|thank you)[a-z' ,]{0,40}|"
    r"(?<=[.?!=] )(?=[a-z' ,]{3,50}[.!]*$)[a-z' ,]*\b(?:thank|thanks|grateful|appreciate[ds]?|cheers|regards|"
    r"kind|welcome)\b[a-z' ,]*)[\s.!]*$",
    re.IGNORECASE,
)


def without_welcome(text: str) -> str:
    """The text without the courtesies before its first word of substance."""
    while (found := _WELCOME.match(text)) and found.end() < len(text):
        text = text[found.end() :]
    return text


def without_thanks(text: str) -> str:
    """The text without courtesies behind it."""
    for _ in range(3):
        shorter = _FAREWELL.sub("", text.strip())
        if shorter == text or not shorter:
            break
        text = shorter
    return re.sub(r",? or not(?=\s*\?*$)", "", text)
