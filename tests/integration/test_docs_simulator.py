"""docs/simulator.md is held to what the simulator does."""

import re
from pathlib import Path

import aiohttp
import msgspec
import pytest

from watcher.simulator import serve
from watcher.simulator.faults import Fault
from watcher.simulator.pushing import Pushing, Report
from watcher.simulator.scenario import read_scenario
from watcher.simulator.steps import VERBS

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text("utf-8")
REQUESTS = re.findall(r"```http\n(GET|POST|DELETE) (\S+)\n(.*?)```", PAGE, re.DOTALL)
SCENARIOS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


async def test_every_request_works_in_the_order_shown() -> None:
    assert len(REQUESTS) > 15
    async with serve() as simulator, aiohttp.ClientSession(simulator.url) as client:
        for method, path, body in REQUESTS:
            answer = await client.request(method, path, data=body or None)
            assert answer.status < 300, (method, path, await answer.text())


async def test_the_plan_shown_decides_a_redeploy() -> None:
    """As the page's requests set it up, the next redeploy of `checkout` fails."""
    async with serve() as simulator, aiohttp.ClientSession(simulator.url) as client:
        for method, path, body in REQUESTS:
            if path in {"/_sim/deployments", "/_sim/plan"}:
                await client.request(method, path, data=body)
        found = simulator.world.by_key("my-shop", "checkout")
        update = {"version": found.payload["version"], "actions": [{"action": "redeploy"}]}
        simulator.world.request_redeploy("my-shop", ("key", "checkout"), update)
        simulator.advance(600_000)
        simulator.catch_up()
        assert simulator.world.by_key("my-shop", "checkout").status == "Failed"


@pytest.mark.parametrize("text", SCENARIOS)
def test_every_scenario_can_be_played(text: str) -> None:
    assert read_scenario(text).expect


def test_every_verb_and_every_fault_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE)) | set(re.findall(r'"(\w+)"', PAGE))
    assert set(VERBS) <= named
    assert {field.name for field in msgspec.structs.fields(Fault)} <= named


def test_every_field_of_a_push_and_of_what_comes_of_it_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE)) | {"requests", "retries"}
    assert set(Pushing.model_fields) | set(Report.__struct_fields__) <= named
