"""Run one configuration after the other, in one process and on one database, until told to stop.

A reload tries what is there now, beside what runs. Where it can be used, everything that runs winds down as at the end of
the process, and is made anew; only the database stays open, so that nobody else can take it, and addresses stay held.
What is seen, decided and owed is in the database, so a reload is a restart that nobody has to notice. Probes, metrics and
the API go on answering until those of the new configuration do.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from watcher.app.daemon import Threads, opened, running, settle_memory, wired
from watcher.app.notify import Notifier, notifier
from watcher.app.parts import Daemon
from watcher.app.reloading import OTLP, WEB, Answers, Listeners, Origin, Requests, Taken, authorities, checked
from watcher.app.serving import answering, listening
from watcher.config import Loaded, as_read
from watcher.core.duration import Millis
from watcher.errors import ConfigError, WatcherError
from watcher.metrics import Metrics
from watcher.ports import Env, Store
from watcher.redact import Redactor
from watcher.web.reload import Outcome, Reloaded, route

log = structlog.get_logger(__name__)

AGAIN_SECONDS = 1.0
"""Between two tries to open what ran before."""
LOOK_AGAIN: Millis = 100
"""How often it is looked whether a turn has had its first look."""
LEAVE_SECONDS = 2.0
"""How long what runs in threads may take at the end."""

_LEAVING = Reloaded(Outcome.UNABLE, ("the daemon is stopping",))


async def run(loaded: Loaded, origin: Origin, *, env: Env, metrics: Metrics) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code: 0 after a clean stop, 1 when a part ended by itself.

    Raises:
        ConfigError: the configuration cannot be used.
        StoreError: the database cannot be used.
    """
    first = Taken(loaded, authorities(loaded.settings))
    stop, requests = asyncio.Event(), Requests()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, _stop_once, stop, each)
    loop.add_signal_handler(signal.SIGHUP, requests.asked.set)
    threads = Threads()
    loop.set_default_executor(threads)
    async with opened(first.loaded.settings, env) as store:
        with Listeners() as listeners:
            turns = _Turns(origin, store, env, metrics, listeners, stop, requests)
            clean = await turns.run(first)
    log.info("daemon.stopped", clean=clean)
    code = 0 if clean else 1
    if threads.hang(LEAVE_SECONDS):
        _end(code)
    return code


@dataclass(slots=True, kw_only=True)
class _Turn:
    """One configuration in force. `parts` end first; `front` answers until there is another one to do so."""

    taken: Taken
    made: Daemon
    address: str
    tasks: set[asyncio.Task[None]]
    parts: AsyncExitStack
    front: AsyncExitStack


class _Turns:
    def __init__(  # noqa: PLR0913  what stays the same from one configuration to the next
        self,
        origin: Origin,
        store: Store,
        env: Env,
        metrics: Metrics,
        listeners: Listeners,
        stop: asyncio.Event,
        requests: Requests,
    ) -> None:
        self._origin = origin
        self._store = store
        self._env = env
        self._metrics = metrics
        self._listeners = listeners
        self._stop = stop
        self._requests = requests
        self._notifier: Notifier = notifier(os.environ, env.clock)
        self._answers = Answers(())
        self._leaving: set[asyncio.Task[None]] = set()
        self._secrets: dict[str, None] = {}
        self._stuck: tuple[str, ...] = ()
        self._turn: _Turn

    async def run(self, first: Taken) -> bool:
        """Run, beginning with this one; returns whether the end was asked for."""
        self._turn = await self._open(first)
        log.info("daemon.started", **self._about())
        self._notifier.ready()
        settle_memory()
        told = asyncio.create_task(self._notifier.follow(self._look), name="notify")
        try:
            while (found := await self._live()) is not None:
                await self._replace(found)
            return self._stop.is_set()
        finally:
            self._notifier.stopping()
            self._answers.give(_LEAVING)
            self._requests.take().give(_LEAVING)
            told.cancel()
            await self._turn.parts.aclose()
            await self._turn.front.aclose()
            await asyncio.gather(*self._leaving)

    async def _open(self, taken: Taken, before: Daemon | None = None) -> _Turn:
        """Start what a configuration wants. Raises ConfigError, StoreError, and leaves nothing behind."""
        loaded, settings = taken.loaded, taken.loaded.settings
        self._secrets |= dict.fromkeys(loaded.secrets)
        redactor = Redactor(self._secrets)  # what was written with a secret of before may still come back
        self._origin.apply(loaded, redactor)
        for warning in loaded.warnings:
            log.warning("config.doubtful", warning=warning)
        await self._listeners.hold(settings)
        async with AsyncExitStack() as front, AsyncExitStack() as parts:
            with as_read(loaded.files):  # what was tried is what is made, whatever has become of the files meanwhile
                made = await parts.enter_async_context(
                    wired(settings, self._store, self._env, self._metrics, redactor, before=before)
                )
            more = [route(self._requests.ask, settings.web.taken_token)]
            web = self._listeners.of(WEB, settings)
            address = await front.enter_async_context(
                answering(made, web, self._stop.is_set, more, stuck=lambda: bool(self._stuck))
            )
            await parts.enter_async_context(listening(made, self._listeners.of(OTLP, settings)))
            tasks = await parts.enter_async_context(running(made))
            self._listeners.keep_only(settings)
            return _Turn(
                taken=taken, made=made, address=address, tasks=tasks, parts=parts.pop_all(), front=front.pop_all()
            )

    async def _live(self) -> Taken | None:
        """Run until there is another configuration to run, or (`None`) until asked to stop, or until a part ends by itself."""
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            while await self._goes_on(asyncio.ensure_future(self._requests.asked.wait()), stopping):
                checking = asyncio.ensure_future(self._check())
                if not await self._goes_on(checking, stopping):
                    return None
                if (found := checking.result()) is not None:
                    looking = asyncio.ensure_future(self._first_look())
                    return found if await self._goes_on(looking, stopping) else None
            return None
        finally:
            stopping.cancel()

    async def _first_look(self) -> None:
        """Wait until what runs has looked at everything and judged it once, or had the time for that.

        So not even one reload right after the other keeps anybody from hearing of what happens.
        """
        made = self._turn.made
        while not made.has_looked():
            await self._env.clock.sleep(LOOK_AGAIN)

    async def _goes_on(self, awaited: "asyncio.Future[Any]", stopping: "asyncio.Future[Any]") -> bool:
        """Wait for something; whether nothing has come to its end meanwhile."""
        tasks = self._turn.tasks
        await asyncio.wait({awaited, stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        if not (stopping.done() or any(each.done() for each in tasks)):
            return True
        awaited.cancel()
        await asyncio.gather(awaited, return_exceptions=True)
        return False

    async def _check(self) -> Taken | None:
        """Look whether there is another configuration that can be used; where there is not, say so to those who asked."""
        self._answers = self._requests.take()
        self._notifier.reloading()
        turn = self._turn
        try:
            found = await checked(self._origin.read, turn.taken, turn.made, self._listeners)
        except ConfigError as error:
            self._conclude(Reloaded(Outcome.REFUSED, error.problems))
        except WatcherError as error:
            self._conclude(Reloaded(Outcome.UNABLE, (str(error),)))
        except Exception as error:  # the top of a loop: whatever a file brings about, what runs goes on
            log.exception("config.broken")
            self._conclude(Reloaded(Outcome.REFUSED, (f"{type(error).__name__}: {error}",)))
        else:
            if found is None:
                self._conclude(Reloaded(Outcome.UNABLE, self._stuck) if self._stuck else Reloaded(Outcome.UNCHANGED))
            return found
        return None

    async def _replace(self, found: Taken) -> None:
        """Put another configuration in the place of this one; should it fail after all, go on with this one."""
        before = self._turn
        await before.parts.aclose()
        if self._stop.is_set():
            return
        opened_, problems = await self._try(found, before)
        if opened_ is None:
            self._conclude(Reloaded(Outcome.UNABLE, problems))
            opened_ = await self._go_back(before, found)
            if opened_ is None:
                return
        if opened_.taken is before.taken:
            self._turn = opened_
            self._notifier.ready()
            self._answers.give(Reloaded(Outcome.UNABLE, problems))
            log.warning("config.kept", **self._about())
        else:
            self._turn = opened_
            self._conclude(Reloaded(Outcome.RELOADED))
        # aside, as somebody may wait there who has asked for another reload meanwhile
        self._leaving.add(leaving := asyncio.create_task(_leave(before.front), name="leave"))
        leaving.add_done_callback(self._leaving.discard)

    async def _try(self, taken: Taken, before: _Turn) -> tuple[_Turn | None, tuple[str, ...]]:
        """Open a configuration, or say why that cannot be done."""
        try:
            return await self._open(taken, before.made), ()
        except WatcherError as error:
            return None, tuple(str(error).splitlines())
        except Exception as error:  # the top of a loop: what ends here would end the watching
            log.exception("config.broken")
            return None, (f"{type(error).__name__}: {error}",)

    async def _go_back(self, before: _Turn, found: Taken) -> _Turn | None:
        """Open again what ran before, or else what was to follow it, for as long as that takes; `None` when asked to stop.

        Both could be used a moment ago, so what is in the way (a full volume, a file that is being replaced) passes. Probes
        and metrics go on answering, as unready; another reload may bring what can be used.
        """
        candidates: tuple[Taken, ...] = (before.taken,)  # alone at first, as it has just been said to be what counts
        try:
            while not self._stop.is_set():
                for each in candidates:
                    made, problems = await self._try(each, before)
                    if made is not None:
                        return made
                    self._say_stuck(problems)
                found = await self._unless_stopped(self._asked_again(), AGAIN_SECONDS) or found
                candidates = (before.taken, found)
            return None
        finally:
            self._stuck = ()

    async def _asked_again(self) -> Taken | None:
        await self._requests.asked.wait()
        return await self._check()

    async def _unless_stopped(self, wanted: Coroutine[Any, Any, Taken | None], seconds: float) -> Taken | None:
        """What is wanted, if it is there in time and nobody asks to stop. What hangs is left to itself."""
        wish, stopping = asyncio.ensure_future(wanted), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({wish, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in (wish, stopping):
            each.cancel()
        await asyncio.gather(wish, stopping, return_exceptions=True)
        return None if wish.cancelled() else wish.result()

    def _say_stuck(self, problems: tuple[str, ...]) -> None:
        """Nothing is in force: said once, in the log, and all the time by whatever is looked at."""
        if not self._stuck:
            log.error("config.stuck", problems=_told(problems))
            self._metrics.watchdog.set(0)
        self._stuck = problems

    def _conclude(self, found: Reloaded) -> None:
        """Say what came of a reload: in the log, in the metrics, to the service manager and to those who asked."""
        event, good = f"config.{found.outcome.value}", found.outcome in {Outcome.RELOADED, Outcome.UNCHANGED}
        self._metrics.config_reloaded.set(good)
        if good:
            log.info(event, **self._about())
        else:
            log.error(event, problems=_told(found.problems))
        self._notifier.ready()
        self._answers.give(found)

    def _about(self) -> dict[str, object]:
        projects = [each.key for each in self._turn.taken.loaded.settings.projects]
        return {"address": self._turn.address, "projects": projects}

    def _look(self) -> tuple[Mapping[str, str], str]:
        if self._stuck:
            return {}, f"nothing is watched: {self._stuck[0]}"
        made = self._turn.made
        return made.problems(), made.status()


def _told(problems: Iterable[str]) -> list[dict[str, str]]:
    """In two fields each, as `client_secret: is required` looks like a secret."""
    return [dict(zip(("at", "problem"), each.split(": ", 1), strict=False)) for each in problems]


async def _leave(front: AsyncExitStack) -> None:
    """Answer no more. Only then is what was in force before let go."""
    await front.aclose()
    settle_memory()


def _stop_once(stop: asyncio.Event, which: signal.Signals) -> None:
    """The first signal asks for a clean stop; a second one means now, which every write is made for."""
    if stop.is_set():
        _end(128 + which)
    stop.set()


def _end(code: int) -> None:
    """End now, whatever hangs in a thread: Python itself would wait for that."""
    logging.shutdown()
    for each in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            each.flush()
    os._exit(code)
