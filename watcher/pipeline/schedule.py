"""When to look: interval jobs, one for each thing that is done regularly. The only user of APScheduler.

Its defaults do not suit a daemon that must not miss a beat: a run that is late is still run, several late runs become
one, and no job overlaps itself. Its own waiting shutdown cancels running coroutines, so draining is ours.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from watcher.core.duration import Millis
from watcher.ports import Clock

WATCH_EVERY: Millis = 5_000
GRACE_SECONDS = 1.0
"""How long a poll may still take at the end. One that is cut off has committed nothing or everything."""
Action = Callable[[], Awaitable[Millis | None]]
"""Something to do. What it returns is the interval until its next run, where that is to change."""


class Schedule:
    """Runs actions at intervals; each may change its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scheduler: Any = AsyncIOScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )
        self._running: set[asyncio.Future[Millis | None]] = set()
        self._intervals: dict[str, Millis] = {}
        self._started: dict[str, Millis] = {}
        self._active: set[str] = set()
        self._watching: asyncio.Task[None] | None = None

    def every(self, name: str, interval: Millis, action: Action, *, first_in: Millis = 0) -> None:
        """Run `action` every `interval` milliseconds, the first time after `first_in`."""
        first = datetime.fromtimestamp((self._clock.now() + first_in) / 1000, UTC)
        self._intervals[name] = interval
        self._started[name] = self._clock.monotonic() + first_in - interval
        self._scheduler.add_job(
            self._run, _trigger(interval), args=(name, action), id=name, name=name, next_run_time=first
        )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()
        self._watching = asyncio.get_running_loop().create_task(self._watch(), name="schedule watch")

    async def _watch(self) -> None:
        """Start what is overdue by the monotonic clock: APScheduler plans by the wall clock, which may be set back."""
        while True:
            await self._clock.sleep(WATCH_EVERY)
            self.start_overdue()

    def start_overdue(self) -> None:
        """Plan everything for now that should have run by now."""
        now = self._clock.monotonic()
        for name, interval in self._intervals.items():
            if name not in self._active and now - self._started[name] > interval + WATCH_EVERY:
                self._scheduler.modify_job(name, next_run_time=datetime.now(UTC))  # noqa: TID251  in APScheduler's own time

    async def stop(self) -> None:
        """Start nothing more; what runs gets `GRACE_SECONDS`, then it is cut off, which every action is made for."""
        if self._watching is not None:
            self._watching.cancel()
        if self._scheduler.running:
            self._scheduler.pause()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=GRACE_SECONDS)
            for each in late:
                each.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _run(self, name: str, action: Action) -> None:
        task = asyncio.ensure_future(action())
        self._running.add(task)
        self._active.add(name)
        self._started[name] = self._clock.monotonic()
        try:
            await asyncio.wait({task})  # APScheduler would log a cancelled action as a fault
        finally:
            self._running.discard(task)
            self._active.discard(name)
        if task.cancelled():
            return
        interval = task.result()
        if interval is not None and interval != self._intervals[name]:
            self._intervals[name] = interval
            self._scheduler.reschedule_job(name, trigger=_trigger(interval))


def _trigger(interval: Millis) -> IntervalTrigger:
    return IntervalTrigger(seconds=timedelta(milliseconds=interval).total_seconds(), timezone=UTC)
