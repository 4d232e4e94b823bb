"""Equations: one or several, in signs or words, linear or of one unknown, and what is asked of them.

    "what is x if 3x + 4 = 19"   "solve x^2 = 16"   "x is 5 more than twice y and y is 4. What is x?"
    "I multiply a number by 3 and add 4. The result is 19. Which number is it?"

"A number", "some number", "it" are the unknown x. All of the text must be equations and the question for an unknown.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ragents_server.solving.expressions import parse
from ragents_server.solving.solution import OutsideError, Solution, UnsolvedError
from ragents_server.solving.symbols import Exact, sympy
from ragents_server.solving.trees import Apply, Tree, Var, variables, written
from ragents_server.solving.vocabulary import closed_class

LONGEST = 300
MOST_EQUATIONS, MOST_UNKNOWNS, MOST_DEGREE = 4, 4, 4

_NUMBER = re.compile(
    r"\b(?:an?|some|the|that|this|which|what|my|unknown|certain|same|secret|a certain|the same|the unknown|an unknown) "
    r"(?:(?:certain|unknown|secret|same) )?number\b"
)
_EQUALS = re.compile(
    r" ?==? ?|,? (?:and |then |so )?(?:i |you |we )(?:get|obtain|have|end up with|arrive at) |,? (?:(?:and )?the "
    r"(?:result|answer|outcome) |which |it |this |that )?"
    r"(?:is equal to|are equal to|equals?|gives?|makes?|yields?|is|are|comes to|must be|was) "
)
_QUESTION_WORDS = closed_class(
    "what whats which who is are was must should does do find solve determine calculate compute the value values "
    "of for "
    "and so then how much big large tell me to be it number numbers unknown have can i you we give name work out here "
    "please my a an = equal equals in this that case , : ? number's did think"
)
_BEFORE = closed_class(
    "if when where suppose let given that and then so with assume i you we take think of for which find solve"
)
_HARD = re.compile(r"(?:[.;?!:] |\.$|[?!;:]$|, (?=what|which|find|solve|how|then what))")
_SOFT = re.compile(
    r"(?:,? (?:and|when|if|where|while|given that|such that|for which|solves|satisfies|fulfils|knowing that) |, )"
)


@dataclass(slots=True)
class _System:
    """What was read so far."""

    equations: list[tuple[Tree, Tree]] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)


def solve_equations(text: str) -> Solution:
    """The plain text's unknowns; OutsideError, UnsolvedError."""
    if len(text) > LONGEST or not re.search(r"\d", text):
        raise OutsideError
    text, riddles = _NUMBER.subn("x", text)
    if riddles:
        text = re.sub(
            r"\b(?:if )?i (?:think|am thinking|thought|take|pick|choose) (?:of )?x(?:,? and|[.,;]|,? then| if)? ?",
            "",
            text,
        )
        text = re.sub(r"[.;,]? ?(?:and |then )?(?:the|my) (?:result|answer|outcome) (?:is|was|equals)\b", " =", text)
        text = (
            re.sub(r"\b(?:it|the number|my number)\b", "x", text, count=1) if not re.search(r"\bx\b.*=", text) else text
        )
        text = re.sub(r"\b(?:the number|it|my number)\b(?=\?| ?$)", "x", text)
        text = re.sub(r", (?=plus|minus|is|gives|makes|equals|times)", " ", text)
    elif not re.search(r"(?<![a-z])[b-hj-z](?![a-z'])", text):
        raise OutsideError
    for system in _systems([part.strip() for part in _HARD.split(text) if part and part.strip(" .?!,")]):
        if system.equations:
            return _solution(system)
    raise OutsideError


def _systems(parts: list[str]) -> Iterator[_System]:
    """Every way to read the parts, each split further where it must be; the first is the best."""
    if not 1 <= len(parts) <= 6:
        return
    found = _System()
    for part in parts:
        if not _read(part.strip(" .?!,;:"), found, depth=0):
            return
    yield found


def _read(part: str, system: _System, depth: int) -> bool:
    """Whether the part is an equation, a question, or several of them with "and", "if" or a comma between."""
    if not part or _is_question(part, system):
        return True
    if (equation := _equation(part)) is not None:
        system.equations.append(equation)
        return len(system.equations) <= MOST_EQUATIONS
    if depth == 4:
        return False
    for found in _SOFT.finditer(part):
        saved = list(system.equations), set(system.asked)
        left, right = part[: found.start()].strip(" ,"), part[found.end() :].strip(" ,")
        if _read(left, system, depth + 1) and _read(right, system, depth + 1):
            return True
        system.equations, system.asked = saved
    return False


def _is_question(part: str, system: _System) -> bool:
    """Whether nothing but an unknown is asked for; then it is noted."""
    words = re.findall(r"[a-z']+|\S", part)
    names = {word for word in words if len(word) == 1 and word.isalpha() and word not in "ai"}
    if not all(word in names or word in _QUESTION_WORDS for word in words) or re.search(r"\d", part):
        return False
    system.asked |= names
    return True


def _equation(part: str) -> tuple[Tree, Tree] | None:
    words = part.split(" ")
    while words and words[0] in _BEFORE:
        words = words[1:]
    body = " ".join(words)
    for found in _EQUALS.finditer(body):
        sides = body[: found.start()], body[found.end() :]
        try:
            left, right = (parse(re.sub(r"\ba number\b", "x", one.strip(" ,")), unknowns=True) for one in sides)
        except OutsideError:
            continue
        if variables(left) | variables(right):
            return left, right
    return None


def _solution(system: _System) -> Solution:
    names = sorted({name for sides in system.equations for side in sides for name in variables(side)})
    asked = sorted(system.asked) or names
    if len(names) > MOST_UNKNOWNS or not set(asked) <= set(names):
        raise OutsideError
    given = tuple(f"Given: {written(left)} = {written(right)}" for left, right in system.equations)
    solutions = _solved(system.equations, names)
    if not solutions:
        raise UnsolvedError(f"No real number meets {_listed([one.removeprefix('Given: ') for one in given])}.")
    return _told(solutions, asked, given, system.equations)


def _told(
    solutions: list[dict[str, Exact]], asked: list[str], given: tuple[str, ...], equations: list[tuple[Tree, Tree]]
) -> Solution:
    from ragents_server.solving.exact import short, shown

    found = [", ".join(f"{name} = {shown(one[name])}" for name in asked) for one in solutions]
    values = [", ".join(short(one[name]) for name in asked) for one in solutions]
    steps = (*given, *(f"Solved: {one}" for one in found))
    if len(solutions) == 1 and all(value.is_Rational for value in solutions[0].values()):
        steps += tuple(
            f"Check: {_filled(left, solutions[0])} = {_filled(right, solutions[0])}" for left, right in equations
        )
    return Solution("arithmetic", " or ".join(dict.fromkeys(values)), f"{_listed(found, 'or')}.", steps)


def _filled(tree: Tree, values: dict[str, Exact]) -> str:
    """A side with the solution in it."""
    from ragents_server.solving.exact import rational
    from ragents_server.solving.trees import Num

    def fill(one: Tree) -> Tree:
        if isinstance(one, Var):
            value = rational(values[one.name])
            return Num(value) if value is not None else one
        return Apply(one.name, tuple(map(fill, one.args))) if isinstance(one, Apply) else one

    return written(fill(tree))


def _listed(found: list[str], word: str = "and") -> str:
    *before, last = found
    return f"{', '.join(before)} {word} {last}" if before else last


def _solved(equations: list[tuple[Tree, Tree]], names: list[str]) -> list[dict[str, Exact]]:
    """All real solutions; UnsolvedError where there are infinitely many or the degree is too high."""
    symbols = {name: sympy().Symbol(name, real=True) for name in names}
    polynomials = []
    for left, right in equations:
        difference = _symbolic(left, symbols) - _symbolic(right, symbols)
        numerator, _ = sympy().fraction(sympy().together(difference))
        polynomials.append(sympy().Poly(numerator, *symbols.values()))
    if len(names) == 1:
        return [{names[0]: root} for root in _roots(polynomials, equations)]
    if any(one.total_degree() > 1 for one in polynomials):
        raise UnsolvedError("Several unknowns are only solved for where the equations are linear.")
    found = list(sympy().linsolve([one.as_expr() for one in polynomials], *symbols.values()))
    if found and any(value.free_symbols for value in found[0]):
        raise UnsolvedError(f"The equations do not determine {_listed(names)}: more than one solution meets them.")
    return [dict(zip(names, one, strict=True)) for one in found]


def _roots(polynomials: list[Exact], equations: list[tuple[Tree, Tree]]) -> list[Exact]:
    """What is a root of all, and no pole of any side."""
    polynomial = functools.reduce(sympy().gcd, polynomials)
    if polynomial.is_zero:
        raise UnsolvedError("Every number meets the equation.")
    if polynomial.degree() > MOST_DEGREE:
        raise UnsolvedError(f"Equations of a degree above {MOST_DEGREE} are not solved here.")
    if polynomial.degree() == 0:
        return []
    found = dict.fromkeys(sympy().real_roots(polynomial))
    return [root for root in found if not any(_has_pole(side, root) for sides in equations for side in sides)]


def _has_pole(tree: Tree, root: Exact) -> bool:
    if not isinstance(tree, Apply):
        return False
    if tree.name == "divide":
        (name,) = variables(tree.args[1]) or {"x"}
        if sympy().simplify(_symbolic(tree.args[1], {name: root})) == 0:
            return True
    return any(_has_pole(one, root) for one in tree.args)


def _symbolic(tree: Tree, symbols: dict[str, Exact]) -> Exact:
    """The tree with its unknowns; only what makes polynomials and quotients."""
    from ragents_server.solving.exact import value_of

    if isinstance(tree, Var):
        found: Exact = symbols[tree.name]
        return found
    if not variables(tree):
        return value_of(tree)
    if not isinstance(tree, Apply):
        raise OutsideError
    args = [_symbolic(one, symbols) for one in tree.args]
    match tree.name, args:
        case ("add", (a, b)):
            return a + b
        case ("subtract", (a, b)):
            return a - b
        case ("multiply", (a, b)):
            return a * b
        case ("divide", (a, b)):
            return a / b
        case ("negate", (a,)):
            return -a
        case ("power", (a, b)) if b.is_Integer and 0 <= b <= MOST_DEGREE:
            return a**b
        case ("sum", _):
            return sum(args[1:], args[0])
        case ("mean", _):
            return sum(args[1:], args[0]) / len(args)
    raise OutsideError
