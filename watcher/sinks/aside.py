"""What blocks, in threads of its own: a disk or a library that hangs holds up nothing but its own sink.

The threads are not waited for when the process ends, and not taken from those that look names up.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TypeVar

from watcher.core.delivery import Outcome
from watcher.core.duration import Millis
from watcher.errors import DeliveryError
from watcher.sinks.outcome import Reason

T = TypeVar("T")


class Aside:
    """So many threads, made when they are needed. A call that hangs keeps its thread until it ends."""

    def __init__(self, threads: int) -> None:
        self._free = asyncio.Semaphore(threads)

    async def run(self, call: Callable[[], T], deadline: Millis) -> T:
        """What `call` returns or raises. Raises DeliveryError where it takes longer than `deadline` milliseconds."""
        begun = False
        try:
            async with asyncio.timeout(deadline / 1000):
                await self._free.acquire()
                begun = True
                return await asyncio.shield(self._begun(call))
        except TimeoutError:
            what, outcome = ("it took too long", Outcome.UNKNOWN) if begun else (_BUSY, Outcome.UNSENT)
            raise DeliveryError(what, outcome, reason=Reason.TIMEOUT) from None

    def _begun(self, call: Callable[[], T]) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        try:
            Thread(target=_work, args=(call, loop, done), name="aside", daemon=True).start()
        except RuntimeError as error:  # the system has no thread to give
            self._free.release()
            raise DeliveryError(str(error), Outcome.UNSENT, reason="internal") from None
        done.add_done_callback(self._ended)
        return done

    def _ended(self, done: "asyncio.Future[T]") -> None:
        done.exception()  # seen, also where nobody waits any more
        self._free.release()


_BUSY = "earlier attempts still hang"


def _work(call: Callable[[], T], loop: asyncio.AbstractEventLoop, done: "asyncio.Future[T]") -> None:
    settle: Callable[[], None]
    try:
        result = call()
    except Exception as error:  # noqa: BLE001  the top of a thread: whatever it is goes to who waits
        settle = partial(done.set_exception, error)
    else:
        settle = partial(done.set_result, result)
    with suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(settle)
