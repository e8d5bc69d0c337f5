"""The demo's own bookkeeping: what it tells and what it counts. That it runs is shown by the command line's tests."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
import pytest

from tests.fakes import FakeClock
from watcher.cli.demo import Narrator, _caused, _compared
from watcher.simulator import Expectation, Message, Simulator, serve

FAILED, RECOVERED = (
    Expectation.model_validate({"at": "0s", "alert": "DeploymentFailed", "deployment": "search", "state": state})
    for state in ("firing", "resolved")
)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with serve(scenario="demo") as made:
        yield made


def arrived(*states: str, kind: str = "webhook", fresh: bool = True) -> list[Message]:
    labels = {"alertname": "DeploymentFailed", "deployment": "search"}
    bodies = [{"data": {"alerts": [{"labels": labels, "status": state, "fresh": fresh}]}} for state in states]
    return [Message(at="", kind=kind, method="POST", path="/", headers={}, body=body) for body in bodies]


async def test_a_change_is_told_before_the_message_about_it_and_each_once(simulator: Simulator) -> None:
    told: list[str] = []
    narrator = Narrator(simulator=simulator, clock=FakeClock(), say=told.append)
    narrator.tell()
    assert told == []
    search = next(each for each in simulator.world.everything() if each.key == "product-search")
    async with aiohttp.ClientSession(simulator.url) as client:
        await client.post("/slack/hook/T0/B0/x", json={"text": "it failed\nmore of it"})
        await client.post("/inbox/team", json={"type": "dev.x", "subject": "product-search"})
    simulator.update(search.id, status="Failed")
    narrator.tell()
    narrator.tell()
    assert [line.split("  ", 2)[2] for line in told] == [
        "product-search  Deployed → Failed",
        "→ Slack  it failed",
        "→ webhook  dev.x  product-search",
    ]
    assert told[0].startswith("  08:00:00  ")
    simulator.delete(search.id)
    narrator.tell()
    assert told[-1].endswith("product-search  Failed → gone")


async def test_only_what_has_been_caused_is_expected(simulator: Simulator) -> None:
    assert [each.alert for each in _caused(simulator)] == ["NowWatching"]
    while simulator.player.step() is not None:
        pass
    assert _caused(simulator) == list(simulator.player.scenario.expect)


@pytest.mark.parametrize(
    ("messages", "counts"),
    [
        (arrived("firing", "resolved") + arrived("firing", "resolved", kind="slack"), (0, 0)),
        (arrived("firing") + arrived("firing", kind="slack"), (1, 0)),
        (arrived("firing", "resolved") + arrived("firing", kind="slack"), (1, 0)),
        (arrived("firing", "firing", "resolved") + arrived("firing", "firing", "resolved", kind="slack"), (0, 1)),
        (arrived("firing", "resolved") + arrived("firing", "resolved", "resolved", kind="slack"), (0, 1)),
        (arrived("firing", "resolved", fresh=False) + arrived("firing", "resolved", kind="slack"), (2, 0)),
        ([], (2, 0)),
    ],
    ids=["all", "one lost", "lost in Slack", "twice", "twice in Slack", "only reminders", "nothing"],
)
def test_what_is_lost_and_what_came_twice_is_counted(messages: Sequence[Any], counts: tuple[int, int]) -> None:
    assert _compared(messages, [FAILED, RECOVERED]) == counts
