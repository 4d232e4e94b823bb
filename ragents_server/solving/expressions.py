"""Expressions in signs and in words, read by precedence; nothing of the text is ever evaluated as code.

    sum      := term ((+ plus minus - less) term)*         a percentage as right side is one of the left: 80 + 15 %
    term     := power ((* x times / ÷ over mod …) power)*
    power    := atom [^ power | squared | cubed | to the power of … | !]
    atom     := number [unit] | unknown | ( sum ) | - atom | a function: "half of", "15 % of", "the sum of A, B and C",
                "the square root of", "double", or an order: "add A to B", "divide A by B [and add C]"

The text has been made plain by `reading.plain`. OutsideError where it is none.
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction

from ragents_server.solving.phrases import phrase
from ragents_server.solving.solution import OutsideError
from ragents_server.solving.trees import MONEY, Apply, Num, Tree, Var, changed
from ragents_server.solving.vocabulary import closed_class

MOST_TOKENS = 120
DEEPEST = 40
MOST_DIGITS = 60

_TOKEN = re.compile(r"\d+(?:\.\d+)?|\.\d+|[^\W\d_]+(?:'[a-z]+)?|[-+*/^()%,$€£√!=]|\S")
_NUMERAL = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8}
_PARTS |= {"ninth": 9, "tenth": 10, "twelfth": 12, "twentieth": 20, "hundredth": 100, "thousandth": 1000}
_PARTS |= {f"{word}s": value for word, value in _PARTS.items()} | {"halves": 2}
_ORDINALS = {"second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9}
_FOLDS = {"double": 2, "twice": 2, "triple": 3, "thrice": 3, "treble": 3, "quadruple": 4}
_UP = closed_class("increase raise grow increased raised")
_DOWN = closed_class("decrease reduce cut lower discount decreased reduced lowered discounted")
_WORDS = (
    closed_class(
        "plus minus less times multiplied divided over by of and to the mod modulo squared cubed power root "
        "square cube "
        "half is are from away into a an add subtract take deduct multiply divide more than greater larger increased "
        "reduced off sum total product difference quotient average mean median remainder when added subtracted taken "
        "equal parts it result that this with then or what how much which in for each equals gives makes x per not no "
        "between factorial double twice triple halve minus negative if on at was will be left as many among "
        "amongst with without after before above below under exceed exceeds who you we i one there here me us"
    )
    | set(_PARTS)
    | set(_FOLDS)
    | _UP
    | _DOWN
)


def parse(text: str, *, unknowns: bool = False) -> Tree:
    """The whole text as an expression; `unknowns`: single letters are unknowns."""
    tokens = _TOKEN.findall(text)
    if not tokens or len(tokens) > MOST_TOKENS:
        raise OutsideError
    parser = _Parser(tokens, unknowns)
    tree = parser.sum()
    if parser.at != len(tokens):
        raise OutsideError
    return tree


def parse_list(text: str) -> tuple[Tree, ...]:
    """Expressions with commas, "and" or "or" between them; at least two."""
    parts = re.split(r"\s*(?:,\s*(?:and|or)\b|,(?!\d{3}\b)|;|\band\b|\bor\b)\s*", text.strip())
    if not 2 <= len(parts) <= 50:
        raise OutsideError
    return tuple(parse(one) for one in parts)


@dataclass(slots=True)
class _Parser:
    tokens: list[str]
    unknowns: bool
    at: int = 0
    depth: int = field(default=0)

    def peek(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else ""

    def take(self, *words: str) -> bool:
        """Whether these words come next; then they are behind."""
        if self.tokens[self.at : self.at + len(words)] == list(words):
            self.at += len(words)
            return True
        return False

    def any_of(self, *phrases: str) -> bool:
        """Whether one of these phrases comes next; then it is behind."""
        return any(self.take(*phrase.split()) for phrase in phrases)

    def expect(self, *phrases: str) -> None:
        if not self.any_of(*phrases):
            raise OutsideError

    def sum(self) -> Tree:
        self.depth += 1
        if self.depth > DEEPEST:
            raise OutsideError
        tree = self.term()
        while (found := self._summand(tree)) is not None:
            tree = found
        self.depth -= 1
        return tree

    def _summand(self, left: Tree) -> Tree | None:
        start = self.at
        if self.any_of("+", "plus", "increased by", "raised by", "added to"):
            return changed("add", left, self.term())
        if self.peek(1) != "than" and self.any_of(
            "-", "minus", "less", "take away", "reduced by", "decreased by", "lowered by"
        ):
            return changed("subtract", left, self.term())
        if self.any_of("more than", "greater than", "larger than", "bigger than", "in addition to"):
            return changed("add", self.term(), left)
        if self.any_of(
            "less than",
            "fewer than",
            "smaller than",
            "off",
            "subtracted from",
            "taken away from",
            "taken from",
            "deducted from",
        ):
            return changed("subtract", self.term(), left)
        return self._passive(left, start)

    def _passive(self, left: Tree, start: int) -> Tree | None:
        """ "and 3 is added", behind a product."""
        self.at = start
        if self.any_of(", and", "and"):
            try:
                right = self.term()
                if self.any_of("is added", "are added", "added"):
                    return changed("add", left, right)
                if self.any_of("is subtracted", "are subtracted", "subtracted"):
                    return changed("subtract", left, right)
            except OutsideError:
                pass
        self.at = start
        return None

    def term(self) -> Tree:
        tree = self.power()
        while True:
            if self.any_of("*", "times", "multiplied by", "multiplied with", "is multiplied by") or self._is_times():
                tree = Apply("multiply", (tree, self.power()))
            elif self.any_of("/", "divided by", "over", "is divided by", "split into", "split by", "divided into"):
                tree = Apply("divide", (tree, self.power()))
                if self.take("of"):  # 2/5 of 100
                    tree = Apply("multiply", (tree, self.power()))
            elif self.any_of("mod", "modulo"):
                tree = Apply("modulo", (tree, self.power()))
            elif self.unknowns and isinstance(tree, Num) and (self._is_unknown() or self.peek() == "("):
                tree = Apply("multiply", (tree, self.power()))  # 3x
            else:
                return tree

    def _is_times(self) -> bool:
        """Whether an "x" between two numbers comes next; then it is behind."""
        before = self.tokens[self.at - 1] if self.at else ""
        if self.peek() == "x" and (before[-1:].isdecimal() or before == ")") and re.match(r"[\d.($€£]", self.peek(1)):
            self.at += 1
            return True
        return False

    def _is_unknown(self) -> bool:
        return self.unknowns and len(self.peek()) == 1 and self.peek().isalpha() and self.peek() not in "ai"

    def power(self) -> Tree:
        tree = self.atom()
        while True:
            if self.any_of(
                "^", "raised to the power of", "raised to the power", "raised to", "to the power of", "to the power"
            ):
                tree = Apply("power", (tree, self._exponent()))
            elif self.any_of("squared"):
                tree = Apply("power", (tree, Num(Fraction(2))))
            elif self.any_of("cubed"):
                tree = Apply("power", (tree, Num(Fraction(3))))
            elif self.peek() == "!" and self.peek(1) != "=":
                self.at += 1
                tree = Apply("factorial", (tree,))
            elif self.take("factorial"):
                tree = Apply("factorial", (tree,))
            elif (degree := self._ordinal_power()) is not None:
                tree = Apply("power", (tree, Num(Fraction(degree))))
            else:
                return tree

    def _exponent(self) -> Tree:
        """Powers of powers bind to the right."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise OutsideError
        tree = self.power()
        self.depth -= 1
        return tree

    def _ordinal_power(self) -> int | None:
        """The 4 of "to the 4th power" or "to the fourth"; then it is behind."""
        start = self.at
        if self.any_of("raised to the", "to the"):
            degree = self._ordinal()
            if degree is not None:
                self.take("power")
                return degree
        self.at = start
        return None

    def _ordinal(self) -> int | None:
        word = self.peek()
        if word in _ORDINALS:
            self.at += 1
            return _ORDINALS[word]
        if word.isdecimal() and len(word) < 5 and self.peek(1) in {"st", "nd", "rd", "th"}:
            self.at += 2
            return int(word)
        return None

    def atom(self) -> Tree:
        self.depth += 1
        if self.depth > DEEPEST:
            raise OutsideError
        tree = self._atom()
        self.depth -= 1
        return tree

    def _atom(self) -> Tree:
        word = self.peek()
        if self.take("("):
            tree = self.sum()
            self.expect(")")
            return tree
        if self.any_of("-", "negative", "minus"):
            # As in mathematics: -2^2 is -(2^2).
            return Apply("negate", (self.power(),))
        if self.take("+"):
            return self.atom()
        if self.take("√"):
            return Apply("root", (self.atom(), Num(Fraction(2))))
        if word in MONEY and not word.isalpha():
            self.at += 1
            number = self._number()
            return Num(number, MONEY[word])
        if word[:1].isdecimal() or word[:1] == ".":
            return self._quantity()
        if self._is_unknown():
            self.at += 1
            return Var(word)
        return phrase(self)

    def _number(self) -> Fraction:
        word = self.peek()
        if not _NUMERAL.fullmatch(word) or len(word) > MOST_DIGITS or (word == "0" and self.peek(1) == "x"):
            raise OutsideError
        self.at += 1
        return Fraction(word)

    def _quantity(self) -> Tree:
        """A number with what belongs to it: a percent sign, a fraction's word, a unit."""
        number = self._number()
        if self.take("%"):
            return self._percentage(number)
        if self.peek() in _PARTS and self.peek() not in {"half", "second"}:
            part = Apply("divide", (Num(number), Num(Fraction(_PARTS[self.peek()]))))
            self.at += 1
            return Apply("multiply", (part, self.power())) if self.take("of") else part
        if self.peek().isdecimal() and self.peek(1) == "/" and self.peek(2).isdecimal():
            top, bottom = self._number(), (self.take("/"), self._number())[1]  # 2 1/2
            if bottom == 0 or top >= bottom:
                raise OutsideError
            return Num(number + top / bottom)
        return Num(number, self._unit())

    def _percentage(self, number: Fraction) -> Tree:
        share = Num(number / 100, text=f"{_short(number)}%")
        if self.any_of("of", "from"):
            return Apply("multiply", (share, self.power()))
        if self.any_of("off of", "off", "less than", "discount on", "discount off", "reduction on", "reduction of"):
            return changed("subtract", self.power(), share)
        if self.any_of("more than", "greater than", "on top of", "added to", "above"):
            return changed("add", self.power(), share)
        return share

    def _unit(self) -> str:
        """The unit behind a number, "" where none is."""
        word = self.peek()
        if not word.isalpha() or word in _WORDS or (len(word) == 1 and (self.unknowns or word not in "mglsh")):
            return ""
        self.at += 1
        singular = word.removesuffix("s")
        return MONEY.get(singular) or (word if len(word) < 4 else singular + "s")


def _short(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{float(number):g}"
