"""A Deployment under an HPA: pods that take time to start, metrics that are late, and the controller's looks."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from scripts.hpa_simulation.autoscaler import Autoscaler
from scripts.hpa_simulation.controller import SYNC, Controller
from scripts.hpa_simulation.loads import Load
from scripts.hpa_simulation.pods import Pod, Size
from scripts.hpa_simulation.recommending import Reading, Seen


@dataclass(frozen=True, slots=True)
class World:
    """What is not the HPA's to say; in seconds. The phases are those of the three clocks against the load's."""

    schedule: float = 3  # until the container runs
    start: float = 17  # from there until it is ready
    scrape: float = 10  # between two readings of Prometheus: the PodMonitor's
    window: float = 30  # of the rate that the adapter asks for
    resources: float = 15  # between two readings of the metrics server, and their window
    size: Size = field(default_factory=Size)
    sync_phase: float = 0
    scrape_phase: float = 0

    def at_phase(self, sync: float, scrape: float) -> "World":
        """The same with other phases."""
        return replace(self, sync_phase=sync, scrape_phase=scrape)


@dataclass(slots=True)
class Course:
    """What happened, an entry a second."""

    load: Load
    desired: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    shed: list[float] = field(default_factory=list)

    @property
    def shed_share(self) -> float:
        """The share of all calls that was sent away."""
        return sum(self.shed) / self.load.calls

    @property
    def pods(self) -> float:
        """Pods asked for, on the mean."""
        return sum(self.desired) / len(self.desired)

    @property
    def reversals(self) -> int:
        """How often it went down after going up, or up after going down."""
        steps = [after - before for before, after in pairwise(self.desired) if after != before]
        return sum(first * second < 0 for first, second in pairwise(steps))

    def until_ready(self, pods: int, since: int) -> float:
        """Seconds from `since` until so many pods are ready; infinite when they never are."""
        found = (second - since for second in range(since, len(self.ready)) if self.ready[second] >= pods)
        return float(next(found, float("inf")))


@dataclass(slots=True)
class _Deployment:
    scaler: Autoscaler
    world: World
    pods: list[Pod] = field(default_factory=list)
    leaving: list[Pod] = field(default_factory=list)
    readings: dict[str, dict[str, Reading]] = field(default_factory=dict)
    cpu_before: dict[str, float] = field(default_factory=dict)
    made: int = 0

    def scale(self, wanted: int, now: float, *, at_once: bool = False) -> None:
        """More pods begin to start; fewer: those that are not ready go first, then the youngest."""
        while len(self.pods) < wanted:
            self.made += 1
            running = now if at_once else now + self.world.schedule
            ready = running if at_once else running + self.world.start
            self.pods.append(Pod(f"pod-{self.made}", now, running, ready))
        while len(self.pods) > wanted:
            last = max(self.pods, key=lambda pod: (pod.ready_at > now, pod.ready_at))
            self.pods.remove(last)
            self.leaving.append(last)

    def serve(self, calls: float, service: float, now: float) -> float:
        """A second; the calls that were sent away. A balancer spreads calls evenly over those that are ready."""
        ready = [pod for pod in self.pods if pod.ready_at <= now]
        shed = 0.0 if ready else calls
        for pod in self.pods:
            share = calls / len(ready) if pod.ready_at <= now else 0.0
            if pod.running_at <= now:
                shed += pod.serve(self.world.size, share, service)
        for pod in self.leaving:
            pod.serve(self.world.size, 0.0, service)
        self.leaving = [pod for pod in self.leaving if pod.inside > 1e-6]
        return shed

    def read(self, now: float) -> None:
        """Prometheus' and the metrics server's readings, when it is their time."""
        running = [pod for pod in self.pods if pod.running_at < now]
        if (now - self.world.scrape_phase) % self.world.scrape == 0:
            for pod in running:
                self._scrape(pod, now)
        if (now - self.world.scrape_phase) % self.world.resources == 0:
            for pod in running:
                self._measure(pod, now)

    def _scrape(self, pod: Pod, now: float) -> None:
        if pod.ready_at > now:
            return  # its page is not there yet
        kept = self.readings.setdefault(pod.name, {})
        kept["ragents_inflight_requests"] = Reading(pod.inside, now)
        pod.history = [one for one in pod.history if one[0] >= now - self.world.window] + [(now, pod.begun)]
        (since, before), (_, after) = pod.history[0], pod.history[-1]
        if now > since:
            kept["grpc_server_started_per_second"] = Reading((after - before) / (now - since), now)

    def _measure(self, pod: Pod, now: float) -> None:
        kept, before = self.readings.setdefault(pod.name, {}), self.cpu_before.get(pod.name)
        if before is not None:
            window = self.world.resources
            kept["cpu"] = Reading((pod.cpu - before) / window, now, window)
        self.cpu_before[pod.name] = pod.cpu
        kept["memory"] = Reading(pod.memory(self.world.size), now)

    def seen(self, now: float) -> Sequence[Seen]:
        """What the controller sees."""
        return [
            Seen(
                pod.name,
                self.readings.get(pod.name, {}),
                pending=pod.running_at > now,
                ready=pod.ready_at <= now,
                started=pod.started,
                turned=pod.ready_at if pod.ready_at <= now else pod.started,
            )
            for pod in self.pods
        ]


def run(scaler: Autoscaler, load: Load, world: World | None = None, *, pods: int | None = None) -> Course:
    """The course of a load, second by second, from `pods` (the least) pods that are ready at its begin."""
    world = world or World()
    controller, course, deployment = Controller(scaler), Course(load), _Deployment(scaler, world)
    deployment.scale(pods or scaler.least, -1000.0, at_once=True)
    for second, (rate, service) in enumerate(zip(load.rates, load.services, strict=True)):
        now = float(second)
        course.shed.append(deployment.serve(rate, service, now))
        deployment.read(now)
        if (now - world.sync_phase) % SYNC == 0:
            deployment.scale(controller.look(now, len(deployment.pods), deployment.seen(now)), now)
        course.desired.append(len(deployment.pods))
        course.ready.append(sum(pod.ready_at <= now for pod in deployment.pods))
        course.inside.append(sum(pod.inside for pod in deployment.pods))
    return course
