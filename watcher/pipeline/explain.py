"""Explain failures: what an application's log said when its Deployment failed, found before the failure is committed.

What is found is part of the observation, so that whoever judges it after a restart tells the same. A log that cannot be
read explains nothing and holds nothing up: the failure is told without it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from watcher.core.decisive import decisive, excerpt
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.logrecord import Line
from watcher.core.recent import Recent, lines_of
from watcher.core.snapshot import FAILED
from watcher.errors import SourceError
from watcher.ports import Fetch
from watcher.render import clip

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 5.0
"""How long a failure may wait to be explained."""
MOST = 20
"""Failures of one poll that are explained; of hundreds that fail at once the first few say why."""
LINE = 300
CONTEXT, BEFORE, AFTER = 30, 3, 8
"""Lines before the decisive one by which secrets are told, and those before and after it that are shown."""
_ATTEMPTS = frozenset({EventType.CREATED, EventType.STATUS, EventType.ATTEMPT})


class Explainer:
    """Finds the decisive line for the failures of one project; `fetch` asks for logs where none are remembered."""

    def __init__(
        self, project: str, recent: Recent, clean: Callable[[str, int], str], *, fetch: Fetch | None = None
    ) -> None:
        self._project = project
        self._recent = recent
        self._clean = clean
        self._fetch = fetch

    async def explain(self, events: Sequence[Event], began: Callable[[Event], Millis]) -> Sequence[Event]:
        """The events, those of failures with the first decisive error and the lines around it."""
        failures = [at for at, each in enumerate(events) if _is_failure(each)][:MOST]
        if not failures:
            return events
        found = await asyncio.gather(*(self._explained(events[at], began(events[at])) for at in failures))
        explained = dict(zip(failures, found, strict=True))
        return [explained.get(at, each) for at, each in enumerate(events)]

    async def _explained(self, event: Event, since: Millis) -> Event:
        deployment = event.deployment
        if deployment is None:
            return event
        lines = self._recent.lines(self._project, deployment.id, since=since)
        at = decisive(lines)
        if at is None and self._fetch is not None:
            lines = await self._fetched(self._fetch, deployment.id, since)
            at = decisive(lines)
        return event if at is None else replace(event, fields={**event.fields, **self._told(lines, at)})

    async def _fetched(self, fetch: Fetch, deployment_id: str, since: Millis) -> list[Line]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return lines_of(await fetch(deployment_id, since))
        except (SourceError, TimeoutError) as error:
            log.info("failure.unexplained", project=self._project, deployment=deployment_id, error=str(error))
            return []

    def _told(self, lines: Sequence[Line], at: int) -> dict[str, str]:
        """The line and those around it, redacted; a mark shows which one it is."""
        around = excerpt(lines, at, before=CONTEXT, after=AFTER)
        place = next(position for position, each in enumerate(around) if each is lines[at])
        before, after = self._masked(around[:place])[-BEFORE:], self._masked(around[place:])[: 1 + AFTER]
        shown = [f"  {each}" for each in before] + [f"{'  ' if n else '> '}{each}" for n, each in enumerate(after)]
        return {
            "log_error": self._clean(lines[at].message, LINE),
            "log_application": self._clean(lines[at].application, LINE),
            "log_lines": "\n".join(shown),
        }

    def _masked(self, lines: Sequence[Line]) -> list[str]:
        """What lines say, masked as one text: a key that was printed line by line is known by its first line only."""
        text = "\n".join(each.message for each in lines)
        return [clip(each, LINE) for each in self._clean(text, 4 * len(text)).split("\n")] if text else []


def _is_failure(event: Event) -> bool:
    """Whether a failure is news: at first sight of all it is not."""
    if event.deployment is None or event.baseline:
        return False
    return event.type in _ATTEMPTS and event.deployment.status in FAILED
