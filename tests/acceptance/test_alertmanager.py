"""The real Alertmanager takes what we push: it shows it, tells its own receiver, and hears of the end."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.acceptance.process import Daemon, Setting
from tests.fakes import FakeClock, fake_env
from tests.loopback import free_port
from tests.notifications import MIXED, alert, delivery, notification, notifications, resolved
from tests.peers.alertmanager import CANARY, Running, alertmanager
from watcher.app import SystemClock
from watcher.core.notification import Notification
from watcher.errors import DeliveryError
from watcher.http import Http
from watcher.ports import Sink
from watcher.simulator import Simulator, serve
from watcher.sinks import Wiring
from watcher.sinks.alertmanager import FACT_LASTS, AlertmanagerConfig, ended

PATIENCE = 30.0
MINUTE = 60_000
Shown: TypeAlias = Mapping[str, Any]


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http(allow=(ip_network("127.0.0.0/8"),)) as opened:
        yield opened


def sink(http: Http, *urls: str, at: int = 0, **extra: object) -> Sink:
    clock = FakeClock(at or SystemClock().now())
    wiring = Wiring(http=http, env=fake_env(clock), read=Path.read_text, stream=StringIO())
    return AlertmanagerConfig.model_validate({"urls": urls, **extra}).build("team/alertmanager/0", wiring)


async def push(to: Sink, told: Notification) -> None:
    await to.send(delivery(to.render(told)))


def told(*alerts: Any, at: int) -> Notification:
    """A notification of now, of alerts that began a while ago."""
    return notification(*(replace(each, starts_at=at - 12 * MINUTE) for each in alerts), at=at)


def millis(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


# ── the daemon ───────────────────────────────────────────────────────────────


def setting(simulator: Simulator, folder: Path, url: str) -> Setting:
    made = Setting(simulator.url, folder)
    made.project("shop")
    made.receivers[-1] = f'[[receivers]]\nname = "shop"\nalertmanager = [{{ urls = ["{url}"] }}]\n'
    return made


def heard(simulator: Simulator) -> list[Shown]:
    """What Alertmanager has told its own receiver of the failed Deployment, alert by alert."""
    bodies = (each.body for each in simulator.messages if each.path.endswith("/alertmanager"))
    return failures(each for body in bodies for each in body["alerts"])


def failures(alerts: Iterable[Shown]) -> list[Shown]:
    return [each for each in alerts if each["labels"]["alertname"] == "DeploymentFailed"]


async def wait_for(simulator: Simulator, *statuses: str) -> Sequence[Shown]:
    await simulator.wait_inbox(lambda _: [each["status"] for each in heard(simulator)] == list(statuses), PATIENCE)
    return heard(simulator)


async def test_a_failed_deployment_is_shown_told_on_and_resolved(tmp_path: Path) -> None:
    async with serve() as simulator, alertmanager(tmp_path / "am", f"{simulator.url}/inbox/alertmanager") as peer:
        (made,) = simulator.create("shop", key="payment")
        async with Daemon(setting(simulator, tmp_path, peer.url).write()) as daemon:
            await daemon.start()
            await simulator.wait_requests(lambda found: sum(e.path == "/shop/deployments" for e in found) > 1, PATIENCE)
            simulator.update(made["id"], status="Failed")
            (firing,) = await wait_for(simulator, "firing")
            (shown,) = failures(await peer.alerts())
            simulator.update(made["id"], status="Deployed")
            _, ended = await wait_for(simulator, "firing", "resolved")
            assert await daemon.stop() == 0
        assert failures(await peer.alerts()) == []
    assert shown["labels"].items() >= {"alertname": "DeploymentFailed", "deployment": "payment"}.items()
    assert {"status", "build", "version"}.isdisjoint(shown["labels"])
    assert millis(shown["endsAt"]) - millis(shown["startsAt"]) >= 3 * 60 * MINUTE
    assert ended["fingerprint"] == firing["fingerprint"] == shown["fingerprint"]
    assert ended["annotations"]["summary"].startswith("payment recovered")


# ── the sink ─────────────────────────────────────────────────────────────────


async def test_what_is_pushed_again_lives_longer(http: Http, tmp_path: Path) -> None:
    now = SystemClock().now()
    async with alertmanager(tmp_path) as peer:
        to = sink(http, peer.url, resolve_after="5h")
        await push(to, told(alert(), at=now))
        (first,) = await peer.alerts()
        await push(to, told(alert(), at=now + 60 * MINUTE))
        (again,) = await peer.alerts()
    assert again["fingerprint"] == first["fingerprint"]
    assert millis(first["endsAt"]) == now + 5 * 60 * MINUTE
    assert millis(again["endsAt"]) == now + 6 * 60 * MINUTE


async def test_only_what_has_ended_goes(http: Http, tmp_path: Path) -> None:
    now = SystemClock().now()
    async with alertmanager(tmp_path) as peer:
        to = sink(http, peer.url)
        await push(to, told(alert(deployment="stripe-prod"), alert(deployment="paypal-prod"), at=now))
        await push(to, told(resolved("stripe-prod", ends_at=now - 1), alert(deployment="paypal-prod"), at=now))
        (left,) = await peer.alerts()
    assert left["labels"]["deployment"] == "paypal-prod"


async def test_a_fact_is_shown_for_a_while_however_late_it_is_told(http: Http, tmp_path: Path) -> None:
    now = SystemClock().now()
    async with alertmanager(tmp_path) as peer:
        await push(sink(http, peer.url, at=now), told(alert(fact=True), at=now - 48 * 60 * MINUTE))
        (shown,) = await peer.alerts()
    assert millis(shown["endsAt"]) == now + FACT_LASTS


async def test_one_member_of_a_cluster_that_takes_it_is_enough(http: Http, tmp_path: Path) -> None:
    now = SystemClock().now()
    nobody = f"http://127.0.0.1:{free_port()}"
    async with alertmanager(tmp_path / "one") as one, alertmanager(tmp_path / "other") as other:
        await push(sink(http, one.url, nobody, other.url), told(alert(), at=now))
        assert len(await one.alerts()) == len(await other.alerts()) == 1
    with pytest.raises(DeliveryError):
        await push(sink(http, one.url, other.url), told(alert(), at=now))


async def test_it_lets_itself_in_where_a_password_is_asked_for(http: Http, tmp_path: Path) -> None:
    username, password = CANARY
    async with alertmanager(tmp_path, locked=True) as peer:
        now = SystemClock().now()
        await push(sink(http, peer.url, username=username, password=password), told(alert(), at=now))
        with pytest.raises(DeliveryError, match="status 401"):
            await push(sink(http, peer.url, username=username, password="another"), told(alert(), at=now))
        assert len(await peer.alerts({"authorization": aiohttp.encode_basic_auth(username, password)})) == 1


async def test_it_takes_whatever_a_notification_holds(http: Http, tmp_path: Path) -> None:
    """Every push is taken as it is: none is refused and sent once more without its annotations."""
    async with alertmanager(tmp_path) as peer:
        to, now = sink(http, peer.url), SystemClock().now()
        loop = asyncio.get_running_loop()
        labels = st.dictionaries(st.text(max_size=6), st.text(max_size=4), max_size=4)

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(wild=notifications(), names=labels)
        def every(wild: Notification, names: dict[str, str]) -> None:
            named = replace(wild, alerts=(*wild.alerts, replace(MIXED.alerts[0], labels=names, annotations=names)))
            asyncio.run_coroutine_threadsafe(push_once(peer, ended(to.render(named), now)), loop).result(PATIENCE)

        await asyncio.to_thread(every)


async def push_once(peer: Running, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{peer.url}/api/v2/alerts", data=body, headers=headers) as answer,
    ):
        assert answer.status == 200, (await answer.text(), body)
