"""The timelines of the product on virtual time: what happens, and what a person hears of it.

Each row is played once, then once more for every point at which the process can die: around each write of the store
and around the moment at which the sink takes a message. The messages must be the same.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.fakes import FakeClock, deployment
from tests.world import DAY, MINUTE, SECOND, Killed, World, builtin_rules, flat_route, summary
from watcher.store import inline, open_store

Play = Callable[[World], Awaitable[None]]

FAILED = "firing DeploymentFailed"
RECOVERED = "resolved DeploymentFailed"


@dataclass(frozen=True)
class Row:
    number: str
    play: Play
    heard: list[str]


async def begin(world: World, *deployments: object) -> None:
    """First sight of a project with one healthy Deployment, its summary read and put away."""
    world.api.put(*(deployments or (deployment(),)))  # type: ignore[arg-type]  # Deployments
    await world.live(world.boot)
    await world.poll()


async def statuses(world: World, *steps: str, build: str | None = None) -> None:
    for status in steps:
        fields = {"status": status} | ({"build": build} if build and status != "Queued" else {})
        world.api.set("shop", **fields)
        await world.run(world.interval)


async def first_start(world: World) -> None:
    world.api.put(*(deployment(f"d{n}", "Failed" if n < 40 else "Deployed") for n in range(300)))
    await world.live(world.boot)
    await world.run(5 * MINUTE)


async def good_deploy(world: World) -> None:
    await begin(world)
    await statuses(world, "Queued", "Deploying", "Deployed", build="b2")


async def failed(world: World) -> None:
    await begin(world)
    await statuses(world, "Queued", "Deploying", "Failed", build="b2")


async def failed_then_recovered(world: World) -> None:
    await failed(world)
    await statuses(world, "Queued", "Deploying", "Deployed", build="b3")


async def failed_again(world: World) -> None:
    await failed(world)
    await statuses(world, "Queued", "Deploying", "Failed", build="b3")


async def failed_again_unseen(world: World) -> None:
    await failed(world)
    await statuses(world, "Failed", build="b3")


async def failed_again_same_build(world: World) -> None:
    await failed(world)
    await statuses(world, "Queued", "Deploying", "Failed", build="b2")


async def stuck(world: World) -> None:
    await begin(world)
    await statuses(world, "Deploying", build="b2")
    await world.run(35 * MINUTE)
    await statuses(world, "Deployed")


async def unseen_good(world: World) -> None:
    await begin(world)
    await statuses(world, "Deployed", build="b2")


async def unseen_failure(world: World) -> None:
    await begin(world)
    await statuses(world, "Failed", build="b2")


async def warning(world: World) -> None:
    await begin(world)
    entries = deployment(warning="Failed during the execution of 'postDeploy' script").entries
    world.api.set("shop", build="b2", entries=entries)
    await world.run(world.interval)
    await statuses(world, "Queued", "Deploying")
    world.api.set("shop", status="Deployed", build="b3", entries=())
    await world.run(world.interval)


async def undeployed(world: World) -> None:
    await begin(world, deployment(), deployment("other"))
    await statuses(world, "Undeploying")
    world.api.remove("shop")
    await world.run(4 * world.interval)


async def vanished(world: World) -> None:
    await begin(world, deployment(), deployment("other"))
    world.api.remove("shop")
    await world.run(4 * world.interval)


async def vanished_alone(world: World) -> None:
    await begin(world)
    world.api.remove("shop")
    await world.run(4 * world.interval)


async def outage(world: World) -> None:
    await begin(world)
    await world.run(world.interval)
    world.api.fail()
    await world.run(5 * MINUTE)
    world.api.set("shop", status="Failed", build="b2")
    await world.run(5 * MINUTE)
    world.api.error = None
    await world.run(5 * MINUTE)


async def one_empty_list(world: World) -> None:
    await begin(world, *(deployment(f"d{n}") for n in range(10)))
    world.api.hidden = True
    await world.run(world.interval)
    world.api.hidden = False
    await world.run(4 * world.interval)


async def five_empty_lists(world: World) -> None:
    await begin(world, *(deployment(f"d{n}") for n in range(10)))
    world.api.hidden = True
    await world.run(5 * world.interval)
    world.api.hidden = False
    await world.run(4 * world.interval)


async def five_empty_lists_of_one(world: World) -> None:
    await begin(world)
    world.api.hidden = True
    await world.run(5 * world.interval)
    world.api.hidden = False
    await world.run(4 * world.interval)


async def down_two_days(world: World) -> None:
    await begin(world)
    await statuses(world, "Deploying", build="b2")
    world.clock.at += 2 * DAY
    world.api.set("shop", status="Failed")
    await world.live(world.boot)
    await world.run(2 * world.interval)


async def unknown_status(world: World) -> None:
    await begin(world, deployment(), deployment("other"))
    await statuses(world, "Hibernating")
    world.api.set("other", status="Hibernating")
    await world.run(10 * world.interval)
    await statuses(world, "Deployed")


WATCHING = "firing NowWatching"
ROWS = [
    Row("1", first_start, []),
    Row("2", good_deploy, []),
    Row("3", failed, [FAILED]),
    Row("4", failed_then_recovered, [FAILED, RECOVERED]),
    Row("5", failed_again, [FAILED, f"{FAILED} again"]),
    Row("5-unseen", failed_again_unseen, [FAILED, f"{FAILED} again"]),
    Row("5-same-build", failed_again_same_build, [FAILED, f"{FAILED} again"]),
    Row(
        "6",
        stuck,
        [
            "firing DeploymentStuck",
            "firing DeploymentStuckCritical",
            "resolved DeploymentStuck, DeploymentStuckCritical",
        ],
    ),
    Row("7", unseen_good, []),
    Row("8", unseen_failure, [FAILED]),
    Row("9", warning, ["firing DeploymentWarning", "resolved DeploymentWarning"]),
    Row("10-undeployed", undeployed, []),
    Row("10-vanished", vanished, ["firing DeploymentVanished"]),
    Row("10-vanished-alone", vanished_alone, ["firing DeploymentVanished"]),
    Row("11", outage, ["firing SourceBlind", "resolved SourceBlind", FAILED]),
    Row("12-once", one_empty_list, []),
    Row("12-five", five_empty_lists, ["firing MassDisappearance"]),
    Row("12-five-of-one", five_empty_lists_of_one, ["firing MassDisappearance"]),
    Row("13", down_two_days, ["firing WasBlind", FAILED]),
    Row("17", unknown_status, ["firing UnknownValue"]),
]


def by_lane(world: World) -> dict[str, list[str]]:
    """What was heard of each group, in order: between groups, a death in the middle of sending may change the order."""
    heard: dict[str, list[str]] = {}
    for message in world.messages:
        heard.setdefault(message.group_key, []).append(summary(message))
    return heard


async def played(row: Row, crash_at: int = -1) -> World:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    try:
        world = World(store, crash_at=crash_at)
        await row.play(world)
    finally:
        await store.close()
    return world


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
async def test_a_person_hears_exactly_this(row: Row) -> None:
    world = await played(row)
    assert world.heard == [WATCHING, *row.heard]
    assert len(world.sink.sent) == len(world.messages)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
async def test_row_18_killed_at_any_point_the_messages_are_the_same(row: Row) -> None:
    calm = await played(row)
    for crash_at, point in enumerate(calm.crash_points):
        world = await played(row, crash_at)
        assert by_lane(world) == by_lane(calm), f"killed {point}, at crash point {crash_at}"
        doubled = len(world.sink.sent) - len(world.messages)
        assert doubled <= 1, f"killed {point}, at crash point {crash_at}"
        if doubled:
            assert point in {"after send", "before settle"}


async def test_row_1_says_how_many_failed() -> None:
    world = await played(ROWS[0])
    alert = world.messages[0].alerts[0]
    assert alert.annotations["summary"] == "now watching 300 deployments of my-shop, 40 failed"


async def test_row_11_says_from_when_to_when() -> None:
    world = await played(next(row for row in ROWS if row.number == "11"))
    text = world.messages[2].alerts[0].annotations["summary"]
    assert text.startswith("sight of my-shop regained: blind from 2027-01-15T")


async def test_row_16_five_hundred_failures_are_two_messages_at_most_and_counted_exactly() -> None:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    try:
        world = World(store, root=flat_route("project", group_wait=30 * SECOND, group_interval=5 * MINUTE))
        await begin(world, *(deployment(f"d{n}") for n in range(500)))
        await world.run(10 * MINUTE)
        for n in range(500):
            world.api.set(f"d{n}", status="Failed", build="b2")
            if n % 100 == 99:
                await world.run(10 * SECOND)
        await world.run(10 * MINUTE)
    finally:
        await store.close()
    told = world.messages[1:]
    assert len(told) <= 2
    assert sum(each.fresh for each in told) == 500
    assert told[-1].firing == 500


async def test_an_unchanged_project_causes_no_event_and_no_message() -> None:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    try:
        world = World(store)
        await begin(world)
        await world.run(world.interval)  # the sink's first answer is news
        before = len(world.crash_points)
        await world.run(10 * world.interval)
    finally:
        await store.close()
    assert set(world.crash_points[before:]) == {"before commit_observation", "after commit_observation"}


@pytest.mark.parametrize("crash", ["after commit_observation", "before commit_judgement"])
async def test_a_failure_that_waits_to_be_judged_is_told_although_the_rules_have_changed_meanwhile(crash: str) -> None:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    try:
        world = World(store)
        await begin(world)
        await statuses(world, "Deployed")
        world.api.set("shop", status="Failed", build="b2")
        world.clock.at += world.interval
        with pytest.raises(Killed):
            world.crash_on = crash
            await world.observer.poll()
            await world.settle()
        world.rules_digest = "2"
        await world.boot()
        await world.run(2 * world.interval)
    finally:
        await store.close()
    assert world.heard == [WATCHING, FAILED]


async def test_a_new_rule_takes_what_already_holds_as_known() -> None:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    try:
        world = World(store, rules=[rule for rule in builtin_rules() if rule.name != "DeploymentFailed"])
        await failed(world)
        world.rules, world.rules_digest = builtin_rules(), "2"
        await world.boot()
        await world.run(2 * world.interval)
        assert world.heard == [WATCHING]
        await statuses(world, "Queued", "Deploying", "Failed", build="b3")
    finally:
        await store.close()
    assert world.heard == [WATCHING, FAILED]
