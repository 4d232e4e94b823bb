"""What is in the image as CycloneDX tells it: the packages of locks/production.txt that Linux gets, with hashes."""

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.markers import Marker

ROOT = Path(__file__).parent.parent
LOCK, PROJECT = ROOT / "locks/production.txt", ROOT / "pyproject.toml"
CYCLONEDX = ROOT / ".venv-kubernetes/bin/cyclonedx-py"
BUILDING = ("hatchling", "editables")  # the Dockerfile takes them out again
ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?P<what>(?:\[[^]]*\])?==[^ ;\\]+)(?: ; (?P<marker>[^\\]+?))?(?: \\)?$")
PYTHON = "3.12.0"  # the base that the Dockerfile names; the lock has other packages for 3.11
SECONDS = 60


def entries(text: str, python: str = PYTHON) -> Iterator[str]:
    """Each requirement with its hashes, a line without its marker, where that holds on Linux with this Python."""
    image = {"sys_platform": "linux", "python_full_version": python, "python_version": ".".join(python.split(".")[:2])}
    for entry in re.split(r"\n(?=\S)", text.strip()):
        first, *hashes = [line.rstrip(" \\").strip() for line in entry.splitlines()]
        found = ENTRY.match(first)
        if found is None or found["name"] in BUILDING:
            continue
        if found["marker"] is None or Marker(found["marker"]).evaluate(image):
            yield " ".join([found["name"] + found["what"], *hashes])


def written(python: str = PYTHON) -> str:
    """The JSON, the same each time; `python` is the image's, not ours."""
    ours = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    with TemporaryDirectory() as place:
        folder = Path(place)
        # Of ours it is told the name alone: its parser does not know a licence's newer form yet.
        told = f'[project]\nname = "{ours["name"]}"\nversion = "{ours["version"]}"\n'
        (folder / "pyproject.toml").write_text(told, encoding="utf-8")
        (folder / "lock.txt").write_text("\n".join(entries(LOCK.read_text(encoding="utf-8"), python)), encoding="utf-8")
        command = [str(CYCLONEDX), "requirements", "--pyproject", str(folder / "pyproject.toml")]
        command += ["--mc-type", "application", "--output-reproducible", "--of", "JSON", str(folder / "lock.txt")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"cyclonedx-py: {done.stderr.strip()}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """0: written."""
    command = argparse.ArgumentParser(prog="scripts/sbom", description=__doc__)
    command.add_argument("path", nargs="?", default="", help="the file to write; else standard output")
    command.add_argument("--python", default=PYTHON, help="the full version of the image's Python (%(default)s)")
    words = command.parse_args(arguments)
    if words.path:
        Path(words.path).write_text(written(words.python), encoding="utf-8")
        print(f"written: {words.path}", file=sys.stderr)
    else:
        print(written(words.python))
    return 0


if __name__ == "__main__":
    sys.exit(main())
