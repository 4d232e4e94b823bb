"""Holds the code to its budgets (file <= 300 lines, function <= 40) and prints the medians, to look at."""

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

FILE, FUNCTION = 300, 40
ROOT = Path(__file__).parent.parent


def sources(*folders: str) -> Iterator[Path]:
    """The Python files that people wrote."""
    for folder in folders:
        yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if "v1" not in path.parts)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function's place and number of lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1


def lines(path: Path) -> int:
    """The file's number of lines."""
    return len(path.read_text().splitlines())


def main() -> int:
    """1 when a budget is exceeded."""
    code, tests = list(sources("ragents_server", "ragents_client")), list(sources("tests"))
    sizes = {str(path.relative_to(ROOT)): lines(path) for path in code}
    lengths = [found for path in code for found in functions(path)]
    over = [f"{name}: {size} lines, {FILE} allowed" for name, size in sizes.items() if size > FILE]
    over += [f"{name}: {size} lines, {FUNCTION} allowed" for name, size in lengths if size > FUNCTION]
    total, tested = sum(sizes.values()), sum(map(lines, tests))
    print(
        f"budgets: {len(code)} files of median {statistics.median(sizes.values()):g} lines, {len(lengths)} functions "
        f"of median {statistics.median(size for _, size in lengths):g}, {tested / total:.2f} test lines a line"
    )
    print("\n".join(over), file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
