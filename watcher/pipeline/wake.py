"""A wake-up hint between loops, and waiting for it no longer than until something comes due."""

import asyncio

from watcher.core.duration import Millis
from watcher.ports import Clock


class Wake:
    """A flag that one loop sets and another waits for. Setting it twice is setting it once."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.Task[None] | None = None
        self._timer_due: Millis = 0

    def set(self) -> None:
        """Say that there may be something to do."""
        self._is_set = True
        self._release()

    async def wait(self, clock: Clock, due: Millis | None) -> None:
        """Return when the flag is set or the wall clock reaches `due` (`None`: never); clears the flag.

        It may return earlier: a timer that is there from before is left to run, since a busy loop waits thousands of
        times a second.
        """
        if self._is_set or (due is not None and due <= clock.now()):
            await clock.sleep(0)
        else:
            self._waiter = asyncio.get_running_loop().create_future()
            self._time(clock, due)
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._is_set = False

    def close(self) -> None:
        """Let go of the timer; nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _time(self, clock: Clock, due: Millis | None) -> None:
        """See to it that a timer ends by `due`."""
        if self._timer is not None:
            if due is not None and self._timer_due <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer_due = due
            self._timer = asyncio.ensure_future(clock.sleep(due - clock.now()))
            self._timer.add_done_callback(self._over)

    def _over(self, timer: "asyncio.Task[None]") -> None:
        if timer is self._timer:
            self._timer = None
            self._release()

    def _release(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
