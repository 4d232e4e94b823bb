"""Which of some offers is cheaper for one piece.

    "which is cheaper: A at 12.50 for 5 or B at 20 for 9"   "is it cheaper to buy 6 cans for 4.50 or 10 cans for 7"
    "which is the better deal, 3 pens for $4 or 5 pens for $6"

Each offer has a price and a count. "At" stands before a price; a currency or cents mark one; a thing stands behind a
count. An offer in which nothing tells the two apart is outside.
"""

import re
from fractions import Fraction

from ragents_server.solving.solution import OutsideError, Solution
from ragents_server.solving.trees import MONEY, money, number_text

LONGEST = 400

_ASKED = re.compile(
    r"(?:(?:which|what)(?: one| offer| of (?:these|them|the two))? (?:is|are|costs?|would be|comes out)(?: the)? ?"
    r"(?P<word>cheaper|less expensive|better (?:deal|value|buy|offer|price|bargain)|best (?:deal|value|buy|"
    r"offer)|cheapest|"
    r"more expensive|dearer|pricier|less per (?:piece|unit|item))"
    r"|where (?:do|would|will|can) (?:i|we|you|one) (?P<where>pay|get|spend) (?:less|more for (?:my|the) money)|"
    r"which costs (?P<costs>less)"
    r"|is it (?P<polar>cheaper|better|less expensive|more expensive)(?: value)?(?: to (?:buy|get|take|pay|order))?)"
    r"(?: per [a-z]+)?[:,]? ?(?P<offers>.+)"
)
_MONEY = r"(?:dollars?|euros?|pounds?|usd|eur|gbp)"
_NUMBER = re.compile(
    rf"(?P<sign>[$€£]) ?(?P<money>\d+(?:\.\d+)?)|(?P<number>\d+(?:\.\d+)?) ?(?P<unit>{_MONEY}\b|[$€£])?"
)


def solve_offers(text: str, original: str = "") -> Solution:
    """The plain text's cheapest offer; OutsideError."""
    found = _ASKED.fullmatch(text.rstrip(" ?.!")) if len(text) <= LONGEST else None
    if found is None:
        raise OutsideError
    parts = re.split(r",? (?:or|vs\.?|versus|and)(?: rather)? (?=.*\d)", found["offers"])
    offers = [_offer(part.strip(" ,:;"), original) for part in parts]
    if not 2 <= len(offers) <= 6:
        raise OutsideError
    word = found["word"] or found["polar"] or "cheaper"
    is_dear = word in {"more expensive", "dearer", "pricier"}
    rates = [price / count for _, price, count, _ in offers]
    best = max(rates) if is_dear else min(rates)
    winners = [offer for offer, rate in zip(offers, rates, strict=True) if rate == best]
    steps = tuple(
        f"{name}: {_amount(price, sign)} / {number_text(count)} = {_rate(rate, sign)} each"
        for (name, price, count, sign), rate in zip(offers, rates, strict=True)
    )
    if len(winners) > 1:
        return Solution("comparison", "equal", f"They cost the same, {_rate(best, offers[0][3])} each.", steps)
    name, sign = winners[0][0], winners[0][3]
    how = "more expensive" if is_dear else "cheaper"
    if found["polar"]:
        is_so = winners[0] is offers[0]
        return Solution(
            "comparison",
            "yes" if is_so else "no",
            f"{'Yes' if is_so else 'No'}, {how} is {name}, {_rate(best, sign)} each.",
            steps,
        )
    return Solution("comparison", name, f"{name[0].upper()}{name[1:]} is {how}, {_rate(best, sign)} each.", steps)


def _offer(text: str, original: str) -> tuple[str, Fraction, Fraction, str]:
    """Its name, price, count, and the currency."""
    numbers = list(_NUMBER.finditer(text))
    if len(numbers) != 2 or not re.search(r"\bfor\b|\bat\b|\bcosts?\b|\bper\b|/", text):
        raise OutsideError
    first, second = numbers
    price = next((one for one in numbers if one["sign"] or one["unit"]), None)
    if price is None:
        price = _unmarked(text, first, second)
    count = second if price is first else first
    if count["sign"] or count["unit"]:
        raise OutsideError
    amounts = Fraction(price["money"] or price["number"]), Fraction(count["number"])
    if not all(amounts):
        raise OutsideError
    sign = MONEY[(price["sign"] or price["unit"]).removesuffix("s")] if price["sign"] or price["unit"] else ""
    name = re.sub(r"\b(?:at|costs?|costing|priced)$", "", text[: first.start()].strip(" ,:(")).strip(" ,:(")
    cased = re.search(rf"\b{re.escape(name)}\b", original, re.IGNORECASE) if name else None
    return (cased.group() if cased else name or text), *amounts, sign


def _unmarked(text: str, first: re.Match[str], second: re.Match[str]) -> re.Match[str]:
    """The price of two numbers without a currency."""
    if re.search(r"\b(?:at|costs?|costing)\s*$", text[: first.start()]):
        return first
    if re.search(r"\b(?:at|costs?|costing)\s*$", text[first.end() : second.start()]):
        return second
    between = text[first.end() : second.start()].strip()
    if re.fullmatch(r"[a-z][a-z -]* for", between):
        return second  # "6 cans for 4.50"
    if between == "for" and re.match(r"\s*[a-z]", text[second.end() :]):
        return first  # "4.50 for 6 cans"
    cents = [one for one in (first, second) if re.fullmatch(r"\d+\.\d\d?", one["number"])]
    if between == "for" and len(cents) == 1:
        return cents[0]
    raise OutsideError


def _amount(value: Fraction, sign: str) -> str:
    return number_text(value, sign)


def _rate(value: Fraction, sign: str) -> str:
    rounded = f"{float(value):.4g}"
    exact = Fraction(rounded) == value if "e" not in rounded else False
    text = money(rounded, sign) if sign else rounded
    return text if exact else f"about {text}"
