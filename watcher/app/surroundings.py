"""What the machine has to give: a volume that takes what is written, and a clock that is right.

A volume that takes nothing makes the daemon unready, since it can take in nothing, and not unhealthy, since no restart
makes room. A clock that is off is only told: alerts still come, and what says so is a server, which may be wrong itself.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from watcher.core import duration, egress
from watcher.core.duration import Millis
from watcher.http import Answer, Http, Request, http_date
from watcher.ports import Clock

log = structlog.get_logger(__name__)

OFF: Millis = 120_000
"""How far a clock may be off. Signatures are refused from five minutes on, and log windows miss what is newest."""
HEARD_FOR: Millis = 600_000
"""How long what a host said of the time counts."""
LOOK_EVERY: Millis = 5_000


class Skew:
    """How far this clock is from those of the API's hosts, by the `Date` of their answers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[Millis, Millis]] = {}

    def hear(self, host: str, headers: Mapping[str, str]) -> None:
        """Take note of an answer. One from a cache says when it was put there."""
        sent = http_date(headers.get("Date", ""))
        if sent is not None and "Age" not in headers:
            self._heard[host] = self._clock.monotonic(), self._clock.now() - sent

    def off(self) -> Millis:
        """How far this clock is ahead, or (negative) behind; 0 while it is close to that of any host.

        All hosts that were heard lately must say it, so that no single one with a wrong clock is believed against others.
        """
        now = self._clock.monotonic()
        found = [ahead for at, ahead in self._heard.values() if now - at <= HEARD_FOR]
        one_way = all(each > OFF for each in found) or all(each < -OFF for each in found)
        return min(found, key=abs, default=0) if one_way else 0

    def doubts(self) -> dict[str, str]:
        """What is to be said of the clock."""
        off = self.off()
        if not off:
            return {}
        by = duration.rough(abs(off))
        if off > 0:
            return {"clock": f"{by} ahead of the API's: set it, then restart, as time never goes back within a process"}
        return {"clock": f"{by} behind the API's: set it"}


class DatedHttp(Http):
    """The way out, which listens to what the API's hosts say of the time. Where messages go nobody is listened to."""

    def __init__(
        self, skew: Skew, *, ca_file: Path | None, proxy_url: str | None, allow: Sequence[egress.Network]
    ) -> None:
        super().__init__(ca_file=ca_file, proxy_url=proxy_url, allow=allow)
        self._skew = skew

    async def send(self, request: Request) -> Answer:
        """Send a request and read its answer, whatever the status. Raises TransportError and nothing else."""
        answer = await super().send(request)
        if not request.guard:
            self._skew.hear(urlsplit(request.url).hostname or "", answer.headers)
        return answer


class Watch:
    """Says in the log what has come to be lacking or doubtful, each once, and when it is well again."""

    def __init__(self, *looks: Callable[[], Mapping[str, str]]) -> None:
        self._looks = looks
        self.said: Mapping[str, str] = {}

    async def round(self) -> None:
        """Look."""
        found = {name: text for look in self._looks for name, text in look().items()}
        for name in found.keys() - self.said.keys():
            log.error("surroundings.lacking", what=name, problem=found[name])
        for name in self.said.keys() - found.keys():
            log.info("surroundings.mended", what=name)
        self.said = found
