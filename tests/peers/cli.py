"""The official CLI as a person runs it: on a terminal, with a home of its own.

The CLI rewrites its credentials in place, so that another that runs at the same time may read half of them. Here each
command therefore has a home to itself, and what it leaves there is the next one's to find.
"""

import asyncio
import fcntl
import json
import os
import re
import struct
import termios
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import aiohttp

from tests.peers import WANTED, node, package

Answer: TypeAlias = tuple[str, str]
"""A question, as a pattern of what shows, and the keys to press."""

PATIENCE = 25.0
"""Seconds until a command counts as stuck; its own waits are of 30 s and more, so it never has waited for one."""

AT_ONCE = 4
"""Commands that run at a time; each is a second of one core."""

ROWS, COLUMNS = 50, 200
CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()][A-Z0-9]|[=>])")
NOISE = re.compile(r"[\s›\u2800-\u28ff]+")
"""Line breaks, the margin of error messages, and the wheel that turns while one waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that has ended: its exit code and what it showed, freed of colours, cursor moves and line breaks."""

    code: int
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cli:
    """The CLI, pointed at the simulator at `url`. `credentials` is what the last command to change them has left."""

    command: tuple[Path | str, ...]
    url: str
    credentials: Path
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def __call__(self, *arguments: str, answers: Sequence[Answer] = ()) -> Ended:
        """Run one command to its end. `answers` are to what it will ask."""
        async with self.turns, terminal() as (ours, theirs), self.home() as home:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                *arguments,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env=self.environ(home),
            )
            os.close(theirs)
            try:
                raw = await followed(ours, list(answers))
                code = await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        return Ended(code=code, shown=NOISE.sub(" ", raw).strip())

    @asynccontextmanager
    async def home(self) -> AsyncIterator[Path]:
        """A home with a copy of the credentials; where a command has changed them there, they are kept."""
        with TemporaryDirectory() as home:
            file = Path(home) / ".commercetools" / "credentials"
            before = contents(self.credentials)
            if before is not None:
                file.parent.mkdir()
                file.write_bytes(before)
            yield Path(home)
            after = contents(file)
            if after is not None and after != before:
                self.credentials.write_bytes(after)

    def environ(self, home: Path) -> dict[str, str]:
        """Nothing of the tester's own: no home, no proxies."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "xterm-256color",
            "TZ": "UTC",
            "SIMULATOR_URL": self.url,
            "CTP_CLI_CONNECT_API_URL": self.url,
        }

    async def sign_in(self, project: str, **credentials: str) -> None:
        """Leave the CLI the credentials it would keep after `auth login`, with a token of the simulator's."""
        client = {"clientId": "cli", "clientSecret": "cli-secret", **credentials}
        granted = await token(self.url, client["clientId"], client["clientSecret"])
        kept = {
            "authentication": "client-credentials",
            **client,
            "projectKey": project,
            "scope": granted["scope"],
            "region": "europe-west1.gcp",
            "accessToken": granted["access_token"],
            "refreshToken": None,
            "issuedAt": 0,
            "expiresAt": 4_102_444_800_000,
        }
        self.credentials.write_text(json.dumps(kept), "utf-8")


def official_cli(url: str, folder: Path) -> Cli:
    """The CLI, where there is one; it keeps its credentials in `folder`."""
    run = package("@commercetools/cli") / "bin" / "run.js"
    return Cli(command=(node(), "--import", WANTED / "preload.mjs", run), url=url, credentials=folder / "credentials")


def contents(file: Path) -> bytes | None:
    """What is in a file, if there is one."""
    return file.read_bytes() if file.exists() else None


async def token(url: str, client: str, secret: str) -> dict[str, str]:
    """A token as any client of the API gets it."""
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.post(
            f"{url}/oauth/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": aiohttp.encode_basic_auth(client, secret)},
        ) as response,
    ):
        granted: dict[str, str] = await response.json()
        return granted


@asynccontextmanager
async def terminal() -> AsyncIterator[tuple[int, int]]:
    """Both ends of a terminal wide enough that nothing is broken into lines; the second is the caller's to close."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    os.set_blocking(ours, False)
    try:
        yield ours, theirs
    finally:
        os.close(ours)


async def followed(terminal: int, answers: list[Answer]) -> str:
    """All that is written to a terminal. A question is answered as soon as it shows after the answer before."""
    loop = asyncio.get_running_loop()
    shown, ended, answered = bytearray(), asyncio.Event(), 0

    def read() -> None:
        nonlocal answered
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # how Linux says that nobody is left at the other end
            part = b""
        shown.extend(part)
        if not part:
            ended.set()
        elif answers and re.search(answers[0][0], plain(shown[answered:]), re.DOTALL):
            answered = len(shown)
            os.write(terminal, answers.pop(0)[1].encode())

    loop.add_reader(terminal, read)
    try:
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
    except TimeoutError:
        raise AssertionError(f"still waiting after {PATIENCE:.0f} s: {plain(shown)}") from None
    finally:
        loop.remove_reader(terminal)
    return plain(shown)


def plain(shown: bytes | bytearray) -> str:
    """What was written, without colours and cursor moves."""
    return CONTROL.sub("", shown.decode("utf-8", "replace"))
