"""`scripts/image`: builds the server's image, starts it without root on a read-only root, and asks it a question."""

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from ragents_client import RagentsError
from scripts import figures
from scripts.figures import Figure
from scripts.imaging.buildah import Buildah, ImageError
from scripts.imaging.serving import drilled, looked, served


def main(arguments: Sequence[str] | None = None) -> int:
    """0: it serves; 1: a figure misses its target; 2: it is not built or does not serve."""
    words = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is mounted is unmounted then too
    with tempfile.TemporaryDirectory(prefix="ragents-image-") as folder:
        try:
            found = measured(Path(folder), words.base, words.archive, with_drill=words.drill)
        except (ImageError, RagentsError, TimeoutError, subprocess.TimeoutExpired) as failed:
            print(f"scripts/image: {type(failed).__name__}: {failed}", file=sys.stderr)
            return 2
    if words.write:
        command = f"scripts/image{' --drill' if words.drill else ''} --write"
        print(f"written: {figures.write('image', found, command)}", file=sys.stderr)
    return figures.report(found, as_json=words.json)


def measured(store: Path, base: str, archive: Path | None, *, with_drill: bool) -> list[Figure]:
    """Builds, starts, looks; `with_drill`: the same with the drill's image."""
    buildah = Buildah(store)
    base = base or buildah.bootstrapped()
    began = monotonic()
    image = buildah.built(base, "Dockerfile")
    took = monotonic() - began
    if archive is not None:
        buildah.run("push", "--quiet", image, f"docker-archive:{archive}:ragents:latest")
    container = buildah.opened(image)
    try:
        print("starting it …", file=sys.stderr, flush=True)
        found = [Figure("build", took, "s"), *looked(container), *asyncio.run(served(container))]
        return [*found, *drilled(buildah.opened(buildah.built(base, "drill.Dockerfile")))] if with_drill else found
    finally:
        buildah.run("umount", "--all")


def parser() -> argparse.ArgumentParser:
    """The command's words."""
    command = argparse.ArgumentParser(prog="scripts/image", description=__doc__)
    command.add_argument("--base", default="", help="an image of Debian with Python; else debootstrap makes one")
    command.add_argument("--archive", type=Path, help="keep the image as this file, for `docker load`")
    command.add_argument("--drill", action="store_true", help="build the drill's image too, and run the drill in it")
    command.add_argument("--json", action="store_true", help="print {figure: {value, unit, target, ok}}")
    command.add_argument("--write", action="store_true", help="keep the figures in docs/figures/")
    return command


if __name__ == "__main__":
    sys.exit(main())
