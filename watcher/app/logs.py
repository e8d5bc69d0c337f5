"""Logs: what takes them in, from where they come, and what they explain."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from watcher import rules, scan
from watcher.app.observing import STALLED_AFTER, Entry, World
from watcher.config import OtlpSettings
from watcher.connect.logs import LogClient
from watcher.core.duration import Millis
from watcher.core.logrecord import LogRecord
from watcher.core.rule import Rule
from watcher.core.snapshot import Deployment
from watcher.pipeline.collect import Collector, LogTarget
from watcher.pipeline.explain import Explainer
from watcher.pipeline.ingest import Ingest, Sighted
from watcher.pipeline.logpages import FAST, Budget
from watcher.pipeline.observe import Observer
from watcher.ports import Explain, Fetch
from watcher.web.otlp import Listening

log = structlog.get_logger(__name__)

OFF, OTLP = "off", "otlp"


@dataclass(frozen=True, slots=True)
class Logs:
    """What takes logs in. `collectors` poll them; `listening` takes what is pushed, where any project wants that."""

    ingest: Ingest
    matcher: rules.LogMatcher
    collectors: tuple[Collector, ...]
    fetchers: Mapping[str, Fetch]
    listening: Listening | None
    pushed: frozenset[str]

    async def quicken(self) -> None:
        """Compile what searches for all patterns at once, while the plain one serves."""
        faster = await asyncio.to_thread(scan.compile_batch, self.matcher.patterns)
        if faster is not None:
            self.matcher.scanner = faster
        log.info("patterns.compiled", patterns=len(self.matcher.patterns), batch=faster is not None)


def log_projects(known: Iterable[Entry]) -> list[Entry]:
    """The projects whose logs are taken in."""
    return [each for each in known if each.settings.logs.source != OFF]


def explainers(known: Iterable[Entry], asked: Mapping[str, Fetch], world: World) -> dict[str, Explain]:
    """What explains failures, by project. `asked` is looked up when a failure is to be explained, and not before."""

    def later(key: str) -> Fetch:
        async def fetch(deployment_id: str, since: Millis) -> Sequence[LogRecord]:
            return await asked[key](deployment_id, since)

        return fetch

    chosen = {each.settings.key: each.recent for each in log_projects(known)}
    clean = world.redactor.clean
    return {key: Explainer(key, recent, clean, fetch=later(key)).explain for key, recent in chosen.items()}


def taking_in(
    known: Sequence[Entry],
    otlp: OtlpSettings,
    world: World,
    made: Sequence[Rule],
    mains: Mapping[str, Observer[Deployment]],
    *,
    changed: Callable[[], None],
) -> Logs | None:
    """Everything that takes logs in, or `None` where no project has any."""
    chosen = log_projects(known)
    if not chosen:
        return None
    specs = rules.log_specs(made)
    matcher = rules.LogMatcher(specs, scan.compile_set(rules.pattern_table(specs)), world.redactor.clean)
    sighted = {each.settings.key: _sighted(each, mains[each.settings.key]) for each in chosen}
    ingest = Ingest(matcher, sighted, store=world.store, env=world.env, metrics=world.metrics, changed=changed)
    collectors = {
        each.settings.key: Collector(
            _target(each, mains[each.settings.key], world),
            store=world.store,
            intake=ingest,
            env=world.env,
            metrics=world.metrics,
        )
        for each in chosen
    }
    pushed = frozenset(each.settings.key for each in chosen if each.settings.logs.source == OTLP)
    return Logs(
        ingest=ingest,
        matcher=matcher,
        collectors=tuple(each for key, each in collectors.items() if key not in pushed),
        fetchers={key: each.fetch for key, each in collectors.items()},
        listening=_listening(chosen, otlp) if pushed else None,
        pushed=pushed,
    )


def _target(entry: Entry, main: Observer[Deployment], world: World) -> LogTarget:
    settings = entry.settings.logs
    return LogTarget(
        project=entry.settings.key,
        region=entry.settings.region,
        pages=LogClient(entry.access, entry.session, world.redactor.clean),
        deployments=lambda: main.current,
        blind_after=max(entry.settings.blind_limit, 3 * settings.poll_interval + STALLED_AFTER),
        budget=Budget(
            rate=settings.max_requests_per_second,
            fast=min(FAST, settings.poll_interval),
            slow=settings.poll_interval,
        ),
        trouble=main.troubled_at,
    )


def _sighted(entry: Entry, main: Observer[Deployment]) -> Sighted:
    return Sighted(
        region=entry.settings.region,
        deployments=lambda: main.current,
        listed_at=main.listed_at,
        recent=entry.recent,
    )


def _listening(chosen: Iterable[Entry], otlp: OtlpSettings) -> Listening:
    keys = [
        (secret, frozenset({each.settings.key}))
        for each in chosen
        if each.settings.logs.source == OTLP
        for secret in each.settings.logs.taken_keys()
    ]
    return Listening(header=otlp.header, keys=keys)
