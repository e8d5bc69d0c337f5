"""What every store must do, whatever its engine."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import START, FakeClock
from watcher.core.alert import Alert, AlertState
from watcher.core.delivery import Delivery, DeliveryState, Settlement
from watcher.core.event import Event, EventReason, EventType
from watcher.core.group import Group, Told
from watcher.core.sight import SourceState
from watcher.core.snapshot import ConnectorStaged, Deployment, ReportEntry
from watcher.errors import StoreError
from watcher.ports import Judgement, Observation, Settled, Store
from watcher.store import open_store

URLS = ("sqlite:///{folder}/store/watcher.db", "sqlite://", *os.environ.get("STORE_URLS", "").split())
"""Every engine under test. `STORE_URLS` adds empty databases elsewhere."""

SINK = "team/webhook/0"
DELIVERED = Settlement(state=DeliveryState.DELIVERED, due_at=None)
DEAD = Settlement(state=DeliveryState.DEAD, due_at=None)
HOUR = 3_600_000


@pytest.fixture(params=URLS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(request.param.format(folder=tmp_path), clock=FakeClock())
    yield opened
    await opened.close()


def source(project: str = "shop", **fields: object) -> SourceState:
    return replace(SourceState(project=project, since=START), **fields)  # type: ignore[arg-type]  # by name


def event(**fields: object) -> Event:
    return replace(Event(type=EventType.STATUS, project="shop", at=START), **fields)  # type: ignore[arg-type]  # by name


def delivery(name: str, lane: str = "a", **fields: object) -> Delivery:
    made = Delivery(
        id=name,
        sink=SINK,
        lane=f"{SINK}|{lane}",
        seq=0,
        notification=f"message {name}".encode(),
        created_at=START,
        observed_at=START,
        due_at=START,
    )
    return replace(made, **fields)  # type: ignore[arg-type]  # by name


def alert(key: str = "f1", **fields: object) -> Alert:
    made = Alert(key=key, fingerprint=key, rule="R", project="shop", subject="id-1", labels={"alertname": "R"})
    return replace(made, **fields)  # type: ignore[arg-type]  # by name


def group(key: str = "g1", **fields: object) -> Group:
    made = Group(key=key, receiver="team", route="0", labels={"project": "shop"}, created_at=START)
    return replace(made, **fields)  # type: ignore[arg-type]  # by name


async def observe(store: Store, *events: Event) -> None:
    await store.commit_observation(Observation(source=source(), events=events))


async def tell(store: Store, *deliveries: Delivery, cursor: int = 0) -> None:
    await store.commit_judgement(Judgement(cursor=cursor, deliveries=deliveries))


async def due(store: Store, now: int = START, limit: int = 100, sink: str = SINK) -> list[str]:
    return [each.id for each in await store.due_deliveries(sink, now, limit)]


async def claim(store: Store, *names: str, body: bytes = b"body", now: int = START) -> Sequence[Delivery]:
    return await store.claim(dict.fromkeys(names, body), now)


async def settle(store: Store, name: str, settlement: Settlement, now: int = START, **fields: object) -> None:
    settled = Settled(delivery_id=name, settlement=settlement, **fields)  # type: ignore[arg-type]  # by name
    await store.settle([settled], (), now)


async def deliver(store: Store, name: str, now: int = START) -> None:
    assert [each.id for each in await claim(store, name, now=now)] == [name]
    await settle(store, name, DELIVERED, now)


def retry(at: int, state: DeliveryState = DeliveryState.PENDING) -> Settlement:
    return Settlement(state=state, due_at=at)


# ── at first ─────────────────────────────────────────────────────────────────


async def test_a_new_store_knows_nothing(store: Store) -> None:
    ledger = await store.load_ledger()
    backlog = await store.backlog(0, 10)
    outbox = await store.outbox()

    assert await store.load_source("shop", "deployments") is None
    assert list(await store.load_records("shop", "deployments", Deployment)) == []
    assert (ledger.cursor, list(ledger.alerts), list(ledger.groups), dict(ledger.meta)) == (0, [], [], {})
    assert (list(backlog.events), list(backlog.sources), backlog.more) == ([], [], False)
    assert (outbox.rows, outbox.oldest) == (dict.fromkeys(DeliveryState, 0), None)
    assert await store.next_due(SINK) is None
    assert await due(store) == []


# ── observe ──────────────────────────────────────────────────────────────────


async def test_an_observation_is_there_until_the_next_one_replaces_it(store: Store) -> None:
    first, second, other = (Deployment(id=each, project="shop", status="Queued") for each in ("1", "2", "3"))
    await store.commit_observation(Observation(source=source(), upserts=[first, second, other]))
    changed = replace(second, status="Failed", entries=(ReportEntry(type="Error", title="boom"),))
    await store.commit_observation(Observation(source=source(last_ok=7), upserts=[changed], removed=["3", "unknown"]))

    assert list(await store.load_records("shop", "deployments", Deployment)) == [first, changed]
    assert await store.load_source("shop", "deployments") == source(last_ok=7)


async def test_projects_and_sources_are_kept_apart(store: Store) -> None:
    here, there = (Deployment(id="1", project=each, status=each) for each in ("shop", "other"))
    await store.commit_observation(Observation(source=source(), upserts=[here]))
    await store.commit_observation(Observation(source=source("other", failures=2), upserts=[there]))
    await store.commit_observation(Observation(source=source("other", source="logs"), removed=[]))
    await store.commit_observation(Observation(source=source("third"), removed=["1"]))

    assert list(await store.load_records("shop", "deployments", Deployment)) == [here]
    assert list(await store.load_records("other", "deployments", Deployment)) == [there]
    assert await store.load_source("other", "deployments") == source("other", failures=2)
    assert await store.load_source("other", "logs") == source("other", source="logs")
    assert await store.load_source("shop", "logs") is None


# ── backlog ──────────────────────────────────────────────────────────────────


async def test_events_are_read_after_the_cursor_in_the_order_of_their_commits(store: Store) -> None:
    await observe(store, *(event(fields={"n": str(n)}) for n in range(3)))
    await observe(store, event(fields={"n": "3"}, at=START - HOUR))
    await store.commit_observation(Observation(source=source("another"), events=[event(fields={"n": "4"})]))

    first = await store.backlog(0, 3)
    rest = await store.backlog(first.events[-1].seq, 3)

    read = [*first.events, *rest.events]
    assert [each.fields["n"] for each in read] == ["0", "1", "2", "3", "4"]
    assert [each.seq for each in read] == sorted({each.seq for each in read})
    assert (first.more, rest.more) == (True, False)
    assert list(first.sources) == [source("another"), source()]


async def test_exactly_as_many_events_as_asked_for_are_not_more(store: Store) -> None:
    await observe(store, event(), event())

    backlog = await store.backlog(0, 2)

    assert (len(backlog.events), backlog.more) == (2, False)


async def test_the_backlog_shows_a_source_and_its_events_together(store: Store) -> None:
    async def watch(rounds: int) -> None:
        for n in range(1, rounds):
            await store.commit_observation(Observation(source=source(last_ok=n), events=[event(at=n)]))

    async def read() -> None:
        while not watching.done():
            backlog = await store.backlog(0, 1_000)
            assert [each.last_ok for each in backlog.sources] == [each.at for each in backlog.events[-1:]]

    watching = asyncio.create_task(watch(40))
    await asyncio.gather(watching, read())


# ── judge ────────────────────────────────────────────────────────────────────


async def test_a_judgement_is_the_ledger_of_the_next_process(store: Store) -> None:
    firing = alert(state=AlertState.FIRING, episode=2, values={"status": "Failed"})
    told = group(members={"f1": firing}, told={"f1": Told(episode=1, resolved=True)}, flush=3, flushed_at=START)
    await store.commit_judgement(
        Judgement(
            cursor=7,
            alerts={"f1": firing, "f2": alert("f2")},
            groups={"g1": told, "g2": group("g2")},
            meta={"rules": "abc", "cursor": "mine"},
        )
    )
    await store.commit_judgement(
        Judgement(cursor=9, alerts={"f2": None, "f3": None}, groups={"g2": None}, meta={"rules": "def"})
    )

    ledger = await store.load_ledger()

    assert ledger.cursor == 9
    assert list(ledger.alerts) == [firing]
    assert list(ledger.groups) == [told]
    assert dict(ledger.meta) == {"rules": "def", "cursor": "mine"}


async def test_a_delivery_id_is_taken_once(store: Store) -> None:
    await tell(store, delivery("m1"))
    await tell(store, delivery("m1", notification=b"anew", lane="z"), delivery("m2", lane="b"))
    assert [each.notification for each in await store.due_deliveries(SINK, START, 10)] == [b"message m1", b"message m2"]

    await deliver(store, "m1")
    await tell(store, delivery("m1"))

    assert await due(store) == ["m2"]


# ── all or nothing ───────────────────────────────────────────────────────────


async def test_an_observation_that_fails_writes_nothing(store: Store) -> None:
    await observe(store, event())
    bad = event(project=None)

    with pytest.raises(StoreError):
        await store.commit_observation(
            Observation(
                source=source(last_ok=9),
                upserts=[Deployment(id="1", project="shop", status="x")],
                events=[event(), bad],
            )
        )

    assert await store.load_source("shop", "deployments") == source()
    assert list(await store.load_records("shop", "deployments", Deployment)) == []
    assert len((await store.backlog(0, 10)).events) == 1


@pytest.mark.parametrize("broken", ["delivery", "meta"])
async def test_a_judgement_that_fails_writes_nothing(store: Store, broken: str) -> None:
    wrong = {"broken": None} if broken == "meta" else {}
    deliveries = [delivery("m1"), delivery("m2", sink=None)] if broken == "delivery" else [delivery("m1")]

    with pytest.raises(StoreError):
        await store.commit_judgement(
            Judgement(
                cursor=5,
                alerts={"f1": alert()},
                groups={"g1": group()},
                deliveries=deliveries,
                reasons={1: (EventReason.STARTED, "R")},
                meta=wrong,  # type: ignore[arg-type]  # broken on purpose
            )
        )

    ledger = await store.load_ledger()
    assert (ledger.cursor, list(ledger.alerts), list(ledger.groups), dict(ledger.meta)) == (0, [], [], {})
    assert await due(store) == []


async def test_an_outcome_that_fails_writes_nothing(store: Store) -> None:
    await tell(store, delivery("m1"))
    await claim(store, "m1")

    with pytest.raises(StoreError):
        await store.settle([Settled(delivery_id="m1", settlement=DELIVERED)], [event(project=None)], START)

    assert (await store.outbox()).rows[DeliveryState.SENDING] == 1
    assert list((await store.backlog(0, 10)).events) == []


# ── lanes ────────────────────────────────────────────────────────────────────


async def test_only_the_head_of_a_lane_may_be_attempted(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("a2"), delivery("b1", "b"), delivery("c1", sink="other"))

    assert await due(store) == ["a1", "b1"]
    assert await due(store, sink="other") == ["c1"]
    assert await due(store, sink="unknown") == []


@pytest.mark.parametrize(
    ("settlement", "free"),
    [
        (retry(START + HOUR), False),
        (retry(START + HOUR, DeliveryState.HELD), False),
        (DELIVERED, True),
        (DEAD, True),
    ],
)
async def test_the_next_of_a_lane_waits_until_its_head_is_settled(
    store: Store, settlement: Settlement, free: bool
) -> None:
    await tell(store, delivery("a1"), delivery("a2"))

    await claim(store, "a1")
    assert await due(store) == []
    await settle(store, "a1", settlement)

    assert await due(store) == (["a2"] if free else [])
    assert await store.next_due(SINK) == (START if free else START + HOUR)


@pytest.mark.parametrize("state", [DeliveryState.PENDING, DeliveryState.HELD])
async def test_a_retry_keeps_its_place(store: Store, state: DeliveryState) -> None:
    await tell(store, delivery("a1"))
    await tell(store, delivery("a2"))
    await claim(store, "a1")
    await settle(store, "a1", retry(START + HOUR, state))

    assert await due(store, START + HOUR - 1) == []
    assert await due(store, START + HOUR) == ["a1"]


async def test_a_delivery_out_of_turn_cannot_be_claimed(store: Store) -> None:
    await tell(store, delivery("a1"), delivery("a2"), delivery("b1", "b"))

    assert [each.id for each in await claim(store, "a2", "a1", "b1", "unknown")] == ["a1", "b1"]
    assert list(await claim(store, "a1", "a2")) == []
    await settle(store, "b1", DELIVERED)
    assert list(await claim(store, "b1")) == []


async def test_what_is_due_longest_comes_first_and_no_more_than_asked_for(store: Store) -> None:
    ages = {"m0": 3, "m1": 9, "m2": 1, "m3": 9}
    await tell(store, *(delivery(name, name, due_at=START - age) for name, age in ages.items()))

    assert await due(store, START) == ["m1", "m3", "m0", "m2"]
    assert await due(store, START, limit=2) == ["m1", "m3"]
    assert await due(store, START - 2) == ["m1", "m3", "m0"]


async def test_the_next_due_time_is_that_of_a_head_which_is_not_being_sent(store: Store) -> None:
    await tell(
        store, delivery("a1", due_at=START + 5), delivery("a2", due_at=START), delivery("b1", "b", due_at=START + 9)
    )
    assert await store.next_due(SINK) == START + 5

    await claim(store, "a1")
    assert await store.next_due(SINK) == START + 9

    await claim(store, "b1")
    assert await store.next_due(SINK) is None
    assert await store.next_due("other") is None


async def test_what_waits_is_read_for_all_sinks_at_once(store: Store) -> None:
    await tell(store, *(delivery(f"{lane}1", lane, due_at=START + at) for at, lane in enumerate("abc")))
    now = START + 1

    found = await store.waiting({SINK: 5, "other": 5}, now)
    assert {sink: [each.id for each in waiting.due] for sink, waiting in found.items()} == {
        SINK: ["a1", "b1"],
        "other": [],
    }
    assert {sink: waiting.next_due for sink, waiting in found.items()} == {SINK: START, "other": None}
    assert [each.id for each in (await store.waiting({SINK: 1}, now))[SINK].due] == ["a1"]

    full = (await store.waiting({SINK: 0}, now))[SINK]
    assert (list(full.due), full.next_due) == ([], START)

    await claim(store, "a1", "b1")
    left = (await store.waiting({SINK: 5}, now))[SINK]
    assert (list(left.due), left.next_due) == ([], START + 2)


# ── attempts ─────────────────────────────────────────────────────────────────


async def test_a_claim_counts_the_attempt_and_freezes_the_body(store: Store) -> None:
    made = delivery("m1", severity="critical", observed_at=START - 9)
    await tell(store, made)

    (first,) = await claim(store, "m1", body=b"first")
    await settle(store, "m1", retry(START + 5), unknown=True, error="timeout")
    (second,) = await claim(store, "m1", body=b"second")

    assert first == replace(made, seq=first.seq, state=DeliveryState.SENDING, attempts=1, body=b"first")
    assert second == replace(first, attempts=2, unknown_outcomes=1, last_error="timeout", due_at=START + 5)


async def test_a_settled_delivery_stays_settled(store: Store) -> None:
    await tell(store, delivery("m1"), delivery("m2", "b"))
    await deliver(store, "m1")
    await claim(store, "m2")
    await settle(store, "m2", DEAD)

    for name in ("m1", "m2"):
        await settle(store, name, retry(START))

    rows = (await store.outbox()).rows
    assert (rows[DeliveryState.DELIVERED], rows[DeliveryState.DEAD], rows[DeliveryState.PENDING]) == (1, 1, 0)


async def test_outcomes_are_written_with_the_events_about_them(store: Store) -> None:
    await tell(store, delivery("m1"), delivery("m2", "b"))
    await claim(store, "m1", "m2")
    told = event(type=EventType.DEAD_LETTER, source="outbox")

    await store.settle(
        [Settled(delivery_id="m1", settlement=DELIVERED), Settled(delivery_id="m2", settlement=DEAD)], [told], START
    )

    (found,) = (await store.backlog(0, 10)).events
    assert found == replace(told, seq=found.seq)


async def test_after_a_crash_a_claim_is_an_unknown_outcome(store: Store) -> None:
    await tell(store, *(delivery(name, name) for name in ("m1", "m2", "m3", "m4")))
    await claim(store, "m1", "m2", body=b"frozen")
    await deliver(store, "m3")

    assert await store.recover_claims(START + 7) == 2
    assert await store.recover_claims(START + 8) == 0

    found = {each.id: each for each in await store.due_deliveries(SINK, START + 7, 10)}
    assert {name: (each.unknown_outcomes, each.due_at) for name, each in found.items()} == {
        "m1": (1, START + 7),
        "m2": (1, START + 7),
        "m4": (0, START),
    }
    assert (found["m1"].body, found["m1"].attempts, found["m1"].state) == (b"frozen", 1, DeliveryState.PENDING)


async def test_the_outbox_is_counted_by_state(store: Store) -> None:
    ages = {"m1": 9, "m2": 5, "m3": 7, "m4": 3, "m5": 1}
    await tell(store, *(delivery(name, name, created_at=START - age) for name, age in ages.items()))
    await deliver(store, "m1")
    await claim(store, "m2", "m3", "m4")
    await settle(store, "m2", DEAD)
    await settle(store, "m4", retry(START, DeliveryState.HELD))
    await tell(store, delivery("m6", "m6"))
    await store.digest(delivery("m7", "m7", state=DeliveryState.DELIVERED), ["m6"])

    stats = await store.outbox()

    assert stats.rows == {**dict.fromkeys(DeliveryState, 1), DeliveryState.DELIVERED: 2}
    assert stats.oldest == START - 7


# ── retention ────────────────────────────────────────────────────────────────


async def test_what_is_not_done_with_is_never_purged(store: Store) -> None:
    await observe(store, event(), event())
    judged = (await store.backlog(0, 1)).events[0].seq
    names = ("pending", "sending", "held", "dead", "fresh")
    await tell(store, *(delivery(name, name, created_at=0) for name in names), cursor=judged)
    await claim(store, "sending", "held", "dead")
    await settle(store, "held", retry(0, DeliveryState.HELD))
    await settle(store, "dead", DEAD, now=1)
    await deliver(store, "fresh", now=START + 2)

    assert await store.purge(START + 1, 100) == 1

    assert len((await store.backlog(0, 10)).events) == 1
    assert (await store.outbox()).rows == {**dict.fromkeys(DeliveryState, 1), DeliveryState.DIGESTED: 0}


async def test_purging_takes_no_more_than_a_batch(store: Store) -> None:
    await observe(store, *(event() for _ in range(5)))
    cursor = (await store.backlog(0, 10)).events[-1].seq
    await tell(store, *(delivery(f"m{n}", str(n)) for n in range(4)), cursor=cursor)
    for n in range(4):
        await deliver(store, f"m{n}")

    assert await store.purge(START, 3) == 0
    assert [await store.purge(START + 1, 3) for _ in range(4)] == [3, 3, 3, 0]
    assert list((await store.backlog(0, 10)).events) == []


async def test_numbers_are_never_given_twice(store: Store) -> None:
    await observe(store, event(), event())
    last = (await store.backlog(0, 10)).events[-1].seq
    await tell(store, delivery("m1"), cursor=last)
    (sent,) = await claim(store, "m1")
    await settle(store, "m1", DELIVERED)
    await store.purge(START + 1, 100)

    await observe(store, event())
    await tell(store, delivery("m2"), cursor=last)

    assert len((await store.backlog(last, 10)).events) == 1
    assert (await claim(store, "m2"))[0].seq > sent.seq


# ── life ─────────────────────────────────────────────────────────────────────


async def test_verbs_may_be_called_at_once(store: Store) -> None:
    await asyncio.gather(*(observe(store, event(fields={"n": str(n)})) for n in range(30)))

    found = [each.fields["n"] for each in (await store.backlog(0, 100)).events]
    assert sorted(found, key=int) == [str(n) for n in range(30)]


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.close()
    await store.close()

    with pytest.raises(StoreError, match="closed"):
        await store.outbox()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://me:hunter2@db/watcher", "no store for 'postgresql' urls: write sqlite:///relative.db"),
        ("watcher.db", "no store for 'watcher.db' urls"),
        ("", "no store for '' urls"),
        ("sqlite:///", "not a store url: 'sqlite:///'"),
        ("sqlite://host/watcher.db", "not a store url"),
        ("sqlite:///a\0b", "not a store url"),
    ],
)
async def test_an_unknown_url_is_refused_without_repeating_a_password(url: str, says: str) -> None:
    with pytest.raises(StoreError) as caught:
        await open_store(url, clock=FakeClock())

    assert str(caught.value).startswith(says)
    assert "hunter2" not in str(caught.value)


DRAFT = ConnectorStaged(id="1", project="shop", status="Draft")


async def test_a_source_that_is_forgotten_leaves_nothing_and_the_others_stay(store: Store) -> None:
    kept, lost = SourceState(project="shop"), SourceState(project="shop", source="drafts", blind=True)
    for state, record in ((kept, Deployment(id="1", project="shop", status="Failed")), (lost, DRAFT)):
        await store.commit_observation(Observation(source=state, upserts=[record]))
    assert list(await store.forget_sources([("shop", "deployments")])) == [("shop", "drafts")]
    assert await store.load_source("shop", "drafts") is None
    assert list(await store.load_records("shop", "drafts", ConnectorStaged)) == []
    assert await store.load_source("shop", "deployments") == kept
    assert len(await store.load_records("shop", "deployments", Deployment)) == 1
    assert list(await store.forget_sources([("shop", "deployments")])) == []
