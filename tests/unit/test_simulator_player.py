"""The player: when each step of a scenario happens, and what else does in between."""

import asyncio

import pytest

from tests.unit.simulated import START, LeapingClock, played, staged, status
from watcher.simulator import Simulator
from watcher.simulator.scenario import read_scenario

TWO_STEPS = """
[[steps]]
at = "4s"
set = { key = "tax", status = "Failed" }
[[steps]]
at = "0s"
create = { key = "tax", project = "demo-shop", connector = "tax-calculation", type = "sandbox" }
[[steps]]
at = "6s"
fault = { path = "/*", status = 503, count = 2 }
[[steps]]
at = "8s"
clear_faults = true
[[steps]]
at = "10s"
delete = { key = "tax" }
"""

REDEPLOY = """
[durations]
queued = "2s"
deploying = "10s"
[[steps]]
at = "0s"
create = { key = "shop" }
[[steps]]
at = "5s"
redeploy = { key = "shop" }
[[steps]]
at = "12s"
set = { key = "shop", version = 100 }
"""


# ── time ─────────────────────────────────────────────────────────────────────


async def test_a_scenario_plays_in_order_of_time_at_its_speed() -> None:
    clock = LeapingClock()
    made = staged(TWO_STEPS, 2, clock)
    assert made.world.by_key("demo-shop", "tax").type == "sandbox"
    made.play()
    await made.played()
    assert clock.slept == [2000, 1000, 1000, 1000]
    assert made.transitions == 1
    assert made.faults.waiting == {}
    assert made.world.deployments("demo-shop") == {}
    assert made.player.failures == []


async def test_steps_can_be_played_by_hand_and_are_not_repeated() -> None:
    made = Simulator(scenario=read_scenario(TWO_STEPS), speed=0, clock=LeapingClock())
    made.play()
    await made.played()
    assert made.player.done == 0
    moments = [step.at for step in iter(made.player.step, None)]
    assert moments == [0, 4000, 6000, 8000, 10_000]
    assert (made.transitions, made.timeline.elapsed()) == (1, 10_000)


async def test_a_step_that_the_world_refuses_is_noted_and_the_rest_goes_on() -> None:
    made = staged(TWO_STEPS)
    made.delete(made.world.by_key("demo-shop", "tax").id)
    made.play()
    await made.played()
    assert [failure.partition(":")[0] for failure in made.player.failures] == ["at 4000 ms", "at 10000 ms"]


async def test_scenario_time_begins_when_it_is_played() -> None:
    clock = LeapingClock()
    made = staged(TWO_STEPS, clock=clock)
    clock.at += 60_000
    made.catch_up()
    assert (made.timeline.elapsed(), made.player.done) == (0, 1)
    made.play()
    clock.at += 5000
    made.catch_up()
    assert (made.timeline.elapsed(), made.player.done) == (5000, 2)
    await made.close()


async def test_without_a_scenario_time_runs_from_the_start() -> None:
    clock = LeapingClock()
    made = Simulator(speed=10, clock=clock)
    shop = made.create("demo-shop", key="shop")[0]
    made.world.request_redeploy("demo-shop", ("key", "shop"), {"version": 1, "actions": [{"action": "redeploy"}]})
    assert status(made) == "Queued"
    clock.at += 6_499
    made.catch_up()
    assert status(made) == "Deploying"
    clock.at += 1
    made.catch_up()
    assert status(made) == "Deployed"
    assert made.world.by_id(shop["id"]).modified == START + 6_500


@pytest.mark.parametrize("late", [0, 1, 50, 3000])
async def test_a_late_step_counts_from_its_own_moment(late: int) -> None:
    """Steps and what they have begun happen in one order, however late the player is woken."""
    clock = LeapingClock(late=late)
    made = await played(REDEPLOY, clock=clock)
    assert status(made) == "Deploying"
    assert made.world.by_key("demo-shop", "shop").payload["version"] == 100
    assert made.world.by_key("demo-shop", "shop").modified == START + 12_000
    clock.at = START + 16_999
    made.catch_up()
    assert status(made) == "Deploying"
    clock.at += 1
    made.catch_up()
    shop = made.world.by_key("demo-shop", "shop")
    assert (shop.status, shop.payload["version"]) == ("Deployed", 101)


@pytest.mark.parametrize("speed", [0.5, 1, 7, 1000, 1_000_000])
async def test_the_outcome_does_not_depend_on_the_speed(speed: float) -> None:
    made = await played(REDEPLOY, speed)
    made.advance(60_000)
    assert (status(made), made.transitions) == ("Deployed", 3)


async def test_letting_time_pass_plays_what_falls_into_it_and_wakes_the_player() -> None:
    class Stopped(LeapingClock):
        async def sleep(self, length: int) -> None:
            await asyncio.get_running_loop().create_future()

    made = staged(REDEPLOY, clock=Stopped())
    made.play()
    made.advance(11_000)
    assert (made.player.done, status(made)) == (2, "Deploying")
    assert made.world.by_key("demo-shop", "shop").modified == START + 7000
    assert made.clock.now() == START + 11_000
    made.advance(1000)
    await asyncio.wait_for(made.played(), 1)
    assert made.player.done == 3


async def test_time_that_passes_while_it_catches_up_changes_no_order() -> None:
    class Ticking(LeapingClock):
        tick = 0

        def now(self) -> int:
            self.at += self.tick
            return self.at - self.tick

    clock = Ticking()
    made = staged(
        """
        [[steps]]
        at = "0s"
        create = { key = "shop" }
        [[steps]]
        at = "0s"
        redeploy = { key = "shop" }
        [[steps]]
        at = "4999ms"
        set = { key = "shop", status = "Failed" }
        """,
        clock=clock,
    )
    made.timeline.begin()
    clock.at, clock.tick = START + 4998, 3
    made.catch_up()
    clock.tick = 0
    made.catch_up()
    assert (status(made), made.transitions) == ("Failed", 2)  # it never was Deploying


async def test_by_hand_time_jumps_to_each_step_and_what_comes_before_it_happens() -> None:
    made = staged(REDEPLOY, 0)
    assert [step.at for step in iter(made.player.step, None)] == [5000, 12_000]
    assert status(made) == "Deploying"
    made.advance(5000)
    assert status(made) == "Deployed"


async def test_a_clock_set_wrong_moves_dates_and_no_step() -> None:
    made = await played('[[steps]]\nat="5s"\nclock_jump="-2h"\n[[steps]]\nat="9s"\ncreate={key="shop"}')
    assert made.timeline.elapsed() == 9000
    assert made.world.by_key("demo-shop", "shop").created == START + 9000 - 7_200_000
