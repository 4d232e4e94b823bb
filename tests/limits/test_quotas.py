"""Quotas as the processes of one server share them."""

import pytest

from ragents_server.errors import ConfigurationError
from ragents_server.limits.law import Quota
from ragents_server.limits.quotas import LOCAL, Quotas

USUAL = Quota(requests_per_minute=60, requests_per_hour=1000, burst=10, concurrency=4)


def test_shares_together_never_exceed_the_limit() -> None:
    for processes in (1, 2, 3, 4):
        share = Quotas(USUAL, {"gold": Quota(concurrency=5)}).shared_by(processes, named=True)
        usual, gold = share.of("default"), share.of("gold")
        assert usual is not None
        assert gold is not None
        assert usual.requests_per_hour * processes <= 1000
        assert usual.burst * processes <= 10
        assert usual.concurrency * processes <= 4
        assert gold.concurrency * processes <= 5
        assert usual.tokens_per_minute == 0  # no such limit, in any process
        assert share.of(LOCAL) is None


def test_a_limit_that_is_too_small_to_be_shared_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="5 processes cannot share the quota default's concurrency of 4"):
        Quotas(USUAL, {}).shared_by(5, named=True)
    with pytest.raises(ConfigurationError, match="the quota gold's burst of 2"):
        Quotas(USUAL, {"gold": Quota(burst=2)}).shared_by(3, named=True)


def test_where_nobody_has_a_credential_only_the_local_callers_quota_counts() -> None:
    assert Quotas(USUAL, {}).shared_by(32, named=False).of(LOCAL) is None
    local = Quotas(USUAL, {LOCAL: Quota(burst=8)}).shared_by(4, named=False).of(LOCAL)
    assert local is not None
    assert local.burst == 2
