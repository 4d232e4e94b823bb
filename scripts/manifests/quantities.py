"""Kubernetes' quantities as numbers."""

import re

SUFFIXES = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
SUFFIXES |= {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGT", 1)}


def quantity(text: str | float) -> float:
    """`250m` is .25, `4Gi` is 4 * 1024 ** 3; ValueError for what is none."""
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text))
    if found is None or found[2] not in SUFFIXES:
        raise ValueError(f"not a quantity: {text!r}")
    return float(found[1]) * SUFFIXES[found[2]]


def cpus(text: str | float) -> float:
    """The number of CPUs."""
    return quantity(text)


def share(value: str | int, of: int) -> float:
    """A number, or so many percent of `of`."""
    return of * float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else float(value)
