"""Logs judged by the real judge over a real store: what a person hears, in order, and the same after any restart."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.fakes import START, FakeClock
from tests.log_rules import ABSENT, BURST, NEW, RATIO, made
from tests.log_world import MINUTE, PROJECT, REGION, SERVICE, LogWorld, hits, shop
from watcher import rules, scan
from watcher.core.logrecord import LogRecord, Tally
from watcher.core.notification import AlertView
from watcher.core.snapshot import Application
from watcher.errors import StoreError
from watcher.ports import Judgement, Observation, Store
from watcher.rules.matching import LogMatcher
from watcher.store import inline, open_store

SECOND, HOUR, DAY = 1_000, 60 * MINUTE, 24 * 60 * MINUTE
GOOD, BAD = Tally(records=100), Tally(records=100, errors=90)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = await open_store("sqlite://", clock=FakeClock(), run=inline)
    yield opened
    await opened.close()


async def minutes(world: LogWorld, number: int, tally: Tally | None = GOOD) -> None:
    """So many minutes pass, each of which is read as soon as it is over."""
    for _ in range(number):
        world.clock.at = (world.clock.at // MINUTE + 1) * MINUTE
        await world.read(wrote={} if tally is None else {SERVICE: tally})


# ── all of it, killed anywhere ───────────────────────────────────────────────


async def a_day(world: LogWorld) -> list[str]:
    """A day in the life of one Deployment: usual errors, a burst, a new error, a bad deploy, a failed one."""
    await world.begin()
    await world.read(*hits("NewError", [0, 1], template="usual"), baseline=True)
    await minutes(world, 70)
    burst = [world.now + each * SECOND for each in range(-25, 0)]
    await world.read(*hits("ErrorBurst", burst[:12]))
    await world.read(*hits("ErrorBurst", burst[12:]))
    await world.read(*hits("NewError", [burst[0]], template="usual"), *hits("NewError", [burst[1]], template="news"))
    await minutes(world, 10)
    await world.shows(shop("Deploying", "b2"))
    await minutes(world, 2)
    await world.shows(shop("Deployed", "b2"))
    await minutes(world, 12, BAD)
    await world.shows(shop("Failed", "b3"))
    await minutes(world, 2)
    await world.shows(shop("Deployed", "b4"))
    await minutes(world, 2)
    return world.heard


DAY_HEARD = [
    "+NowWatching",
    "+ErrorBurst",
    "+NewError",
    "-ErrorBurst",
    "+DeployUnhealthy",
    "+DeploymentFailed",
    "-DeploymentFailed",
]


async def test_a_day_is_told_as_it_was(store: Store) -> None:
    heard = await a_day(LogWorld(store))

    assert [each for each in heard if each != "+NowWatching"] == DAY_HEARD[1:]


async def test_a_day_is_told_the_same_wherever_whoever_judges_is_killed(store: Store) -> None:
    undisturbed = LogWorld(store)
    heard = await a_day(undisturbed)
    assert undisturbed.crashes > 20

    for point in range(undisturbed.crashes):
        fresh = await open_store("sqlite://", clock=FakeClock(), run=inline)
        assert await a_day(LogWorld(fresh, crash_at=point)) == heard, f"killed at {point}"
        await fresh.close()


async def test_a_day_is_told_the_same_by_one_who_is_restarted_all_the_time(store: Store) -> None:
    class Restless(LogWorld):
        async def settle(self) -> None:
            self.boot()
            await super().settle()

    heard = await a_day(Restless(store))

    assert [each for each in heard if each != "+NowWatching"] == DAY_HEARD[1:]


# ── so many within so long ───────────────────────────────────────────────────


async def test_records_are_together_although_a_long_absence_lies_between_reading_them(store: Store) -> None:
    """Two are read before the process stops for two days, the third was written a moment later."""
    world = LogWorld(store, BURST)
    await world.begin()
    await world.at(HOUR)
    await world.read(*hits("Burst", [HOUR - 2, HOUR - 1]))
    world.clock.at = START + HOUR + 2 * DAY
    world.boot()
    await world.read(*hits("Burst", [HOUR + 1]))

    assert world.heard[:1] in (["+Burst"], ["-Burst"])


@pytest.mark.parametrize("burst", [True, False])
async def test_a_page_of_hours_is_a_burst_only_where_there_was_one(store: Store, burst: bool) -> None:
    """After a gap many records are read at once, and what they come to says little about each of them."""
    text = BURST.replace("count = 3", "count = 20")
    world = LogWorld(store, text)
    await world.begin()
    world.clock.at = START + 6 * HOUR
    often = [3 * HOUR + at * SECOND for at in range(30)] if burst else []
    times = sorted([at * 5 * MINUTE for at in range(72)] + often)
    specs = rules.log_specs(made(text))
    matcher = LogMatcher(specs, scan.compile_set(rules.pattern_table(specs)), lambda text, _: text)
    page = [LogRecord(*SERVICE, "APPLICATION_TEXT", "", "ERROR", START + at, "boom", key=at) for at in times]
    await world.read(*matcher.match(PROJECT, REGION, page, {"id-shop": shop()}).hits)

    assert world.heard == (["-Burst"] if burst else []), "told with its end, which is hours ago"


async def test_it_does_not_end_while_logs_cannot_be_read(store: Store) -> None:
    world = LogWorld(store, BURST)
    await world.begin()
    await world.read(*hits("Burst", [0, 1, 2]))
    for _ in range(5):
        world.clock.at += HOUR
        await world.read(seen=False, failures=3, blind=True)
        world.boot()
        await world.settle()
    assert world.heard == ["+Burst"]

    await world.at(6 * HOUR)
    assert world.heard == ["+Burst", "-Burst"]
    (ended,) = [each.ends_at for message in world.messages for each in message.alerts if each.state == "resolved"]
    assert ended == START + 10 * MINUTE


async def test_a_commit_that_fails_loses_nothing(store: Store) -> None:
    class Failing:
        broken = False

        def __getattr__(self, verb: str) -> object:
            return getattr(store, verb)

        async def commit_judgement(self, judgement: Judgement) -> None:
            if self.broken:
                raise StoreError("disk full")
            await store.commit_judgement(judgement)

    failing = Failing()
    world = LogWorld(failing, BURST + RATIO)  # type: ignore[arg-type]  # forwards every verb
    await world.begin()
    world.clock.at = START + 2 * MINUTE
    failing.broken = True
    with pytest.raises(StoreError):
        await world.read(*hits("Burst", [0, 1, 2]), wrote={SERVICE: BAD})
    failing.broken = False
    await world.settle()

    assert sorted(world.heard) == ["+Burst", "+Errors"]


async def test_a_rule_that_is_gone_ends_its_alerts_without_a_word(store: Store) -> None:
    world = LogWorld(store, BURST)
    await world.begin()
    await world.read(*hits("Burst", [0, 1, 2]))
    world.boot(RATIO)
    await world.at(DAY)

    assert world.heard == ["+Burst"]
    assert list((await store.load_ledger()).alerts) == []


async def test_logs_that_are_no_longer_read_end_their_alerts_without_a_word(store: Store) -> None:
    world = LogWorld(store, BURST + RATIO)
    await world.begin()
    await world.read(*hits("Burst", [0, 1, 2]))
    world.polls = False
    world.boot()
    await world.settle()

    assert world.heard == ["+Burst"]
    assert list((await store.load_ledger()).alerts) == []
    due = world.judge.next_due()
    assert due is None or due > START + DAY, "nothing is measured any more"


# ── new errors ───────────────────────────────────────────────────────────────


async def test_new_errors_are_told_once_whatever_is_restarted(store: Store) -> None:
    world = LogWorld(store, NEW)
    await world.begin()
    for minute in range(0, 180, 5):
        world.clock.at = START + minute * MINUTE
        found = hits("New", [world.now], template="usual")
        found += hits("New", [world.now], template="boom") if minute >= 90 else []
        await world.read(*found, wrote={SERVICE: GOOD})
        world.boot()

    assert world.heard == ["+New"]


async def test_the_first_error_of_an_application_that_was_always_well_is_told(store: Store) -> None:
    world = LogWorld(store, NEW)
    await world.begin()
    await minutes(world, 70)
    world.boot()
    await world.read(*hits("New", [world.now], template="boom"))

    assert world.heard == ["+New"]


async def test_a_day_that_was_read_back_at_the_first_start_is_enough_to_know_what_is_usual(store: Store) -> None:
    world = LogWorld(store, NEW)
    await world.begin()
    await world.read(*hits("New", [-DAY, -HOUR], template="usual"), baseline=True, wrote={SERVICE: GOOD}, at=-DAY)
    await minutes(world, 10)
    world.boot()
    await world.read(*hits("New", [world.now], template="usual"), *hits("New", [world.now], template="boom"))

    assert world.heard == ["+New"]


async def test_what_was_read_back_is_no_news_and_no_burst(store: Store) -> None:
    world = LogWorld(store, NEW + BURST)
    await world.begin()
    old = [-HOUR + at for at in range(9)]
    await world.read(*hits("New", old, template="usual"), *hits("Burst", old), baseline=True, wrote={SERVICE: GOOD})
    await minutes(world, 2)

    assert world.heard == []


async def test_a_rule_that_is_added_to_what_runs_learns_first(store: Store) -> None:
    world = LogWorld(store, BURST)
    await world.begin()
    await minutes(world, 70)
    world.boot(BURST + NEW)
    await world.read(*hits("New", [world.now], template="usual"))
    assert world.heard == []

    await minutes(world, 61)
    world.boot()
    await world.read(*hits("New", [world.now] * 2, template="usual"), *hits("New", [world.now], template="boom"))
    assert world.heard == ["+New"]


# ── measured once a minute ───────────────────────────────────────────────────


async def test_it_is_looked_at_once_for_each_whole_minute_and_only_where_that_is_of_use(store: Store) -> None:
    world = LogWorld(store, RATIO)
    await world.begin()
    world.clock.at += 90 * SECOND
    await world.settle()
    assert world.judge.next_due() == START + 2 * MINUTE

    world.boot(BURST)
    await world.settle()
    assert world.judge.next_due() is None


async def test_a_share_begins_and_ends_with_what_was_written(store: Store) -> None:
    world = LogWorld(store, RATIO)
    await world.begin()
    await minutes(world, 5, GOOD)
    await minutes(world, 2, BAD)
    assert world.heard == []

    await minutes(world, 1, BAD)
    assert world.heard == ["+Errors"]
    await minutes(world, 10, BAD)
    await minutes(world, 2, GOOD)
    assert world.heard == ["+Errors"]
    await minutes(world, 1, GOOD)
    assert world.heard == ["+Errors", "-Errors"]


async def test_nothing_is_measured_further_than_logs_were_read(store: Store) -> None:
    """Time goes on, the logs do not: that is no silence of the application."""
    world = LogWorld(store, ABSENT)
    await world.begin()
    await minutes(world, 5)
    for hours in range(1, 9):
        world.clock.at = START + hours * HOUR
        await world.settle()
    assert world.heard == []

    await world.read()
    assert world.heard == ["+Silent"]


@pytest.mark.parametrize("blind", [True, False])
async def test_nothing_is_measured_while_logs_are_blind(store: Store, blind: bool) -> None:
    world = LogWorld(store, ABSENT + RATIO)
    await world.begin()
    await minutes(world, 1)
    world.clock.at = START + 2 * HOUR
    await world.read(wrote={("id-shop", "other"): BAD}, seen=False, last_ok=world.clock.at, blind=blind)

    assert sorted(world.heard) == ([] if blind else ["+Errors", "+Silent"])


async def test_silence_ends_with_a_word_and_not_with_a_redeploy(store: Store) -> None:
    world = LogWorld(store, ABSENT)
    await world.begin()
    await minutes(world, 1)
    await world.at(2 * HOUR)
    assert world.heard == ["+Silent"]

    await world.shows(shop("Deploying", "b2"))
    await world.at(2 * HOUR + 5 * MINUTE)
    await world.shows(shop("Deployed", "b2"))
    await world.at(4 * HOUR)
    assert world.heard == ["+Silent"]

    await minutes(world, 1)
    await minutes(world, 1, None)
    assert world.heard == ["+Silent", "-Silent"]


async def test_a_silent_deployment_that_is_removed_is_silent_no_more(store: Store) -> None:
    world = LogWorld(store, ABSENT)
    await world.begin()
    await minutes(world, 1)
    await world.at(2 * HOUR)
    await world.removed()
    await world.at(3 * HOUR)
    await world.at(9 * HOUR)

    assert world.heard == ["+Silent", "-Silent"]


async def test_a_job_that_did_not_run_is_missed_until_it_runs(store: Store) -> None:
    """The start is at eight in the morning; the job is due at ten past, every hour."""
    world = LogWorld(store)
    sync = ("id-shop", "sync")
    await world.begin(shop(applications=(Application(id="1", name="sync", schedule="10 * * * *"),)))
    await world.at(9 * MINUTE)
    world.clock.at += 2 * MINUTE
    await world.read(wrote={sync: GOOD})
    await world.at(2 * HOUR)
    (missed,) = world.summaries("JobMissed")
    assert missed == ("job sync of shop in my-shop did not run at 2027-01-15T09:10:00Z (10 * * * *)")

    world.clock.at = START + 2 * HOUR + 11 * MINUTE
    await world.read(wrote={sync: GOOD})
    await world.at(2 * HOUR + 12 * MINUTE)
    assert world.summaries("JobMissed")[1:] == ["job sync of shop in my-shop runs again"]


# ── the words ────────────────────────────────────────────────────────────────


async def test_a_burst_says_how_many_errors_there_were_and_shows_one(store: Store) -> None:
    world = LogWorld(store)
    await world.begin()
    await world.read(*hits("ErrorBurst", list(range(20)), message="cannot reach the shop"))
    await world.at(HOUR)

    assert world.summaries("ErrorBurst") == [
        "20 errors within 5m in shop / service of my-shop, like: cannot reach the shop",
        "shop / service in my-shop writes fewer errors again",
    ]


async def test_a_new_error_says_what_it_is(store: Store) -> None:
    world = LogWorld(store)
    await world.begin()
    await minutes(world, 61)
    await world.read(*hits("NewError", [world.now], template="t", message="TypeError: x is undefined"))

    assert world.summaries("NewError") == ["new error in shop / service of my-shop: TypeError: x is undefined"]


async def test_a_bad_deploy_says_what_is_compared_with_what(store: Store) -> None:
    world = LogWorld(store)
    await world.begin()
    await minutes(world, 20)
    await world.shows(shop("Deploying", "b2"))
    await minutes(world, 2, None)
    await world.shows(shop("Deployed", "b2"))
    await minutes(world, 9, Tally(records=10, errors=2))
    assert world.summaries("DeployUnhealthy") == []

    await minutes(world, 1, Tally(records=10, errors=2))
    world.boot()
    await minutes(world, 60, Tally(records=10, errors=2))
    (said,) = world.summaries("DeployUnhealthy")
    assert said.startswith("shop in my-shop is worse than before its last deploy: 20 errors in 100 records")


async def test_a_failure_says_how_long_ago_the_last_good_deployment_was(store: Store) -> None:
    world = LogWorld(store)
    await world.begin(shop("Queued"))
    await world.shows(shop("Deployed"))
    await world.at(3 * DAY)
    await world.shows(shop("Failed", "b2"))

    assert failure(world).annotations["last_good"] == "3d ago"


async def test_a_deployment_that_was_known_before_histories_were_kept_is_good_from_now_on(store: Store) -> None:
    world = LogWorld(store)
    world.shown = {"id-shop": shop()}
    await store.commit_observation(Observation(source=replace(world.seen, baselined=True, last_ok=1), upserts=[shop()]))
    await world.at(HOUR)
    await world.at(3 * HOUR)
    await world.shows(shop("Failed", "b2"))

    assert failure(world).annotations["last_good"] == "2h ago"


def failure(world: LogWorld) -> AlertView:
    (found,) = [
        each for message in world.messages for each in message.alerts if each.labels["alertname"] == "DeploymentFailed"
    ]
    return found
