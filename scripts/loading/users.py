"""A thousand people who ask now and then, all at once."""

from scripts.figures import Figure
from scripts.loading import page
from scripts.loading.figuring import failed, hit_ratio, rate, shed, times
from scripts.loading.k6 import Callers
from scripts.loading.loads import load
from scripts.loading.streams import repeats, zipf
from scripts.loading.topology import KEY, loaded

PAUSE = 30.0  # seconds between a user's questions on the mean
QUESTIONS, EXPONENT = 500, 1.0
HITS = 0.97  # of those that are possible, at least
ABOUT = (
    f"People who each ask within {PAUSE:g} s, and then every {PAUSE:g} s on the mean, by an exponential law, "
    f"{QUESTIONS} questions by Zipf's law with exponent {EXPONENT:g}; a connection each to Envoy; the model takes 2 s "
    "on the mean, 5 s one time in twenty"
)
NOTES = {"users": ABOUT}


async def measured(*, short: bool, seed: int) -> list[Figure]:
    """A minute and a half of them; `short`: a fifth of the people, for 15 s."""
    users, seconds, pause = (200, 15, 6.0) if short else (1000, 90, PAUSE)
    stream = zipf(users * seconds, QUESTIONS, EXPONENT, seed=seed)
    executor = {"executor": "constant-vus", "vus": users, "duration": f"{seconds}s", "gracefulStop": "60s"}
    async with loaded(delay=0.0) as topology:
        part = await load(
            topology, "users", {"users": Callers(executor, KEY.token, pause=pause)}, stream, title=f"{users} users"
        )
    calls = part.calls
    figures = [
        Figure("users", users, "people"),
        Figure("users_calls", len(calls), "calls"),
        Figure("users_rate", rate(calls), "answers/s"),
        Figure.at_most("users_failed", failed(calls).total(), 0, "calls"),
        Figure.at_most("users_shed", shed(calls), 0),
        Figure("users_hit_ratio", hit_ratio(calls)),
        Figure.at_least("users_share_of_possible_hits", hit_ratio(calls) / repeats(stream[: len(calls)]), HITS),
        *times("users", calls),
        *times("users_hits", [call for call in calls if call.hit]),
    ]
    page.write("users", ABOUT, figures, [part])
    return figures
