"""The real Alertmanager, started for a test."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.peers.debian import program, unpacked

PATIENCE = 20.0
CANARY = ("watcher", "canary-password")
"""Who is let in where only one is, and that password as Alertmanager has it."""
CANARY_HASH = "$2b$05$abcdefghijklmnopqrstuuTvmw3qcMpAvEgQGhbFMhqjD3R/evDDW"
_LISTENING = re.compile(rb"Listening on.* address=127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One that runs, at `url`."""

    url: str
    process: asyncio.subprocess.Process

    async def alerts(self, headers: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """What it shows."""
        async with (
            aiohttp.ClientSession(raise_for_status=True, headers=headers) as session,
            session.get(f"{self.url}/api/v2/alerts") as answer,
        ):
            found: list[dict[str, Any]] = await answer.json()
            return found


@asynccontextmanager
async def alertmanager(folder: Path, hook: str = "", *, locked: bool = False) -> AsyncIterator[Running]:
    """Run one that tells every alert alone and at once, to the webhook at `hook`; `locked` lets in only CANARY."""
    folder.mkdir(exist_ok=True)
    route = {"receiver": "hook", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
    hooks = [{"url": hook, "send_resolved": True}] if hook else []
    config, lock = folder / "alertmanager.yml", folder / "web.yml"
    config.write_text(json.dumps({"route": route, "receivers": [{"name": "hook", "webhook_configs": hooks}]}))
    lock.write_text(json.dumps({"basic_auth_users": {CANARY[0]: CANARY_HASH}} if locked else {}))
    process = await asyncio.create_subprocess_exec(
        program("prometheus-alertmanager"),
        *("--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", f"--config.file={config}"),
        *(f"--storage.path={folder / 'state'}", f"--web.config.file={lock}"),
        cwd=unpacked() if unpacked().exists() else folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    reading: asyncio.Task[None] | None = None
    try:
        port = await asyncio.wait_for(_port(process.stderr), PATIENCE)
        reading = asyncio.create_task(_read(process.stderr))
        yield Running(url=f"http://127.0.0.1:{port}", process=process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if reading is not None:
            await reading


async def _port(said: asyncio.StreamReader) -> int:
    lines = []
    while line := await said.readline():
        lines.append(line)
        if found := _LISTENING.search(line):
            return int(found[1])
    raise AssertionError(f"Alertmanager ended: {b''.join(lines[-3:]).decode()}")


async def _read(said: asyncio.StreamReader) -> None:
    while await said.readline():
        pass
