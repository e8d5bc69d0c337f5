"""Every question of the dashboards and alerts, asked of a real Prometheus that scrapes a live daemon.

Nothing may be without an answer: so a Deployment fails, a sink is away, a template breaks, strangers push logs, and a draft
is processed. What fires is told to a real Alertmanager.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.acceptance import conservation
from tests.acceptance.process import Daemon, Setting, free_port
from tests.peers.alertmanager import Running as Alertmanager
from tests.peers.alertmanager import alertmanager
from tests.peers.prometheus import Running, prometheus, promtool
from tests.shown import DASHBOARDS, RULES, alerts, board, panels, selectors
from watcher.simulator import Simulator, serve

PATIENCE = 45.0
KEY = "canary-key-of-the-sender"
SINCE = "2m"
"""Longer than the test: whatever has happened counts."""
MORE = """
[heartbeat]
url = "{url}/inbox/heartbeat"
interval = "10s"
[[rules]]
name = "Broken"
on = "deployment"
matchers = ['status="Failed"']
labels = {{ severity = "info" }}
annotations = {{ summary = "{{{{ 1 / (connector | length - connector | length) }}}}" }}
[[rules]]
name = "Seen"
on = "log"
matchers = ['level="ERROR"']
by = ["project"]
labels = {{ severity = "info" }}
annotations = {{ summary = "{{{{ message }}}}" }}
"""


@dataclass(frozen=True, slots=True)
class World:
    """All that runs. `shop` is a Deployment whose logs are polled, `mart` one whose logs are pushed."""

    simulator: Simulator
    config: Path
    otlp: str
    prometheus: Running
    alertmanager: Alertmanager
    shop: str
    mart: str


async def test_every_question_is_answered_and_what_fires_is_told(tmp_path: Path) -> None:
    async with living(tmp_path) as world:
        await until("the first scrape", lambda: has_all(world, ["connect_watcher_deployments"]))
        await happen(world)
        await until("what happened", lambda: seen(world))
        await happen(world)  # what is shown by application begins with its first records, so these are its increase
        await gather_unanswered(world, questions())
        await loaded(world)
        await until("the watchdog", lambda: told(world, "Watchdog"))
        await until("an alert", lambda: told(world, "ConnectWatcherRecordsQuarantined"))
        text = await conservation.scrape(world.config)
    done = promtool("check", "metrics", cwd=tmp_path, told=text)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# ── what is asked ────────────────────────────────────────────────────────────


def questions() -> list[str]:
    """Every query of a panel or an annotation, and all that the alerts read."""
    found = [target["expr"] for path in DASHBOARDS for panel in panels(path) for target in panel["targets"]]
    found += [each["expr"] for path in DASHBOARDS for each in board(path)["annotations"]["list"] if "expr" in each]
    read = [f"last_over_time({each.text}[{SINCE}])" for rule in alerts() for each in selectors(rule["expr"])]
    return list(dict.fromkeys(chosen(each) for each in [*found, *read]))


def chosen(expr: str) -> str:
    """A query as Grafana asks it with everything chosen."""
    expr = expr.replace("$__rate_interval", SINCE).replace("$__range", SINCE)
    return re.sub(r"\$(?:project|sink|job|instance|deployment)\b", ".*", expr)


async def gather_unanswered(world: World, asked: Iterable[str]) -> None:
    """Ask until everything has an answer."""
    left = list(asked)

    async def all_answered() -> bool:
        left[:] = [each for each in left if not has_values(await world.prometheus.query(each))]
        return not left and not await empty_variables(world)

    await until("answers", all_answered, lambda: left)


def has_values(series: Sequence[Any]) -> bool:
    """Whether there is a number in an answer."""
    return any(each["value"][1] != "NaN" for each in series)


async def empty_variables(world: World) -> list[str]:
    """Variables that offer nothing."""
    empty = []
    for query in {each["definition"] for path in DASHBOARDS for each in board(path)["templating"]["list"][1:]}:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
        assert found is not None, query
        if not await world.prometheus.ask(f"label/{found[2]}/values", {"match[]": chosen(found[1])}):
            empty.append(query)
    return empty


async def has_all(world: World, wanted: Iterable[str]) -> bool:
    return all([has_values(await world.prometheus.query(each)) for each in wanted])


async def seen(world: World) -> bool:
    spots = ["shop", "mart"]
    return await has_all(
        world, [f'connect_watcher_application_log_records_total{{project="{each}"}}' for each in spots]
    )


async def loaded(world: World) -> None:
    """Every rule is loaded as it is in the file, and can be evaluated."""
    found = (await world.prometheus.ask("rules", {}))["groups"]
    rules = [rule for group in found for rule in group["rules"]]
    assert {each["name"] for each in rules} == {each["alert"] for each in alerts()}
    assert {(each["health"], each.get("lastError")) for each in rules} == {("ok", None)}


async def told(world: World, name: str) -> bool:
    """Whether Alertmanager has it from Prometheus, with what people need."""
    found = [each for each in await world.alertmanager.alerts() if each["labels"]["alertname"] == name]
    return any(each["annotations"]["runbook_url"].endswith(f"#{name.lower()}") for each in found)


async def until(
    what: str, holds: Callable[[], Awaitable[bool]], shown: Callable[[], object] = lambda: "nothing came of it"
) -> None:
    """Ask until something holds."""
    end = time.monotonic() + PATIENCE  # noqa: TID251  the tester's own clock
    while not await holds():
        assert time.monotonic() < end, (what, shown())  # noqa: TID251  the same
        await asyncio.sleep(0.25)  # noqa: TID251  Prometheus tells nobody when it has scraped


# ── what happens ─────────────────────────────────────────────────────────────


async def happen(world: World) -> None:
    """A Deployment fails while another one goes on, applications write, strangers push."""
    simulator = world.simulator
    simulator.create("shop", status="Failed")
    simulator.log_burst(world.shop, shape="json-error", count=3)
    simulator.log_burst(world.shop, shape="info", count=5)
    await push(
        world, KEY, [record(world.mart, "ERROR"), record(world.mart, "DEFAULT"), "no record, but its deploymentId"]
    )
    await push(world, "another key, which is nobody's", [])


def record(deployment_id: str, severity: str) -> dict[str, Any]:
    fields = {"type": "APPLICATION_TEXT", "deploymentId": deployment_id, "applicationName": "one", "severity": severity}
    return {
        "timeUnixNano": str(time.time_ns()),  # noqa: TID251  the sender's own clock
        "body": {"stringValue": "something was written"},
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in fields.items()],
    }


async def push(world: World, key: str, records: list[Any]) -> None:
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})
    headers = {"content-type": "application/json", "x-connect-watcher-key": key}
    async with aiohttp.ClientSession() as session, session.post(world.otlp, data=body, headers=headers) as answer:
        assert answer.status == (200 if key == KEY else 401), await answer.text()


@asynccontextmanager
async def living(folder: Path) -> AsyncIterator[World]:
    """All of it, started."""
    port = free_port()
    async with serve() as simulator, alertmanager(folder / "alertmanager") as told:
        (shop,) = simulator.create("shop", key="payment")
        (mart,) = simulator.create("mart", key="search")
        simulator.create("shop", key="in-progress", status="Deploying")
        simulator.create_drafts(status="Processing")
        config = setting(simulator, folder, port).write()
        web = re.search(r'\[web\]\nlisten = "([^"]+)"', config.read_text())
        assert web is not None
        async with (
            Daemon(config) as daemon,
            prometheus(folder / "prometheus", web[1], RULES, told.url.removeprefix("http://")) as scraping,
        ):
            await daemon.start()
            yield World(
                simulator=simulator,
                config=config,
                otlp=f"http://127.0.0.1:{port}/v1/logs",
                prometheus=scraping,
                alertmanager=told,
                shop=shop["id"],
                mart=mart["id"],
            )
            assert await daemon.stop() == 0


def setting(simulator: Simulator, folder: Path, port: int) -> Setting:
    """Two projects, one of each way in for logs; what is told of the second goes to nobody who is there."""
    made = Setting(simulator.url, folder, blind_after="30s", extra=MORE.format(url=simulator.url))
    for project in ("shop", "mart"):
        made.project(project)
    made.projects[0] += 'logs = { source = "poll", poll_interval = "5s", max_requests_per_second = 50 }\n'
    made.projects[1] += f'logs = {{ source = "otlp", key = "{KEY}" }}\n'
    made.receivers[1] = f'[[receivers]]\nname = "mart"\nwebhook = [{{ url = "http://127.0.0.1:{free_port()}/" }}]\n'
    made.receivers.append(f'[otlp]\nlisten = "127.0.0.1:{port}"\n')
    return made
