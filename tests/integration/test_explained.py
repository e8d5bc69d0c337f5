"""A failure is told with what its log says: the first decisive line, those around it, whose it is, and when all was well."""

from tests.integration.hearing import READING, Play, watched
from watcher.simulator.scenario import read_scenario

FAILING = """
description = "A deploy fails, and its log says why before anybody has read it."
project = "demo-shop"

[[steps]]
at = "0s"
create = { key = "checkout", connector = "payment-gateway" }

[[steps]]
at = "10m"
plan = { kind = "deploy", key = "checkout", result = "Failed", cause = "the application does not start" }

[[steps]]
at = "10m"
redeploy = { key = "checkout" }

[[steps]]
at = "10m5s"
logs = { key = "checkout", application = "processor", shape = "info", count = 3 }

[[steps]]
at = "10m10s"
logs = { key = "checkout", application = "processor", shape = "stack-trace", count = 1 }

[[steps]]
at = "10m11s"
logs = { key = "checkout", application = "processor", shape = "ansi-error", count = 2, over = "2s" }

[[expect]]
at = "0s"
alert = "NowWatching"
"""


async def failure(play: Play) -> dict[str, str]:
    await play.through()
    alerts = [
        alert
        for message in play.simulator.messages
        if message.kind == "webhook"
        for alert in message.body["data"]["alerts"]
    ]
    return next(each["annotations"] for each in alerts if each["labels"]["alertname"] == "DeploymentFailed")


async def test_a_failure_carries_the_line_that_explains_it() -> None:
    async with watched(read_scenario(FAILING, "failing"), READING) as play:
        found = await failure(play)
    application, _, line = found["first_error"].partition(": ")
    assert application == "processor"
    assert line.startswith("Error: ")
    assert found["last_good"].endswith(" ago")
    report, *lines = found["error"].splitlines()
    assert "does not start" in report
    assert any(each.startswith("> Error: ") for each in lines)
    assert len(lines) > 3


async def test_without_logs_a_failure_is_told_all_the_same() -> None:
    text = READING.replace('source = "poll"', 'source = "off"')
    async with watched(read_scenario(FAILING, "failing"), text) as play:
        found = await failure(play)
    assert "does not start" in found["error"]
    assert "first_error" not in found
