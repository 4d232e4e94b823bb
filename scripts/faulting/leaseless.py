"""The server with a part of its proof of freshness taken out, for the control of the tests: they must find it.

`python -m scripts.faulting.leaseless for-ever`: an epoch once read is trusted for ever, and a change waits for nobody.
`at-once`: epochs are leased as they should be, but a change returns without waiting for the leases of others.
"""

import math
import sys
from collections.abc import Awaitable, Callable, Sequence

from ragents_server import __main__ as server
from ragents_server.index import epochs
from ragents_server.index.statements import Pool

Learn = Callable[[Sequence[epochs.ClearingRow]], Awaitable[None]]


class Trusting(epochs.Epochs):
    """Reads an epoch once."""

    def __init__(self, pool: Pool, learn: Learn, *, alone: bool) -> None:
        del alone
        super().__init__(pool, learn, alone=True, lease=math.inf)


class Hasty(epochs.Epochs):
    """Waits for nobody."""

    def __init__(self, pool: Pool, learn: Learn, *, alone: bool) -> None:
        del alone
        super().__init__(pool, learn, alone=True)


KINDS = {"for-ever": Trusting, "at-once": Hasty}

if __name__ == "__main__":
    epochs.Epochs = KINDS[sys.argv[1]]  # type: ignore[misc, assignment] # the program is to be another
    server.main([])
