"""The command `ragents`: ask, chat and put from a shell. Needs the extra `cli`."""

import sys

MISSING_EXTRA = 78


def main() -> None:
    """Runs the command; without its extra says which one and ends with 78."""
    try:
        import rich  # noqa: F401 # the library alone must not need them
        import typer  # noqa: F401
    except ImportError as missing:
        sys.stderr.write(f"ragents: {missing.name} is not installed; install ragents-grpc[cli]\n")
        sys.exit(MISSING_EXTRA)
    from ragents_client.command.app import run

    run(sys.argv[1:])
