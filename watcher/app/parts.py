"""The daemon as what it consists of."""

from dataclasses import dataclass
from typing import Any

from watcher.app.buttons import Buttons
from watcher.app.logs import Logs
from watcher.app.observing import STALLED_AFTER, name_of
from watcher.app.surroundings import Skew, Watch
from watcher.core.delivery import DeliveryState
from watcher.core.duration import Millis
from watcher.errors import VolumeError
from watcher.metrics import Metrics
from watcher.pipeline.deliver import Deliverer
from watcher.pipeline.heartbeat import Heartbeat
from watcher.pipeline.judge import Judge
from watcher.pipeline.loop import Loop
from watcher.pipeline.observe import Observer
from watcher.pipeline.schedule import Schedule
from watcher.ports import Env, Store
from watcher.web import Live

_VOLUME = f"{VolumeError.__name__}: "
FIRST_LOOK: Millis = 30_000
"""The longest that judging waits for the first polls after a start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """Everything that runs, opened and wired."""

    store: Store
    env: Env
    metrics: Metrics
    observers: tuple[Observer[Any], ...]
    logs: Logs | None
    judge: Judge
    deliverer: Deliverer
    judging: Loop
    delivering: Loop
    schedule: Schedule
    heartbeat: Heartbeat
    live: Live
    buttons: Buttons | None
    skew: Skew
    watch: Watch
    started: Millis
    tried: frozenset[str] = frozenset()
    """What was tried before this configuration was taken, by the same process."""

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The two loops that run for ever; observing is scheduled."""
        return (self.judging, self.delivering)

    def problems(self) -> dict[str, str]:
        """What is not well by loop: stalled, or failing over and over. Empty when all is."""
        now = self.env.clock.monotonic()
        stalled = {each.name: "stalled" for each in self.loops if now - each.alive_at > STALLED_AFTER}
        failing = {name: error for name, error in self._errors().items() if not error.startswith(_VOLUME)}
        hung = {
            f"observe {name_of(each)}": "hung"
            for each in self.observers
            if each.polling_since is not None
            and now - each.polling_since > each.target.cadence.blind_after + STALLED_AFTER
        }
        return stalled | failing | hung

    def lacking(self) -> dict[str, str]:
        """What the surroundings do not give: a volume that takes what is written. No restart helps."""
        found = [error for error in self._errors().values() if error.startswith(_VOLUME)]
        return {"database": found[0].removeprefix(_VOLUME)} if found else {}

    def _errors(self) -> dict[str, str]:
        """What failed the last time it was tried, by loop."""
        loops = {each.name: each.error for each in self.loops if each.failures}
        observers = {f"observe {name_of(each)}": each.error for each in self.observers if each.error}
        collectors = self.logs.collectors if self.logs else ()
        return loops | observers | {f"logs of {each.target.project}": each.error for each in collectors if each.error}

    def status(self) -> str:
        """How it is, in a line for people."""
        blind = [name_of(each) for each in self.observers if each.is_blind]
        projects = len({each.target.project for each in self.observers})
        waiting = self._waiting()
        parts = [f"watching {projects} project{'s' * (projects != 1)}"]
        parts += [f"blind: {', '.join(blind)}"] if blind else []
        parts += [f"{waiting} message{'s' * (waiting != 1)} waiting"] if waiting else []
        parts += [f"{name}: {text}" for name, text in {**self.lacking(), **self.skew.doubts()}.items()]
        return "; ".join(parts)

    def _waiting(self) -> int:
        """How many messages are not delivered yet, as of the last count."""
        states = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.HELD)
        read = self.metrics.registry.get_sample_value
        return sum(int(read("connect_watcher_outbox_rows", {"state": each.value}) or 0) for each in states)

    def is_fresh(self) -> bool:
        """Whether something has not been looked at yet since the start, which was a moment ago."""
        untried = any(not each.attempted for each in self.observers)
        return untried and self.env.clock.monotonic() - self.started < FIRST_LOOK

    def has_looked(self) -> bool:
        """Whether everything has been looked at and judged once since the start, or there was time enough for that."""
        judged = not self.is_fresh() and self.judge.runs() is not None
        return judged or self.env.clock.monotonic() - self.started >= FIRST_LOOK

    def waiting(self) -> dict[str, str]:
        """Which projects have not been tried yet since the start. Connectors are not worth waiting for."""
        waiting = [name_of(each) for each in self.observers if not each.attempted and not each.target.optional]
        return dict.fromkeys((each for each in waiting if each not in self.tried), "not polled yet")

    def attempted(self) -> frozenset[str]:
        """What has been tried since the process started."""
        return self.tried | {name_of(each) for each in self.observers if each.attempted}
