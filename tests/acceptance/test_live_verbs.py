"""The live verbs and the heartbeat, from the outside: a daemon, and processes that ask it."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.acceptance.process import ROOT, Daemon, Setting
from tests.loopback import web_server
from watcher.simulator import serve

PATIENCE = 45


async def verb(url: str, *arguments: str) -> tuple[int, str, str]:
    """A verb as a process: its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "watcher", *arguments, "--url", url),
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE,
        env={"PATH": os.environ["PATH"], "LOGNAME": "ann"},
    )
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def asked(url: str, *arguments: str) -> Any:
    code, out, err = await verb(url, *arguments, "--output", "json")
    assert (code, err) == (0, "")
    return json.loads(out)


class Switch:
    """A dead man's switch: what it was told."""

    def __init__(self) -> None:
        self.pings: list[str] = []
        self.pinged = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.pings.append(f"{request.path} {await request.text()}")
        self.pinged.set()
        return web.Response()


async def silence_and_look(url: str) -> None:
    """Silence what has failed, and look at it in every way."""
    (deployment,) = (await asked(url, "deployments"))["deployments"]
    assert (deployment["key"], deployment["status"]) == ("payment", "Failed")
    silence = await asked(url, "silence", "add", 'deployment="payment"', "--until-deployment", "-c", "known")
    assert silence["author"] == "ann"
    (alert,) = (await asked(url, "alerts", "DeploymentFailed"))["alerts"]
    assert (alert["state"], alert["silencedBy"]) == ("firing", [silence["id"]])
    assert (await asked(url, "deadletter", "list"))["deadLetters"] == []
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/api/v1/audit", headers={"Host": "evil.example"}) as response:
            assert response.status == 403
        async with session.get(f"{url}/api/v1/audit") as response:
            assert [each["actor"] for each in (await response.json())["audit"]] == ["ann"]


async def test_what_a_running_daemon_knows_is_asked_for_and_silenced(tmp_path: Path) -> None:
    switch = Switch()
    async with serve() as simulator, web_server(switch.answer) as heart:
        (made,) = simulator.create("shop", key="payment")
        setting = Setting(simulator.url, tmp_path, blind_after="30s")
        setting.project("shop")
        setting.receivers.append(f'[heartbeat]\nurl = "{heart}/canary"\ninterval = "10s"\n')
        config = setting.write()
        url = f"http://{config.read_text().rpartition('listen = ')[2].strip().strip(chr(34))}"
        code, _, said = await verb(url, "alerts")
        assert (code, said.startswith("no daemon answers: ")) == (1, True)
        async with Daemon(config) as daemon:
            await daemon.start()
            await simulator.wait_inbox(lambda inbox: len(inbox) > 0, PATIENCE)  # now watching
            simulator.update(made["id"], status="Failed")
            await simulator.wait_inbox(lambda inbox: len(inbox) > 1, PATIENCE)
            await silence_and_look(url)
            await asyncio.wait_for(switch.pinged.wait(), PATIENCE)
            assert switch.pings[0] == "/canary "
            assert await daemon.stop() == 0
    assert b"canary" not in daemon.log
