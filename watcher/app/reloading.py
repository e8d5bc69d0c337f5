"""A configuration in the place of another: who asks for that, and whether what is there now could be used."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from typing import Self

from prometheus_client import CollectorRegistry

from watcher.app.daemon import made_of
from watcher.app.parts import Daemon
from watcher.app.serving import require_decoder
from watcher.config import Loaded, Settings, as_read, read_bounded, reason
from watcher.errors import ConfigError
from watcher.metrics import Metrics
from watcher.redact import Redactor
from watcher.web.listening import Address, Bound, bind
from watcher.web.reload import Reloaded

WEB, OTLP = "web.listen", "otlp.listen"
MAX_AUTHORITIES = 16 * 1024 * 1024
"""Bytes of certificates that are looked at for a difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where configurations come from. `read` reads it as it is now, and raises ConfigError; `apply` sets up the log."""

    read: Callable[[], Loaded]
    apply: Callable[[Loaded, Redactor], None]


class Requests:
    """Those who want a reload and wait to hear what came of it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._waiting: list[asyncio.Future[Reloaded]] = []

    async def ask(self) -> Reloaded:
        """Ask, and wait for the outcome."""
        future: asyncio.Future[Reloaded] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self.asked.set()
        return await future

    def take(self) -> "Answers":
        """Begin: who asks from now on asks for another one."""
        self.asked.clear()
        waiting, self._waiting = self._waiting, []
        return Answers(waiting)


@dataclass(frozen=True, slots=True)
class Answers:
    """Those who wait for one outcome."""

    waiting: Iterable[asyncio.Future[Reloaded]]

    def give(self, found: Reloaded) -> None:
        """Tell them. Some may have left."""
        for each in self.waiting:
            if not each.done():
                each.set_result(found)


@dataclass(slots=True)
class Listeners:
    """The addresses that are held, from one configuration to the next: nobody else can take them meanwhile."""

    held: dict[tuple[str, Address], Bound] = field(default_factory=dict)

    async def hold(self, settings: Settings) -> None:
        """Hold what a configuration wants, all of it or nothing more than before. Raises ConfigError."""
        with ExitStack() as stack:
            fresh = {}
            for key, address in _wanted(settings).items():
                if (key, address) not in self.held:
                    fresh[key, address] = await bind(key, address)
                    stack.callback(fresh[key, address].close)
            self.held |= fresh
            stack.pop_all()

    def of(self, key: str, settings: Settings) -> Bound | Address:
        """What to listen on."""
        address = settings.web.listen if key == WEB else settings.otlp.listen
        return self.held.get((key, address), address)

    def keep_only(self, settings: Settings) -> None:
        """Let go of what a configuration does not want."""
        wanted = set(_wanted(settings).items())
        for each in [each for each in self.held if each not in wanted]:
            self.held.pop(each).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self.held.values():
            each.close()


def _wanted(settings: Settings) -> Mapping[str, Address]:
    pushed = any(each.logs.source == "otlp" for each in settings.projects)
    return {WEB: settings.web.listen, **({OTLP: settings.otlp.listen} if pushed else {})}


def authorities(settings: Settings) -> bytes:
    """What the file of certificate authorities holds. Raises ConfigError."""
    path = settings.http.ca_file
    try:
        return b"" if path is None else read_bounded(path, MAX_AUTHORITIES)
    except (OSError, ValueError) as error:
        raise ConfigError([f"http.ca_file: {path}: {reason(error)}"]) from None


@dataclass(frozen=True, slots=True)
class Taken:
    """A configuration as it was taken, with all that it was made of."""

    loaded: Loaded
    authorities: bytes

    def is_same(self, other: "Taken") -> bool:
        """Whether there is no difference, in any file."""
        mine, other_one = self.loaded, other.loaded
        same = mine.settings == other_one.settings and mine.secrets == other_one.secrets
        return same and self.authorities == other.authorities


def take(read: Callable[[], Loaded]) -> Taken:
    """Read a configuration, and the files that it names. Raises ConfigError."""
    loaded = read()
    return Taken(loaded, authorities(loaded.settings))


async def checked(read: Callable[[], Loaded], now: Taken, made: Daemon, listeners: Listeners) -> Taken | None:
    """The configuration as it is now, tried as far as it can be beside the one in force; `None` where it is the same.

    Raises:
        ConfigError: it cannot be used.
        StoreError: it could be, but not now.
    """
    found = await asyncio.to_thread(take, read)
    if found.is_same(now):
        return None
    settings = found.loaded.settings
    if settings.store.url != now.loaded.settings.store.url:
        raise ConfigError(["store.url: takes a restart, as another database knows nothing of what has been told"])
    if any(each.logs.source == "otlp" for each in settings.projects):
        require_decoder()
    rehearsal = Metrics(CollectorRegistry(), version="")
    redactor = Redactor(found.loaded.secrets)
    async with AsyncExitStack() as stack:
        with as_read(found.loaded.files):
            await stack.enter_async_context(made_of(settings, made.store, made.env, rehearsal, redactor))
        await made.store.touch(made.env.clock.now())
        await listeners.hold(settings)
    return found
