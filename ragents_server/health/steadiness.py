"""When a part that changes is believed: what was seen but once may be an accident of the moment."""

from dataclasses import dataclass, field

from ragents_client.v1.health_pb2 import COMPONENT_STATE_UNSPECIFIED, ComponentState

TIMES = 2  # in a row that another state is seen before it counts


@dataclass(slots=True)
class Steadiness:
    """The state of one part: the first one seen, then each that was seen TIMES times in a row."""

    state: ComponentState.ValueType = COMPONENT_STATE_UNSPECIFIED
    since: float = 0.0  # on the clock of whoever looks
    _seen: ComponentState.ValueType = field(default=COMPONENT_STATE_UNSPECIFIED, repr=False)
    _times: int = field(default=0, repr=False)

    @property
    def in_doubt(self) -> bool:
        """Whether another state was seen than the one that counts: then it is looked at again soon."""
        return self._times > 0

    def see(self, state: ComponentState.ValueType, now: float) -> bool:
        """Whether the state that counts has changed by this look at `now`."""
        if state == self.state:
            self._times = 0
            return False
        self._times = self._times + 1 if state == self._seen else 1
        self._seen = state
        if self.state != COMPONENT_STATE_UNSPECIFIED and self._times < TIMES:
            return False
        self.state, self.since, self._times = state, now, 0
        return True
