"""The daemon as what it consists of."""

from dataclasses import dataclass
from typing import Any

from watcher.app.buttons import Buttons
from watcher.app.logs import Logs
from watcher.app.observing import STALLED_AFTER, name_of
from watcher.core.duration import Millis
from watcher.metrics import Metrics
from watcher.pipeline.deliver import Deliverer
from watcher.pipeline.heartbeat import Heartbeat
from watcher.pipeline.judge import Judge
from watcher.pipeline.loop import Loop
from watcher.pipeline.observe import Observer
from watcher.pipeline.schedule import Schedule
from watcher.ports import Env, Store
from watcher.web import Live

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
    started: Millis

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The two loops that run for ever; observing is scheduled."""
        return (self.judging, self.delivering)

    def problems(self) -> dict[str, str]:
        """What is not well by loop: stalled, or failing over and over. Empty when all is."""
        now = self.env.clock.monotonic()
        stalled = {each.name: "stalled" for each in self.loops if now - each.alive_at > STALLED_AFTER}
        failing = {each.name: each.error for each in self.loops if each.failures}
        uncommitted = {f"observe {name_of(each)}": each.error for each in self.observers if each.error}
        hung = {
            f"observe {name_of(each)}": "hung"
            for each in self.observers
            if each.polling_since is not None
            and now - each.polling_since > each.target.cadence.blind_after + STALLED_AFTER
        }
        unread = {
            f"logs of {each.target.project}": each.error
            for each in (self.logs.collectors if self.logs else ())
            if each.error
        }
        return stalled | failing | uncommitted | hung | unread

    def is_fresh(self) -> bool:
        """Whether something has not been looked at yet since the start, which was a moment ago."""
        untried = any(not each.attempted for each in self.observers)
        return untried and self.env.clock.monotonic() - self.started < FIRST_LOOK

    def waiting(self) -> dict[str, str]:
        """Which projects have not been tried yet since the start. Connectors are not worth waiting for."""
        waiting = (each for each in self.observers if not each.attempted and not each.target.optional)
        return {name_of(each): "not polled yet" for each in waiting}
