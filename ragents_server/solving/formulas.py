"""Formulas of propositional logic, and whether they can be true: by sympy, or by z3 where that is installed.

Both give the same answers. z3, which is an extra, is taken for what is larger, and bounds its own time; sympy is only
given what it does at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, TypeAlias

from ragents_server.solving.solution import CANNOT_BE_TOLD, CONTRADICTION, UnsolvedError

Backend = Literal["auto", "sympy", "z3"]

MOST_ATOMS_SYMPY = 40
MOST_ATOMS = 400
_SMALL = 16  # atoms; below it z3 does not pay
_Z3_MILLISECONDS = 2000


@dataclass(frozen=True, slots=True)
class Atom:
    """Something that is so or is not."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    one: "Formula"


@dataclass(frozen=True, slots=True)
class And:
    """All of them; true of none."""

    parts: "tuple[Formula, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them; false of none."""

    parts: "tuple[Formula, ...]"


Formula: TypeAlias = Atom | Not | And | Or


def implies(left: Formula, right: Formula) -> Formula:
    """If left, then right."""
    return Or((Not(left), right))


def same(left: Formula, right: Formula) -> Formula:
    """Both or neither."""
    return And((implies(left, right), implies(right, left)))


def exactly_one(parts: Sequence[Formula]) -> Formula:
    """One of them and no other."""
    pairs = [Or((Not(a), Not(b))) for at, a in enumerate(parts) for b in parts[at + 1 :]]
    return And((Or(tuple(parts)), *pairs))


def atoms(formulas: Iterable[Formula]) -> list[str]:
    """The names of all atoms in them, in order."""
    found: dict[str, None] = {}
    waiting = list(formulas)[::-1]
    while waiting:
        match waiting.pop():
            case Atom(name):
                found[name] = None
            case Not(one):
                waiting.append(one)
            case And(parts) | Or(parts):
                waiting += parts[::-1]
    return list(found)


def verdict(premises: Sequence[Formula], asked: Formula, backend: Backend = "auto") -> str:
    """ "yes", "no", CANNOT_BE_TOLD, or CONTRADICTION where the premises cannot all be true."""
    can_be = is_satisfiable([*premises, asked], backend)
    can_fail = is_satisfiable([*premises, Not(asked)], backend)
    return {(True, False): "yes", (False, True): "no", (True, True): CANNOT_BE_TOLD}.get(
        (can_be, can_fail), CONTRADICTION
    )


def verdicts(premises: Sequence[Formula], names: Sequence[str], backend: Backend = "auto") -> dict[str, str]:
    """The verdict on each atom; every world that is found settles several of them at once."""
    world = model(premises, backend)
    if world is None:
        return dict.fromkeys(names, CONTRADICTION)
    seen = {name: {world.get(name, False)} for name in names}
    for name in names:
        if len(seen[name]) == 1:
            (value,) = seen[name]
            other = model([*premises, Not(Atom(name)) if value else Atom(name)], backend)
            if other is not None:
                for one in names:
                    seen[one].add(other.get(one, False))
    return {
        name: CANNOT_BE_TOLD if len(values) > 1 else "yes" if True in values else "no" for name, values in seen.items()
    }


def is_satisfiable(formulas: Sequence[Formula], backend: Backend = "auto") -> bool:
    """Whether all can be true at once; UnsolvedError where that is too much to find out."""
    return model(formulas, backend) is not None


def model(formulas: Sequence[Formula], backend: Backend = "auto") -> dict[str, bool] | None:
    """A world in which all are true, None where there is none; UnsolvedError where that is too much to find out."""
    count = len(atoms(formulas))
    use_z3 = backend == "z3" or (backend == "auto" and count > _SMALL and has_z3())
    if count > (MOST_ATOMS if use_z3 else MOST_ATOMS_SYMPY):
        raise UnsolvedError("The puzzle is larger than what is solved here.")
    return _by_z3(formulas) if use_z3 else _by_sympy(formulas)


@cache
def has_z3() -> bool:
    """Whether the extra is installed."""
    return find_spec("z3") is not None


def _by_sympy(formulas: Sequence[Formula]) -> dict[str, bool] | None:
    sympy, logic = import_module("sympy"), import_module("sympy.logic.inference")
    symbols = {name: sympy.Symbol(f"p{at}") for at, name in enumerate(atoms(formulas))}
    found = _made(And(tuple(formulas)), symbols, sympy.Not, sympy.And, sympy.Or)
    world = logic.satisfiable(found)
    return {name: bool(world.get(symbol, False)) for name, symbol in symbols.items()} if world is not False else None


def _by_z3(formulas: Sequence[Formula]) -> dict[str, bool] | None:
    z3 = import_module("z3")
    context = z3.Context()  # of its own: the shared one must not be used by two threads
    symbols = {name: z3.Bool(f"p{at}", context) for at, name in enumerate(atoms(formulas))}
    solver = z3.Solver(ctx=context)
    solver.set("timeout", _Z3_MILLISECONDS)

    def joined(function: Any, nothing: bool) -> Any:
        return lambda *parts: function(*parts) if parts else z3.BoolVal(nothing, context)

    for formula in formulas:
        solver.add(_made(formula, symbols, z3.Not, joined(z3.And, True), joined(z3.Or, False)))
    found = solver.check()
    if found == z3.unknown:
        raise UnsolvedError("The puzzle takes longer than what is spent on one here.")
    if found == z3.unsat:
        return None
    world = solver.model()
    return {name: z3.is_true(world.eval(symbol)) for name, symbol in symbols.items()}


def _made(formula: Formula, symbols: Mapping[str, Any], negate: Any, conjoin: Any, disjoin: Any) -> Any:
    match formula:
        case Atom(name):
            return symbols[name]
        case Not(one):
            return negate(_made(one, symbols, negate, conjoin, disjoin))
        case And(parts):
            return conjoin(*(_made(one, symbols, negate, conjoin, disjoin) for one in parts))
        case Or(parts):
            return disjoin(*(_made(one, symbols, negate, conjoin, disjoin) for one in parts))
