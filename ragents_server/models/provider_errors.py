"""What went wrong at a model's provider, as one of the contract's failures.

Providers' packages have exceptions of their own; they agree on carrying an HTTP status and, mostly, the
response. Neither the log nor the caller is shown a provider's text: it may quote the key or the prompt.
"""

import logging
import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ragents_server.errors import ContextTooLong, ModelQuota, ModelUnavailable, RagentsError

log = logging.getLogger(__name__)

QUOTA_WAIT = 5.0  # seconds, where a provider names none
LONGEST_WAIT = 3600.0
PASSING = frozenset({408, 409, 425})  # of the statuses 4xx; all others refuse the request itself
_TOO_LONG = re.compile(
    r"context[_ ]?(?:length|window|size)|maximum context|(?:prompt|input) is too long|too many (?:input )?tokens"
    r"|tokens? exceeds? |exceeds? the (?:maximum|model's|available) (?:number of tokens|context)|ContextOverflow",
    re.IGNORECASE,
)


def failure(error: Exception, model: str) -> RagentsError:
    """The failure of a call of `model` that `error` stands for."""
    status = _status(error)
    told = f"status {status}" if status else "no answer that can be read"
    if status in (401, 403):
        log.error("model %s: its provider does not accept the key of this server (%s)", model, told)
        return ModelUnavailable(f"the model {model} does not serve this server", lasting=True)
    log.warning("model %s failed: %s, %s", model, type(error).__name__, told)
    if status == 429:
        return ModelQuota(f"the quota of the model {model} is spent", retry_after=_retry_after(error))
    if status == 413 or (status in (None, 400, 422) and _TOO_LONG.search(_words(error))):
        return ContextTooLong(f"the text is too long for the model {model}")
    lasting = status is not None and 400 <= status < 500 and status not in PASSING
    return ModelUnavailable(f"the model {model} failed: {told}", lasting=lasting)


def timed_out(model: str, seconds: float) -> ModelUnavailable:
    """The failure of a call that was not done in time."""
    log.warning("model %s: not done within %.3g s", model, seconds)
    return ModelUnavailable(f"the model {model} was not done within {seconds:.3g} s")


def _words(error: Exception) -> str:
    return f"{type(error).__name__} {getattr(error, 'code', '')} {error}"


def _status(error: Exception) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int) and status > 0:  # ollama says -1 where there was no answer
            return status
    return None


def _retry_after(error: Exception) -> float:
    """The wait in seconds that the provider asks for: a number of seconds or milliseconds, or a date."""
    headers: Mapping[str, Any] = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        if (milliseconds := headers.get("retry-after-ms")) is not None:
            wait = float(milliseconds) / 1000
        else:
            wait = _seconds(str(headers.get("retry-after", QUOTA_WAIT)))
    except (ValueError, TypeError):
        return QUOTA_WAIT
    return min(max(wait, 0.0), LONGEST_WAIT) if math.isfinite(wait) else QUOTA_WAIT


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return parsedate_to_datetime(value).timestamp() - time.time()
