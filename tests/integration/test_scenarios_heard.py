"""Each scenario that comes with the program says what a watcher is expected to tell: the real one tells exactly that."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest

from tests.integration.hearing import CONFIG, READING, Told, differences, watched
from watcher.simulator import Expectation, load_scenario, shipped_scenarios

DEMO = resources.files("watcher.cli").joinpath("demo.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", shipped_scenarios())
async def test_what_a_scenario_expects_is_told_and_nothing_else(name: str, tmp_path: Path) -> None:
    """The demo lasts seconds, so it is watched with its own configuration."""
    scenario = load_scenario(name)
    text = DEMO if name == "demo" else CONFIG
    async with watched(scenario, text, database=tmp_path / "demo.db") as play:
        expected = [each for each in scenario.expect if not each.logs]
        assert differences(await play.through(), expected) == []


WRITING = [name for name in shipped_scenarios() if any(each.logs for each in load_scenario(name).expect)]
"""Scenarios in whose logs there is something to hear; in that of the others there is nothing."""


@pytest.mark.parametrize("name", [*WRITING, "failed-build", "silent-application"])
async def test_what_logs_add_to_a_scenario_is_told_and_nothing_else(name: str) -> None:
    scenario = load_scenario(name)
    async with watched(scenario, READING) as play:
        assert differences(await play.through(), scenario.expect) == []


# ── a watcher that tells something else is found out ─────────────────────────


@pytest.mark.parametrize(
    ("configured", "found"),
    [
        (
            'disable_rules = ["DeploymentFailed"]',
            ["missing: 2 × firing DeploymentFailed search-sync", "missing: 1 × resolved DeploymentFailed search-sync"],
        ),
        ('rule_packs = ["builtin", "deployed"]', ["too much: 1 × firing Deployed search-sync"]),
    ],
    ids=["deaf", "talkative"],
)
async def test_a_watcher_with_other_rules_tells_something_else(configured: str, found: Sequence[str]) -> None:
    scenario = load_scenario("failed-build")
    async with watched(scenario, configured + CONFIG) as play:
        assert differences(await play.through(), scenario.expect) == found


FAILED, LOST = "DeploymentFailed", "DeploymentVanished"
HEARD = [
    Told(0, "NowWatching", "firing", "", "0"),
    Told(12_000, FAILED, "firing", "shop", "1"),
    Told(13_000, FAILED, "firing", "shop", "1"),
    Told(20_000, FAILED, "resolved", "shop", "1"),
    Told(30_000, LOST, "firing", "one", "2"),
    Told(31_000, LOST, "firing", "two", "3"),
]


def expected(*, at: str = "0s", count: int = 1, **what: str) -> Expectation:
    return Expectation.model_validate({"at": at, "count": count, **what})


WATCHING = expected(alert="NowWatching")
FAILS = expected(at="12s", alert=FAILED, deployment="shop")
FAILS_AGAIN = expected(at="13s", alert=FAILED, deployment="shop")
RECOVERS = expected(at="20s", alert=FAILED, state="resolved", deployment="shop")
VANISH = expected(at="30s", alert=LOST, count=2)
EXPECTED = [WATCHING, FAILS, FAILS_AGAIN, RECOVERS, VANISH]


@dataclass(frozen=True)
class Row:
    heard: Sequence[Told]
    expected: Sequence[Expectation]
    found: Sequence[str]


@pytest.mark.parametrize(
    "row",
    [
        Row(HEARD, EXPECTED, []),
        Row(HEARD, [*EXPECTED, FAILS], ["missing: 1 × firing DeploymentFailed shop"]),
        Row(HEARD, EXPECTED[1:], ["too much: 1 × firing NowWatching"]),
        Row(HEARD[1:], EXPECTED, ["missing: 1 × firing NowWatching"]),
        Row(HEARD, [*EXPECTED[:-1], expected(alert=LOST, count=3)], ["missing: 1 × firing DeploymentVanished"]),
        Row(HEARD, [*EXPECTED[:-1], expected(alert=LOST, count=1)], ["too much: 1 × firing DeploymentVanished"]),
        Row(
            HEARD,
            [*EXPECTED[:-1], expected(alert=LOST, deployment="two"), expected(alert=LOST, deployment="six")],
            ["missing: 1 × firing DeploymentVanished six", "too much: 1 × firing DeploymentVanished one"],
        ),
        Row(
            [*HEARD[:-1], HEARD[-2]],
            EXPECTED,
            ["2 times: 1 × firing DeploymentVanished one"],
        ),
        Row(
            [HEARD[0]._replace(state="resolved"), *HEARD[1:]],
            EXPECTED,
            ["missing: 1 × firing NowWatching", "too much: 1 × resolved NowWatching"],
        ),
        Row(
            [*HEARD[:2], HEARD[2]._replace(at=12_500), *HEARD[3:]],
            EXPECTED,
            ["told at 12500 ms, caused at 13000 ms: 1 × firing DeploymentFailed shop"],
        ),
    ],
    ids=[
        "all",
        "expected once more",
        "not expected",
        "not told",
        "more of a kind",
        "fewer of a kind",
        "another one",
        "twice the same one",
        "the other state",
        "before its cause",
    ],
)
def test_what_is_not_as_expected_is_named(row: Row) -> None:
    assert differences(row.heard, row.expected) == row.found
