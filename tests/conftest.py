"""Fixtures: pytest-grpc's, on the real server; a module's `server_settings` configures it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import server_thread

SKIPS = [line for line in (Path(__file__).parent / "skips.txt").read_text().splitlines() if not line.startswith("#")]


@pytest.fixture(scope="module")
def server_settings() -> dict[str, Any]:
    """Settings of the module's server beyond the defaults; override it in a module that needs others."""
    return {}


@pytest.fixture(scope="module")
def grpc_server(server_settings: dict[str, Any]) -> Iterator[str]:
    """The module's server, a real grpc.aio one on its own loop; its address."""
    with server_thread(**server_settings) as address:
        yield address


@pytest.fixture(scope="module")
def grpc_addr(grpc_server: str) -> str:
    """Where pytest-grpc's channels lead."""
    return grpc_server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """In CI a skip that is not on the committed list is a failure: a test that does not run proves nothing."""
    report: Any = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(tuple(SKIPS)):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} was skipped, and CI does not accept why: {reason}"
    return report
