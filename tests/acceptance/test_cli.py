"""The command line from the outside: processes, their output and their exit codes."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.process import ROOT, environ, free_port
from watcher import __version__

PATIENCE = 30.0
STOP_WITHIN = 3.0
COUNTS = ["transitions", "alerts_fired", "alerts_resolved", "delivered", "failed", "pending", "lost", "duplicates"]
DESIGNED = {
    "connect_watcher_polls",
    "connect_watcher_events",
    "connect_watcher_log_records",
    "connect_watcher_alerts",
    "connect_watcher_deliveries",
    "connect_watcher_deliveries_failed",
    "connect_watcher_suppressed",
    "connect_watcher_outbox_rows",
    "connect_watcher_outbox_oldest_age_seconds",
    "connect_watcher_source_blind",
    "connect_watcher_deployments",
    "connect_watcher_change_to_delivered_seconds",
    "connect_watcher_config_last_reload_successful",
}
"""The metrics that dashboards rely on, as families: a counter's `_total` belongs to its series."""
SMALL = """
[[projects]]
key = "my-shop"
region = "europe-west1.gcp"
client_id = "canary-id"
client_secret = "canary-secret"
poll_interval = "1s"
blind_after = "2s"
api_url = "http://127.0.0.1:{dead}"
auth_url = "http://127.0.0.1:{dead}"
[[receivers]]
name = "team"
slack = [{{ url = "https://slack.example/canary-url" }}]
[store]
url = "sqlite:///{folder}/watcher.db"
[web]
listen = "127.0.0.1:{port}"
"""


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration that can be used, of a project whose API is not there."""
    path = tmp_path / "config.toml"
    path.write_text(SMALL.format(dead=free_port(), port=free_port(), folder=tmp_path))
    return path


async def start(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "watcher", *arguments), cwd=ROOT, stdout=PIPE, stderr=PIPE, env=environ()
    )


async def end(*arguments: str) -> Ended:
    """The program run to its end."""
    process = await start(*arguments)
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Process]:
    """The program for as long as a test looks at it; nothing of it outlives the test."""
    process = await start(*arguments)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(stream: asyncio.StreamReader | None, words: str) -> str:
    """The next line that holds the words."""
    assert stream is not None
    async with asyncio.timeout(PATIENCE):
        while (found := (await stream.readline()).decode()) and words not in found:
            pass
    assert found, f"it ended without saying {words!r}"
    return found


async def stopped(process: Process) -> int:
    """The exit code after SIGTERM, which has to come in time."""
    process.send_signal(signal.SIGTERM)
    return await asyncio.wait_for(process.wait(), STOP_WITHIN)


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


# ── what only looks ──────────────────────────────────────────────────────────


async def test_the_version() -> None:
    assert await end("--version") == Ended(0, f"connect-watcher, version {__version__}\n", "")


async def test_a_good_configuration(config: Path) -> None:
    ended = await end("check-config", "-c", str(config))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"{config} can be used\n")
    assert "canary" not in ended.out


BAD = [
    ("[[projects]]", "[[projects]", "line 2, "),
    ("region =", "regoin =", 'projects[0].regoin: unknown key; did you mean "region"?'),
    ('client_secret = "canary-secret"', 'client_secret_file = "none"', "projects[0].client_secret_file: "),
    ('"canary-secret"', "[1]", "projects[0].client_secret: "),
    ("https://slack.example/canary-url", "canary-url", "receivers[0].slack[0].url: "),
]


@pytest.mark.parametrize(
    ("old", "new", "told"), BAD, ids=["syntax", "unknown key", "secret file", "wrong type", "secret"]
)
async def test_a_bad_configuration_is_78_and_says_where(config: Path, old: str, new: str, told: str) -> None:
    config.write_text(config.read_text().replace(old, new, 1))
    ended = await end("check-config", "-c", str(config))
    assert (ended.code, ended.out) == (78, "")
    assert any(each.startswith(told) for each in ended.err.splitlines()), ended.err
    assert "canary" not in ended.err


async def test_the_daemon_does_not_start_on_a_bad_configuration(config: Path) -> None:
    config.write_text(config.read_text().replace("region =", "regoin ="))
    ended = await end("run", "-c", str(config))
    assert (ended.code, ended.out) == (78, "")
    assert ended.err == (await end("check-config", "-c", str(config))).err
    assert not (config.parent / "watcher.db").exists()


async def test_every_problem_is_told_at_once(config: Path) -> None:
    text = config.read_text()
    for old, new, _ in BAD[1:3]:
        text = text.replace(old, new, 1)
    config.write_text(text.replace('"1s"', '"0s"'))
    ended = await end("check-config", "-c", str(config), "--output", "json")
    assert ended.code == 78
    assert [each.partition(":")[0] for each in json.loads(ended.out)["problems"]] == [
        "projects[0].client_secret_file",
        "projects[0].poll_interval",
        "projects[0].region",
        "projects[0].regoin",
    ]


async def test_the_schema_is_one_json_object_for_editors() -> None:
    ended = await end("schema")
    assert (ended.code, ended.err) == (0, "")
    schema = json.loads(ended.out)
    assert schema["required"] == ["projects", "receivers"]
    assert {"slack", "webhook", "console"} <= set(schema["$defs"]["Receiver"]["properties"])


async def test_a_database_is_made_and_found_sound(config: Path) -> None:
    assert (await end("db", "upgrade", "-c", str(config))).code == 0
    ended = await end("db", "check", "-c", str(config), "--output", "json")
    assert ended.code == 0
    assert json.loads(ended.out)["problems"] == []


# ── what runs ────────────────────────────────────────────────────────────────


async def test_a_demo_cut_short_still_accounts_for_everything_it_has_caused() -> None:
    ended = await end("demo", "--for", "12s", "--output", "json")
    assert (ended.code, ended.err) == (0, "")
    (only,) = ended.out.splitlines()
    account = json.loads(only)
    assert list(account) == COUNTS
    assert (account["lost"], account["pending"], account["failed"], account["duplicates"]) == (0, 0, 0, 0)
    assert account["transitions"] > 1
    assert account["alerts_fired"] > 1
    assert account["delivered"] == 2 * (account["alerts_fired"] + account["alerts_resolved"])


async def test_the_simulator_says_where_it_is_answers_and_ends_when_asked() -> None:
    async with running("simulate", "--listen", "127.0.0.1:0", "--scenario", "demo") as process:
        said = await line(process.stdout, "listening on ")
        url = said.removeprefix("listening on ").strip()
        status, text = await get(f"{url}/_sim/state")
        assert status == 200
        assert "product-search" in text
        assert await stopped(process) == 0


async def test_the_daemon_outlives_an_api_that_is_not_there(config: Path) -> None:
    async with running("run", "-c", str(config)) as process:
        address = json.loads(await line(process.stderr, '"daemon.started"'))["address"]
        failed = await line(process.stderr, '"poll.failed"')
        assert "canary" not in failed
        assert (await get(f"{address}/-/healthy"))[0] == 200
        assert (await get(f"{address}/-/ready"))[0] == 200
        status, text = await get(f"{address}/metrics")
        assert status == 200
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert families.keys() >= DESIGNED
        assert sum(sample.value for sample in families["connect_watcher_polls"].samples) >= 1
        await line(process.stderr, '"source.blind"')
        assert (await get(f"{address}/-/healthy"))[0] == 200
        assert await stopped(process) == 0


async def test_a_second_daemon_on_the_same_database_is_refused(config: Path) -> None:
    async with running("run", "-c", str(config)) as process:
        await line(process.stderr, '"daemon.started"')
        ended = await end("run", "-c", str(config))
        assert (ended.code, ended.out) == (1, "")
        assert f"another connect-watcher holds {config.parent}/watcher.db (pid {process.pid})" in ended.err
        assert "Traceback" not in ended.err
        assert await stopped(process) == 0
