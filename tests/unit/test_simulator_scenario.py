from dataclasses import dataclass, field

import pytest

from watcher.simulator import Scenario, ScenarioError, Simulator, load_scenario
from watcher.simulator.scenario import read_scenario
from watcher.simulator.steps import VERBS


@dataclass
class LeapingClock:
    at: int = 1_700_000_000_000
    slept: list[int] = field(default_factory=list)

    def now(self) -> int:
        return self.at

    async def sleep(self, length: int) -> None:
        self.slept.append(length)
        self.at += length


EVERYTHING = """
description = "One of each."
project = "a-shop"
production_disabled = ["poor-shop"]

[durations]
queued = "1s"
deploying = "2s"
undeploying = "3s"
previewing = "4s"
processing = "5s"
certifying = "6s"
certification = "7s"

[access]
projects = ["a-shop"]
clients = [{ id = "i", secret = "s", scopes = ["view_connectors:a-shop"] }]

[logs]
removed_at = "1h"
removed_status = 410
page_size = 5
ending = "null"
empty_every = 3
reverse = true
cursor_lifetime = "1m"
default_window = "1h"
announces = false

[[steps]]
at = "0s"
create = { key = "one", connector = "tax-calculation", status = "Queued" }
[[steps]]
at = "0s"
fleet = { count = 10, projects = ["a-shop", "b-shop"], keyPrefix = "many", type = "sandbox" }
[[steps]]
at = "1s"
set = { key = "many-000003", status = "Failed" }
[[steps]]
at = "2s"
set_where = { where = { project = "b-shop", deployedRegion = "r", status = "s", type = "t", connector = "c" }, limit = 2, over = "1m", status = "Failed" }
[[steps]]
at = "3s"
draft = { key = "draft", name = "A Draft", visible_to = ["i"] }
[[steps]]
at = "4s"
set_draft = { key = "draft", isPreviewable = "pending", nulls = ["previewableReport"] }
[[steps]]
at = "5s"
edit = { key = "draft", actions = [{ action = "setName", name = "x" }] }
[[steps]]
at = "6s"
preview = { key = "draft" }
[[steps]]
at = "7s"
publish = { key = "draft", certification = true }
[[steps]]
at = "8s"
comment = { key = "draft", comment = "well" }
[[steps]]
at = "9s"
connector = { key = "published", certified = true }
[[steps]]
at = "10s"
set_connector = { key = "published", version = 2 }
[[steps]]
at = "11s"
deploy = { key = "two", connector = "published", type = "sandbox", region = "us-east-2.aws" }
[[steps]]
at = "12s"
plan = { kind = "publish", key = "draft", result = "Rejected", entries = [{ type = "Error" }], cause = "c", comments = ["x"], count = 3 }
[[steps]]
at = "13s"
redeploy = { key = "two", project = "a-shop", updateConnector = true, skipScripts = true }
[[steps]]
at = "14s"
redeploy = { where = { type = "sandbox" }, limit = 5, over = "2m" }
[[steps]]
at = "14s"
rollback = { key = "two", revision = 3 }
[[steps]]
at = "15s"
undeploy = { key = "one" }
[[steps]]
at = "16s"
logs = { key = "two", application = "a", shape = "pino-error", count = 5, over = "1m", late = "2s", duplicates = 2 }
[[steps]]
at = "17s"
expire_cursors = true
[[steps]]
at = "18s"
fault = { path = "/*", method = "GET", clock_jump = "5m", drip = 0.5 }
[[steps]]
at = "19s"
clear_faults = true
[[steps]]
at = "20s"
clock_jump = "-2h"
[[steps]]
at = "21s"
revoke_tokens = true
[[steps]]
at = "22s"
delete_draft = { key = "draft" }
[[steps]]
at = "23s"
delete = { key = "one" }
[[steps]]
at = "24s"
create = { key = "one" }
[[expect]]
at = "1s"
alert = "DeploymentFailed"
deployment = "many-000003"
[[expect]]
at = "2s"
alert = "CertificationComment"
connector = "draft"
state = "resolved"
count = 2
"""


def test_every_word_of_a_scenario_is_understood() -> None:
    scenario = read_scenario(EVERYTHING)
    assert {step.verb for step in scenario.steps} == set(VERBS)
    built = scenario.durations.build()
    assert (built.queued, built.certification) == (1000, 7000)
    assert scenario.logs.build().reverse
    assert scenario.access.build().clients[0].id == "i"
    assert [expected.connector for expected in scenario.expect] == [None, "draft"]


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
            [f"s: steps[0]: a step needs exactly one of {', '.join(VERBS)}"],
        ),
        (
            '[[steps]]\nat="1s"\nclear_faults=true\ndelete={key="ab"}',
            [f"s: steps[0]: a step needs exactly one of {', '.join(VERBS)}"],
        ),
        ('[[steps]]\nat="1s"\nfault={path="/x",oops=1}', ["s: steps[0].fault: Object contains unknown field `oops`"]),
        ('[[steps]]\nat="1s"\nset={key="ab",statsu="x"}', ["s: steps[0].set: no such field of a Deployment: statsu"]),
        ('[[steps]]\nat="1s"\ndelete={key="ab"}', ["s: at 1000 ms: demo-shop/ab is not there"]),
        (
            '[[steps]]\nat="1s"\ncreate={key="ab"}\n[[steps]]\nat="2s"\ncreate={key="ab"}',
            ["s: at 2000 ms: demo-shop/ab is there already"],
        ),
        ('[[expect]]\nat="1s"\nalert="A"\ndeployment="ab"', ["s: expect: ab is never created"]),
        (
            '[durations]\nqeued="1s"\ndeploying=3',
            [
                's: durations.deploying: write a moment like "3s", "500ms" or "1m30s"',
                "s: durations.qeued: Extra inputs are not permitted",
            ],
        ),
        ("[access]\nclients=[{id='i',secret='s'}]", ["s: access.clients[0].scopes: Field required"]),
        ("[logs]\nending='none'", ["s: logs.ending: Input should be 'empty', 'null' or 'absent'"]),
        ("production_disabled='a'", ["s: production_disabled: Input should be a valid tuple"]),
        (
            '[[steps]]\nat="1s"\nset_where={where={colour="red"},status="x"}',
            [
                "s: steps[0].set_where.where.colour: Input should be 'project', 'deployedRegion', 'status', 'type' or 'connector'"
            ],
        ),
        ('[[steps]]\nat="1s"\nset_where={where={type="x"}}', ["s: steps[0].set_where: say which fields they get"]),
        ('[[steps]]\nat="1s"\nredeploy={}', ["s: steps[0].redeploy: name a key or say where, one of them"]),
        ('[[steps]]\nat="1s"\nundeploy={key="ab",limit=2}', ["s: steps[0].undeploy: limit and over are for where"]),
        (
            '[[steps]]\nat="1s"\nfleet={count=0}',
            ["s: steps[0].fleet.count: Input should be greater than or equal to 1"],
        ),
        (
            '[[steps]]\nat="1s"\ndraft={key="ab",certified=true}',
            ["s: steps[0].draft: no such field of a ConnectorStaged: certified"],
        ),
        (
            '[[steps]]\nat="1s"\nconnector={key="ab",status="x"}',
            ["s: steps[0].connector: no such field of a Connector: status"],
        ),
        (
            '[[steps]]\nat="1s"\nplan={kind="preview",key="*",result="Failed"}',
            ["s: steps[0].plan: a preview comes to one of true, false, none, stuck"],
        ),
        (
            '[[steps]]\nat="1s"\nclock_jump="soon"',
            [
                's: steps[0].clock_jump: write a length of time like "10m" or "-2h", or a number of seconds, up to a hundred years'
            ],
        ),
        (
            '[[steps]]\nat="1s"\nfault={path="/x",reset=true,status=500}',
            ["s: steps[0].fault: after a reset nothing is sent: take out status"],
        ),
        ('[[steps]]\nat="1s"\nredeploy={key="ab"}', ["s: at 1000 ms: demo-shop/ab is not there"]),
        ('[[steps]]\nat="1s"\nlogs={key="ab"}', ["s: at 1000 ms: demo-shop/ab is not there"]),
        ('[[steps]]\nat="1s"\npublish={key="ab",certification=true}', ["s: at 1000 ms: the draft ab is not there"]),
        ('[[steps]]\nat="1s"\nset_connector={key="ab"}', ["s: at 1000 ms: the connector ab is not there"]),
        (
            '[[steps]]\nat="1s"\nconnector={key="gift-cards"}',
            ["s: at 1000 ms: the connector gift-cards is there already"],
        ),
        (
            '[[steps]]\nat="1s"\ndraft={key="ab"}\n[[steps]]\nat="2s"\ndraft={key="ab"}',
            ["s: at 2000 ms: the draft ab is there already"],
        ),
        (
            '[[steps]]\nat="1s"\ndraft={key="ab"}\n[[steps]]\nat="2s"\ndelete_draft={key="ab"}\n[[steps]]\nat="3s"\npreview={key="ab"}',
            ["s: at 3000 ms: the draft ab is not there"],
        ),
        (
            '[[steps]]\nat="1s"\nplan={kind="deploy",key="ab",result="Failed"}',
            ["s: at 1000 ms: nothing is ever called ab"],
        ),
        (
            '[[steps]]\nat="1s"\nfleet={count=1,projects=["x"]}\n[[steps]]\nat="2s"\nredeploy={key="fleet-000001"}',
            ["s: at 2000 ms: demo-shop/fleet-000001 is not there"],
        ),
        ('[[expect]]\nat="1s"\nalert="A"\nconnector="ab"', ["s: expect: the connector ab is never created"]),
        (
            '[[expect]]\nat="1s"\nalert="A"\nconnector="ab"\ndeployment="ab"',
            ["s: expect[0]: an alert is about a deployment or about a connector"],
        ),
        ('[[expect]]\nat="1s"\nalert="A"\nstate="on"', ["s: expect[0].state: Input should be 'firing' or 'resolved'"]),
    ],
)
def test_every_problem_of_a_file_is_told_with_its_place(text: str, problems: list[str]) -> None:
    with pytest.raises(ScenarioError) as refused:
        read_scenario(text, "s")
    assert list(refused.value.problems) == problems


def test_an_unknown_connector_is_told_with_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match="no such connector: nope; there are email-campaigns, "):
        read_scenario('[[steps]]\nat="0s"\ncreate={key="ab",connector="nope"}')


@pytest.mark.parametrize("shape", ["nope", "INFO"])
def test_an_unknown_shape_is_told_with_the_known_ones(shape: str) -> None:
    with pytest.raises(ScenarioError, match=f"no such shape: {shape}; there are json-error, "):
        read_scenario(f'[[steps]]\nat="0s"\nlogs={{key="ab",shape="{shape}"}}')


def test_a_missing_file_names_the_scenarios_that_are_shipped() -> None:
    with pytest.raises(ScenarioError, match="No such file or directory; shipped scenarios: certification, demo, "):
        load_scenario("/nowhere/x.toml")


# ── the demo ─────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def demo() -> Scenario:
    return load_scenario("demo")


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
