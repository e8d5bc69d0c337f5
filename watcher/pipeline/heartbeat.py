"""Heartbeat: look whether the daemon is well, say so to whoever waits for it, and show it to Prometheus."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import structlog

from watcher.core.duration import Millis
from watcher.core.heartbeat import Vitals, complaint, watches
from watcher.errors import ConfigError, StoreError
from watcher.http import Answer, Request, TransportError
from watcher.metrics import Metrics
from watcher.ports import Env, Store

log = structlog.get_logger(__name__)

AGAIN: Millis = 10_000
"""How soon to try again after a ping that did not arrive."""
MAX_REPLY = 64 * 1024
_TAKEN = 2


class Http(Protocol):
    """The way out, as far as a ping needs it."""

    async def send(self, request: Request) -> Answer:
        """Send a request and read its answer. Raises TransportError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """How to beat. `url` reads where to, each time anew (empty: nowhere; it is shown to Prometheus all the same)."""

    url: Callable[[], str] = field(default=lambda: "", repr=False)
    interval: Millis = 60_000
    timeout: Millis = 10_000
    longest_wait: Millis = 900_000


class Heartbeat:
    """Looks at intervals. What it was told last counts only for as long as it goes on looking."""

    def __init__(  # noqa: PLR0913  what is looked at, and what it is done with
        self,
        beat: Beat,
        *,
        paces: Mapping[tuple[str, str], Millis],
        stalled: Callable[[], Sequence[str]],
        store: Store,
        http: Http,
        env: Env,
        metrics: Metrics,
    ) -> None:
        self._beat = beat
        self._paces = paces
        self._stalled = stalled
        self._store = store
        self._http = http
        self._clock = env.clock
        self._metrics = metrics
        self._since = env.clock.now()
        self._well_at: Millis | None = None
        self._said = ""
        metrics.watchdog.set_function(self.watchdog)

    def follow(self, before: "Heartbeat") -> None:
        """Go on from where another one was: until there is a look of its own, what that one saw counts."""
        self._since, self._well_at, self._said = before._since, before._well_at, before._said  # noqa: SLF001  its own kind

    def watchdog(self) -> float:
        """1 while the last look found all well and was taken lately."""
        fresh = 2 * self._beat.interval + self._beat.timeout
        return float(self._well_at is not None and self._clock.monotonic() - self._well_at <= fresh)

    async def round(self) -> Millis:
        """Look, say what was seen, and return how soon to look again."""
        now = self._clock.now()
        said = complaint(await self._vitals(now), now, since=self._since, longest_wait=self._beat.longest_wait)
        self._since = now
        self._well_at = None if said else self._clock.monotonic()
        if said != self._said:
            log.warning("heartbeat.unwell", reason=said) if said else log.info("heartbeat.well")
            self._said = said
        return self._beat.interval if await self._ping(said) else min(AGAIN, self._beat.interval)

    async def _vitals(self, now: Millis) -> Vitals:
        """What is seen now. A write of its own proves that the database takes any."""
        try:
            await self._store.touch(now)
            seen = watches(await self._store.load_sources(), self._paces)
            oldest = (await self._store.outbox()).oldest
        except StoreError:
            self._metrics.store_writable.set(0)
            return Vitals(watches=(), stalled=self._stalled(), written=False)
        self._metrics.store_writable.set(1)
        return Vitals(watches=seen, stalled=self._stalled(), written=True, waiting_since=oldest)

    async def _ping(self, said: str) -> bool:
        """Say it; whether that has arrived, or there is nobody to say it to."""
        try:
            url = self._beat.url()
            if not url:
                return True
            answer = await self._http.send(_request(url, said, self._beat.timeout))
            error = "" if answer.status // 100 == _TAKEN else f"answered with status {answer.status}"
        except (ConfigError, TransportError) as failure:
            error = str(failure)
        outcome = "unsent" if error else "unwell" if said else "well"
        self._metrics.heartbeats.labels(outcome).inc()
        if error:
            log.warning("heartbeat.failed", error=error)
        elif not said:
            self._metrics.heartbeat_last_success.set(self._clock.now() / 1000)
        return not error


def _request(url: str, said: str, timeout: Millis) -> Request:
    """A ping: the URL itself when all is well, `/fail` behind it with the reason otherwise."""
    parts = urlsplit(url)
    path = f"{parts.path.rstrip('/')}/fail" if said else parts.path
    return Request(
        url=urlunsplit(parts._replace(path=path)),
        method="POST",
        headers={"Content-Type": "text/plain; charset=utf-8"},
        body=said.encode(errors="replace"),
        deadline=timeout,
        cap=MAX_REPLY,
        guard=True,
    )
