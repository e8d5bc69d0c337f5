"""The scenarios that come with the program: each plays to its end, twice the same, and does what it says."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp
import pytest
from click.testing import CliRunner

from tests.integration.test_simulator_control import ask
from watcher.cli import main
from watcher.simulator import Expectation, Simulator, load_scenario, serve, shipped_scenarios

NAMES = [
    "certification",
    "demo",
    "error-burst",
    "failed-build",
    "happy-path",
    "log-removal-day",
    "new-error-after-deploy",
    "post-deploy-warning",
    "redeploy-storm",
    "regional-outage",
    "rollback",
    "silent-application",
    "stuck",
]
HOUR = 3_600_000


@dataclass
class LeapingClock:
    at: int = 1_790_000_000_000

    def now(self) -> int:
        return self.at

    async def sleep(self, length: int) -> None:
        self.at += length


def test_these_are_the_scenarios() -> None:
    assert list(shipped_scenarios()) == NAMES
    assert all(load_scenario(name).description == text for name, text in shipped_scenarios().items())


def test_they_are_listed_for_people_and_for_programs() -> None:
    text, listed = (CliRunner().invoke(main, ["simulate", "--list", *more]) for more in ([], ["--output", "json"]))
    assert (text.exit_code, listed.exit_code) == (0, 0)
    lines = text.stdout.splitlines()
    assert [line.split()[0] for line in lines] == NAMES
    assert all(line.endswith(shipped_scenarios()[line.split()[0]]) for line in lines)
    assert json.loads(listed.stdout) == [{"name": n, "description": text} for n, text in shipped_scenarios().items()]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["--scenario", "nope"], 1, "shipped scenarios: certification, demo, error-burst"),
        (["--output", "json"], 2, "--output is for --list"),
    ],
)
def test_what_cannot_be_simulated_is_told(arguments: list[str], exit_code: int, said: str) -> None:
    result = CliRunner().invoke(main, ["simulate", *arguments])
    assert (result.exit_code, said in result.stderr) == (exit_code, True)


async def ending(name: str, speed: float, seed: int) -> bytes:
    async with (
        serve(scenario=name, speed=speed, seed=seed, clock=LeapingClock()) as simulator,
        aiohttp.ClientSession(simulator.url) as client,
    ):
        simulator.play()
        await simulator.played()
        simulator.advance(HOUR)
        told = await ask(client, "GET", "/_sim/scenario")
        assert (told["done"], told["failures"]) == (told["steps"], [])
        async with client.get("/_sim/state") as response:
            return await response.read()


@pytest.mark.parametrize("name", NAMES)
async def test_a_scenario_plays_to_its_end_and_twice_the_same(name: str) -> None:
    first, second = await ending(name, 1000, 3), await ending(name, 1000, 3)
    assert first == second != await ending(name, 1000, 4)


async def statuses(name: str, speed: float, clock: LeapingClock | None) -> list[tuple[str | None, str | None]]:
    async with serve(scenario=name, speed=speed, clock=clock) as simulator:
        simulator.play()
        await simulator.played()
        simulator.advance(HOUR)
        assert (simulator.player.failures, simulator.player.upcoming()) == ([], None)
        resources = [*simulator.world.everything(), *simulator.world.drafts().values()]
        return [(found.key, found.status) for found in resources]


@pytest.mark.parametrize("name", NAMES)
async def test_a_scenario_ends_the_same_on_the_machines_own_clock(name: str) -> None:
    assert await statuses(name, 100_000, None) == await statuses(name, 1, LeapingClock())


# ── what is expected follows from what happens ───────────────────────────────

CAUSES = {
    ("DeploymentFailed", "firing"): "Failed",
    ("DeploymentFailed", "resolved"): "Deployed",
    ("DeploymentWarning", "firing"): "Deployed with a warning",
    ("DeploymentWarning", "resolved"): "Deployed",
    ("DeploymentStuck", "firing"): "Queued|Deploying|Undeploying",
    ("DeploymentStuck", "resolved"): "Deployed",
    ("DeploymentStuckCritical", "firing"): "Queued|Deploying|Undeploying",
    ("DeploymentStuckCritical", "resolved"): "Deployed",
    ("DeploymentVanished", "firing"): "gone",
    ("UndeployFailed", "firing"): "UndeployFailed",
    ("ConnectorPublishFailed", "firing"): "Failed",
    ("ConnectorPublishFailed", "resolved"): "Published",
    ("PreviewRefused", "firing"): "preview false",
    ("PreviewRefused", "resolved"): "preview none",
    ("PreviewCancelled", "firing"): "preview none",
    ("CertificationComment", "firing"): "InCertification",
}
"""What has to be so at the moment that an alert is said to be caused, in the words of `looks`."""


def looks(simulator: Simulator, expected: Expectation) -> Iterator[str]:
    """How the resource of an expectation is, or how all Deployments are."""
    if expected.connector is not None:
        draft = simulator.world.draft_by_key(expected.connector).payload
        yield from (draft["status"], f"preview {draft['isPreviewable']}")
        return
    everything = {found.key: found for found in simulator.world.everything()}
    if expected.deployment is not None and expected.deployment not in everything:
        yield "gone"
    for key, found in everything.items():
        if expected.deployment in {None, key}:
            build = found.payload["details"]["build"]
            entries = build.get("report", {"entries": []})["entries"]
            yield f"{found.status}{' with a warning' if any(one['type'] == 'Warning' for one in entries) else ''}"


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_expected_has_a_cause_at_its_moment(name: str) -> None:
    scenario = load_scenario(name)
    simulator = Simulator(scenario=scenario, speed=0, clock=LeapingClock())
    simulator.player.set_stage()
    assert [one.alert for one in scenario.expect if one.at == 0].count("NowWatching") == 1
    for expected in sorted(scenario.expect, key=lambda one: one.at):
        simulator.advance(expected.at - simulator.timeline.elapsed())
        if expected.alert != "NowWatching" and not expected.logs:  # what logs say is not how anything is
            causes = CAUSES[expected.alert, expected.state].split("|")
            assert any(look in causes for look in looks(simulator, expected)), expected
    assert simulator.player.failures == []


async def test_an_outage_hits_one_region_whole_within_a_minute() -> None:
    simulator = Simulator(scenario=load_scenario("regional-outage"), speed=0, clock=LeapingClock())
    simulator.player.set_stage()
    simulator.advance(180_000)
    assert Counter((found.region, found.status) for found in simulator.world.everything()) == {
        ("us-central1.gcp", "Failed"): 500,
        ("europe-west1.gcp", "Deployed"): 40,
    }
    simulator.advance(HOUR)
    assert {found.status for found in simulator.world.everything()} == {"Deployed"}


async def test_a_storm_fails_three_of_many_and_ends_well() -> None:
    simulator = Simulator(scenario=load_scenario("redeploy-storm"), speed=0, clock=LeapingClock())
    simulator.player.set_stage()
    simulator.advance(19 * 60_000)
    assert Counter(found.status for found in simulator.world.everything()) == {"Failed": 3, "Deployed": 117}
    simulator.advance(HOUR)
    assert Counter(found.status for found in simulator.world.everything()) == {"Deployed": 120}


async def test_a_burst_of_errors_can_be_read_and_log_removal_day_ends_that() -> None:
    for name, before, status in (("error-burst", 8 * 60_000, 200), ("log-removal-day", 10 * 60_000, 410)):
        async with (
            serve(scenario=name, speed=0, clock=LeapingClock()) as simulator,
            aiohttp.ClientSession(simulator.url) as client,
        ):
            headers = {"Authorization": f"Bearer {simulator.tokens.issue()}"}
            found = next(simulator.world.everything())
            path = f"/demo-shop/deployments/{found.id}/logs"
            simulator.advance(before - 1)
            async with client.get(path, headers=headers) as response:
                page = await response.json()
                assert len(page["data"]) > 10
                assert ("Sunset" in response.headers) is (status == 410)
            simulator.advance(1)
            async with client.get(path, headers=headers) as response:
                assert response.status == status


def errors(simulator: Simulator, key: str, first: int) -> list[str]:
    """What the errors of a Deployment are about, in its records from a moment of scenario time on."""
    found = simulator.world.by_key("demo-shop", key)
    entries = simulator.logbook.dated_from(simulator.timeline.wall(first))
    records = [json.loads(entry.encoded) for owner, entry in entries if owner == found.id]
    return [one["details"]["message"].split()[0] for one in records if one["details"].get("level") == "error"]


async def test_after_a_deploy_an_error_appears_that_was_never_there() -> None:
    simulator = Simulator(scenario=load_scenario("new-error-after-deploy"), speed=0, clock=LeapingClock())
    simulator.player.set_stage()
    simulator.advance(121 * 60_000)
    kinds = Counter(errors(simulator, "tax", 0))
    assert kinds["Tax"] == 22
    assert sum(kinds.values()) == 22 + 120
    assert len(kinds) == 6
    later = Counter(errors(simulator, "tax", 95 * 60_000))
    assert (later["Tax"], later.keys()) == (22, kinds.keys())
    assert simulator.world.by_key("demo-shop", "tax").status == "Deployed"


async def test_an_application_falls_silent_and_its_status_stays() -> None:
    simulator = Simulator(scenario=load_scenario("silent-application"), speed=0, clock=LeapingClock())
    simulator.player.set_stage()
    simulator.advance(100 * 60_000)
    loglengths = []
    for key in ("loyalty", "returns"):
        found = simulator.world.by_key("demo-shop", key)
        assert found.status == "Deployed"
        parts = [simulator.timeline.wall(minute * 60_000) for minute in (0, 20)]
        loglengths += [sum(owner == found.id for owner, _ in simulator.logbook.dated_from(part)) for part in parts]
    assert loglengths == [360, 0, 541, 421]
