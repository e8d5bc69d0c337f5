"""The daemon as a process: started, killed, stopped, and followed from the outside only."""

import asyncio
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.acceptance import conservation

ROOT = Path(__file__).parents[2]


def environ() -> dict[str, str]:
    """Nothing of the tester's own; above all nothing that keeps Python from reusing what it has compiled."""
    return {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}


@dataclass
class Daemon:
    """`connect-watcher run` on one configuration file. `started` counts how often it was."""

    config: Path
    started: int = 0
    log: bytes = b""
    metrics: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    _reader: asyncio.Task[None] | None = None
    _said: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, failure: object, *_: object) -> None:
        """Whatever becomes of a test, its daemon does not outlive it; what it decided is accounted for."""
        if self.process is not None:
            await self.kill()
        if failure is None and self.started:
            found = conservation.books(conservation.database_of(self.config))
            conservation.verify(found, self.log, self.metrics if self.started == 1 else "")

    async def start(self) -> None:
        self.started += 1
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "watcher", "run", "-c", str(self.config), "--log-level", "info"),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**environ(), **self.environ},
        )
        self._reader = asyncio.create_task(self._read(self.process))

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self.log += line
            self._said.set()

    async def said(self) -> None:
        """Wait for another line of its log."""
        self._said.clear()
        await self._said.wait()

    async def kill(self) -> None:
        """SIGKILL, and the end of the process."""
        await self._signal(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; returns the exit code. What the metrics said before is kept."""
        self.metrics = await conservation.scrape(self.config)
        return await self._signal(signal.SIGTERM)

    async def _signal(self, which: signal.Signals) -> int:
        process, reader = self.process, self._reader
        assert process is not None
        assert reader is not None
        if process.returncode is None:
            process.send_signal(which)
        code = await process.wait()
        await reader
        return code


@dataclass
class Setting:
    """A configuration in the making: projects pointed at a simulator, routes and receivers of their own."""

    url: str
    folder: Path
    poll: str = "1s"
    blind_after: str = "6s"
    extra: str = ""
    projects: list[str] = field(default_factory=list)
    routes: list[str] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)

    def project(
        self, key: str, *, group_by: str = '["project", "deployment"]', wait: str = "0s", pause: str = "0s"
    ) -> None:
        """A project, told to a receiver of its own: `/inbox/KEY`."""
        self.projects.append(f"""
[[projects]]
key = "{key}"
region = "europe-west1.gcp"
client_id = "id-{key}"
client_secret = "canary-secret-of-{key}"
api_url = "{self.url}"
auth_url = "{self.url}"
poll_interval = "{self.poll}"
blind_after = "{self.blind_after}"
""")
        self.routes.append(f"""
[[route.routes]]
matchers = ['project="{key}"']
receiver = "{key}"
group_by = {group_by}
group_wait = "{wait}"
group_interval = "{pause}"
""")
        self.receivers.append(f"""
[[receivers]]
name = "{key}"
webhook = [{{ url = "{self.url}/inbox/{key}" }}]
""")

    def write(self) -> Path:
        path = self.folder / "config.toml"
        path.write_text(
            "\n".join(
                [
                    self.extra,
                    *self.projects,
                    '[route]\nreceiver = "rest"',
                    *self.routes,
                    f'[[receivers]]\nname = "rest"\nwebhook = [{{ url = "{self.url}/inbox/rest" }}]',
                    *self.receivers,
                    '[egress]\nallow = ["127.0.0.0/8"]',
                    f'[store]\nurl = "sqlite:///{self.folder}/state/watcher.db"',
                    f'[web]\nlisten = "127.0.0.1:{free_port()}"',
                ]
            )
        )
        return path


def free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])
