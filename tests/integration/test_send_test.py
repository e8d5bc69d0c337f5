"""`send-test` against real servers: what arrives, and what is said of it."""

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web
from click.testing import CliRunner, Result

from tests.loopback import web_server
from watcher.cli import main

CONFIG = """
[[projects]]
key = "my-shop"
region = "europe-west1.gcp"
client_id = "id"
client_secret = "canary-secret"
[route]
receiver = "team"
[[receivers]]
name = "team"
webhook = [{{ url = "{url}/canary-one" }}, {{ url = "{url}/canary-two" }}]
console = [{{}}]
[[receivers]]
name = "rotten"
webhook = [{{ url_file = "{folder}/gone" }}]
[[receivers]]
name = "nobody"
[egress]
allow = ["127.0.0.0/8"]
[store]
url = "sqlite:///{folder}/watcher.db"
"""


class Inbox:
    """Takes messages, or answers with the status of their path."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Any]] = []
        self.statuses: dict[str, int] = {}

    async def answer(self, request: web.Request) -> web.Response:
        self.taken.append((request.path, await request.json()))
        return web.Response(status=self.statuses.get(request.path, 200))


async def send_test(folder: Path, url: str, *arguments: str) -> Result:
    config = folder / "config.toml"
    (folder / "gone").write_text(f"{url}/rotten")
    config.write_text(CONFIG.format(url=url, folder=folder))
    asked = ["send-test", *arguments, "-c", str(config)]
    return await asyncio.to_thread(lambda: CliRunner().invoke(main, asked, catch_exceptions=False))


async def test_every_sink_gets_one_message_that_says_that_it_is_a_test(tmp_path: Path) -> None:
    inbox = Inbox()
    async with web_server(inbox.answer) as url:
        found = await send_test(tmp_path, url, "team")
    assert (found.exit_code, found.stderr) == (0, "")
    line, *said = found.stdout.splitlines()
    assert "this is a test of the receiver team: nothing is wrong" in line
    assert said == ["team/webhook/0: taken", "team/webhook/1: taken", "team/console/0: taken"]
    assert sorted(path for path, _ in inbox.taken) == ["/canary-one", "/canary-two"]
    for _, event in inbox.taken:
        (alert,) = event["data"]["alerts"]
        assert (alert["labels"]["alertname"], alert["labels"]["severity"]) == ("ConnectWatcherTest", "info")
        assert event["id"].startswith("cw_test_")
    assert not (tmp_path / "watcher.db").exists()


async def test_one_that_fails_is_1_and_the_others_are_tried_all_the_same(tmp_path: Path) -> None:
    inbox = Inbox()
    inbox.statuses["/canary-one"] = 403
    async with web_server(inbox.answer) as url:
        found = await send_test(tmp_path, url, "team", "--output", "json")
    assert found.exit_code == 1
    told = json.loads(found.stdout[found.stdout.index("[") :])
    assert [(each["sink"], each["ok"]) for each in told] == [
        ("team/webhook/0", False),
        ("team/webhook/1", True),
        ("team/console/0", True),
    ]
    assert told[0]["error"].endswith("answered with status 403")
    assert "canary" not in found.output


async def test_what_was_opened_is_closed_again_when_asked(tmp_path: Path) -> None:
    inbox = Inbox()
    async with web_server(inbox.answer) as url:
        found = await send_test(tmp_path, url, "team", "--resolve", "--severity", "critical")
    assert found.exit_code == 0
    mine = [event["data"] for path, event in inbox.taken if path == "/canary-one"]
    assert [each["status"] for each in mine] == ["firing", "resolved"]
    assert len({each["alerts"][0]["fingerprint"] for each in mine}) == 1
    assert len({each["groupKey"] for each in mine}) == 1
    assert mine[0]["alerts"][0]["labels"]["severity"] == "critical"


async def test_a_receiver_that_is_not_there_or_has_nobody_is_1(tmp_path: Path) -> None:
    found = await send_test(tmp_path, "http://127.0.0.1:1", "taem")
    assert (found.exit_code, found.stderr) == (1, "Error: no receiver is named taem; there are: team, rotten, nobody\n")
    found = await send_test(tmp_path, "http://127.0.0.1:1", "nobody")
    assert (found.exit_code, found.stdout) == (1, "")
    assert "nobody has no sinks" in found.stderr


async def test_nobody_there_is_said_without_the_url(tmp_path: Path) -> None:
    found = await send_test(tmp_path, "http://127.0.0.1:1", "team")
    assert found.exit_code == 1
    assert found.stderr.splitlines() == [
        f"team/webhook/{each}: 127.0.0.1:1: cannot connect (Connection refused)" for each in (0, 1)
    ]


async def test_a_configuration_that_cannot_be_used_is_78(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("nonsense = 1")
    found = await asyncio.to_thread(
        lambda: CliRunner().invoke(main, ["send-test", "team", "-c", str(config)], catch_exceptions=False)
    )
    assert found.exit_code == 78
