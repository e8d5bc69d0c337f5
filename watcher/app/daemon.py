"""Open everything, wire it, run it, wind it down."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ParamSpec, TypeVar
from weakref import WeakSet

import structlog

from watcher.app.assembling import assemble
from watcher.app.observing import World
from watcher.app.parts import Daemon
from watcher.app.receivers import door, sinks_of
from watcher.app.showing import feel
from watcher.app.surroundings import Skew
from watcher.config import Settings
from watcher.metrics import Metrics
from watcher.ports import Env, Store
from watcher.redact import Redactor
from watcher.store import open_store

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 20.0
"""How long sends under way may still take after SIGTERM; Kubernetes gives 30 s by default."""
LOOKUPS = 32
"""Threads for name look-ups: a sink whose name server hangs must not keep the API's name from being found."""
P = ParamSpec("P")
T = TypeVar("T")
GC_THRESHOLDS = (50_000, 20, 100)
"""Tuples of text are followed for as long as they live; by default that is a third of what decoding them costs."""


class Threads(ThreadPoolExecutor):
    """For look-ups of names and for files, of which any can hang."""

    def __init__(self) -> None:
        super().__init__(LOOKUPS, thread_name_prefix="lookup")
        self._under_way: WeakSet[Future[Any]] = WeakSet()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Run something in a thread."""
        future = super().submit(fn, *args, **kwargs)
        self._under_way.add(future)
        return future

    def hang(self, seconds: float) -> bool:
        """Whether something goes on for longer than that; blocks. What has not begun never does."""
        self.shutdown(wait=False, cancel_futures=True)
        return bool(wait(self._under_way, seconds).not_done)


@asynccontextmanager
async def daemon(settings: Settings, *, env: Env, metrics: Metrics, redactor: Redactor) -> AsyncIterator[Daemon]:
    """Open everything and wire it; nothing runs yet. Closes what it opened.

    Raises:
        ConfigError: something in the configuration cannot be used, such as a secret's file.
        StoreError: the database cannot be used.
    """
    asyncio.get_running_loop().set_default_executor(Threads())
    async with opened(settings, env) as store, wired(settings, store, env, metrics, redactor) as made:
        yield made


@asynccontextmanager
async def opened(settings: Settings, env: Env) -> AsyncIterator[Store]:
    """The database. Raises StoreError."""
    store = await open_store(settings.store.url, clock=env.clock)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def wired(
    settings: Settings,
    store: Store,
    env: Env,
    metrics: Metrics,
    redactor: Redactor,
    *,
    before: Daemon | None = None,
) -> AsyncIterator[Daemon]:
    """Wire everything on an open database; `before` is what this takes the place of. Raises ConfigError, StoreError."""
    async with made_of(settings, store, env, metrics, redactor, before=before) as made:
        metrics.keep_only(made.judge.sources, made.live.sinks)
        yield made


@asynccontextmanager
async def made_of(
    settings: Settings,
    store: Store,
    env: Env,
    metrics: Metrics,
    redactor: Redactor,
    *,
    before: Daemon | None = None,
) -> AsyncIterator[Daemon]:
    """Make all parts of a configuration. Nothing is written and nothing is asked. Raises ConfigError."""
    skew = before.skew if before else Skew(env.clock)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(door(settings, skew))
        sinks = sinks_of(settings.receivers, settings, http, env)
        made = assemble(settings, World(store, http, env, metrics, redactor, skew), sinks, before)
        if made.buttons is not None:
            stack.push_async_callback(made.buttons.presses.close)
        yield made


def settle_memory() -> None:
    """Let the collector of garbage pass over what stays, and look less often: records come and go by the hundred thousand."""
    gc.unfreeze()  # what was there before a reload does not stay
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


@asynccontextmanager
async def running(made: Daemon) -> AsyncIterator[set[asyncio.Task[None]]]:
    """Run the loops. At the end: no more polls, no more judging, no more claims; sends under way may finish.

    What is not sent stays pending; what was cut off is settled as unknown at the next start.
    """
    await made.deliverer.recover()
    await _forget_unwatched(made)  # last: whoever fails before goes on as before, and still has to know what it watched
    made.schedule.start()
    tasks = {asyncio.create_task(each.run(), name=each.name) for each in made.loops}
    aside = [asyncio.create_task(_quicken(made), name="compile patterns")]
    aside.append(asyncio.create_task(feel(made), name="feel"))
    if made.buttons is not None and made.buttons.socket is not None:
        aside.append(asyncio.create_task(made.buttons.socket.run(), name="slack"))
    try:
        yield tasks
    finally:
        for task in aside:
            task.cancel()
        await asyncio.gather(*aside, return_exceptions=True)
        await made.schedule.stop()
        for each in made.loops:
            each.stop()
        await asyncio.wait(tasks)
        if not await made.deliverer.drain(DRAIN_SECONDS):
            log.warning("deliveries.interrupted")


async def _forget_unwatched(made: Daemon) -> None:
    """What is no longer watched is forgotten: should it be watched again, it is seen for the first time, and that is told.

    Its alerts end without a word when they are loaded, so that what it left must not look as if somebody still knew it.
    """
    for project, source in await made.store.forget_sources(made.judge.sources):
        log.info("source.forgotten", project=project, source=source)


async def _quicken(made: Daemon) -> None:
    if made.logs is not None:
        await made.logs.quicken()
