"""`scripts/faults agents`: turns are killed, frozen, doubled and cut off; none is lost, and none is kept twice."""

from dataclasses import dataclass
from time import monotonic

from scripts.faulting import serial
from scripts.faulting.chatter import USERS, Chatter, rate
from scripts.faulting.conversations import WRONG
from scripts.faulting.deployment import Deployment, deployed, say
from scripts.faulting.frozen import frozen
from scripts.faulting.redis import redis_server
from scripts.faulting.same_turn import SameTurn
from scripts.faulting.saved import judge_all, saved_in
from scripts.faulting.state_away import HASTY, PATIENT, StateAway
from scripts.faulting.takeovers import Takeovers
from scripts.faulting.words import Words
from scripts.figures import Figure

REPLICAS = 2
CALLERS = 10
DELAY = 0.15  # seconds that the model takes
SHOWN = 5  # findings told in words
SETTINGS: dict[str, object] = {
    "agents": "scripts.faulting.talker:build",
    "agent": "talker",
    "database_timeout": 3,
    "grace": 4,
    "database_connections": 20,  # enough for all that is asked at once while it is away
}
QUICK = 0.01  # seconds that it takes for turns that are sent all at once
DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")
NEVER = (*WRONG, "failed", "read_short", "gaps", "told_differently", "deltas_differ", "unfollowed")

NOTES = {
    "turns": f"of an agent of three saved steps, the middle one of which waits {DELAY:g} s for the model; over "
    f"{REPLICAS} replicas on one PostgreSQL, by three users whose threads and request_ids have the same names. Callers "
    "send a turn again, to the other replica, after UNAVAILABLE",
    "acknowledged": "turns whose callers were told OK; lost: not kept. doubled: kept more than once, acknowledged or "
    "not. differing: kept, or told again, with another answer. disordered: the n-th exchange has not seen n-1 before "
    "it. roles_broken: the saved messages are not the exchanges, by human and ai in turn",
    "in_flight": "turns for whose word the model was asked by the replica, or on any, when the fault struck",
    "takeover": "from the fault to the next answered turn of every thread that had one of these, whoever sends it",
    "rollout": "SIGTERM to one replica after the other. rollout_detached_gone_on: a detached run whose step does not "
    "end within the grace, answered by another replica without being sent again",
    "control_kept": "messages that LangGraph alone keeps of 10 turns at once on one thread",
    "same": "callers who send one turn at once, under one request_id; _killed: the replica that runs it is killed",
    "frozen": "a replica is stopped (SIGSTOP) with turns in their middle, which go on elsewhere; later it goes on. "
    "fenced: it does not look at its leases before it writes. control_unfenced: the same without the fence",
    "state_away": "PostgreSQL is stopped (SIGSTOP); calls of all kinds that begin then, with a deadline of "
    f"{PATIENT:g} s, and, hasty, of {HASTY:g} s: the server cannot know so soon, but must not say anything else",
    "redis": "the same load and kills of replicas, with RAGENTS_CHECKPOINTS on a valkey with appendfsync always. "
    "redis_wrong: all that must not be, together",
    "followers": "callers of AttachRun on another replica, from anywhere in a run. gaps: an event was missed or told "
    "twice. told_differently: two callers were told different events of one number. told_again: the same in runs that "
    "were under way when PostgreSQL was killed, whose events are not fsynced",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How often each is done, and for how long a replica is stopped (seconds)."""

    rounds: int
    callers: int
    replica_kills: int
    postgres_kills: int
    frozen: float
    threads: int  # that are in their middle then
    whole: int  # threads that are asked for while PostgreSQL is away
    redis_kills: int
    least_rate: float  # turns a second, whatever is broken meanwhile


FULL = Plan(
    rounds=100,
    callers=100,
    replica_kills=30,
    postgres_kills=10,
    frozen=30,
    threads=10,
    whole=3,
    redis_kills=10,
    least_rate=5,
)
SHORT = Plan(
    rounds=8, callers=40, replica_kills=2, postgres_kills=1, frozen=6, threads=4, whole=1, redis_kills=1, least_rate=1
)


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """All of it, one after the other."""
    plan = SHORT if short else FULL
    words = Words(delay=QUICK)
    async with deployed(USERS, [SETTINGS] * REPLICAS, short=True, model=words) as deployment:
        chatter = Chatter(deployment.replicas, seed)
        figures = [
            *await serial.serial(deployment, chatter, plan.rounds, plan.least_rate),
            *await serial.without_turns(deployment),
        ]
        words.delay = DELAY
        figures += [
            *await _same(deployment, words, chatter, plan.callers),
            *await _storm(deployment, words, chatter, plan, seed),
            *await StateAway(deployment, chatter, plan.whole).stopped(),
        ]
        await judge_all(chatter, chatter.conversations.places(), saved_in(deployment.database))
        figures += _totals(chatter)
    figures += await frozen(seconds=plan.frozen, threads=plan.threads, seed=seed, short=short)
    figures += await _in_redis(plan, seed)
    if short:  # the machine is busy
        figures = [one if one.unit != "s" else Figure(one.name, one.value, one.unit) for one in figures]
    return figures


async def _same(deployment: Deployment, words: Words, chatter: Chatter, callers: int) -> list[Figure]:
    same = SameTurn(deployment, words, chatter, callers)
    return [*await same.together(), *await same.leader_killed()]


async def _storm(deployment: Deployment, words: Words, chatter: Chatter, plan: Plan, seed: int) -> list[Figure]:
    """Everything that is killed under load."""
    takeovers = Takeovers(deployment, words, chatter, seed)
    async with chatter.running(CALLERS):
        began = monotonic()
        figures = [
            *await takeovers.kill_replicas(plan.replica_kills),
            *await takeovers.kill_postgres(plan.postgres_kills),
            *await takeovers.roll_out(),
        ]
        answered = rate(chatter.conversations, began)
        seconds = monotonic() - began
    return [
        Figure("storm_seconds", seconds, "s"),
        Figure.at_least("storm_rate", answered, plan.least_rate, "turns/s"),
        *figures,
    ]


async def _in_redis(plan: Plan, seed: int) -> list[Figure]:
    """Kills of replicas again, with checkpoints in a Redis that has everything on its disk before it answers."""
    words = Words(delay=DELAY)
    async with redis_server(*DURABLE) as redis:
        settings = SETTINGS | {"checkpoints": redis.url}
        async with deployed(USERS, [settings] * REPLICAS, short=True, model=words) as deployment:
            chatter = Chatter(deployment.replicas, seed)
            began = monotonic()
            async with chatter.running(CALLERS):
                figures = await Takeovers(deployment, words, chatter, seed).kill_replicas(
                    plan.redis_kills, "redis_replica_kill"
                )
                answered = rate(chatter.conversations, began)
            await judge_all(chatter, chatter.conversations.places(), saved_in(deployment.database, redis.url))
    _told(chatter)
    said = chatter.conversations.said.values()
    return [
        *figures,
        Figure.at_least("redis_rate", answered, plan.least_rate, "turns/s"),
        Figure.at_least("redis_acknowledged", sum(bool(one.answer) for one in said), 1, "turns"),
        Figure.at_most("redis_wrong", sum(len(chatter.findings.wrong[kind]) for kind in NEVER), 0),
    ]


def _told(chatter: Chatter) -> None:
    for kind, words in chatter.findings.wrong.items():
        for line in words[:SHOWN]:
            say(f"{kind}: {line}")


def _totals(chatter: Chatter) -> list[Figure]:
    """Of all turns together."""
    said, findings = chatter.conversations.said.values(), chatter.findings
    _told(chatter)
    counts = findings.counts
    return [
        Figure("turns", len(said)),
        Figure.at_least("acknowledged", sum(bool(one.answer) for one in said), 1, "turns"),
        *(Figure.at_most(kind, len(findings.wrong[kind]), 0) for kind in NEVER),
        Figure("sent_again", counts["sent_again_after_unavailable"], "times"),
        Figure("sent_again_after_aborted", counts["sent_again_after_aborted"], "times"),
        Figure.at_least("detached", counts["detached"], 1, "turns"),
        Figure("detached_sent_again", counts["detached_sent_again"], "turns"),
        Figure.at_least("reads", counts["reads"], 1),
        Figure("reads_unavailable", counts["reads_unavailable"]),
        Figure.at_least("followers", counts["followers"], 1),
        Figure("followed_events", counts["followed_events"]),
        Figure("told_again", len(findings.wrong["told_again"]), "events"),
    ]
