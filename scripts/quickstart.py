"""The first minute: starts the server, puts documents, asks, and keeps serving, or stops after --ask."""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
QUESTION = "What is RAGents?"
START_SECONDS = 120
STOP_SECONDS = 45
GO_ON = """
Go on, in another terminal:
  {bin}/ragents ask "your question"        one answer; --json for scripts
  {bin}/ragents chat                       a conversation
  {bin}/ragents put ~/papers               more documents
  grpcurl -plaintext -d '{{"question": {{"text": "{question}"}}}}' {address} ragents.v1.QueryService/Query
"""


def words() -> argparse.Namespace:
    """The command's words."""
    parser = argparse.ArgumentParser(prog="scripts/quickstart", description="Ask your own documents, in a minute.")
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="files and folders to read (default: docs/)"
    )
    parser.add_argument("--ask", metavar="QUESTION", help="ask, print the answer, stop; exit 0 answered, 3 refused")
    found = parser.parse_args()
    for path in found.paths:
        if not path.exists():
            parser.error(f"there is no {path}")
    return found


def serving(address: str) -> bool:
    """Whether a server there says that it is ready."""
    with grpc.insecure_channel(address) as channel, contextlib.suppress(grpc.RpcError):
        request = health_pb2.HealthCheckRequest(service="ragents-readiness")
        reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=5, wait_for_ready=True)
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)
    return False


@contextlib.contextmanager
def running_server(address: str) -> Iterator[subprocess.Popen[bytes]]:
    """The server as a child; its own words on a wrong configuration, and its exit status, are ours."""
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout=1):
        print(f"quickstart: {address} is taken: stop what runs there, or set RAGENTS_LISTEN", file=sys.stderr)
        sys.exit(78)
    environment = {"RAGENTS_LISTEN": address, "RAGENTS_LOG_LEVEL": "WARNING"} | os.environ
    # A session of its own: Ctrl-C reaches this script, which stops the server once and in order.
    server = subprocess.Popen([BIN / "ragents-server"], env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not serving(address):
            if server.poll() is not None:
                sys.exit(server.returncode)
            if time.monotonic() > deadline:
                sys.exit(f"quickstart: the server was not ready after {START_SECONDS} s")
            time.sleep(0.05)
        yield server
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()


def ragents(address: str, *arguments: str) -> int:
    """Runs the command `ragents` on the server."""
    return subprocess.run([BIN / "ragents", "--server", address, *arguments], check=False).returncode


def main() -> int:
    """The exit status of the question."""
    given = words()
    address = os.environ.get("RAGENTS_LISTEN", "127.0.0.1:50051")
    paths = [str(path) for path in given.paths] or [os.path.relpath(ROOT / "docs")]
    with running_server(address) as server:
        put = ragents(address, "put", *paths)
        if put not in (0, 1):  # 1: some files could not be read, which was told; the others are in
            return put
        question = given.ask or QUESTION
        if given.paths and not given.ask:
            print(GO_ON.format(bin=os.path.relpath(BIN), question="…", address=address))
        else:
            print(f"\n{question}")
            answered = ragents(address, "ask", question)
            if given.ask:
                return answered
            print(GO_ON.format(bin=os.path.relpath(BIN), question=question, address=address))
        print(f"Serving on {address}; Ctrl-C stops.", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            return server.wait()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
