"""The bench `agents`: savers and whole turns beside LangGraph's official saver, grown threads, runs, tokens."""

from dataclasses import dataclass

from scripts.benchmarks.growing import Effort, growing
from scripts.benchmarks.keepers import POOL, sides
from scripts.benchmarks.putting import putting
from scripts.benchmarks.running import running
from scripts.benchmarks.tokens import COMPUTABLE, CONSTRAINED, PLAIN, tokens
from scripts.benchmarks.turning import turning
from scripts.figures import Figure

NOTES = {
    "official": f"langgraph-checkpoint-postgres, AsyncPostgresSaver with a psycopg pool of {POOL}, autocommit, tables "
    f"by its own setup(); ours has an asyncpg pool of {POOL}. One embedded PostgreSQL, a database each, in turn; "
    "fsync and synchronous_commit are on",
    "savers": "what LangGraph saves in a conversation, recorded once and put again for each thread, the writes of a "
    "turn beside its puts. Ours also keeps the latest 10 checkpoints of a thread only",
    "turns": "the graph adds one message to those of the thread, with the durability `async`. The official one is "
    "LangGraph's ainvoke and nothing else. Ours also takes a lease of the thread, records the run under its "
    "request_id, stores its events, ends it in one transaction with the last checkpoint, and keeps the answer's "
    "exchange beside the messages; threads are of several users. With _cpu: "
    "turns a CPU second of Python and PostgreSQL",
    "growth": "the cost of turns 179 to 220, so with about 400 messages, over that of turns 2 to 4 of new threads, one "
    "at a time. CPU: of Python and PostgreSQL together. old_turns: the same grown threads, all at once",
    "wal": "bytes of PostgreSQL's log for a turn with about 400 messages, after a CHECKPOINT, so with pages that are "
    "logged whole",
    "cold_read": "aget_tuple of a grown thread by a saver that has never seen it, as another replica has; warm: "
    "once more",
    "run": "the RPC Run of an agent that answers with made text, on a server with default settings; the client is "
    "Python too",
    "tokens": f"{len(COMPUTABLE)} questions that can be computed, {len(CONSTRAINED)} that constrain documents by their "
    f"metadata, {len(PLAIN)} plain ones; logical computes the first without the model and retrieves only what meets "
    "the constraints. A scripted model that counts words; computed_right: results that logical told",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    put_rounds: int
    put_turns: int  # of each thread, a round
    turn_rounds: int
    turns: int  # of each thread, a round
    effort: Effort
    run_rounds: int
    runs: int  # a round


FULL = Plan(
    put_rounds=7,
    put_turns=20,
    turn_rounds=7,
    turns=20,
    effort=Effort(rounds=6, threads=10, old=179),
    run_rounds=5,
    runs=200,
)
SHORT = Plan(
    put_rounds=1, put_turns=3, turn_rounds=1, turns=2, effort=Effort(rounds=1, threads=4, old=8), run_rounds=1, runs=20
)


async def measured(*, short: bool) -> list[Figure]:
    """All figures."""
    plan = SHORT if short else FULL
    async with sides() as both:
        found = await putting(both, rounds=plan.put_rounds, turns=plan.put_turns)
        found += await turning(both, rounds=plan.turn_rounds, turns=plan.turns)
        found += await growing(both, plan.effort)
    found += await running(rounds=plan.run_rounds, runs=plan.runs)
    return found + await tokens()
