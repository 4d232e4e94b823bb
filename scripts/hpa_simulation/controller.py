"""The HPA controller from one look to the next: stabilisation, then the policies (horizontal.go)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from scripts.hpa_simulation.autoscaler import Autoscaler, Rules
from scripts.hpa_simulation.recommending import NoMetricError, Seen, most_wanted

SYNC = 15.0  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Change:
    """So many pods more, or fewer, at a time."""

    at: float
    pods: int


@dataclass(slots=True)
class Controller:
    """One HPA's memory: raw recommendations, and what it did."""

    scaler: Autoscaler
    recommended: list[Change] = field(default_factory=list)
    ups: list[Change] = field(default_factory=list)
    downs: list[Change] = field(default_factory=list)

    def look(self, now: float, current: int, pods: Sequence[Seen]) -> int:
        """The number of pods from now on."""
        if current > self.scaler.most:
            wanted = self.scaler.most
        elif current < self.scaler.least:
            wanted = self.scaler.least
        else:
            try:
                raw = most_wanted(self.scaler, current, pods, now)
            except NoMetricError:
                return current
            wanted = self._paced(self._stabilised(raw, current, now), current, now)
        self._remember(wanted - current, now)
        return wanted

    def _stabilised(self, raw: int, current: int, now: float) -> int:
        """Up to the smallest, down to the largest raw recommendation of the direction's window."""
        if not self.recommended:
            self.recommended.append(Change(now, current))
        up, down = self.scaler.up.window, self.scaler.down.window
        smallest = min([raw, *(one.pods for one in self.recommended if one.at > now - up)])
        largest = max([raw, *(one.pods for one in self.recommended if one.at > now - down)])
        self.recommended = [one for one in self.recommended if one.at > now - max(up, down)]
        self.recommended.append(Change(now, raw))
        return min(max(current, smallest), largest)

    def _paced(self, wanted: int, current: int, now: float) -> int:
        """As much of the way as the policies allow now."""
        if wanted > current:
            allowed = max(current, self._highest(self.scaler.up, current, now))
            return min(wanted, self.scaler.most, allowed)
        if wanted < current:
            allowed = min(current, self._lowest(self.scaler.down, current, now))
            return max(wanted, self.scaler.least, allowed)
        return wanted

    def _highest(self, rules: Rules, current: int, now: float) -> int:
        if rules.select == "Disabled":
            return current
        proposed = []
        for policy in rules.policies:
            began = self._at_begin(current, policy.period, now)
            # Rounded up, or few pods would never become more.
            more = began + policy.value if policy.kind == "Pods" else ceil(began * (1 + policy.value / 100))
            proposed.append(int(more))
        return min(proposed) if rules.select == "Min" else max(proposed)

    def _lowest(self, rules: Rules, current: int, now: float) -> int:
        if rules.select == "Disabled":
            return current
        proposed = []
        for policy in rules.policies:
            began = self._at_begin(current, policy.period, now)
            fewer = began - policy.value if policy.kind == "Pods" else began * (1 - policy.value / 100)
            proposed.append(int(fewer))
        return max(proposed) if rules.select == "Min" else min(proposed)

    def _at_begin(self, current: int, period: float, now: float) -> int:
        """How many pods there were a period ago."""
        added = sum(one.pods for one in self.ups if one.at > now - period)
        removed = sum(one.pods for one in self.downs if one.at > now - period)
        return current - added + removed

    def _remember(self, change: int, now: float) -> None:
        periods = [policy.period for rules in (self.scaler.up, self.scaler.down) for policy in rules.policies]
        oldest = now - max(periods, default=0.0)
        self.ups = [one for one in self.ups if one.at > oldest]
        self.downs = [one for one in self.downs if one.at > oldest]
        if change > 0:
            self.ups.append(Change(now, change))
        elif change < 0:
            self.downs.append(Change(now, -change))
