"""The next piece of a model's stream: in time, its errors as the contract's, and no cancellation lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from ragents_server.errors import RagentsError
from ragents_server.models.provider_errors import failure, timed_out

T = TypeVar("T")


async def next_piece(stream: AsyncIterator[T], model: str, deadline: float, timeout: float) -> T | None:
    """The next one, None at the end; `deadline` in the loop's time is `timeout` seconds after the call began.

    Around each step: around the whole, a timeout would strike in the reader's code.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        async with asyncio.timeout_at(deadline):
            piece = await anext(stream, None)
    except TimeoutError:
        raise timed_out(model, timeout) from None
    except RagentsError:
        raise
    except Exception as error:
        raise failure(error, model) from error
    # Before Python 3.12 `asyncio.wait_for`, which clients use, forgets a cancellation that comes together with a piece.
    if task and task.cancelling() > before:
        raise asyncio.CancelledError
    return piece
