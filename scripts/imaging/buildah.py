"""Buildah with a store of its own, and a base made by debootstrap where no registry can be reached."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "k8s/image"
PACKAGES = "python3,python3-venv,ca-certificates"
SECONDS = 1200.0  # for the longest step
BASE = "localhost/debian-with-python"


class ImageError(Exception):
    """It is not built, or does not serve; the message says why."""


@dataclass(frozen=True, slots=True)
class Container:
    """A container whose root is mounted, and what its image says of how it is run."""

    root: Path
    command: tuple[str, ...]
    environment: dict[str, str]
    user: int
    folder: str


@dataclass(frozen=True, slots=True)
class Buildah:
    """Keeps all that it makes in one folder."""

    store: Path

    def run(self, *words: str) -> str:
        """A command of buildah's; what it prints."""
        place = ("--root", str(self.store / "root"), "--runroot", str(self.store / "run"), "--storage-driver", "vfs")
        return ran(["buildah", *place, *words])

    def bootstrapped(self) -> str:
        """A base like Debian's own image with Python: of the release and from the mirror that this machine has."""
        tree = self.store / "debian"
        release = _release()
        print(f"bootstrapping Debian {release} with Python …", file=sys.stderr, flush=True)
        ran(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, str(tree), _mirror(release)])
        for cached in (tree / "var/cache/apt/archives").glob("*.deb"):
            cached.unlink()
        container = self.run("from", "scratch").strip()
        self.run("add", "--quiet", container, str(tree), "/")
        self.run("commit", "--quiet", container, BASE)
        self.run("rm", container)
        return BASE

    def built(self, base: str, name: str) -> str:
        """The image of a Dockerfile on the base."""
        print(f"building {name} on {base} …", file=sys.stderr, flush=True)
        dockerfile = FOLDER / name
        options = ["--isolation", "chroot", "--build-arg", f"BASE={base}", "--file", str(dockerfile)]
        options += ["--ignorefile", f"{dockerfile}.dockerignore", "--pull-never" if base == BASE else "--pull"]
        options += [word for volume in pip_volumes() for word in ("--volume", volume)]
        image = f"localhost/{name.lower()}"
        self.run("bud", *options, "--tag", image, str(ROOT))
        return image

    def opened(self, image: str) -> Container:
        """A container of it, mounted."""
        told = json.loads(self.run("inspect", "--type", "image", image))["OCIv1"]["config"]
        container = self.run("from", "--pull-never", image).strip()
        return Container(
            Path(self.run("mount", container).strip()),
            (*told["Entrypoint"], *(told.get("Cmd") or ())),
            dict(one.split("=", 1) for one in told["Env"]),
            int(told["User"].partition(":")[0]),
            told["WorkingDir"],
        )


def ran(command: list[str]) -> str:
    """What the command prints; ImageError with its last words where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise ImageError(f"{command[0]} failed ({done.returncode}): {(done.stderr + done.stdout).strip()[-2000:]}")
    return done.stdout


def _release() -> str:
    lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    named = dict(line.split("=", 1) for line in lines if "=" in line)
    if "VERSION_CODENAME" not in named:
        raise ImageError("debootstrap needs a Debian; name a base with --base")
    return named["VERSION_CODENAME"].strip('"')


def _mirror(release: str) -> str:
    """Where apt has the release from."""
    told = ran(["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"])
    found = [uri for codename, _, uri in (line.partition(" ") for line in told.splitlines()) if codename == release]
    if not found:
        raise ImageError(f"apt has no source of {release}; name a base with --base")
    return found[0]


def pip_volumes() -> list[str]:
    """pip's configuration and the local places that it names: a build finds packages where this machine does."""
    user = Path.home() / ".config/pip/pip.conf"
    volumes = [f"{path}:{path}:ro" for path in (Path("/etc/pip.conf"),) if path.exists()]
    if user.exists():
        volumes.append(f"{user}:/root/.config/pip/pip.conf:ro")
    told = ran([sys.executable, "-m", "pip", "config", "list"])
    named = {
        place
        for word in told.replace("'", " ").replace("=", " ").replace("\\n", " ").split()
        if (place := _place(word))
    }
    named -= {user}
    outer = [path for path in sorted(named) if path.exists() and not named & set(path.parents)]
    return [*volumes, *(f"{path}:{path}:ro" for path in outer)]


def _place(word: str) -> Path | None:
    """The local place that a word of pip's configuration names."""
    if word.startswith("file:"):
        return Path(urlsplit(word).path).parent  # what an index names lies beside it
    return Path(word) if word.startswith("/") else None
