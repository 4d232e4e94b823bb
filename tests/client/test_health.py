"""`ragents health`: for people, for pipes, for programs."""

import json
import time
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ragents_client.v1 import (
    COMPONENT_STATE_DEGRADED,
    COMPONENT_STATE_DOWN,
    COMPONENT_STATE_OFF,
    COMPONENT_STATE_UP,
    Component,
    GetHealthResponse,
)

SINCE = Timestamp(seconds=int(time.time()) - 10_800)
UP = Component(
    name="database",
    state=COMPONENT_STATE_UP,
    latency=Duration(nanos=1_500_000),
    since=SINCE,
    detail="PostgreSQL 18.4, embedded",
)
DEGRADED = Component(name="cache", state=COMPONENT_STATE_DEGRADED, since=SINCE, detail="the Redis does not answer")
OFF = Component(name="tracing", state=COMPONENT_STATE_OFF, since=SINCE, detail="not set")
DOWN = Component(name="queue", state=COMPONENT_STATE_DOWN, detail="\x1b[31mcannot be reached")


def health(*components: Component) -> GetHealthResponse:
    return GetHealthResponse(
        version="1.2.3", uptime=Duration(seconds=7200), agents=["simple", "react"], components=components
    )


def test_in_a_pipe_it_is_a_line_a_part(ragents: Any, serve: Any) -> None:
    serve(GetHealth=health(UP, DEGRADED, OFF))
    result = ragents("health")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "ragents-server 1.2.3, up for 2 h; agents: simple, react",
        "database\tUP\t1.5 ms\t3 h\tPostgreSQL 18.4, embedded",
        "cache\tDEGRADED\t\t3 h\tthe Redis does not answer",
        "tracing\tOFF\t\t3 h\tnot set",
    ]


def test_a_part_that_is_down_ends_the_command_with_1(ragents: Any, serve: Any) -> None:
    serve(GetHealth=health(UP, DOWN))
    result = ragents("health")
    assert result.exit_code == 1
    assert "queue\tDOWN" in result.stdout
    assert "\x1b" not in result.stdout


def test_on_a_terminal_it_is_a_table(on_a_terminal: Any, serve: Any) -> None:
    serve(GetHealth=health(UP, DEGRADED, OFF))
    status, shown = on_a_terminal("health")
    assert status == 0
    for word in ("part", "state", "latency", "UP", "DEGRADED", "1.5 ms", "3 h", "PostgreSQL 18.4"):
        assert word in shown


def test_how_long_it_has_been_so_is_by_the_servers_clock(ragents: Any, serve: Any) -> None:
    told = health(UP)
    told.time.FromSeconds(SINCE.seconds + 60)  # hours before ours
    serve(GetHealth=told)
    assert "\t60 s\t" in ragents("health").stdout


def test_a_state_of_a_newer_release_is_its_number(ragents: Any, serve: Any) -> None:
    serve(GetHealth=health(Component(name="moon", state=99, detail="?")))  # type: ignore[arg-type]
    assert "moon\t99\t\t\t?" in ragents("health").stdout


def test_as_json_it_is_the_contracts_own(ragents: Any, serve: Any) -> None:
    serve(GetHealth=health(UP))
    told = json.loads(ragents("health", "--json").stdout)
    assert told["version"] == "1.2.3"
    assert told["components"][0]["state"] == "COMPONENT_STATE_UP"
    assert told["components"][0]["latency"] == "0.001500s"
