"""sympy, imported when something is computed: that takes most of a second."""

from importlib import import_module
from typing import Any, TypeAlias

Exact: TypeAlias = Any  # a number or an expression of sympy's, which has no types


def sympy() -> Any:
    """The package."""
    return import_module("sympy")
