"""What models cost, as it is typed in a setting."""

import pytest

from ragents_server.errors import ConfigurationError
from ragents_server.models.prices import Price, read_prices


def test_prices_are_dollars_for_a_million_tokens_read_and_written() -> None:
    prices = read_prices("openai:gpt-4o=2.5/10, ollama:a=b=0/0,")
    assert prices == {"openai:gpt-4o": Price(2.5, 10), "ollama:a=b": Price(0, 0)}
    assert prices["openai:gpt-4o"].cost(400_000, 100_000) == pytest.approx(2.0)
    assert read_prices("") == {}


@pytest.mark.parametrize("wrong", ["openai:gpt-4o", "a=1", "a=1/x", "=1/2", "a=-1/2", "a=nan/1", "a=inf/1"])
def test_what_is_no_price_is_a_wrong_configuration(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"RAGENTS_MODEL_PRICES: .* is no price; expected"):
        read_prices(wrong)
