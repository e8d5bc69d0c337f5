"""A simulated world that a test moves by hand, and a simulation that plays a scenario at once."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from watcher.simulator import ApiError, Simulator
from watcher.simulator.chance import Chance
from watcher.simulator.lifecycle import Durations, Outcome
from watcher.simulator.scenario import read_scenario
from watcher.simulator.state import World
from watcher.simulator.tempo import Tempo

START = 1_700_000_000_000
"""2023-11-14T22:13:20Z."""


@dataclass
class HandClock:
    at: int = START

    def now(self) -> int:
        return self.at

    async def sleep(self, length: int) -> None:
        self.at += length


@dataclass
class LeapingClock:
    """Whoever sleeps is woken at once, later by so much and by `late`."""

    late: int = 0
    at: int = START
    slept: list[int] = field(default_factory=list)

    def now(self) -> int:
        return self.at

    async def sleep(self, length: int) -> None:
        self.slept.append(length)
        self.at += length + self.late


DURATIONS = Durations(
    queued=5, deploying=60, undeploying=30, previewing=40, processing=70, certifying=80, certification=90
)


def world_of(clock: HandClock, seed: int = 7) -> World:
    """A world in which scenario time is the clock's."""
    return World(chance=Chance(seed), clock=clock, tempo=Tempo(clock), durations=DURATIONS)


@dataclass
class Moved:
    """A world and the time in it."""

    world: World
    clock: HandClock

    def wait(self, length: int) -> None:
        self.clock.at += length
        self.world.catch_up()

    def plan(self, kind: str, result: str, key: str = "*", count: int | None = 1, **more: Any) -> None:
        self.world.plan(kind, key, Outcome(result=result, **more), count)

    def deploy(
        self, key: str = "k1", connector: Any = "gift-cards", project: str = "shop", **more: Any
    ) -> dict[str, Any]:
        """A legal Deployment of a Connector, with every application."""
        reference = {"key": connector} if isinstance(connector, str) else connector
        shelf = self.world.draft_by_key if reference.get("staged") else self.world.connector_by_key
        names = [one["applicationName"] for one in shelf(reference["key"]).payload["configurations"]]
        draft = {
            "key": key,
            "connector": reference,
            "region": "europe-west1.gcp",
            "configurations": [{"applicationName": name} for name in names],
            **more,
        }
        return self.world.request_deploy(project, draft).payload

    def redeploy(self, key: str = "k1", project: str = "shop", **action: Any) -> dict[str, Any]:
        version = self.world.by_key(project, key).payload["version"]
        update = {"version": version, "actions": [{"action": "redeploy", **action}]}
        return self.world.request_redeploy(project, ("key", key), update).payload

    def draft(self, key: str = "mine", **more: Any) -> dict[str, Any]:
        """A legal ConnectorStaged."""
        return self.world.request_draft_create({**DRAFT, "key": key, **more}).payload

    def change(self, key: str = "mine", **action: Any) -> dict[str, Any]:
        version = self.world.draft_by_key(key).payload["version"]
        return self.world.request_draft_update(("key", key), {"version": version, "actions": [action]}).payload

    def published(self, key: str = "mine", *, certification: bool = False, **more: Any) -> dict[str, Any]:
        """A legal ConnectorStaged that has been published; its Connector."""
        self.draft(key, **more)
        self.change(key, action="publish", certification=certification)
        self.wait(1000)
        return self.world.connector_by_key(key).payload

    def status(self, key: str = "k1", project: str = "shop") -> str | None:
        return self.world.by_key(project, key).status


DRAFT = {
    "name": "My Connector",
    "creator": {"email": "dev@example.com", "company": "Example"},
    "repository": {"url": "git@github.com:example/mine.git", "tag": "1.0.0"},
}


def staged(text: str, speed: float = 1, clock: LeapingClock | None = None) -> Simulator:
    """A simulation of a scenario that has not begun; what is there at its start is."""
    made = Simulator(scenario=read_scenario(text), speed=speed, clock=clock or LeapingClock())
    made.player.set_stage()
    return made


async def played(text: str, speed: float = 1, clock: LeapingClock | None = None) -> Simulator:
    """A simulation that has played its scenario to the end without a failure."""
    made = staged(text, speed, clock)
    made.play()
    await made.played()
    assert made.player.failures == []
    return made


def status(made: Simulator, key: str = "shop") -> str | None:
    """The status of a Deployment of the demo's project."""
    return made.world.by_key("demo-shop", key).status


def codes(error: pytest.ExceptionInfo[ApiError]) -> list[str]:
    """The codes of a refusal."""
    return [str(one["code"]) for one in error.value.body["errors"]]


def app(name: str = "gift-card-service", standard: str = "", secured: str = "") -> dict[str, Any]:
    """Values for one application, by the names of their keys."""
    return {
        "applicationName": name,
        "standardConfiguration": [{"key": key, "value": "x"} for key in standard.split()],
        "securedConfiguration": [{"key": key, "value": "x"} for key in secured.split()],
    }


def mailing(value: str | None = None, **other: str) -> dict[str, Any]:
    """Global values for the one Connector of the catalogue that has any."""
    keys = {} if value is None else {"MAILING_ACCOUNT": value}
    return {"standardConfiguration": [{"key": key, "value": text} for key, text in {**keys, **other}.items()]}
