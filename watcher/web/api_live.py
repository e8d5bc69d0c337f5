"""Alerts and Deployments as the API shows them. Pure: the store's rows in, the models of the API out."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from watcher import render
from watcher.core.alert import Alert
from watcher.core.duration import Millis
from watcher.core.group import Group, is_fresh, taken_on
from watcher.core.history import Run
from watcher.core.matcher import Matcher, matches
from watcher.core.sight import SourceState
from watcher.core.silence import Silence
from watcher.core.snapshot import Deployment
from watcher.ports import Inventory, Standing
from watcher.web.api_models import (
    AlertModel,
    AlertQuery,
    Alerts,
    DeploymentModel,
    DeploymentQuery,
    Deployments,
    Membership,
    SourceModel,
)


def alerts(
    standing: Standing, silences: Sequence[Silence], query: AlertQuery, wanted: Sequence[Matcher], now: Millis
) -> Alerts:
    """The alerts that were asked for, those that began last first."""
    homes: dict[str, list[Group]] = {}
    for group in standing.groups:
        for key in group.members:
            homes.setdefault(key, []).append(group)
    active = [each for each in silences if each.starts_at <= now and not each.is_over(now)]
    found = [
        each
        for each in sorted(_all(standing), key=lambda each: (-(each.starts_at or each.since), each.key))
        if (query.state is None or each.state == query.state) and matches(wanted, each.labels)
    ]
    if query.silenced is None and query.acknowledged is None:
        shown = found[query.offset : query.offset + query.limit]
        return Alerts(total=len(found), alerts=tuple(_alert(each, homes.get(each.key, ()), active) for each in shown))
    models = (_alert(each, homes.get(each.key, ()), active) for each in found)
    chosen = [each for each in models if _is_chosen(each, query)]
    return Alerts(total=len(chosen), alerts=tuple(chosen[query.offset : query.offset + query.limit]))


def deployments(inventory: Inventory, query: DeploymentQuery, clean: Callable[[str], str]) -> Deployments:
    """The Deployments that were asked for, by project and name. `clean` makes errors fit to be shown."""
    runs = {each.key: each for each in inventory.runs}
    found = [
        each
        for each in sorted(inventory.deployments, key=lambda each: (each.project, each.name))
        if query.status in {"", each.status} and query.type in {"", each.type}
    ]
    shown = found[query.offset : query.offset + query.limit]
    return Deployments(
        total=len(found),
        deployments=tuple(_deployment(each, runs.get(f"{each.project}/{each.id}")) for each in shown),
        sources=tuple(_source(each, clean) for each in inventory.sources if query.project in {"", each.project}),
    )


def time_of(at: Millis | None) -> str | None:
    """A point in time, where there is one."""
    return render.rfc3339(at) if at else None


def _all(standing: Standing) -> Iterator[Alert]:
    """What stands, and what has ended or is told once and has still to be told."""
    known = {each.key: each for each in standing.alerts}
    waiting = (each for group in standing.groups for each in group.members.values())
    yield from ({each.key: each for each in waiting} | known).values()


def _alert(alert: Alert, homes: Iterable[Group], active: Iterable[Silence]) -> AlertModel:
    groups = [
        Membership(
            receiver=each.receiver,
            group_key=each.key,
            told=not is_fresh(alert, each.told.get(alert.key)),
            acknowledged_by=taken_on(alert, each.told.get(alert.key)),
        )
        for each in homes
    ]
    return AlertModel(
        fingerprint=alert.fingerprint,
        state=alert.state.value,
        labels=dict(alert.labels),
        annotations=dict(alert.annotations),
        since=render.rfc3339(alert.since),
        starts_at=time_of(alert.starts_at),
        ends_at=time_of(alert.ends_at),
        fact=alert.fact,
        known=alert.silent,
        silenced_by=tuple(each.id for each in active if matches(each.matchers, alert.labels)),
        acknowledged=any(each.acknowledged_by for each in groups),
        groups=tuple(groups),
    )


def _is_chosen(alert: AlertModel, query: AlertQuery) -> bool:
    return query.silenced in {None, bool(alert.silenced_by)} and query.acknowledged in {None, alert.acknowledged}


def _deployment(found: Deployment, run: Run | None) -> DeploymentModel:
    since = None if run is None else run.good_since if run.is_good else run.began or run.seen_since
    return DeploymentModel(
        id=found.id,
        key=found.key,
        project=found.project,
        region=found.region,
        type=found.type,
        status=found.status,
        since=time_of(since),
        connector=found.connector,
        connector_version=found.connector_version,
        build=found.build,
        applications=tuple(each.name for each in found.applications),
    )


def _source(state: SourceState, clean: Callable[[str], str]) -> SourceModel:
    return SourceModel(
        project=state.project,
        source=state.source,
        last_read=time_of(state.last_ok),
        blind=state.blind,
        failures=state.failures,
        error=clean(state.error),
    )
