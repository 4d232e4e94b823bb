"""What is divided among processes: all of it, and none of it twice."""

import pytest

from ragents_server.processes.shares import LEAST, connections, share_of
from ragents_server.settings import Settings


@pytest.mark.parametrize("processes", [1, 2, 3, 7, 32])
def test_shares_add_up_to_the_setting_where_each_can_have_the_least(processes: int) -> None:
    settings = Settings(processes=processes, executions=100, queue=333, batch_workers=40, parsers=32)
    shares = [share_of(settings, number) for number in range(processes)]
    for name in ("executions", "queue", "batch_workers", "parsers", *(n for n in LEAST if n.endswith("size"))):
        assert sum(getattr(share, name) for share in shares) == getattr(settings, name), name


def test_nothing_is_divided_below_what_a_process_needs() -> None:
    settings = Settings(processes=8, executions=3, queue=3, parsers=1, database_connections=4, embedding_threads=2)
    for number in range(8):
        share = share_of(settings, number)
        assert (share.executions, share.queue, share.parsers, share.embedding_threads) == (1, 1, 1, 1)
        assert share.database_connections == 2
    assert connections(settings) == 8 * 4


def test_what_is_off_is_off_in_every_process() -> None:
    share = share_of(Settings(processes=2, queue=0, batch_workers=0, cache_answer_size=0), 0)
    assert (share.queue, share.batch_workers, share.cache_answer_size) == (0, 0, 0)


def test_the_rest_is_as_it_was_set() -> None:
    settings = Settings(processes=2)
    share = share_of(settings, 1)
    divided = {*LEAST, "embedding_threads"}
    assert share.model_dump(exclude=divided) == settings.model_dump(exclude=divided)
