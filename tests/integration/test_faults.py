"""What goes wrong inside: a store that fails at a bad moment, a row that cannot be read, a poll that hangs.

On virtual time; a fault is injected at a port, and a person must hear what they would have heard without it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.fakes import FakeClock, deployment
from tests.integration.test_timelines import FAILED, RECOVERED, WATCHING, begin, failed, statuses
from tests.world import HOUR, MINUTE, SECOND, World, builtin_rules, flat_route
from watcher.core.delivery import Outcome
from watcher.core.snapshot import Deployment, Listing
from watcher.errors import Blindness, DeliveryError, SourceError, StoreError
from watcher.store import inline, open_store


@pytest.fixture
async def world() -> AsyncIterator[World]:
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    yield World(store)
    await store.close()


def broken_once(world: World, verb: str) -> None:
    """Let the next use of a verb of the store fail, as a full disk does."""
    sound = getattr(world.store, verb)

    async def fail(*_: object, **__: object) -> object:
        setattr(world.store, verb, sound)
        raise StoreError("no space left")

    setattr(world.store, verb, fail)


async def test_an_outcome_that_could_not_be_written_is_written_later_and_its_lane_goes_on(world: World) -> None:
    await begin(world)
    broken_once(world, "settle")
    await statuses(world, "Failed", build="b2")
    await statuses(world, "Deployed", build="b3")
    assert world.heard == [WATCHING, FAILED, RECOVERED]
    assert len(world.sink.sent) == 3


@pytest.mark.parametrize("verb", ["commit_observation", "commit_judgement", "claim"])
async def test_a_commit_that_failed_is_made_up_for(world: World, verb: str) -> None:
    await begin(world)
    world.api.set("shop", status="Failed", build="b2")
    world.clock.at += world.interval
    broken_once(world, verb)
    with pytest.raises(StoreError):
        await world.observer.poll()
        await world.settle()
    await world.run(2 * world.interval)
    assert world.heard == [WATCHING, FAILED]


async def test_a_message_that_cannot_be_rendered_stops_nobody_and_is_told_as_a_dead_letter(world: World) -> None:
    await begin(world, deployment(), deployment("other"))
    sound = world.sink.encode

    def render(message: object) -> bytes:
        if getattr(message, "group_labels", {}).get("deployment") == "shop":
            raise ValueError("not in this life")
        return sound(message)  # type: ignore[arg-type]  # a Notification

    world.sink.encode = render
    world.api.set("other", status="Failed", build="b2")
    await statuses(world, "Failed", build="b2")
    await world.run(world.interval)
    assert world.heard == [WATCHING, FAILED, "firing DeadLetter"]
    assert world.messages[1].group_labels["deployment"] == "other"


async def test_a_body_that_the_receiver_calls_malformed_does_not_block_what_is_behind_it(world: World) -> None:
    await begin(world)
    refused: list[str] = []

    def refuse(delivery: object) -> None:
        if b'"DeploymentFailed"' in delivery.notification and b'"status":"firing"' in delivery.notification:  # type: ignore[attr-defined]  # a Delivery
            refused.append(delivery.id)  # type: ignore[attr-defined]  # a Delivery
            raise DeliveryError("status 400", Outcome.MALFORMED, reason="client_error")

    world.sink.before = refuse
    await statuses(world, "Failed", build="b2")
    await world.run(10 * MINUTE)
    await statuses(world, "Deployed", build="b3")
    assert len(refused) == 4
    assert world.heard == [WATCHING, "firing DeadLetter", RECOVERED]


async def test_a_project_that_is_no_longer_watched_is_no_longer_told_of(world: World) -> None:
    await failed(world)
    world.sources = {}
    await world.boot()
    world.clock.at += 10 * HOUR
    await world.settle()
    assert world.heard == [WATCHING, FAILED]


async def test_a_poll_that_hangs_is_cut_off_and_counts_as_a_failed_one(world: World) -> None:
    await begin(world)

    async def hang() -> Listing[Deployment]:
        raise TimeoutError

    world.api.list = hang  # type: ignore[method-assign]  # the API, not the program
    with pytest.raises(TimeoutError):
        await world.observer.poll()
    assert world.observer.polling_since is None

    async def never() -> Listing[Deployment]:
        await asyncio.Event().wait()
        raise AssertionError

    world.api.list = never  # type: ignore[method-assign]  # the API, not the program
    target = world.observer.target
    world.observer.target = replace(target, cadence=replace(target.cadence, blind_after=10))
    await world.observer.poll()
    known = world.observer._known
    assert known is not None
    assert (known.state.failures, known.state.error) == (1, "the whole poll took longer than 1s")


async def test_one_missing_deployment_that_cannot_be_read_does_not_hide_the_end_of_another(world: World) -> None:
    await begin(world, deployment(), deployment("a"), deployment("other"))
    sound = world.api.get

    async def get(record_id: str) -> Deployment | None:
        if record_id == "id-a":
            raise SourceError("garbage", Blindness.UNREADABLE)
        return await sound(record_id)

    world.api.get = get  # type: ignore[method-assign]  # the API, not the program
    world.api.remove("a")
    world.api.remove("shop")
    await world.run(4 * world.interval)
    assert "firing DeploymentVanished" in world.heard


async def test_records_that_cannot_be_read_are_not_taken_for_a_disappearance(world: World) -> None:
    await begin(world, *(deployment(f"d{n}") for n in range(10)))
    world.api.hidden = True
    sound = world.api.list

    async def listed() -> Listing[Deployment]:
        return replace(await sound(), quarantined=10, unchanged=False)

    world.api.list = listed  # type: ignore[method-assign]  # the API, not the program
    await world.run(6 * world.interval)
    assert world.heard == [WATCHING]


async def test_what_stood_at_first_sight_is_silent_also_for_a_rule_that_waits(world: World) -> None:
    slow = [rule for rule in builtin_rules() if rule.name != "DeploymentFailed"]
    failing = next(rule for rule in builtin_rules() if rule.name == "DeploymentFailed")
    failing = type(failing)(replace(failing.spec, wait=60 * SECOND))  # type: ignore[attr-defined, call-arg]  # a StateRule
    world.rules = [*slow, failing]
    await begin(world, deployment(status="Failed"), deployment("other", "Deploying"))
    await world.run(25 * MINUTE)
    assert world.heard == [WATCHING, "firing DeploymentStuck"]


async def test_a_sink_that_refuses_everything_is_told_of_and_so_is_its_return(world: World) -> None:
    await begin(world)

    def refuse(_: object) -> None:
        raise DeliveryError("status 404", Outcome.REFUSED, reason="not_found")

    world.sink.before = refuse
    await statuses(world, "Failed", build="b2")
    world.sink.before = lambda _: None
    await world.run(2 * HOUR)
    assert sorted(world.heard) == sorted([WATCHING, FAILED, "firing SinkRefusing", "resolved SinkRefusing"])


async def test_what_waits_for_a_sink_that_is_no_more_is_told_to_those_that_are(world: World) -> None:
    await begin(world)

    def refuse(_: object) -> None:
        raise DeliveryError("status 503", Outcome.REJECTED, reason="server_error")

    world.sink.before = refuse
    await statuses(world, "Failed", build="b2")
    world.sink.before = lambda _: None
    world.sink.id = world.sink_id = "team/recording/1"
    await world.boot()
    await world.run(world.interval)
    assert world.heard == [WATCHING, "firing DeadLetter"]
    text = world.messages[-1].alerts[0].annotations["summary"]
    assert text.endswith("this sink is no longer configured")
    assert "1 undelivered message(s) for team/recording/0" in text


async def test_what_was_planned_before_the_clock_was_set_back_is_told_all_the_same(world: World) -> None:
    world.root = flat_route("project", "deployment", group_wait=MINUTE, group_interval=5 * MINUTE)
    await begin(world, deployment(), deployment("other"))
    await world.run(2 * MINUTE)
    world.api.set("other", status="Deploying", build="b2")
    await statuses(world, "Failed", build="b2")
    world.clock.at -= 24 * HOUR
    await world.boot()
    await world.run(30 * MINUTE)
    assert world.heard[:2] == [WATCHING, FAILED]
    assert "firing DeploymentStuck" in world.heard


async def test_a_wall_clock_that_is_set_back_between_two_processes_freezes_nothing(world: World) -> None:
    await begin(world)

    def refuse(_: object) -> None:
        raise DeliveryError("status 503", Outcome.REJECTED, reason="server_error")

    world.sink.before = refuse
    await statuses(world, "Failed", build="b2")
    world.sink.before = lambda _: None
    world.clock.at -= 24 * HOUR
    await world.boot()
    await world.run(2 * world.interval)
    assert world.heard == [WATCHING, FAILED]
    world.api.fail()
    await world.run(10 * MINUTE)
    assert world.heard[-1] == "firing SourceBlind"


async def test_what_the_api_announces_of_itself_is_told_once(world: World) -> None:
    await begin(world)
    sound = world.api.list

    async def listed() -> Listing[Deployment]:
        return replace(await sound(), notice="Sunset: Sun, 31 Jan 2027 00:00:00 GMT")

    world.api.list = listed  # type: ignore[method-assign]  # the API, not the program
    await world.run(5 * world.interval)
    await world.boot()
    await world.run(5 * world.interval)
    assert world.heard == [WATCHING, "firing ApiAnnouncement"]
