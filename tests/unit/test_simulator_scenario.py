from dataclasses import dataclass, field

import pytest

from watcher.simulator import Scenario, ScenarioError, Simulator, load_scenario, shipped_scenarios
from watcher.simulator.scenario import read_moment, read_scenario


@dataclass
class LeapingClock:
    at: int = 1_700_000_000_000
    slept: list[int] = field(default_factory=list)

    def now(self) -> int:
        return self.at

    async def sleep(self, length: int) -> None:
        self.slept.append(length)
        self.at += length


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
[[expect]]
at = "4s"
deployment = "tax"
alert = "DeploymentFailed"
"""


@pytest.mark.parametrize(
    ("text", "length"),
    [("0s", 0), ("3s", 3000), ("1500ms", 1500), ("1m30s", 90_000), ("2h", 7_200_000), ("1m5ms", 60_005)],
)
def test_moments(text: str, length: int) -> None:
    assert read_moment(text) == length


@pytest.mark.parametrize("value", ["", "3", "3x", "-3s", "1s1m", "3 s", 3, None])
def test_what_is_no_moment(value: object) -> None:
    with pytest.raises(ValueError, match="write a moment"):
        read_moment(value)


async def test_a_scenario_plays_in_order_of_time_at_its_speed() -> None:
    clock = LeapingClock()
    simulator = Simulator(scenario=read_scenario(TWO_STEPS), speed=2, clock=clock)
    simulator.player.set_stage()
    assert simulator.world.by_key("demo-shop", "tax").type == "sandbox"
    simulator.play()
    await simulator.played()
    assert clock.slept == [2000, 1000, 1000, 1000]
    assert simulator.transitions == 1
    assert simulator.faults.waiting == {}
    assert simulator.world.deployments("demo-shop") == {}
    assert simulator.player.failures == []


async def test_steps_can_be_played_by_hand_and_are_not_repeated() -> None:
    simulator = Simulator(scenario=read_scenario(TWO_STEPS), speed=0, clock=LeapingClock())
    simulator.play()
    await simulator.played()
    assert simulator.player.done == 0
    moments = [step.at for step in iter(simulator.player.step, None)]
    assert moments == [0, 4000, 6000, 8000, 10_000]
    assert simulator.transitions == 1


async def test_a_step_that_the_world_refuses_is_noted_and_the_rest_goes_on() -> None:
    simulator = Simulator(scenario=read_scenario(TWO_STEPS), clock=LeapingClock())
    simulator.player.set_stage()
    simulator.delete(simulator.world.by_key("demo-shop", "tax").id)
    simulator.play()
    await simulator.played()
    assert [failure.partition(":")[0] for failure in simulator.player.failures] == ["at 4000 ms", "at 10000 ms"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a =", ["s: Invalid value (at end of document)"]),
        (
            '[[steps]]\nat="3x"\nset={key="a"}\nfoo=1',
            [
                's: steps[0].at: write a moment like "3s", "500ms" or "1m30s"',
                "s: steps[0].set.key: String should match pattern '^[A-Za-z0-9_-]{2,256}$'",
                "s: steps[0].foo: Extra inputs are not permitted",
            ],
        ),
        (
            '[[steps]]\nat="1s"',
            ["s: steps[0]: a step needs exactly one of create, set, delete, fault, clear_faults"],
        ),
        (
            '[[steps]]\nat="1s"\nclear_faults=true\ndelete={key="ab"}',
            ["s: steps[0]: a step needs exactly one of create, set, delete, fault, clear_faults"],
        ),
        ('[[steps]]\nat="1s"\nfault={path="/x",oops=1}', ["s: steps[0].fault: Object contains unknown field `oops`"]),
        ('[[steps]]\nat="1s"\nset={key="ab",statsu="x"}', ["s: steps[0].set: no such field of a Deployment: statsu"]),
        ('[[steps]]\nat="1s"\ndelete={key="ab"}', ["s: at 1000 ms: demo-shop/ab is not there"]),
        (
            '[[steps]]\nat="1s"\ncreate={key="ab"}\n[[steps]]\nat="2s"\ncreate={key="ab"}',
            ["s: at 2000 ms: demo-shop/ab is there already"],
        ),
        ('[[expect]]\nat="1s"\nalert="A"\ndeployment="ab"', ["s: expect: ab is never created"]),
        ('[[expect]]\nat="1s"\nalert="A"\nstate="on"', ["s: expect[0].state: Input should be 'firing' or 'resolved'"]),
    ],
)
def test_every_problem_of_a_file_is_told_with_its_place(text: str, problems: list[str]) -> None:
    with pytest.raises(ScenarioError) as refused:
        read_scenario(text, "s")
    assert list(refused.value.problems) == problems


def test_an_unknown_connector_is_told_with_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match="no such connector: nope; there are tax-calculation"):
        read_scenario('[[steps]]\nat="0s"\ncreate={key="ab",connector="nope"}')


def test_a_missing_file_names_the_scenarios_that_are_shipped() -> None:
    with pytest.raises(ScenarioError, match="shipped scenarios: demo"):
        load_scenario("/nowhere/x.toml")


# ── the demo ─────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def demo() -> Scenario:
    return load_scenario("demo")


def test_every_shipped_scenario_can_be_played() -> None:
    assert "demo" in shipped_scenarios()
    for name in shipped_scenarios():
        assert load_scenario(name).description


def test_demo_statuses_stay_long_enough_to_be_polled_every_second(demo: Scenario) -> None:
    last: dict[str, int] = {}
    for step in demo.steps:
        target = step.set or step.delete or step.create
        assert target is not None
        assert step.at - last.get(target.key, -5000) >= 1500, target.key
        last[target.key] = step.at
    assert 15_000 < max(last.values()) <= 25_000


def test_demo_starts_with_six_deployed_and_one_failed(demo: Scenario) -> None:
    simulator = Simulator(scenario=demo, clock=LeapingClock())
    simulator.player.set_stage()
    statuses = [found.status for found in simulator.world.everything()]
    assert (statuses.count("Deployed"), statuses.count("Failed"), len(statuses)) == (6, 1, 7)


async def test_demo_expectations_follow_from_what_happens_in_it(demo: Scenario) -> None:
    """Each expected moment is one at which the Deployment really is as the alert says."""
    simulator = Simulator(scenario=demo, clock=LeapingClock())
    seen: dict[tuple[str, int], str] = {}
    while (step := simulator.player.step()) is not None:
        target = step.create or step.set or step.delete
        assert target is not None
        found = [one for one in simulator.world.everything() if one.key == target.key]
        entries = found[0].payload["details"]["build"].get("report", {"entries": []})["entries"] if found else []
        warned = any(entry["type"] == "Warning" for entry in entries)
        seen[target.key, step.at] = f"{found[0].status}{' with a warning' if warned else ''}" if found else "gone"
    assert simulator.player.failures == []
    cause = {
        ("DeploymentFailed", "firing"): "Failed",
        ("DeploymentWarning", "firing"): "Deployed with a warning",
        ("DeploymentStuck", "firing"): "Deploying",
        ("DeploymentVanished", "firing"): "gone",
    }
    about = [expected for expected in demo.expect if expected.deployment is not None]
    assert [seen[str(expected.deployment), expected.at] for expected in about] == [
        cause.get((expected.alert, expected.state), "Deployed") for expected in about
    ]
    assert [expected.alert for expected in demo.expect if expected.deployment is None] == ["NowWatching"]


async def test_demo_is_the_same_every_time(demo: Scenario) -> None:
    async def ending() -> list[bytes]:
        simulator = Simulator(scenario=demo, clock=LeapingClock(), seed=3)
        simulator.play()
        await simulator.played()
        return [found.encoded for found in simulator.world.everything()]

    assert await ending() == await ending()
