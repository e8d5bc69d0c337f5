"""Where a driver runs."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class OwnThread:
    """One thread that owns a connection: one hop for each transaction, and one transaction at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    async def __call__(self, work: Callable[[], T]) -> T:
        """Run `work` in the thread. Whoever waits may be cancelled; the transaction still ends as it would have."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._pool, work))

    def stop(self) -> None:
        """End the thread once it has nothing left to do. Does not wait for that."""
        self._pool.shutdown(wait=False)


async def inline(work: Callable[[], T]) -> T:
    """Run in place, without a thread: for simulations, whose order of steps must not depend on one."""
    return work()
