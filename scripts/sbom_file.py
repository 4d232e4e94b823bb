"""What is in the image as CycloneDX tells it: the packages of locks/production.txt that Linux gets, with hashes."""

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
SECONDS = 60


def entries(text: str) -> Iterator[str]:
    """Each requirement with its hashes, in a line without its marker, where the marker holds on Linux."""
    for entry in re.split(r"\n(?=\S)", text.strip()):
        first, *hashes = [line.rstrip(" \\").strip() for line in entry.splitlines()]
        found = ENTRY.match(first)
        if found is None or found["name"] in BUILDING:
            continue
        if found["marker"] is None or Marker(found["marker"]).evaluate({"sys_platform": "linux"}):
            yield " ".join([found["name"] + found["what"], *hashes])


def written() -> str:
    """The JSON, the same each time."""
    ours = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    with TemporaryDirectory() as place:
        folder = Path(place)
        # Of ours it is told the name alone: its parser does not know a licence's newer form yet.
        told = f'[project]\nname = "{ours["name"]}"\nversion = "{ours["version"]}"\n'
        (folder / "pyproject.toml").write_text(told, encoding="utf-8")
        (folder / "lock.txt").write_text("\n".join(entries(LOCK.read_text(encoding="utf-8"))), encoding="utf-8")
        command = [str(CYCLONEDX), "requirements", "--pyproject", str(folder / "pyproject.toml")]
        command += ["--mc-type", "application", "--output-reproducible", "--of", "JSON", str(folder / "lock.txt")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"cyclonedx-py: {done.stderr.strip()}")
    return done.stdout


def main(arguments: Sequence[str]) -> int:
    """0: written."""
    if arguments:
        Path(arguments[0]).write_text(written(), encoding="utf-8")
        print(f"written: {arguments[0]}", file=sys.stderr)
    else:
        print(written())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
