"""English words as the guard of the semantic cache reads them: which carry nothing, and which say the same.

What is in none of these tables carries something, and says only what it says. A word that is missing here costs a hit;
a word too many makes a wrong one.
"""

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _table(text: str) -> dict[str, str]:
    """Of lines "meaning: words that mean it"."""
    lines = (line.partition(":") for line in text.split("\n"))
    return {word: meaning for meaning, _, words in lines for word in words.split()}


_HOW = _words("many much long often far old tall big large high deep fast soon late wide heavy")
ASKING = _table("what: what which\nwho: who whom\nwhose: whose\nwhen: when\nwhere: where\nwhy: why\nhow: how") | {
    f"how{kind}": f"how{kind}" for kind in _HOW
}
BE = _words("is are am was were be been")
GET = _words("get gets got getting gotten")
PERFECT = _words("have has having")
PAST = _words("was were did had")
HAVE = PERFECT | {"had"}
PRESENT = _words("is are am do does")
FUTURE = _words("will shall")
FIRST = _words("i me we us")
SECOND = _words("you")
SMALL = (
    BE
    | PAST
    | PRESENT
    | FUTURE
    | _words(
        "a an the my our mine ours this that these those it its can could may might would "
        "please hi hello hey thanks thank ok okay and"
    )
)
DETERMINERS = _words("a an the my our your this that these those its")
PREPOSITIONS = _table(
    "of: of\nin: in at within inside\non: on\nfor: for\nwith: with using via\nfrom: from\nper: per\n"
    "to: to into onto toward towards\nby: by\nthan: than\nas: as\nabout: about regarding concerning\nduring: during"
)
DIRECTED = _words("from to by than as per")  # they give a role that the place in the sentence does not
LIGHT = frozenset(ASKING) | SMALL | FIRST | SECOND | frozenset(PREPOSITIONS)
UNITS = _words("km m cm mm kg g h hr hrs min mins am pm")

SHORT = {
    **{f"{word}{form}": (full, "not") for word, full in (("ca", "can"), ("wo", "will")) for form in ("n't", "nt")},
    **{
        f"{word}{form}": (word, "not")
        for word in _words("is are was were do does did has have had could should would must need")
        for form in ("n't", "nt")
    },
    **{f"{word}'s": (word, "is") for word in _words("what who where when why how it that there here he she")},
    **{
        f"{word}{form}": (word, full)
        for word in _words("i you he she it we they that there who what")
        for form, full in (("'m", "am"), ("'re", "are"), ("'ve", "have"), ("'ll", "will"), ("'d", "would"))
    },
    "cannot": ("can", "not"),
}

_WHICH = ("what", "which")
_PHRASES = {
    **{f"how {kind}": f"how{kind}" for kind in _HOW},
    **{f"{at} {what} year": "when" for at in ("in", "during") for what in _WHICH},
    **{f"{at} {what} {where}": "where" for at in ("in", "at") for what in _WHICH for where in ("place", "location")},
    **dict.fromkeys(("how come", "for what reason", "what is the reason", "what was the reason"), "why"),
    **dict.fromkeys(("am i able to", "are you able to", "is it possible to", "is it possible for me to"), "can"),
    **dict.fromkeys(("have to", "has to", "had to", "need to", "needs to", "needed to"), "must"),
    **dict.fromkeys(("can not", "could not", "am not able to", "am unable to", "was unable to"), "cannot"),
    "per cent": "%",
    **{f"{can} you {tell} me": "" for can in ("can", "could", "would", "will") for tell in ("tell", "please tell")},
    **{f"{i} {want} know": "" for i in ("i", "we") for want in ("want to", "would like to", "need to")},
    **dict.fromkeys(("tell me", "do you know", "good morning", "good evening", "good afternoon"), ""),
}
PHRASES: dict[str, list[tuple[list[str], str]]] = {}
"""By their first word, the longest first: all of their words, and the one that stands for them, "" for none."""
for _phrase in sorted(_PHRASES, key=len, reverse=True):
    PHRASES.setdefault(_phrase.split()[0], []).append((_phrase.split(), _PHRASES[_phrase]))

_FORMS = _table(
    "pay: paid\nsend: sent\nget: got gotten gets getting\nbuy: bought\nmake: made making\ntake: took taken taking\n"
    "go: went gone goes\ncome: came coming\ngive: gave given giving\nfind: found\nlose: lost losing\n"
    "steal: stole stolen\n"
    "break: broke broken\nwrite: wrote written writing\nwin: won\nbeat: beaten\nbegin: began begun\nbuild: built\n"
    "hold: held\nkeep: kept\nleave: left leaving\nlead: led\nsay: said\nsell: sold\nspend: spent\nteach: taught\n"
    "tell: told\nthink: thought\ngrow: grew grown\nknow: knew known\nsee: saw seen\nspeak: spoke spoken\n"
    "choose: chose chosen\nfall: fell fallen\ndraw: drew drawn\nfly: flew flown\ndie: died dying\nmeet: met\n"
    "drive: drove driven\neat: ate eaten\nhide: hid hidden\nforget: forgot forgotten\nfreeze: froze frozen\n"
    "withdraw: withdrew withdrawn\nbring: brought\nfight: fought\nuse: used using uses\nhave: has had having"
)
_OWN = _words("news goods customs arms means glasses savings species series building being thing")  # no inflections
_SYLLABLE = re.compile(r"[^aeiou]*[aeiouy]+[^aeiouy]*e?")  # one syllable
_CLOSED = re.compile(
    r"[^aeiouy]*[aeiouy][^aeiouwxy]"
)  # one syllable that had an e, or its last letter would be doubled
_SILENT = ("ce", "ge", "se", "ve", "ze", "ue")  # no words without the e


def is_past(word: str) -> bool:
    """Whether it has the form of a past or a participle."""
    return word in _PAST_FORMS or (len(word) > 4 and word.endswith("ed"))


def is_inflected(word: str) -> bool:
    """Whether it looks like the form of another word."""
    return word in _FORMS or _verb(_singular(word)) != word


def plain(word: str) -> str:
    """Without inflection, and one for all that say the same; no word perhaps, but the same for all its forms."""
    stem = _stem(_FORMS.get(word, word))
    return _SAME.get(stem, stem)


def _stem(word: str) -> str:
    if len(word) < 4 or word in _OWN or not (word.isascii() and word.isalpha()):
        return word
    return _bare(_verb(_singular(word)))


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _verb(word: str) -> str:
    """Without -ed and -ing; an e that went with them is back where it is needed to tell words apart."""
    if word.endswith("ied") and len(word) > 4:
        return word[:-3] + "y"
    cut = word.removesuffix("ing") if word.endswith("ing") else word.removesuffix("ed")
    if cut == word or len(cut) < 3 or not any(letter in "aeiouy" for letter in cut):
        return word
    if cut[-1] == cut[-2]:
        return cut if cut[-1] in "lsz" else cut[:-1]
    return f"{cut}e" if _CLOSED.fullmatch(cut) else cut


def _bare(word: str) -> str:
    """Without the e that inflections drop; "plane" and "care" keep theirs."""
    silent = word.endswith(_SILENT) or (word.endswith("e") and not _SYLLABLE.fullmatch(word))
    return word[:-1] if silent and len(word) > 3 else word


_PAST_FORMS = frozenset(word for word in _FORMS if not word.endswith(("ing", "s", "has")))
_SAME = {
    _stem(word): _stem(meaning)
    for word, meaning in _table(
        "1: one\n2: two\n3: three\n4: four\n5: five\n6: six\n7: seven\n8: eight\n9: nine\n10: ten\n"
        "11: eleven\n12: twelve\n"
        "20: twenty\n30: thirty\n40: forty\n50: fifty\n60: sixty\n70: seventy\n80: eighty\n90: ninety\n100: hundred\n"
        "1st: first\n3rd: third\n4th: fourth\n5th: fifth\n6th: sixth\n7th: seventh\n8th: eighth\n"
        "9th: ninth\n10th: tenth\n"
        "%: percent\nusd: $ dollar\neur: € euro\ngbp: £ pound\njpy: ¥ yen\ninr: ₹ rupee\n"
        "km: kilometre kilometer\nm: metre meter\ncm: centimetre centimeter\nmm: millimetre millimeter\n"
        "kg: kilogram kilo\ng: gram\nh: hr hrs hour\nminute: mins\n"
        "january: jan\nfebruary: feb\naugust: aug\nseptember: sep sept\noctober: oct\nnovember: nov\ndecember: dec\n"
        "monday: mon\ntuesday: tue tues\nwednesday: wed\nthursday: thu thurs\nfriday: fri\n"
        "begin: start commence\nbuy: purchase\nbig: large\nfilm: movie\nhelp: assist\nallow: permit\nend: finish\n"
        "locate: situate\nharbor: harbour\ncolor: colour\ncenter: centre\ntheater: theatre\ncheck: cheque\n"
        "phone: telephone"
    ).items()
}
