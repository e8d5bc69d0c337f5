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

    def every(self, name: str, interval: Millis, action: Action, *, first_in: Millis = 0) -> None:
        """Run `action` every `interval` milliseconds, the first time after `first_in`."""
        first = datetime.fromtimestamp((self._clock.now() + first_in) / 1000, UTC)
        self._intervals[name] = interval
        self._scheduler.add_job(
            self._run, _trigger(interval), args=(name, action), id=name, name=name, next_run_time=first
        )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    async def stop(self) -> None:
        """Start nothing more; what runs gets `GRACE_SECONDS`, then it is cut off, which every action is made for."""
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
        try:
            await asyncio.wait({task})  # APScheduler would log a cancelled action as a fault
        finally:
            self._running.discard(task)
        if task.cancelled():
            return
        interval = task.result()
        if interval is not None and interval != self._intervals[name]:
            self._intervals[name] = interval
            self._scheduler.reschedule_job(name, trigger=_trigger(interval))


def _trigger(interval: Millis) -> IntervalTrigger:
    return IntervalTrigger(seconds=timedelta(milliseconds=interval).total_seconds(), timezone=UTC)
