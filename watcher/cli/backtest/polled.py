"""Logs from the log endpoints: a day of all Deployments at a time, one request after the other, at the configured pace."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from watcher import render
from watcher.cli.backtest.progress import Progress
from watcher.config import ProjectSettings, Settings
from watcher.connect import Clean, Session, deployments
from watcher.connect.log_wire import LogPage
from watcher.connect.logs import LogClient, LogError, Refusal
from watcher.core import reading
from watcher.core.duration import Millis
from watcher.core.logrecord import LogRecord
from watcher.core.reading import KEPT, LogCursor, Query
from watcher.core.snapshot import Deployment
from watcher.errors import Blindness, SourceError, WatcherError
from watcher.http import Http
from watcher.pipeline.backtest import Outcome, Replay
from watcher.pipeline.collect import AWS
from watcher.pipeline.logpages import Pace
from watcher.ports import Env

WINDOW: Millis = 86_400_000
"""What is read of every Deployment, and held, before it is replayed."""
ATTEMPTS = 6
"""How often a page is asked for whose answer is late, and how often a walk begins anew whose token has expired."""
FIRST_WAIT: Millis = 1_000
_PASSING = frozenset({Blindness.RATE_LIMITED, Blindness.SERVER, Blindness.TIMEOUT, Blindness.NETWORK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What is to be read: how far back, of which project (`None`: all), of which Deployments (none: all)."""

    since: Millis
    project: str | None
    deployments: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What is read with."""

    settings: Settings
    env: Env
    clean: Clean
    progress: Progress


@dataclass(slots=True, kw_only=True)
class _Project:
    """A project whose logs are read. `gone` are Deployments whose logs there are not."""

    settings: ProjectSettings
    client: LogClient
    pace: Pace
    deployments: Mapping[str, Deployment]
    by_application: set[str]
    gone: dict[str, str] = field(default_factory=dict)

    def applications(self, deployment: Deployment) -> Sequence[str]:
        """What to ask for, one after the other: all of a Deployment, or each of its applications."""
        if deployment.id not in self.by_application:
            return ("",)
        return [each.name for each in deployment.applications]


async def replayed(replay: Replay, world: World, chosen: Chosen) -> Outcome:
    """Read and replay. Raises WatcherError: something cannot be read, or there is nothing to be read."""
    settings, now = world.settings, world.env.clock.now()
    since = max(now - chosen.since, now - KEPT)
    try:
        async with Http(
            ca_file=settings.http.ca_file, proxy_url=settings.http.proxy_url, allow=settings.egress.allow
        ) as http:
            projects = [
                await _opened(each, http, world, chosen)
                for each in settings.projects
                if chosen.project in {None, each.key}
            ]
            _require_known(projects, chosen.deployments)
            for each in projects:
                replay.watch(each.settings.key, each.deployments, since)
            for start, end in _windows(since, now):
                records = [record for each in projects for record in await _window(each, start, end, world)]
                replay.feed(sorted(records, key=reading.by_time))
    finally:
        world.progress.done()
    return replay.finish(now)


def _windows(since: Millis, until: Millis) -> Iterator[tuple[Millis, Millis]]:
    """The windows of a span, both ends included."""
    for start in range(since, until, WINDOW):
        yield start, min(start + WINDOW, until) - 1


async def _opened(project: ProjectSettings, http: Http, world: World, chosen: Chosen) -> _Project:
    """A project, with those of its Deployments that are chosen. Raises SourceError, ConfigError."""
    access = project.access()
    session = Session(access, http=http, env=world.env)
    listed = await deployments(access, session, world.clean).list()
    wanted = set(chosen.deployments)
    found = {name: each for name, each in listed.records.items() if not wanted or {each.id, each.key} & wanted}
    return _Project(
        settings=project,
        client=LogClient(access, session, world.clean),
        pace=Pace(world.env.clock, project.logs.max_requests_per_second),
        deployments=found,
        by_application={name for name, each in found.items() if each.region.endswith(AWS)},
    )


def _require_known(projects: Sequence[_Project], wanted: Sequence[str]) -> None:
    """Raise WatcherError for a Deployment that is asked for and does not exist."""
    known = {name for each in projects for found in each.deployments.values() for name in (found.id, found.key)}
    if missing := [name for name in wanted if name not in known]:
        raise WatcherError(f"there is no Deployment {', '.join(missing)}")


async def _window(project: _Project, start: Millis, end: Millis, world: World) -> list[LogRecord]:
    """What all Deployments of a project wrote within a window. Raises SourceError, WatcherError where logs are gone."""
    found: list[LogRecord] = []
    key, day = project.settings.key, render.to_the_second(start)
    for deployment in project.deployments.values():
        if deployment.id in project.gone:
            continue
        try:
            found += await _deployment(project, deployment, start, end, world)
        except LogError as error:
            if error.refusal is Refusal.APPLICATION:
                continue  # renamed meanwhile, or not there yet
            if error.refusal is not Refusal.GONE:
                raise
            project.gone[deployment.id] = str(error)
        world.progress.say(f"{key}: {deployment.name} from {day}, {project.client.pages_read} pages")
    if project.gone and len(project.gone) == len(project.deployments):
        said = next(iter(project.gone.values()))
        raise WatcherError(f"{key}: the log endpoints are gone, only --file works now ({said})")
    return found


async def _deployment(
    project: _Project, deployment: Deployment, start: Millis, end: Millis, world: World
) -> list[LogRecord]:
    """What a Deployment wrote within a window. Raises SourceError."""
    found: list[LogRecord] = []
    try:
        for name in project.applications(deployment):
            found += await _walked(project, deployment.id, name, Query(start, end), world)
    except LogError as error:
        if error.refusal is not Refusal.UNNAMED or deployment.id in project.by_application:
            raise
        project.by_application.add(deployment.id)
        return await _deployment(project, deployment, start, end, world)
    return found


async def _walked(
    project: _Project, deployment_id: str, application: str, window: Query, world: World
) -> list[LogRecord]:
    """One walk through a window, each record as often as it was written. Raises SourceError."""
    key = project.settings.key
    start = max(window.start, world.env.clock.now() - KEPT)
    if start > window.end:
        return []
    cursor = LogCursor(project=key, deployment_id=deployment_id, application=application, floor=start)
    work = reading.Reading(replace(cursor, start=start, end=window.end))
    found: list[LogRecord] = []
    restarts = 0
    while work.position.open:
        try:
            page = await _page(project, deployment_id, application, reading.query(work.position), world)
        except LogError as error:
            restarts += 1
            if error.refusal is not Refusal.TOKEN or restarts == ATTEMPTS:
                raise
            begun = reading.restarted(work.cursor())
            work = reading.Reading(replace(begun, start=begun.floor, end=window.end))
            continue
        found += work.take(page.records, page.next).fresh
    return found


async def _page(project: _Project, deployment_id: str, application: str, query: Query, world: World) -> LogPage:
    """A page; one that cannot be had right now is asked for again. Raises SourceError."""
    wait = FIRST_WAIT
    for attempt in range(1, ATTEMPTS + 1):
        await project.pace.turn()
        try:
            answered = await project.client.page(deployment_id, application, query)
        except SourceError as error:
            if isinstance(error, LogError) or error.kind not in _PASSING or attempt == ATTEMPTS:
                raise
            world.progress.say(f"{project.settings.key}: waiting, because {error}")
            await world.env.clock.sleep(error.retry_after or wait)
            wait *= 2
        else:
            assert answered.page is not None  # noqa: S101  no page is known that it could be
            return answered.page
    raise AssertionError
