"""Whatever a core value holds, the store gives it back."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeClock
from watcher.core.alert import Alert, AlertState
from watcher.core.delivery import Delivery, DeliveryState
from watcher.core.event import Event, EventType
from watcher.core.group import Group, Told
from watcher.core.sight import SourceState
from watcher.core.snapshot import Application, Deployment, ReportEntry
from watcher.ports import Judgement, Observation
from watcher.store import inline, open_store

keys = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
texts = st.text(max_size=12)
times = st.integers(0, 2**63 - 1)
counts = st.integers(-(2**63), 2**63 - 1)
maps = st.dictionaries(texts, texts, max_size=3)
entries = st.builds(ReportEntry, type=texts, title=texts, message=texts, application=texts, created_at=texts)
applications = st.builds(Application, id=texts, name=texts, url=texts, topic=texts)
deployments = st.builds(
    Deployment,
    id=keys,
    project=st.just("shop"),
    status=texts,
    key=texts,
    type=texts,
    version=counts,
    region=texts,
    connector_id=texts,
    connector_key=texts,
    connector_name=texts,
    connector_version=counts,
    build=texts,
    entries=st.lists(entries, max_size=2).map(tuple),
    applications=st.lists(applications, max_size=2).map(tuple),
)
events = st.builds(
    Event,
    type=st.sampled_from(EventType),
    project=keys,
    at=times,
    sight=times,
    region=texts,
    source=keys,
    deployment=st.none() | deployments,
    previous_status=texts,
    previous_build=texts,
    added=st.lists(entries, max_size=2).map(tuple),
    fields=maps,
    baseline=st.booleans(),
)
sources = st.builds(
    SourceState,
    project=st.just("shop"),
    source=st.just("deployments"),
    region=texts,
    since=times,
    last_ok=times,
    failures=counts,
    error=texts,
    blind=st.booleans(),
    baselined=st.booleans(),
    suspicious=counts,
    truncated=st.booleans(),
    unknown=st.frozensets(texts, max_size=3),
)
alerts = st.builds(
    Alert,
    key=keys,
    fingerprint=texts,
    rule=texts,
    project=texts,
    subject=texts,
    labels=maps,
    values=maps,
    annotations=maps,
    state=st.sampled_from(AlertState),
    since=times,
    due=times,
    starts_at=times,
    ends_at=st.none() | times,
    attempt=texts,
    status=texts,
    episode=counts,
    silent=st.booleans(),
    away=st.booleans(),
    fact=st.booleans(),
    observed_at=times,
)
groups = st.builds(
    Group,
    key=keys,
    receiver=texts,
    route=texts,
    labels=maps,
    created_at=times,
    members=st.dictionaries(texts, alerts, max_size=2),
    told=st.dictionaries(texts, st.builds(Told, episode=counts, resolved=st.booleans()), max_size=2),
    flush=counts,
    flushed_at=st.none() | times,
    due=st.none() | times,
)
deliveries = st.builds(
    Delivery,
    id=keys,
    sink=keys,
    lane=keys,
    seq=st.just(1),
    notification=st.binary(max_size=20),
    created_at=times,
    observed_at=times,
    severity=texts,
    state=st.sampled_from([DeliveryState.PENDING, DeliveryState.HELD]),
    due_at=times,
    attempts=st.integers(0, 99),
    unknown_outcomes=st.integers(0, 99),
    body=st.none() | st.binary(max_size=20),
    last_error=keys,
)


@given(sources, deployments, events)
@settings(max_examples=40, deadline=None)
async def test_observations_come_back_as_they_were(state: SourceState, found: Deployment, told: Event) -> None:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    await store.commit_observation(Observation(source=state, upserts=[found], events=[told]))

    assert await store.load_source("shop", "deployments") == state
    assert list(await store.load_records("shop", "deployments", Deployment)) == [found]
    assert list((await store.backlog(0, 5)).events) == [replace(told, seq=1)]
    await store.close()


@given(alerts, groups, deliveries)
@settings(max_examples=40, deadline=None)
async def test_judgements_come_back_as_they_were(firing: Alert, told: Group, made: Delivery) -> None:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    await store.commit_judgement(
        Judgement(cursor=1, alerts={firing.key: firing}, groups={told.key: told}, deliveries=[made])
    )

    ledger = await store.load_ledger()
    assert (list(ledger.alerts), list(ledger.groups)) == ([firing], [told])
    assert list(await store.due_deliveries(made.sink, made.due_at, 5)) == [made]
    await store.close()
