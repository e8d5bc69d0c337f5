"""What the machine does not give: room, a volume to write to, the right user, the right time, a file that can be read.

The daemon is a process, and the volume a real one: a small file system in a mount namespace of its own, where the kernel
lets us have one, and a limit on the size of files, which any process can be given, everywhere.
"""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from email.utils import formatdate
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.process import ROOT, Daemon, Setting, environ, free_port
from tests.acceptance.test_timelines import Stage, heard
from tests.fakes import FakeClock
from tests.peers import need
from watcher.app.surroundings import HEARD_FOR, OFF, Skew
from watcher.simulator import Simulator, serve

NOBODY = 65_532
KEY = "canary-key-of-the-sender"
PATIENCE = 30.0
SMALL = 'client_id = "id"\nclient_secret = "canary-secret"'
HOUR = 3_600_000


@cache
def _own_mounts() -> tuple[str, ...] | None:
    """How to get a mount namespace of one's own here: as root, or else as root of a user namespace."""
    for command in (("unshare", "-m"), ("unshare", "-rm")):
        with suppress(OSError):
            if not subprocess.run(
                [*command, "mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True, check=False
            ).returncode:
                return command
    return None


def on_volume(folder: Path, options: str) -> list[str]:
    """A command that runs what follows it with a volume of its own mounted on a folder."""
    folder.mkdir(exist_ok=True)
    own = need("a mount namespace", _own_mounts(), "run as root, or where users may have namespaces")
    return [*own, "sh", "-c", f'mount -t tmpfs -o {options} volume "{folder}" && exec "$@"', "sh"]


class OnVolume(Daemon):
    """The daemon behind a command that prepares its surroundings. What it leaves behind is gone with them."""

    command: Sequence[str] = ()

    async def __aexit__(self, failure: object, *_: object) -> None:
        if self.process is not None:
            await self.kill()

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(*self.command, sys.executable, "-m", "watcher", "run", "-c", str(self.config), "--log-level", "info"),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=environ(),
        )
        self._reader = asyncio.create_task(self._read(self.process))

    def seen(self, folder: Path) -> Path:
        """A folder as the daemon sees it."""
        assert self.process is not None
        return Path(f"/proc/{self.process.pid}/root{folder}")

    def events(self, name: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log.splitlines() if line.startswith(b"{")]
        return [each for each in found if each["event"] == name]

    async def logged(self, name: str) -> list[dict[str, Any]]:
        async with asyncio.timeout(PATIENCE):
            while not self.events(name):
                await self.said()
        return self.events(name)


class Full:
    """A volume that can be filled and emptied."""

    def __init__(self, daemon: OnVolume, folder: Path) -> None:
        self.daemon = daemon
        self.ballast = folder / "ballast"
        self.prepare(folder)

    def prepare(self, folder: Path) -> None:
        self.daemon.command = on_volume(folder, "size=2m")

    def fill(self) -> None:
        with suppress(OSError), self.daemon.seen(self.ballast).open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)

    def empty(self) -> None:
        self.daemon.seen(self.ballast).unlink()


class Limited(Full):
    """The same by a limit on the size of files: what lies beyond it cannot be written."""

    def prepare(self, folder: Path) -> None:
        pass

    def fill(self) -> None:
        assert self.daemon.process is not None
        resource.prlimit(self.daemon.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def empty(self) -> None:
        assert self.daemon.process is not None
        resource.prlimit(
            self.daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with serve() as made:
        yield made


def setting(simulator: Simulator, folder: Path) -> tuple[Path, str, str]:
    """A configuration whose logs are pushed, and the addresses of its two listeners."""
    made, port = Setting(simulator.url, folder, blind_after="60s"), free_port()
    made.project("shop")
    made.projects[-1] += f'logs = {{ source = "otlp", key = "{KEY}" }}\n'
    made.receivers.append(f'[otlp]\nlisten = "127.0.0.1:{port}"\n')
    config = made.write()
    web = config.read_text().rpartition('listen = "')[2].rstrip('"\n')
    return config, f"http://{web}", f"http://127.0.0.1:{port}/v1/logs"


async def get(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json()


async def push(url: str, deployment: str, text: str) -> tuple[int, str]:
    record = {"timeUnixNano": "0", "observedTimeUnixNano": "0", "severityText": "ERROR", "body": {"stringValue": text}}
    attributes = [{"key": "deployment_id", "value": {"stringValue": deployment}}]
    body = {"resourceLogs": [{"resource": {"attributes": attributes}, "scopeLogs": [{"logRecords": [record]}]}]}
    headers = {"x-connect-watcher-key": KEY}
    async with aiohttp.ClientSession() as session, session.post(url, json=body, headers=headers) as answer:
        return answer.status, answer.headers.get("Retry-After", "")


# ── while it runs ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "says"), [(Full, "the disk is full: free some space"), (Limited, "the disk fails to read or write")]
)
async def test_a_volume_that_takes_nothing_is_told_and_loses_nothing_and_is_used_again_once_it_can_be(
    kind: type[Full], says: str, simulator: Simulator, tmp_path: Path
) -> None:
    config, web, otlp = setting(simulator, tmp_path)
    stage = Stage(simulator, "shop")
    stage.create("payment")
    async with OnVolume(config) as daemon:
        volume = kind(daemon, tmp_path / "state")
        await daemon.start()
        await heard(stage, 0)
        assert (await push(otlp, stage.ids["payment"], "before"))[0] == 200
        volume.fill()
        stage.set("payment", "Failed", "b2")
        (line,) = await daemon.logged("surroundings.lacking")
        assert line["what"] == "database"
        assert says in line["problem"]
        await stage.seen(3)
        status, ready = await get(f"{web}/-/ready")
        assert (status, says in ready["problems"]["database"]) == (503, True)
        assert await get(f"{web}/-/healthy") == (200, {"status": "ok"})
        status, again = await push(otlp, stage.ids["payment"], "meanwhile")
        assert (status, bool(again)) == (503, True)
        assert len(simulator.messages) == 1
        volume.empty()
        await heard(stage, 1)
        await daemon.logged("surroundings.mended")
        assert (await get(f"{web}/-/ready"))[0] == 200
        assert (await push(otlp, stage.ids["payment"], "afterwards"))[0] == 200
        assert await daemon._signal(signal.SIGTERM) == 0
    assert len(daemon.events("surroundings.lacking")) == 1
    assert b"Traceback" not in daemon.log
    assert len(simulator.messages) == 2  # the one that was due meanwhile came, once


async def test_a_clock_that_is_off_is_told_and_keeps_nothing_from_running(simulator: Simulator, tmp_path: Path) -> None:
    config, web, _ = setting(simulator, tmp_path)
    stage = Stage(simulator, "shop")
    stage.create("payment")
    simulator.advance(5 * HOUR)
    async with OnVolume(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        (line,) = await daemon.logged("surroundings.lacking")
        assert line["what"] == "clock"
        status, ready = await get(f"{web}/-/ready")
        assert (status, ready["status"]) == (200, "ok")
        assert ready["warnings"]["clock"].startswith(("4h59m", "5h"))
        assert ready["warnings"]["clock"].endswith(" behind the API's: set it")
        await stage.go("payment", "Failed", build="b2")
        await heard(stage, 1)
        assert len(daemon.events("surroundings.lacking")) == 1


# ── the clock ────────────────────────────────────────────────────────────────


def dated(at: int, **more: str) -> dict[str, str]:
    return {"Date": formatdate(at / 1000, usegmt=True), **more}


def test_a_clock_is_off_only_where_every_host_says_so() -> None:
    clock = FakeClock()
    skew = Skew(clock)
    assert skew.doubts() == {}
    skew.hear("auth", dated(clock.at - HOUR))
    assert "1h ahead of the API's" in skew.doubts()["clock"]
    skew.hear("api", dated(clock.at - 2 * HOUR))
    assert skew.off() == HOUR
    skew.hear("api", dated(clock.at))
    assert skew.off() == 0
    skew.hear("api", dated(clock.at + HOUR))
    assert skew.off() == 0
    skew.hear("auth", dated(clock.at + HOUR))
    assert skew.off() == -HOUR


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, dated(0, Age="60"), {"Date": ""}])
def test_what_says_nothing_of_the_time_is_not_listened_to(headers: dict[str, str]) -> None:
    skew = Skew(FakeClock())
    skew.hear("api", headers)
    assert skew.off() == 0


def test_a_small_difference_is_none_and_what_was_heard_long_ago_does_not_count() -> None:
    clock = FakeClock()
    skew = Skew(clock)
    skew.hear("api", dated(clock.at - OFF))
    assert skew.off() == 0
    skew.hear("api", dated(clock.at - OFF - 2_000))
    assert skew.off() > OFF
    clock.at += HEARD_FOR + 1
    assert skew.off() == 0


# ── at the start ─────────────────────────────────────────────────────────────

AS_SOMEBODY = """
import encodings.idna, encodings.utf_8_sig, os, sys  # what is imported late may be out of reach by then
import watcher.cli.run
from watcher.cli import main
from watcher.config import loads
loads(sys.argv.pop(1), {})
if os.geteuid() == 0:
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
main(sys.argv[2:])
"""


def started(*command: str, config: Path) -> tuple[int, str]:
    """Start the daemon where it cannot run; its exit code, and the one line that it says."""
    program = command or (sys.executable, "-c", AS_SOMEBODY, text(config.parent), str(NOBODY))
    arguments = [*program, *(("-m", "watcher") if command else ()), "run", "-c", str(config)]
    done = subprocess.run(arguments, cwd=ROOT, env=environ(), capture_output=True, text=True, check=False, timeout=60)
    assert len(done.stderr.splitlines()) == 1, done.stderr[-1500:]
    return done.returncode, done.stderr.rstrip("\n")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that somebody else may enter, which those of tests are not for."""
    with tempfile.TemporaryDirectory() as made:
        path = Path(made)
        path.chmod(0o755)
        yield path


def written(folder: Path, secret: str = SMALL) -> Path:
    config = folder / "config.toml"
    config.write_text(text(folder, secret))
    config.chmod(0o644)
    return config


def text(folder: Path, secret: str = SMALL) -> str:
    return f"""
[[projects]]
key = "shop"
region = "europe-west1.gcp"
{secret}
[[receivers]]
name = "team"
console = [{{}}]
[store]
url = "sqlite:///{folder}/state/watcher.db"
[web]
listen = "127.0.0.1:0"
"""


def test_a_folder_of_somebody_else_is_refused_with_what_to_do(folder: Path) -> None:
    config, state = written(folder), folder / "state"
    state.mkdir(mode=0o500)
    code, line = started(config=config)
    assert (code, line) == (
        1,
        f"{state}/watcher.db.lock: permission denied: make {state} writable for uid {os.geteuid() or NOBODY}",
    )


def test_a_database_of_somebody_else_is_refused_with_what_to_do(folder: Path) -> None:
    config, state = written(folder), folder / "state"
    state.mkdir()
    (state / "watcher.db").write_bytes(b"x")
    (state / "watcher.db").chmod(0)
    state.chmod(0o777)
    code, line = started(config=config)
    assert code == 1
    assert f"{state}/watcher.db: belongs to uid {os.geteuid()} and is not readable and writable" in line


def test_a_configuration_that_may_not_be_read_is_refused_with_what_to_do(folder: Path) -> None:
    config = written(folder)
    config.chmod(0)
    uid = os.geteuid() or NOBODY
    assert started(config=config) == (78, f"{config}: Permission denied: make it readable for uid {uid}")


def test_a_configuration_that_is_not_there_is_refused(folder: Path) -> None:
    config = folder / "config.toml"
    assert started(config=config) == (78, f"{config}: No such file or directory")


@pytest.mark.parametrize(
    ("mode", "says"), [(None, "No such file or directory"), (0, "Permission denied: make it readable")]
)
def test_a_secret_that_cannot_be_read_is_refused_with_its_path(folder: Path, mode: int | None, says: str) -> None:
    secret = folder / "secret"
    config = written(folder, f'client_id = "id"\nclient_secret_file = "{secret}"')
    if mode is not None:
        secret.write_text("canary-secret")
        secret.chmod(mode)
    code, line = started(config=config)
    assert code == 78
    assert line.startswith(f"projects[0].client_secret_file: {secret}: {says}")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("ro", "read-only file system: mount it to be written to"),
        ("size=4k,nr_inodes=1", "no space left on device: free some space"),
        ("size=16k", "the disk is full: free some space"),
    ],
)
def test_a_volume_that_cannot_be_written_is_refused_with_what_to_do(folder: Path, options: str, says: str) -> None:
    config = written(folder)
    code, line = started(*on_volume(folder / "state", options), sys.executable, config=config)
    assert code == 1
    assert line.startswith(f"{folder}/state/watcher.db")
    assert says in line
