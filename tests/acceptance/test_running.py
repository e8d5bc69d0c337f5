"""The daemon while it runs: given another configuration in the middle of things, told by signal and over HTTP."""

import asyncio
import json
import random  # noqa: TID251  seeded
import re
import resource
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.otlp_sender import Sender
from tests.acceptance.process import ROOT, Daemon, Setting, environ, free_port
from tests.acceptance.test_logs import BATCH, BATCHES, EVERY, KEY, _requests, stored
from tests.acceptance.test_logs import setting as pushed_setting
from tests.acceptance.test_timelines import Stage, heard, play_all, summary, told, verify
from tests.acceptance.test_timelines import setting as all_rows
from watcher.simulator import Simulator, serve

PATIENCE = 30.0
SEED = 20261124


def address(config: Path) -> str:
    found = re.search(r'\[web\]\nlisten = "(.+)"', config.read_text())
    assert found
    return f"http://{found[1]}"


async def ask(config: Path, path: str, method: str = "GET") -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.request(method, address(config) + path) as answer:
        return answer.status, await answer.json(content_type=None) if path != "/metrics" else await answer.text()


async def reload(config: Path) -> tuple[int, Any]:
    return await ask(config, "/-/reload", "POST")


def events(daemon: Daemon, name: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in daemon.log.splitlines() if line.startswith(b"{")]
    return [each for each in found if each["event"] == name]


async def logged(daemon: Daemon, name: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait until something has been said in the log so often."""
    async with asyncio.timeout(PATIENCE):
        while len(events(daemon, name)) < count:
            await daemon.said()
    return events(daemon, name)


def other(config: Path, number: int) -> None:
    """Make it another configuration."""
    text = config.read_text().partition("# change")[0]
    config.write_text(f'{text}# change\n[log]\nlevel = "{("debug", "info")[number % 2]}"\n')


@pytest.fixture
async def simulator() -> Any:
    async with serve() as made:
        yield made


def shop(simulator: Simulator, folder: Path) -> tuple[Stage, Path]:
    made = Setting(simulator.url, folder)
    made.project("shop")
    stage = Stage(simulator, "shop")
    stage.create("payment")
    return stage, made.write()


# ── another configuration ────────────────────────────────────────────────────


async def test_in_the_middle_of_an_incident_nothing_is_told_twice_and_nothing_is_lost(
    simulator: Simulator, tmp_path: Path
) -> None:
    stage, config = shop(simulator, tmp_path)
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        await stage.go("payment", "Failed", build="b2")
        await heard(stage, 1)
        other(config, 0)
        assert await reload(config) == (200, {"status": "reloaded"})
        assert (await ask(config, "/-/ready"))[0] == 200
        await stage.seen(2)
        other(config, 1)
        stage.set("payment", "Deployed", "b3")
        assert await reload(config) == (200, {"status": "reloaded"})
        await heard(stage, 2)
        await stage.seen()
        assert await daemon.stop() == 0
    assert [summary(each) for each in told(simulator, "shop")] == [
        "firing NowWatching",
        "firing DeploymentFailed",
        "resolved DeploymentFailed",
    ]
    assert len(simulator.messages) == 3
    assert "connect_watcher_config_last_reload_successful 1.0" in daemon.metrics


@pytest.mark.timeout(180)
async def test_reloaded_at_random_moments_every_timeline_is_heard_as_without(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    config: Path
    reloads = 0
    async with serve() as simulator:
        config = all_rows(simulator, tmp_path)
        async with Daemon(config) as daemon:
            playing = asyncio.create_task(play_all(simulator, daemon, []))
            await logged(daemon, "daemon.started")
            while not playing.done():
                await asyncio.wait({playing}, timeout=chance.uniform(0.5, 2.5))
                other(config, reloads)
                assert await reload(config) == (200, {"status": "reloaded"})
                reloads += 1
            await playing
            assert await daemon.stop() == 0
        verify(simulator)
    ids = [message.headers["webhook-id"] for message in simulator.messages]
    assert len(ids) == len(set(ids))
    assert reloads >= 4, f"seed {SEED}"


async def test_a_message_that_is_under_way_arrives_first_and_once(simulator: Simulator, tmp_path: Path) -> None:
    stage, config = shop(simulator, tmp_path)
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        simulator.fault("/inbox/shop", delay=2, count=1)
        stage.set("payment", "Failed", "b2")
        await simulator.wait_requests(lambda found: [e.path for e in found].count("/inbox/shop") > 1, PATIENCE)
        other(config, 0)
        assert await reload(config) == (200, {"status": "reloaded"})
        assert len(told(simulator, "shop")) == 2
        await stage.seen(2)
        assert await daemon.stop() == 0
    assert len(simulator.messages) == 2
    assert not events(daemon, "delivery.recovered")
    assert not events(daemon, "deliveries.interrupted")


async def test_a_project_that_is_added_is_watched_and_one_that_is_removed_is_not(
    simulator: Simulator, tmp_path: Path
) -> None:
    _, config = shop(simulator, tmp_path)
    simulator.create("books", key="search")
    books = Stage(simulator, "books")
    async with Daemon(config) as daemon:
        await daemon.start()
        await logged(daemon, "source.sighted")
        before = config.read_text()
        both = Setting(simulator.url, tmp_path)
        for key in ("shop", "books"):
            both.project(key)
        both.write().write_text(config.read_text().rpartition("[web]")[0] + before[before.rindex("[web]") :])
        assert (await reload(config))[0] == 200
        await heard(books, 0)
        assert 'blind{project="books"' in (await ask(config, "/metrics"))[1]
        config.write_text(before)
        assert (await reload(config))[0] == 200
        assert 'blind{project="books"' not in (await ask(config, "/metrics"))[1]
        assert await daemon.stop() == 0


async def test_one_that_cannot_be_used_leaves_the_old_in_force_and_is_told_once_with_every_problem(
    simulator: Simulator, tmp_path: Path
) -> None:
    stage, config = shop(simulator, tmp_path)
    good = config.read_text()
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        broken = good.replace('client_secret = "canary-secret-of-shop"', 'client_secret_file = "nowhere"')
        config.write_text(broken.replace('region = "europe-west1.gcp"', 'region = "?"') + "\n[nonsense]\n")
        status, answer = await _reload_at(good, config)
        assert (status, answer["status"]) == (400, "refused")
        assert [each.partition(":")[0] for each in answer["problems"]] == [
            "nonsense",
            "projects[0].client_secret_file",
            "projects[0].region",
        ]
        (line,) = events(daemon, "config.refused")
        assert [each["at"] for each in line["problems"]] == [each.partition(":")[0] for each in answer["problems"]]
        assert "<secret>" not in json.dumps(line)
        await stage.go("payment", "Failed", build="b2")
        await heard(stage, 1)
        config.write_text(good)
        assert "connect_watcher_config_last_reload_successful 0.0" in (await ask(config, "/metrics"))[1]
        assert await reload(config) == (200, {"status": "unchanged"})
        assert "connect_watcher_config_last_reload_successful 1.0" in (await ask(config, "/metrics"))[1]
        assert await daemon.stop() == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [('[web]\nlisten = "', '[web]\nlisten = "my..host:1" #'), ('poll_interval = "1s"', 'poll_interval = "9999999d"')],
)
async def test_whatever_stands_in_a_file_what_runs_goes_on(
    simulator: Simulator, tmp_path: Path, before: str, after: str
) -> None:
    stage, config = shop(simulator, tmp_path)
    good = config.read_text()
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        assert before in good
        config.write_text(good.replace(before, after))
        assert (await _reload_at(good, config))[0] == 400
        await stage.go("payment", "Failed", build="b2")
        await heard(stage, 1)
        config.write_text(good)
        assert await daemon.stop() == 0


async def _reload_at(known: str, config: Path) -> tuple[int, Any]:
    """Reload, by the address of a configuration that was good."""
    beside = config.with_name("good.toml")
    beside.write_text(known)
    return await reload(beside)


async def test_a_database_cannot_be_exchanged_and_an_address_that_is_taken_is_refused(
    simulator: Simulator, tmp_path: Path
) -> None:
    stage, config = shop(simulator, tmp_path)
    good = config.read_text()
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        config.write_text(good.replace("watcher.db", "other.db"))
        assert await _reload_at(good, config) == (
            400,
            {
                "status": "refused",
                "problems": ["store.url: takes a restart, as another database knows nothing of what has been told"],
            },
        )
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            config.write_text(good.replace(address(config).rpartition(":")[2], str(port)))
            status, answer = await _reload_at(good, config)
        assert (status, "cannot listen" in answer["problems"][0]) == (400, True)
        assert (await _reload_at(good, config))[0] == 200
        assert (await ask(config, "/-/healthy"))[0] == 200  # at the other address, which is free by now
        config.write_text(good)
        await daemon.stop()


async def test_an_address_that_is_taken_at_the_start_is_no_fault_of_the_configuration(
    simulator: Simulator, tmp_path: Path
) -> None:
    """Who restarts it is to try again: a process that is about to leave may hold the address."""
    _, config = shop(simulator, tmp_path)
    with socket.create_server(("127.0.0.1", int(address(config).rpartition(":")[2]))):
        daemon = Daemon(config)
        await daemon.start()
        assert daemon.process is not None
        assert await daemon.process.wait() == 1
        await daemon.kill()
    assert b"web.listen: cannot listen on" in daemon.log


async def test_a_secret_that_was_rotated_is_taken(simulator: Simulator, tmp_path: Path) -> None:
    stage, config = shop(simulator, tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("canary-secret-of-old")
    secret.chmod(0o600)
    config.write_text(
        config.read_text().replace('client_secret = "canary-secret-of-shop"', f'client_secret_file = "{secret}"')
    )
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        assert await reload(config) == (200, {"status": "unchanged"})
        secret.write_text("canary-secret-of-new")
        assert await reload(config) == (200, {"status": "reloaded"})
        assert b"canary-secret" not in daemon.log
        await stage.seen(2)
        assert await daemon.stop() == 0


async def test_what_was_tried_is_what_runs_though_a_file_has_gone_meanwhile(
    simulator: Simulator, tmp_path: Path
) -> None:
    stage, config = shop(simulator, tmp_path)
    secret, away = tmp_path / "secret", tmp_path / "away"
    secret.write_text("canary-secret-of-shop")
    secret.chmod(0o600)
    config.write_text(
        config.read_text().replace('client_secret = "canary-secret-of-shop"', f'client_secret_file = "{secret}"')
    )
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        asked = await _winding_down(simulator, stage, config)
        secret.rename(away)
        assert await asked == (200, {"status": "reloaded"})
        away.rename(secret)
        await stage.seen(2)
        assert await daemon.stop() == 0


async def _winding_down(simulator: Simulator, stage: Stage, config: Path) -> "asyncio.Task[tuple[int, Any]]":
    """Reload, and wait until what ran before takes in no more while a message of it is under way."""
    simulator.fault("/inbox/shop", delay=4, count=1)
    stage.set("payment", "Failed", "b2")
    await simulator.wait_requests(lambda found: [e.path for e in found].count("/inbox/shop") > 1, PATIENCE)
    other(config, 0)
    asked = asyncio.create_task(reload(config))
    await asyncio.wait({asked}, timeout=1.5)
    assert not asked.done()
    return asked


async def test_while_nothing_can_be_opened_it_waits_for_that_and_says_so(simulator: Simulator, tmp_path: Path) -> None:
    """The volume fills while what ran before winds down."""
    stage, config = shop(simulator, tmp_path)
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        asked = await _winding_down(simulator, stage, config)
        assert daemon.process is not None
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        status, answer = await asked
        assert (status, answer["status"]) == (503, "unable")
        await logged(daemon, "config.stuck")
        assert (await ask(config, "/-/healthy"))[0] == 200
        assert (await ask(config, "/-/ready"))[1]["problems"]["configuration"].startswith("cannot be opened")
        assert (await reload(config))[1]["status"] == "unable"
        assert "connect_watcher_watchdog 0.0" in (await ask(config, "/metrics"))[1]
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        async with asyncio.timeout(PATIENCE):
            while not (events(daemon, "config.kept") or events(daemon, "config.reloaded")):
                await daemon.said()
        assert len(events(daemon, "config.stuck")) == 1
        stage.set("payment", "Deployed", "b3")
        async with asyncio.timeout(PATIENCE):
            while "resolved DeploymentFailed" not in [summary(each) for each in told(simulator, "shop")]:
                await daemon.said()
        assert (await ask(config, "/-/ready"))[0] == 200
        assert await daemon.stop() == 0
        daemon.started = 0  # what could not be written of the message under way is told again, as a possible duplicate


async def test_one_reload_after_the_other_keeps_nobody_from_hearing(simulator: Simulator, tmp_path: Path) -> None:
    """Though each look takes longer than there is between two of them."""
    made = Setting(simulator.url, tmp_path, poll="30s", blind_after="60s")
    made.project("shop")
    stage = Stage(simulator, "shop")
    stage.create("payment")
    config = made.write()
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        simulator.fault("/shop/deployments", delay=2)
        stage.set("payment", "Failed", "b2")
        for number in range(3):
            other(config, number)
            assert await reload(config) == (200, {"status": "reloaded"})
        assert [summary(each) for each in told(simulator, "shop")][1:] == ["firing DeploymentFailed"]
        assert await daemon.stop() == 0


async def test_strangers_and_pages_that_somebody_has_open_may_not_ask(simulator: Simulator, tmp_path: Path) -> None:
    _, config = shop(simulator, tmp_path)
    async with Daemon(config) as daemon:
        await daemon.start()
        await logged(daemon, "daemon.started")
        for headers, status in (
            ({"X-Forwarded-For": "192.0.2.1"}, 403),
            ({"Origin": "https://evil.example"}, 403),
            ({"Host": "evil.example"}, 403),
            ([("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-origin")], 403),
            ({}, 200),
        ):
            async with (
                aiohttp.ClientSession() as session,
                session.post(f"{address(config)}/-/reload", headers=headers) as answer,
            ):
                assert answer.status == status, headers
        assert (await ask(config, "/-/healthy"))[0] == 200
        assert len(events(daemon, "config.unchanged")) == 1
        assert await daemon.stop() == 0


# ── by signal ────────────────────────────────────────────────────────────────


async def test_by_signal_and_many_times_at_once(simulator: Simulator, tmp_path: Path) -> None:
    stage, config = shop(simulator, tmp_path)
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        await logged(daemon, "config.unchanged")
        other(config, 0)
        daemon.process.send_signal(signal.SIGHUP)
        answers = await asyncio.gather(*(reload(config) for _ in range(5)))
        assert {status for status, _ in answers} == {200}
        assert len(events(daemon, "config.reloaded")) == 1
        await stage.seen(2)
        assert await daemon.stop() == 0
    assert len(told(simulator, "shop")) == 1


async def test_who_waits_for_an_answer_when_it_is_stopped_gets_one(simulator: Simulator, tmp_path: Path) -> None:
    stage, config = shop(simulator, tmp_path)
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        simulator.fault("/inbox/shop", delay=3, count=1)
        stage.set("payment", "Failed", "b2")
        await simulator.wait_requests(lambda found: [e.path for e in found].count("/inbox/shop") > 1, PATIENCE)
        other(config, 0)
        asked = asyncio.create_task(reload(config))  # waits for the message that is under way
        await logged(daemon, "config.doubtful", 0)
        await asyncio.wait({asked}, timeout=0.5)
        assert not asked.done()
        assert (await ask(config, "/-/healthy"))[0] == 200
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGTERM)
        assert await asked == (503, {"status": "unable", "problems": ["the daemon is stopping"]})
        assert await daemon.process.wait() == 0


HANGING = """
import asyncio, sys, threading
from pathlib import Path
from prometheus_client import CollectorRegistry
from watcher import app, config
from watcher.metrics import Metrics

def hang():
    print("reading", flush=True)
    threading.Event().wait()

loaded = config.load(Path(sys.argv[1]), {})
origin = app.Origin(read=hang, apply=lambda *_: None)
sys.exit(asyncio.run(app.run(loaded, origin, env=app.system_env(), metrics=Metrics(CollectorRegistry(), version=""))))
"""
"""A daemon whose configuration is on a volume that has come to hang."""


@pytest.mark.parametrize(("signals", "code"), [(1, 0), (2, 128 + signal.SIGTERM)])
async def test_what_hangs_does_not_keep_it_from_ending(
    simulator: Simulator, tmp_path: Path, signals: int, code: int
) -> None:
    stage, config = shop(simulator, tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HANGING, str(config)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environ(),
    )
    try:
        await heard(stage, 0)
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while (await process.stdout.readline()) != b"reading\n":
                pass
        if signals > 1:
            simulator.fault("/inbox/shop", delay=20, count=1)
            stage.set("payment", "Failed", "b2")
            await simulator.wait_requests(lambda found: [e.path for e in found].count("/inbox/shop") > 1, PATIENCE)
        for _ in range(signals):
            process.send_signal(signal.SIGTERM)
            await asyncio.wait({asyncio.create_task(process.wait())}, timeout=1)
        async with asyncio.timeout(10):
            assert await process.wait() == code
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_what_was_in_force_before_is_let_go(simulator: Simulator, tmp_path: Path) -> None:
    """Each configuration takes half a MiB; twenty of them would be seen."""
    stage, config = shop(simulator, tmp_path)
    async with Daemon(config) as daemon:
        await daemon.start()
        await heard(stage, 0)
        assert daemon.process is not None
        sizes = []
        for number in range(26):
            other(config, number)
            assert (await reload(config))[0] == 200
            found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{daemon.process.pid}/status").read_text())
            assert found
            sizes.append(int(found[1]))
        assert sizes[-1] - sizes[5] < 5_000, sizes
        assert await daemon.stop() == 0


# ── logs that are pushed meanwhile ───────────────────────────────────────────


async def test_senders_of_logs_lose_nothing_and_wait_for_a_moment_only(tmp_path: Path) -> None:
    port = free_port()
    async with serve() as simulator:
        (made,) = simulator.create("shop", key="payment")
        config = pushed_setting(simulator, tmp_path, port).write()
        async with Daemon(config) as daemon:
            await daemon.start()
            # each reload waits for the first look, of a second; it must not have sent everything by the last one
            sender = Sender(f"http://127.0.0.1:{port}/v1/logs", {"x-connect-watcher-key": KEY}, pause=0.25)
            await logged(daemon, "source.sighted")
            sending = asyncio.create_task(sender.send_all(_requests(made["id"])))
            longest = await gaps(port, lambda number: _again(config, number), sender)
            await asyncio.wait_for(sending, 60)
            assert await daemon.stop() == 0
            daemon.started = 0  # hits name no Deployment, which its books are kept by; what was kept is counted below
    hits, records, _ = stored(tmp_path)
    assert records == BATCHES * BATCH
    assert set(hits.values()) == {1}
    assert len(hits) == BATCHES * BATCH // EVERY
    print(f"nobody was taken up for {longest * 1000:.0f} ms; {sender.refused} attempts were refused")
    assert longest < 5


async def _again(config: Path, number: int) -> None:
    other(config, number)
    assert (await reload(config))[0] == 200


async def gaps(port: int, again: Callable[[int], Awaitable[None]], sender: Sender) -> float:
    """Reload while somebody connects anew all the time; how long the longest had to wait for an answer. None is refused."""
    longest, done = 0.0, asyncio.Event()

    async def knock() -> None:
        nonlocal longest
        while not done.is_set():
            began = time.perf_counter()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            with suppress(ConnectionResetError):  # cut off before it was heard: as good as not taken up yet
                await reader.read()
            longest = max(longest, time.perf_counter() - began)
            writer.close()

    knocking = asyncio.create_task(knock())
    for number in range(4):
        await sender.advanced(3)
        await again(number)
    done.set()
    await knocking
    return longest


# ── under a service manager ──────────────────────────────────────────────────


async def test_a_service_manager_is_told_of_every_state(simulator: Simulator, tmp_path: Path) -> None:
    stage, config = shop(simulator, tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)

        async def until(wanted: str) -> list[str]:
            found: list[str] = []
            async with asyncio.timeout(PATIENCE):
                while not any(each.startswith(wanted) for each in found):
                    found.append((await asyncio.get_running_loop().sock_recv(manager, 4096)).decode())
            return found

        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        async with Daemon(config, environ=environ) as daemon:
            await daemon.start()
            assert await until("READY=1") == ["READY=1"]
            assert (await ask(config, "/-/healthy"))[0] == 200  # it listens by then
            await until("STATUS=watching 1 project")
            await until("WATCHDOG=1")
            await heard(stage, 0)
            assert daemon.process is not None
            daemon.process.send_signal(signal.SIGHUP)
            before = (await until("RELOADING=1"))[-1]
            assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=[0-9]+", before)
            await until("READY=1")
            daemon.process.send_signal(signal.SIGTERM)
            await until("STOPPING=1")
            assert await daemon.process.wait() == 0
