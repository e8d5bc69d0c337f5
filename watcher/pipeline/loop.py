"""One loop of the pipeline: step, wait for a hint or a due time, step again; it survives what a step throws."""

from collections.abc import Awaitable, Callable

import structlog

from watcher.core.duration import Millis
from watcher.errors import VolumeError
from watcher.pipeline.wake import Wake
from watcher.ports import Clock

log = structlog.get_logger(__name__)

IDLE: Millis = 10_000
"""The longest a loop waits before it shows that it is alive."""
FIRST_RETRY: Millis = 500


class Loop:
    """Runs `step` for ever. `failures` counts failed steps in a row, `alive_at` is the monotonic time of the last one.

    `well_at` is that of the last good one.
    """

    def __init__(self, name: str, step: Callable[[], Awaitable[Millis | None]], clock: Clock) -> None:
        self.name = name
        self.wake = Wake()
        self.failures = 0
        self.error = ""
        self.alive_at = self.well_at = clock.monotonic()
        self._step = step
        self._clock = clock
        self._stopping = False

    async def run(self) -> None:
        """Loop until stopped."""
        try:
            while not self._stopping:
                due = await self._try()
                self.alive_at = self._clock.monotonic()
                latest = self._clock.now() + IDLE
                await self.wake.wait(self._clock, latest if due is None else min(due, latest))
        finally:
            self.wake.close()

    def stop(self) -> None:
        """End after the step that runs."""
        self._stopping = True
        self.wake.set()

    async def _try(self) -> Millis | None:
        try:
            due = await self._step()
        except Exception as error:
            self.failures += 1
            self.error = f"{type(error).__name__}: {error}"
            if not isinstance(error, VolumeError):  # that is said once for all loops
                log.exception("loop.failed", loop=self.name, failures=self.failures)
            return self._clock.now() + min(FIRST_RETRY << min(self.failures, 6), IDLE)
        self.failures, self.error, self.well_at = 0, "", self._clock.monotonic()
        return due
