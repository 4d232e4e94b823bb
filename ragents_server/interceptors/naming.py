"""The guard that names a call: everything told of it, inside and outside, has these ids."""

import random
import re
from typing import Any

from ragents_server.interceptors.around import Call, Serve
from ragents_server.signals import name_call

REQUEST_ID, TRACE_ID = "x-request-id", "x-ragents-trace-id"
PLAIN = re.compile(r"[\x21-\x7e]{1,128}")  # what may be sent back as an id
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def naming(serve: Serve) -> Serve:
    """The caller's own request and trace id where they are well formed, fresh ones otherwise."""

    async def named(call: Call) -> Any:
        request_id = call.metadata.get(REQUEST_ID)
        traceparent = call.metadata.get("traceparent")
        given = TRACEPARENT.fullmatch(traceparent) if traceparent else None
        call.trailers[REQUEST_ID] = request_id if request_id and PLAIN.fullmatch(request_id) else _fresh()
        call.trailers[TRACE_ID] = given[1] if given else _fresh()
        name_call(call.trailers[REQUEST_ID], call.trailers[TRACE_ID])
        call.context.set_trailing_metadata(tuple(call.trailers.items()))
        return await serve(call)

    return named


def _fresh() -> str:
    """An id that nobody else has; it need not be a secret."""
    return f"{random.getrandbits(128):032x}"
