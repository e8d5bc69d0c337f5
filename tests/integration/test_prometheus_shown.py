"""What is looked at regularly and shown: how old states are, how large the database is, how well loops do."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from tests.fakes import FakeClock, deployment, fake_env
from watcher import app
from watcher.app import Daemon
from watcher.app.showing import feel, show
from watcher.config import loads
from watcher.core import removal
from watcher.core.event import Event, EventType
from watcher.core.sight import SourceState
from watcher.metrics import Metrics
from watcher.ports import Env, Observation
from watcher.redact import Redactor

PROJECT = "my-shop"
MINUTE = 60_000
CONFIG = """
[[projects]]
key = "my-shop"
region = "europe-west1.gcp"
client_id = "id"
client_secret = "not a secret"
{logs}
[[receivers]]
name = "team"
console = [{{}}]
[route]
receiver = "team"
[store]
url = "sqlite:///{folder}/watcher.db"
"""


@asynccontextmanager
async def daemon(
    folder: Path, env: Env, metrics: Metrics, logs: str = 'logs = { source = "poll" }'
) -> AsyncIterator[Daemon]:
    settings = loads(CONFIG.format(folder=folder, logs=logs), {}).settings
    async with app.daemon(settings, env=env, metrics=metrics, redactor=Redactor(())) as made:
        yield made


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"connect_watcher_{name}", labels)


async def observe(made: Daemon, clock: FakeClock, kind: EventType, **fields: Any) -> None:
    """Something is seen, and judged."""
    found = deployment(**fields)
    state = SourceState(project=PROJECT, since=clock.at, last_ok=clock.at, baselined=True)
    event = Event(type=kind, project=PROJECT, at=clock.at, deployment=found)
    await made.store.commit_observation(Observation(source=state, upserts=[found], events=[event]))
    await made.judge.run_once()


async def test_states_are_as_old_as_the_oldest_and_go_when_nothing_is_in_them(tmp_path: Path) -> None:
    clock, metrics = FakeClock(), Metrics(CollectorRegistry(), version="0")
    async with daemon(tmp_path, fake_env(clock), metrics) as made:
        await observe(made, clock, EventType.CREATED, name="one", status="Deploying")
        clock.at += 10 * MINUTE
        await observe(made, clock, EventType.CREATED, name="two", status="Deploying")
        clock.at += MINUTE
        await show(made, None)
        assert value(metrics, "oldest_in_state_seconds", project=PROJECT, status="Deploying") == 11 * 60
        await observe(made, clock, EventType.STATUS, name="one", status="Failed")
        clock.at += MINUTE
        await show(made, None)
        assert value(metrics, "oldest_in_state_seconds", project=PROJECT, status="Deploying") == 2 * 60
        assert value(metrics, "oldest_in_state_seconds", project=PROJECT, status="Failed") == 60
        await observe(made, clock, EventType.STATUS, name="two", status="Failed")
        await show(made, None)
        assert value(metrics, "oldest_in_state_seconds", project=PROJECT, status="Deploying") is None


async def test_states_are_no_younger_after_a_restart(tmp_path: Path) -> None:
    clock, metrics = FakeClock(), Metrics(CollectorRegistry(), version="0")
    async with daemon(tmp_path, fake_env(clock), metrics) as made:
        await observe(made, clock, EventType.CREATED, status="Failed")
    clock.at += 60 * MINUTE
    metrics = Metrics(CollectorRegistry(), version="0")
    async with daemon(tmp_path, fake_env(clock), metrics) as made:
        await made.judge.run_once()
        await show(made, None)
    assert value(metrics, "oldest_in_state_seconds", project=PROJECT, status="Failed") == 60 * 60


async def test_the_database_and_its_volume_have_a_size(tmp_path: Path) -> None:
    metrics, database = Metrics(CollectorRegistry(), version="0"), tmp_path / "watcher.db"
    async with daemon(tmp_path, fake_env(), metrics) as made:
        await show(made, database)
        on_disk = database.stat().st_size + (tmp_path / "watcher.db-wal").stat().st_size
    assert value(metrics, "store_bytes") == on_disk > 0
    free, volume = value(metrics, "store_free_bytes"), value(metrics, "store_volume_bytes")
    assert free is not None
    assert volume is not None
    assert 0 < free <= volume


async def test_a_volume_that_cannot_be_looked_at_stops_nothing(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry(), version="0")
    async with daemon(tmp_path, fake_env(), metrics) as made:
        await show(made, tmp_path / "gone.db")
    assert value(metrics, "store_bytes") == 0


async def test_the_end_of_the_log_endpoint_is_shown_of_those_who_poll(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry(), version="0")
    name = "log_endpoint_ends_timestamp_seconds"
    async with daemon(tmp_path, fake_env(), metrics):
        assert value(metrics, name, project=PROJECT) == removal.LAST_MIDNIGHT / 1000
    pushed = 'logs = { source = "otlp", key = "a key that is long enough" }'
    async with daemon(tmp_path, fake_env(), metrics, pushed):  # another configuration in the same process
        assert value(metrics, name, project=PROJECT) is None


async def test_loops_and_clocks_are_as_they_are_when_they_are_asked_for(tmp_path: Path) -> None:
    clock, metrics = FakeClock(), Metrics(CollectorRegistry(), version="0")
    async with daemon(tmp_path, fake_env(clock), metrics) as made:
        clock.at += 90_000
        assert value(metrics, "loop_last_success_age_seconds", loop="judge") == 90
        made.judging.well_at = clock.at
        assert value(metrics, "loop_last_success_age_seconds", loop="judge") == 0
        assert value(metrics, "clock_skew_seconds") == 0
        made.skew.hear("api.example.com", {"Date": "Fri, 15 Jan 2027 07:00:00 GMT"})
        off = made.skew.off()
        assert abs(off) > 120_000
        assert value(metrics, "clock_skew_seconds") == off / 1000


async def test_whether_anything_can_be_written_is_shown_with_each_heartbeat(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry(), version="0")
    assert value(metrics, "store_writable") == 1
    async with daemon(tmp_path, fake_env(), metrics) as made:
        await made.heartbeat.round()
        assert value(metrics, "store_writable") == 1
        await made.store.close()
        await made.heartbeat.round()
        assert value(metrics, "store_writable") == 0


class Stopped(Exception):  # noqa: N818  no error
    """Enough was felt."""


class Late(FakeClock):
    """A clock whose sleeps last longer than asked for: each by another second."""

    def __init__(self) -> None:
        super().__init__()
        self.late = 0

    async def sleep(self, length: int) -> None:
        if self.late == 3:
            raise Stopped
        self.at += length + 1_000 * self.late
        self.late += 1


async def test_what_wakes_late_is_felt(tmp_path: Path) -> None:
    clock, metrics = Late(), Metrics(CollectorRegistry(), version="0")
    async with daemon(tmp_path, fake_env(clock), metrics) as made:
        with suppress(Stopped):
            await feel(made)
    counts: Mapping[str, float | None] = {
        each: value(metrics, "event_loop_lag_seconds_bucket", le=each) for each in ("0.005", "1.0", "2.5")
    }
    assert counts == {"0.005": 1, "1.0": 2, "2.5": 3}
    assert value(metrics, "event_loop_lag_seconds_sum") == 3
