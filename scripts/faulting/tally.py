"""What a test of staleness counts, and the figures that come of it."""

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from ragents_client.v1.answer_pb2 import CACHE_MODE_NONE, CACHE_MODE_REFRESH, Question
from scripts.faulting.calls import OUTCOMES, WITHOUT_MODEL, Reply
from scripts.faulting.ledger import signature
from scripts.figures import Figure

MODEL_FREE = 0.99  # least share
ANYWHERE, REDIS = "anywhere", "redis"  # beside the replicas, who may know an answer


@dataclass(slots=True)
class Tally:
    """Counts by name, what was wrong in words, and who has known which answer since when."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    redis_away: bool = False
    _known: defaultdict[tuple[str, bytes, object], dict[str, float]] = field(default_factory=lambda: defaultdict(dict))

    def blame(self, kind: str, words: str) -> None:
        """One more answer that is `stale` or `foreign`, or call that `failed`."""
        self.wrong[kind].append(words)

    def redis_lost_all(self) -> None:
        """What it knew, only replicas know now."""
        for since in self._known.values():
            since.pop(REDIS, None)

    def answered(self, tenant: str, question: Question, reply: Reply, replica: str) -> None:
        """Notes whether an answer could have been served without the model, and whether it was."""
        outcome = reply.cache.outcome
        self.counts[OUTCOMES.get(outcome, "misses")] += 1
        if not reply.passages:
            return  # then no model is asked
        free = outcome in WITHOUT_MODEL
        self.counts["made"] += not free
        since = self._known[tenant, _asked(question), signature(reply.passages)]
        if question.cache_mode not in {CACHE_MODE_NONE, CACHE_MODE_REFRESH}:
            within_reach = {replica} if self.redis_away else {replica, REDIS}
            known = {who for who, when in since.items() if when < reply.began}
            self._count("unchanged", free=free, eligible=ANYWHERE in known)
            self._count("reachable", free=free, eligible=bool(known & within_reach))
        if question.cache_mode != CACHE_MODE_NONE:
            for who in (ANYWHERE, replica, *(() if self.redis_away else (REDIS,))):
                since.setdefault(who, reply.ended)

    def _count(self, name: str, *, free: bool, eligible: bool) -> None:
        self.counts[name] += eligible
        self.counts[f"{name}_free"] += eligible and free

    def _share(self, name: str, unexplained: int) -> float:
        return (self.counts[f"{name}_free"] - unexplained) / self.counts[name] if self.counts[name] else math.nan

    def figures(self, generations: int) -> list[Figure]:
        """All of it; a generation that no answer owns up to counts against the answers served without one."""
        counts, wrong = self.counts, self.wrong
        unexplained = max(0, generations - counts["made"])
        return [
            *(Figure(name, counts[name]) for name in ("changes", "asks", "compared", "refused")),
            *(Figure.at_most(name, len(wrong[name]), 0) for name in ("stale", "foreign", "failed")),
            Figure("timed_out_at_the_stopped", counts["timed_out_at_the_stopped"]),
            Figure.at_least("in_flight_at_sigstop", counts["in_flight_at_sigstop"], 1),
            Figure("asked_of_the_stopped", counts["asked_of_the_stopped"]),
            Figure.at_least("in_flight_at_redis_cut", counts["in_flight_at_redis_cut"], 1),
            *(Figure(name, counts[name], "answers") for name in OUTCOMES.values()),
            Figure("unchanged_answers", counts["unchanged"], "answers"),
            Figure.at_least("model_free_share", self._share("unchanged", unexplained), MODEL_FREE),
            Figure("reachable_answers", counts["reachable"], "answers"),
            Figure.at_least("model_free_share_of_reachable", self._share("reachable", unexplained), MODEL_FREE),
            Figure("generations", generations),
            Figure("generations_unexplained", unexplained),
        ]


def _asked(question: Question) -> bytes:
    """The question without how caches are used."""
    asked = Question()
    asked.CopyFrom(question)
    asked.ClearField("cache_mode")
    return asked.SerializeToString(deterministic=True)
