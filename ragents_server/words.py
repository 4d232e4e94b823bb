"""The command's words, read before anything of the server is imported."""

import argparse
from importlib.metadata import version

from ragents_server.caller import PRIORITIES, SCOPES

LONGEST = 256  # characters of a name


def parser() -> argparse.ArgumentParser:
    """The words of `ragents-server`."""
    command = argparse.ArgumentParser(
        prog="ragents-server",
        description="Serve RAGents. Settings come from the environment, RAGENTS_*; `--check` prints them.",
    )
    command.add_argument("--version", action="version", version=f"ragents-server {version('ragents-grpc')}")
    command.add_argument("--check", action="store_true", help="print the settings, try each back end, and exit")
    verbs = command.add_subparsers(dest="verb", metavar="COMMAND")
    verbs.add_parser("serve", help="serve until SIGTERM or Ctrl-C (the default)")
    _work(verbs.add_parser("work"))  # how a server starts its processes; nobody else does, so there is no help for it
    reindex = verbs.add_parser("reindex", help="embed a collection anew with the model that is set now")
    reindex.add_argument("collection", help="the collection's name")
    reindex.add_argument("--tenant", default="local", help="the tenant it belongs to (default: %(default)s)")
    keys = verbs.add_parser("keys", help="make, list and revoke API keys in the database")
    _keys(keys.add_subparsers(dest="deed", metavar="DEED", required=True))
    return command


def _work(work: argparse.ArgumentParser) -> None:
    work.add_argument("number", type=int, help="which of the processes it is")
    work.add_argument("turn", choices=("first", "later"), help="whether the server begins with it")
    work.add_argument("parent", type=int, help="the parent's pid")
    work.add_argument("link", type=int, help="the descriptor of the link to the parent")


def _keys(deeds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    create = deeds.add_parser("create", help="make a key and print its token, this once")
    create.add_argument("--tenant", type=_name, required=True, help="whose documents it reads and writes")
    create.add_argument("--user", type=_name, help="whose threads it holds (default: the tenant's name)")
    create.add_argument("--scopes", type=_scopes, default="ask", help=f"of {','.join(SCOPES)} (default: %(default)s)")
    create.add_argument("--collections", type=_names, default="", help="the granted ones (default: all)")
    create.add_argument("--tools", type=_names, default="", help="those agents may call for it (default: all)")
    create.add_argument("--priority", choices=PRIORITIES, default="NORMAL", help="its ceiling (default: %(default)s)")
    create.add_argument("--quota", type=_name, default="default", help="its class of limits (default: %(default)s)")
    create.add_argument("--label", type=_label, default="", help="what it is for")
    create.add_argument("--expires-in", type=_days, metavar="DAYS", help="when it ends (default: never)")
    create.add_argument("--json", action="store_true", help="print id and token as JSON")
    listing = deeds.add_parser("list", help="list the keys, without their tokens")
    listing.add_argument("--json", action="store_true", help="print JSON")
    deeds.add_parser("revoke", help="revoke a key for good").add_argument("id", type=_name, help="the key's id")


def _label(text: str) -> str:
    if len(text) > LONGEST or not text.isprintable():
        raise argparse.ArgumentTypeError(f"must be at most {LONGEST} printable characters")
    return text


def _name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return _label(text)


def _names(text: str) -> frozenset[str]:
    return frozenset(_name(name.strip()) for name in text.split(",")) if text else frozenset()


def _scopes(text: str) -> frozenset[str]:
    scopes = _names(text)
    if not scopes or not scopes <= set(SCOPES):
        raise argparse.ArgumentTypeError(f"must be of {', '.join(SCOPES)}")
    return scopes


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 0 < days <= 36_500:
        raise argparse.ArgumentTypeError("must be a number of days above 0")
    return days
