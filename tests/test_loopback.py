"""Nothing of ours connects off loopback: tests of tracing run in a network whose only way out counts what leaves.

The way out is a virtual wire to nowhere, with a route for every IPv4 address, names' servers among them. What Python
and what C libraries send is counted alike.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECONDS = 280
# The second line: without IPv6, whose neighbours talk by themselves.
NETWORK = """
set -e
ip link set lo up && ip link add out type veth peer name nowhere
for one in out nowhere; do echo 1 > /proc/sys/net/ipv6/conf/$one/disable_ipv6; ip link set $one up; done
ip addr add 198.51.100.1/24 dev out && ip neigh add 198.51.100.2 lladdr 02:00:00:00:00:01 dev out
ip route add default via 198.51.100.2
set +e
"$@"
status=$?
awk '/out:/ { print "left:", $11 }' /proc/net/dev
exit $status
"""
CONTROL = "import socket; s = socket.socket(); s.settimeout(0.2); s.connect_ex(('192.0.2.1', 443))"  # TEST-NET-1


def run(*words: str) -> tuple[int, int, str]:
    """Exit status, packets that left, and what was said."""
    made = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    if made.returncode or os.geteuid():
        pytest.skip("no right to make a network")
    command = ["unshare", "--net", "sh", "-c", NETWORK, "sh", sys.executable, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    said = done.stdout + done.stderr
    assert "left: " in said, said
    return done.returncode, int(said.rpartition("left: ")[2].split()[0]), said


def test_the_counter_counts() -> None:
    status, left, _ = run("-c", CONTROL)
    assert (status, left) == (0, 1)


def test_servers_that_send_traces_and_opik_s_sdk_connect_to_loopback_alone(tmp_path: Path) -> None:
    tests = ["tests/telemetry/test_tracing.py", "tests/telemetry/test_opik_sdk.py"]
    status, left, said = run("-m", "pytest", "-n0", "-q", "-o", f"cache_dir={tmp_path}", *tests)
    assert status == 0, said
    assert " passed" in said
    assert left == 0
