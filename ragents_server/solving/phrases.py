"""Functions and orders in words, as `expressions` meets them: "the square root of", "add A to B and double it"."""

from fractions import Fraction
from typing import Protocol

from ragents_server.solving.solution import OutsideError
from ragents_server.solving.trees import Apply, Num, Tree, changed

_LISTS = {"sum": "sum", "total": "sum", "product": "product", "average": "mean", "mean": "mean", "median": "median"}
_FOLDS = {"double": 2, "twice": 2, "triple": 3, "thrice": 3, "treble": 3, "quadruple": 4}
_PARTS = {"third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9}
_PARTS |= {"tenth": 10, "twelfth": 12, "twentieth": 20, "hundredth": 100, "thousandth": 1000}
_UP, _DOWN = ("increase", "raise"), ("decrease", "reduce", "cut", "lower")
_TAKE = ("subtract", "take away", "take", "deduct", "remove")


class Parser(Protocol):
    """What reads the tokens: the parser of `expressions`."""

    tokens: list[str]
    at: int

    def peek(self, ahead: int = 0) -> str:
        """The token there, "" behind the last."""
        ...

    def any_of(self, *phrases: str) -> bool:
        """Whether one of these phrases comes next; then it is behind."""
        ...

    def expect(self, *phrases: str) -> None:
        """One of these phrases comes next, or the text is outside the grammar."""
        ...

    def sum(self) -> Tree:
        """A sum."""
        ...

    def term(self) -> Tree:
        """A product."""
        ...

    def power(self) -> Tree:
        """A power."""
        ...


def phrase(parser: Parser) -> Tree:
    """The function or order that comes next, then what follows an order with "and"."""
    parser.any_of("the", "a", "an")
    tree = _function(parser)
    if tree is None:
        tree = _order(parser)
        if tree is None:
            raise OutsideError
        while (further := _further(parser, tree)) is not None:
            tree = further
    return tree


def _function(parser: Parser) -> Tree | None:
    parser.any_of("arithmetic")
    word = parser.peek()
    if parser.any_of("square root of", "square root", "sqrt of", "sqrt", "root of"):
        return Apply("root", (parser.power(), Num(Fraction(2))))
    if parser.any_of("cube root of", "third root of"):
        return Apply("root", (parser.power(), Num(Fraction(3))))
    if parser.any_of("square of"):
        return Apply("power", (parser.power(), Num(Fraction(2))))
    if parser.any_of("cube of"):
        return Apply("power", (parser.power(), Num(Fraction(3))))
    if parser.any_of("factorial of"):
        return Apply("factorial", (parser.power(),))
    if parser.any_of("half of", "half"):
        return Apply("multiply", (Num(Fraction(1, 2), text="1/2"), parser.power()))
    if word in _PARTS:
        parser.at += 1
        parser.expect("of")
        return Apply("multiply", (Num(Fraction(1, _PARTS[word]), text=f"1/{_PARTS[word]}"), parser.power()))
    if word in _LISTS and parser.peek(1) in {"of", "value"}:
        parser.at += 1
        parser.any_of("value")
        parser.expect("of")
        return Apply(_LISTS[word], _listed(parser))
    if parser.any_of("difference between", "difference of"):
        left = parser.sum()
        parser.expect("and", "to")
        return Apply("subtract", _larger_first(left, parser.sum()))
    if parser.any_of("quotient of", "ratio of"):
        left = parser.sum()
        parser.expect("and", "to", "by")
        return Apply("divide", (left, parser.sum()))
    return _remainder(parser) or _fold(parser)


def _larger_first(left: Tree, right: Tree) -> tuple[Tree, Tree]:
    """A difference between two numbers is no less than nothing."""
    if isinstance(left, Num) and isinstance(right, Num) and left.value < right.value:
        return right, left
    return left, right


def _remainder(parser: Parser) -> Tree | None:
    """The remainder of a division."""
    if not parser.any_of("remainder"):
        return None
    parser.expect("of", "when you divide", "when i divide", "when dividing", "when", "if you divide", "if")
    left = parser.power()
    parser.any_of("is", "gets")
    parser.expect("divided by", "by", "/", "mod")
    return Apply("modulo", (left, parser.power()))


def _fold(parser: Parser) -> Tree | None:
    word = parser.peek()
    if word not in _FOLDS:
        return None
    parser.at += 1
    parser.any_of("of", "the amount of", "as much as", "as many as", "as old as", "as large as")
    return Apply("multiply", (Num(Fraction(_FOLDS[word])), parser.power()))


def _listed(parser: Parser, first: Tree | None = None) -> tuple[Tree, ...]:
    """A list: commas and "and" between its members, two at least."""
    found = [first or parser.sum()]
    while parser.any_of(", and", ",", "and", ";"):
        found.append(parser.sum())
    if len(found) < 2:
        raise OutsideError
    return tuple(found)


def _order(parser: Parser) -> Tree | None:
    """An order with both its operands."""
    if parser.any_of("add up", "add together", "sum up", "sum", "total", "add"):
        left = parser.sum()
        if parser.any_of("to", "onto"):
            return changed("add", parser.sum(), left)
        tree = Apply("sum", _listed(parser, left))
        parser.any_of("together", "up")
        return tree
    if parser.any_of("average"):
        return Apply("mean", _listed(parser))
    if parser.any_of(*_TAKE):
        left = parser.power()
        parser.any_of("away")
        parser.expect("from", "off")
        return changed("subtract", parser.power(), left)
    if parser.any_of("multiply"):
        left = parser.sum()
        parser.expect("by", "with", "and", "times")
        return Apply("multiply", (left, parser.power()))
    if parser.any_of("divide", "split", "share", "dividing", "distribute"):
        left = parser.sum()
        parser.any_of("equally", "evenly", "fairly")
        parser.expect("by", "into", "between", "among", "amongst", "in")
        return Apply("divide", (left, _parts(parser)))
    if parser.any_of("halve"):
        return Apply("divide", (parser.power(), Num(Fraction(2))))
    if parser.any_of("square", "cube"):
        degree = 2 if parser.tokens[parser.at - 1] == "square" else 3
        return Apply("power", (parser.power(), Num(Fraction(degree))))
    return _change(parser)


def _parts(parser: Parser) -> Tree:
    """How many parts: "5", "5 equal parts", "5 people", "5 people equally"."""
    number = parser.power()
    if isinstance(number, Num) and number.unit:
        number = Num(number.value)
    parser.any_of("parts", "groups", "pieces")
    parser.any_of("equally", "evenly")
    return number


def _change(parser: Parser) -> Tree | None:
    """Increase or reduce by; raise to a power."""
    if parser.any_of(*_UP):
        left = parser.power()
        if parser.any_of("by"):
            return changed("add", left, parser.term())
        if isinstance(left, Apply) and left.name == "power":
            return left  # "raise 2 to the power of 5" is read by the power already
    if parser.any_of(*_DOWN):
        left = parser.power()
        parser.expect("by")
        return changed("subtract", left, parser.term())
    return None


def _further(parser: Parser, tree: Tree) -> Tree | None:
    """What is done with the result: "and add 3", "then double it"."""
    start = parser.at
    if not parser.any_of(", and then", ", and", ", then", "and then", "and", "then", ","):
        return None
    if parser.any_of("add", "adding"):
        right = parser.term()
        parser.any_of("to it", "to the result", "to that")
        return changed("add", tree, right)
    if parser.any_of("subtract", "take away", "take", "deduct"):
        right = parser.term()
        parser.any_of("from it", "from the result", "from that", "away")
        return changed("subtract", tree, right)
    for order, name in (("multiply", "multiply"), ("divide", "divide")):
        if parser.any_of(order):
            parser.any_of("it", "the result", "that")
            parser.expect("by", "with")
            return Apply(name, (tree, parser.power()))
    for order, degree in (("square", 2), ("cube", 3)):
        if parser.any_of(f"{order} it", f"{order} the result"):
            return Apply("power", (tree, Num(Fraction(degree))))
    for order, name, by in (("double", "multiply", 2), ("triple", "multiply", 3), ("halve", "divide", 2)):
        if parser.any_of(f"{order} it", f"{order} the result"):
            return Apply(name, (tree, Num(Fraction(by))))
    parser.at = start
    return None
