"""A wake-up hint between loops, and waiting for it no longer than until something comes due."""

import asyncio

from watcher.core.duration import Millis
from watcher.ports import Clock


class Wake:
    """A flag that one loop sets and another waits for. Setting it twice is setting it once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Say that there may be something to do."""
        self._event.set()

    async def wait(self, clock: Clock, due: Millis | None) -> None:
        """Return when the flag is set or the wall clock reaches `due` (`None`: never); clears the flag."""
        if due is None:
            await self._event.wait()
        else:
            timer = asyncio.ensure_future(clock.sleep(max(due - clock.now(), 0)))
            flag = asyncio.ensure_future(self._event.wait())
            try:
                await asyncio.wait({timer, flag}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                flag.cancel()
        self._event.clear()
