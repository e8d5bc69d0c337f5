"""What is observed, and through whom: one observer for each source of each project."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from watcher.app.surroundings import Skew
from watcher.config import ProjectSettings
from watcher.connect import ProjectAccess, Session
from watcher.core.cadence import Cadence
from watcher.core.duration import Millis
from watcher.core.recent import Recent
from watcher.core.snapshot import Connector, ConnectorStaged, Deployment
from watcher.http import Http
from watcher.metrics import Metrics
from watcher.pipeline.observe import Observer, Target, unexplained
from watcher.ports import Env, Explain, Store
from watcher.redact import Redactor
from watcher.sources.connectors import connector_source
from watcher.sources.deployments import deployment_source
from watcher.sources.drafts import Roster, draft_source

STALLED_AFTER: Millis = 60_000


@dataclass(frozen=True, slots=True)
class World:
    """What everything is made with."""

    store: Store
    http: Http
    env: Env
    metrics: Metrics
    redactor: Redactor
    skew: Skew


@dataclass(frozen=True, slots=True)
class Entry:
    """One project: what is configured, who we are to it, the way in that everything of it shares, and its last log lines."""

    settings: ProjectSettings
    access: ProjectAccess
    session: Session
    recent: Recent


def entries(projects: Iterable[ProjectSettings], world: World) -> list[Entry]:
    """The ways into the projects, their secrets read now. Raises ConfigError."""
    accesses = {each.key: each.access() for each in projects}
    return [
        Entry(each, accesses[each.key], Session(accesses[each.key], http=world.http, env=world.env), Recent())
        for each in projects
    ]


def observers(
    known: Sequence[Entry], world: World, *, explain: Mapping[str, Explain], changed: Callable[[], None]
) -> Iterator[Observer[Any]]:
    """One for each source. Drafts are the same for every project of one API client, and are read through one of them."""
    readers = _draft_readers(each.access for each in known if each.settings.connectors.watch)
    rosters = _rosters(readers, world.store)
    observe = partial(Observer[Any], store=world.store, env=world.env, metrics=world.metrics, changed=changed)
    clean = world.redactor.clean
    for entry in known:
        project, access, session = entry.settings, entry.access, entry.session
        cadence = Cadence(normal=project.poll_interval, fast=project.fast_interval, blind_after=project.blind_limit)
        target = partial(Target, project=project.key, region=project.region)
        source = deployment_source(access, session, clean)
        told = explain.get(project.key, unexplained)
        main = observe(target(kind=Deployment, source=source, cadence=cadence, explain=told))
        yield main
        if not project.connectors.watch:
            continue
        aside = partial(target, optional=True, trouble=main.troubled_at)
        if access in readers:
            drafts = draft_source(access, session, clean, rosters[access.host])
            yield observe(aside(name="drafts", kind=ConnectorStaged, source=drafts, cadence=cadence))
        used = connector_source(access, session, clean, main.records)
        yield observe(aside(name="connectors", kind=Connector, source=used, cadence=_drift_cadence(project)))


def _draft_readers(accesses: Iterable[ProjectAccess]) -> list[ProjectAccess]:
    """For each API client one project, whatever their order in the file: what is known of drafts is kept under its name."""
    first: dict[tuple[str, str], ProjectAccess] = {}
    for each in sorted(accesses, key=lambda each: (not each.may_read_connectors, each.key)):
        first.setdefault(each.identity, each)
    return list(first.values())


def _rosters(accesses: Iterable[ProjectAccess], store: Store) -> dict[str, Roster]:
    """For each host one, with the projects through which drafts may have been seen on it."""
    projects: dict[str, list[str]] = {}
    for each in accesses:
        projects.setdefault(each.host, []).append(each.key)
    remembered = partial(_drafts, store)
    return {host: Roster(projects=tuple(keys), remembered=remembered) for host, keys in projects.items()}


async def _drafts(store: Store, project: str) -> Sequence[ConnectorStaged]:
    return await store.load_records(project, "drafts", ConnectorStaged)


def _drift_cadence(project: ProjectSettings) -> Cadence:
    pace = project.connectors.drift_interval
    return Cadence(normal=pace, fast=pace, blind_after=max(project.blind_limit, 3 * pace + STALLED_AFTER))


def name_of(observer: Observer[Any]) -> str:
    """What a person calls an observer."""
    return f"{observer.target.name} of {observer.target.project}"
