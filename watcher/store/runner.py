"""Where a driver runs."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class OwnThread:
    """One thread that owns a connection: one hop for each transaction, and one transaction at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def __call__(self, work: Callable[[], T]) -> T:
        """Run `work` in the thread. Whoever waits may be cancelled; the transaction still ends as it would have."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._pool.submit(_carry, work, done, loop)
        return await done

    def stop(self) -> None:
        """End the thread once it has nothing left to do. Does not wait for that."""
        self._pool.shutdown(wait=False)


def _carry(work: Callable[[], T], done: "asyncio.Future[T]", loop: asyncio.AbstractEventLoop) -> None:
    """Do it and say what came of it, in one step back: a future of the pool's own chained to the loop's takes three."""
    found: Any = None
    error: BaseException | None = None
    try:
        found = work()
    except BaseException as raised:  # noqa: BLE001  whoever waits gets it, whatever it is
        error = raised
    with suppress(RuntimeError):  # a loop that is closed: nobody waits any more
        loop.call_soon_threadsafe(_settle, done, found, error)


def _settle(done: "asyncio.Future[T]", found: T, error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(found)
    else:
        done.set_exception(error)


async def inline(work: Callable[[], T]) -> T:
    """Run in place, without a thread: for simulations, whose order of steps must not depend on one."""
    return work()
