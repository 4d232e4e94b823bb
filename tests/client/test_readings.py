"""Two readings of a metrics page, and what they say of the time between."""

import math

import pytest

from ragents_client.command.readings import (
    Reading,
    Replica,
    addresses_of,
    highest,
    numbers,
    page_of,
    quantiles,
    rates,
)

Samples = dict[str, list[tuple[dict[str, str], float]]]


def replica(before: Samples | None, after: Samples | None, seconds: float = 2.0) -> Replica:
    first = None if before is None else Reading(10.0, before)
    second = None if after is None else Reading(10.0 + seconds, after)
    return Replica("127.0.0.1:9464", first, second)


def calls(number: float, method: str = "Query") -> tuple[dict[str, str], float]:
    return {"grpc_method": method, "grpc_type": "unary"}, number


def test_rates_are_a_second_s_and_sums_over_replicas() -> None:
    one = replica({"calls": [calls(10)]}, {"calls": [calls(30), calls(4, "Run")]})
    two = replica({"calls": [calls(0)]}, {"calls": [calls(2)]})
    assert rates([one, two], "calls", "grpc_method") == {("Query",): 11.0, ("Run",): 2.0}
    assert rates([one, two], "calls") == {(): 13.0}
    assert rates([one, two], "calls", grpc_method="Run") == {(): 2.0}
    assert rates([one], "others") == {}


def test_a_counter_that_began_anew_does_not_run_backwards() -> None:
    assert rates([replica({"calls": [calls(1000)]}, {"calls": [calls(6)]})], "calls") == {(): 3.0}


def test_a_replica_that_has_just_come_or_gone_has_no_rates() -> None:
    assert rates([replica(None, {"calls": [calls(5)]}), replica({"calls": [calls(5)]}, None)], "calls") == {}
    assert numbers([replica(None, {"slots": [({}, 4)]}), replica({}, None)], "slots") == {(): 4.0}
    two = [replica({}, {"open": [({"dependency": "a"}, number)]}) for number in (0, 1)]
    assert highest(two, "open", "dependency") == {("a",): 1}


def test_quantiles_are_even_within_a_bucket_as_prometheus_has_it() -> None:
    buckets = {("0.1",): 50.0, ("1.0",): 90.0, ("+Inf",): 100.0}
    half, most, nearly_all = quantiles(buckets, [0.5, 0.7, 0.99])
    assert half == pytest.approx(0.1)
    assert most == pytest.approx(0.1 + 0.9 * 20 / 40)
    assert nearly_all == 1.0
    assert quantiles({}, [0.5]) == [None]
    assert quantiles({("0.1",): 0.0, ("+Inf",): 0.0}, [0.5, 0.9]) == [None, None]
    assert not math.isnan(quantiles({("0.1",): 1.0, ("+Inf",): 1.0}, [0.0])[0] or 0.0)


def test_places_are_hosts_with_ports() -> None:
    assert addresses_of("http://127.0.0.1:9464/metrics") == ["127.0.0.1:9464"]
    assert addresses_of("[::1]:9464") == ["[::1]:9464"]
    for wrong in ("127.0.0.1", ":9464", "host:port"):
        with pytest.raises(ValueError, match="is no HOST:PORT"):
            addresses_of(wrong)
    with pytest.raises(ValueError, match="has no address"):
        addresses_of("nowhere.invalid:9464")


def test_where_no_page_is_there_is_none() -> None:
    assert page_of("127.0.0.1:1") is None
