"""`scripts/faults hostile`: strangers send what is no message, or leave in the middle; nobody else notices."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil

from scripts.evaluation.server import open_folder
from scripts.faulting.abandoned import NOTES as ABANDONED
from scripts.faulting.abandoned import abandoned
from scripts.faulting.barrage import AT_ONCE, Barrage, Heard
from scripts.faulting.deployment import Deployment, deployed, say
from scripts.faulting.leaks import Watch
from scripts.faulting.naive import KINDS, naive_server
from scripts.faulting.planting import Tenant, answer_of, plant, write_scoped_keys
from scripts.faulting.replicas import OPTIONS, Key
from scripts.faulting.wire_seeds import Ids, Rpc, rpcs
from scripts.figures import Figure

STRANGER = Tenant(Key("token-of-amber", "amber", user="ada"), "amberine-40721")
ACTING = Key("token-of-acting", "amber", user="ada")
VICTIM = Tenant(Key("token-of-birch", "birch", user="bob"), "birchwood-86153")
SCOPES = ("ask", "write")
MOST_GROWTH = 150  # MB
LAST_LINES = 200  # of a log that should be empty
ERRORS = re.compile(r"Traceback \(most recent call last\)|incident [0-9a-f]{16}| ERROR | CRITICAL |never retrieved")

NOTES = {
    "sent": f"calls of every RPC of the contract, of health and of reflection: valid requests whose bytes are damaged, "
    f"or well formed and absurd, with strange metadata and deadlines; {AT_ONCE} at once",
    "undocumented": "calls that ended with a status that the contract does not know, or with INTERNAL or DATA_LOSS",
    "unavailable": "calls that were told that the database, the model or the server is away, which none is",
    "leaks": "replies, statuses, details and trailers with a word of the server's insides or of another tenant's",
    "without_reason": "failures of the contract's services that the server itself told, without google.rpc.ErrorInfo",
    "rss_growth": "of the server, from a tenth of the calls on",
    "log_errors": "lines of the server's log that tell of an error that nobody handled",
    "control_naive": "the same against a small server without guards",
    **ABANDONED,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How many calls of each kind."""

    mutated: int
    control: int
    abandoned: int


FULL = Plan(mutated=20_000, control=1_000, abandoned=50_000)
SHORT = Plan(mutated=1_500, control=300, abandoned=2_000)


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """All of it, one after the other."""
    plan = SHORT if short else FULL
    return [
        *await _mutated(plan, seed),
        *await _control(plan, seed),
        *await abandoned([STRANGER, VICTIM], plan.abandoned, seed, short=short),
    ]


async def _mutated(plan: Plan, seed: int) -> list[Figure]:
    """The barrage on a real server."""
    with open_folder() as folder:
        everybody = [STRANGER.key, VICTIM.key]
        rows: list[dict[str, object]] = [{"keys": write_keys(folder, everybody), "writer": "extractive"}]
        async with deployed(everybody, rows, short=True) as deployment:
            own, foreign = [await plant(deployment.replicas[0], one) for one in (STRANGER, VICTIM)]
            say(f"{plan.mutated:,} mutated calls")
            watch = Watch([VICTIM.secret], [str(deployment.folder), str(folder)])
            targets = rpcs(own, foreign, (STRANGER.key.tenant, STRANGER.key.user))
            credentials = [STRANGER.key.metadata, ACTING.metadata]
            replica = deployment.replicas[0]
            with grpc.insecure_channel(replica.begun.address, OPTIONS) as blocking:
                barrage = Barrage(replica.channel, blocking, targets, credentials, watch, seed)
                return await _sent(deployment, barrage, plan)


def write_keys(folder: Path, keys: list[Key]) -> Path:
    """A file in which one more key may act for others, so that what is said of those gets further."""
    path = write_scoped_keys(folder / "keys.json", keys, SCOPES)
    acting = write_scoped_keys(folder / "acting.json", [ACTING], (*SCOPES, "act_for_users", "admin"))
    path.write_text(path.read_text().rstrip("}") + "}, " + acting.read_text().lstrip("{"))
    return path


async def _sent(deployment: Deployment, barrage: Barrage, plan: Plan) -> list[Figure]:
    replica = deployment.replicas[0]
    process = psutil.Process(replica.process.pid)
    warm = plan.mutated // 10
    await barrage.send(warm)
    before = process.memory_info().rss
    await barrage.send(plan.mutated - warm)
    grown = (process.memory_info().rss - before) / 2**20
    answer = await answer_of(replica, VICTIM)
    proper = VICTIM.secret in answer.text and bool(answer.citations) and replica.process.returncode is None
    lines = replica.log.read_text(errors="replace").splitlines()
    errors = [line for line in lines if ERRORS.search(line)]
    heard = barrage.heard
    for finding in (*heard.undocumented, *heard.away, *heard.leaks, *heard.without_reason):
        say(f"  {finding[:600]}")
    if errors:
        say("\n".join(lines[-LAST_LINES:]))
    return [
        Figure("sent", heard.sent, "calls"),
        Figure("rpcs", len(barrage.rpcs)),
        *(Figure(f"status_{code.lower()}", number, "calls") for code, number in sorted(heard.codes.items())),
        Figure.at_most("undocumented", len(heard.undocumented), 0, "calls"),
        Figure.at_most("unavailable", len(heard.away), 0, "calls"),
        Figure.at_most("leaks", len(heard.leaks), 0, "calls"),
        Figure.at_most("without_reason", len(heard.without_reason), 0, "calls"),
        Figure.at_most("rss_growth", grown, MOST_GROWTH, "MB"),
        Figure.at_most("log_errors", len(errors), 0, "lines"),
        Figure.at_least("answers_afterwards", float(proper), 1),
    ]


async def _control(plan: Plan, seed: int) -> list[Figure]:
    """The same on a server without guards."""
    nothing = Ids("", "", "", "", "")
    targets: list[Rpc] = [one for one in rpcs(nothing, nothing, ("", "")) if one.path.rpartition("/")[2] in KINDS]
    logging.getLogger("grpc").setLevel(logging.CRITICAL)  # what it tells of each failure is not looked at
    with open_folder() as folder:
        async with naive_server(folder, VICTIM.secret) as (address, channel):
            with grpc.insecure_channel(address) as blocking:
                barrage = Barrage(channel, blocking, targets, [()], Watch([VICTIM.secret], [str(folder)]), seed)
                await barrage.send(plan.control)
    heard: Heard = barrage.heard
    return [
        Figure.at_least("control_naive_undocumented", len(heard.undocumented), 1, "calls"),
        Figure.at_least("control_naive_leaks", len(heard.leaks), 1, "calls"),
    ]
