"""What models cost, as their provider's price list has it."""

from collections.abc import Mapping
from dataclasses import dataclass

from ragents_server.errors import ConfigurationError

MILLION = 1_000_000
SETTING = "RAGENTS_MODEL_PRICES"


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens, read and written."""

    input: float
    output: float

    def cost(self, read: int, written: int) -> float:
        """Dollars for so many."""
        return (read * self.input + written * self.output) / MILLION


def read_prices(text: str) -> Mapping[str, Price]:
    """By model, from `openai:gpt-4o=2.5/10, …`. Raises ConfigurationError for what is none."""
    return dict(_price(one.strip()) for one in text.split(",") if one.strip())


def _price(text: str) -> tuple[str, Price]:
    model, equals, numbers = text.rpartition("=")
    read, slash, written = numbers.partition("/")
    try:
        price = Price(float(read), float(written))
    except ValueError:
        price = Price(-1, -1)
    if not (model and equals and slash and 0 <= price.input < MILLION and 0 <= price.output < MILLION):
        wanted = "PROVIDER:MODEL=IN/OUT in dollars for a million tokens, such as openai:gpt-4o=2.5/10"
        raise ConfigurationError(f"{SETTING}: {text!r} is no price; expected {wanted}")
    return model, price
