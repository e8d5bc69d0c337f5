"""docs/getting-started.md, followed word for word: its blocks are typed in, one after the other, against the simulator."""

import asyncio
import json
import re
import signal
from asyncio.subprocess import PIPE, STDOUT, Process
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.acceptance.process import environ, free_port
from tests.docs.pages import ROOT, TENANT, blocks, lines, section
from watcher.simulator import Simulator, serve

PAGE = ROOT / "docs" / "getting-started.md"
PATIENCE = 40.0
API, CONFIG, CHECK, RUN, PROVOKE, SIMULATOR = (
    "3. The program",
    "4. A configuration",
    "5. Check it",
    "6. Run it",
    "7. Provoke an alert",
    "The same steps without a project",
)
PACES = """
[route]
receiver = "team"
group_wait = "1s"

[web]
listen = "{listen}"
"""
"""What is not on the page: a free port, and waits that a test can wait for."""


def block(heading: str, language: str, at: int = 0) -> str:
    """A block of a section."""
    return [each.text for each in blocks(PAGE, language) if each.text in section(PAGE, heading)][at]


def typed(heading: str) -> list[str]:
    """The commands of a section."""
    found = [each for each in blocks(PAGE, "sh") if each.text in section(PAGE, heading)]
    return [line.text for each in found for line in lines(each)]


class Terminal:
    """What a newcomer has in front of them: a folder, variables, and the page."""

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.simulator = simulator
        self.listen = f"127.0.0.1:{free_port()}"
        self.variables = environ() | {"CONNECT_WATCHER_URL": f"http://{self.listen}"}
        self.variables["PATH"] = f"{ROOT / '.venv' / 'bin'}:{self.variables['PATH']}"

    def here(self, text: str) -> str:
        """The text, with this simulator in it instead of one on its usual port."""
        return text.replace("http://127.0.0.1:8989", self.simulator.url)

    def configure(self) -> None:
        """Save the configuration, with the three things that the page adds for the simulator."""
        whole = re.sub(
            r"^region = .*\n",
            lambda region: region[0] + block(SIMULATOR, "text"),
            block(CONFIG, "toml"),
            flags=re.MULTILINE,
        )
        faster = whole.replace("\nlogs =", '\npoll_interval = "1s"\nlogs =')
        paces = PACES.format(listen=self.listen)
        self.config.write_text(self.here(f"{faster}\n{block(SIMULATOR, 'toml')}\n{paces}"))

    def export(self, heading: str, **own: str) -> None:
        """Type in the `export` lines of a section, with values of one's own."""
        for name, value in re.findall(r'^export (\w+)="(.*)"$', "\n".join(typed(heading)), re.MULTILINE):
            self.variables[name] = own.get(name, self.here(value))

    async def start(self, line: str) -> Process:
        return await asyncio.create_subprocess_exec(
            "sh", "-c", f"exec {line}", cwd=self.folder, env=self.variables, stdout=PIPE, stderr=STDOUT
        )

    async def type(self, line: str) -> str:
        """Type in a command that ends; what it says. It has to succeed."""
        process = await self.start(self.here(line))
        said = (await asyncio.wait_for(process.communicate(), PATIENCE))[0].decode()
        assert process.returncode == 0, f"{line}\n{said}"
        return said

    @asynccontextmanager
    async def typing(self, line: str) -> AsyncIterator[None]:
        """Type in a command that goes on until Ctrl-C, once it says that it listens."""
        process = await self.start(line)
        assert process.stdout
        said = b""
        async with asyncio.timeout(PATIENCE):
            while b"source.sighted" not in said:
                said += (read := await process.stdout.readline())
                assert read, said.decode()
        try:
            yield
        finally:
            reading = asyncio.create_task(process.stdout.read())
            process.send_signal(signal.SIGINT)
            code = await asyncio.wait_for(process.wait(), PATIENCE)
            said += await reading
        assert code == 0, said.decode()

    async def hear(self, words: str) -> None:
        """Wait until the channel hears these words."""
        await self.simulator.wait_inbox(
            lambda inbox: any(words in json.dumps(each.body, ensure_ascii=False) for each in inbox), PATIENCE
        )


async def redeploy(simulator: Simulator, key: str) -> None:
    """What the official CLI does when it is told to redeploy."""
    found = simulator.world.by_key("my-shop", key)
    basic = b64encode(b"id:secret").decode()
    async with aiohttp.ClientSession(simulator.url) as client:
        asked = await client.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {basic}"}
        )
        token = (await asked.json())["access_token"]
        wish = {"version": found.payload["version"], "actions": [{"action": "redeploy"}]}
        answer = await client.post(
            f"/my-shop/deployments/key={key}", json=wish, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status < 300, await answer.text()


async def test_the_first_alert(tmp_path: Path) -> None:
    async with serve(speed=50) as simulator:
        terminal = Terminal(tmp_path, simulator)
        assert "connect-watcher" in await terminal.type(typed(API)[-1])
        _, add, _ = typed(SIMULATOR)
        assert add.startswith("curl ")
        await terminal.type(f"{add} --silent --fail")
        terminal.configure()
        terminal.export(CONFIG, CTP_CLIENT_ID="id", CTP_CLIENT_SECRET="a-secret-of-some-length")
        terminal.export(SIMULATOR)

        check, send = typed(CHECK)
        assert "my-shop (europe-west1.gcp)" in await terminal.type(check)
        assert await terminal.type(send) == block(CHECK, "text")
        await terminal.hear(block(CHECK, "text", 1).strip())

        run, deployments, alerts = typed(RUN)
        now_watching = block(RUN, "text").partition(",")[0]
        async with terminal.typing(run):
            await terminal.hear(now_watching)
            assert "12 deployments of my-shop" in now_watching
            shown = await terminal.type(deployments)
            assert "no alerts" in await terminal.type(alerts)
        key = next(word for word in shown.split() if re.fullmatch(r"[a-z-]+-\d{6}", word))

        terminal.config.write_text(f"{block(PROVOKE, 'toml')}\n{terminal.config.read_text()}")
        async with terminal.typing(run):
            await redeploy(simulator, key)
            await terminal.hear(block(PROVOKE, "text").replace("YOUR-DEPLOYMENT", key).strip())


def test_the_configuration_is_the_smallest_one_with_logs() -> None:
    assert block(CONFIG, "toml").replace('logs = { source = "poll" }\n', "") == TENANT
