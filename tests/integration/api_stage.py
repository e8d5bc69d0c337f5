"""The API on a real server over a real database, with a few things in it to ask for."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from prometheus_client import CollectorRegistry

from tests.fakes import START, FakeClock, deployment, fake_env
from tests.notifications import alert as view
from tests.notifications import notification
from watcher.core.alert import Alert, AlertState
from watcher.core.delivery import Delivery, DeliveryState, Settlement
from watcher.core.group import Group, Told
from watcher.core.history import begun
from watcher.core.sight import SourceState
from watcher.pipeline.operate import Operator
from watcher.ports import Judgement, Observation, Settled, Store
from watcher.redact import Redactor
from watcher.store import open_store
from watcher.web import Health, Live, serve

SINK, LOST = "team/webhook/0", "gone/webhook/0"
GROUP = '{}:{project="my-shop"}'
CANARY = "canary-secret-of-the-sink"
MINUTE = 60_000


@dataclass
class Stage:
    """The server and what it works with."""

    store: Store
    clock: FakeClock
    token: str = ""
    url: str = ""
    woken: int = 0
    session: aiohttp.ClientSession = field(init=False)

    async def ask(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """One request; the answer's status and JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        sent = {**({"Content-Type": "application/json"} if raw is not None else {}), **(headers or {})}
        async with self.session.request(method, f"{self.url}/api/v1{path}", data=raw, headers=sent) as response:
            text = await response.text()
            assert CANARY not in text
            assert response.headers["Cache-Control"] == "no-store"
            return response.status, json.loads(text)

    async def get(self, path: str) -> Any:
        """What is there, which must be there."""
        status, found = await self.ask("GET", path)
        assert status == 200, found
        return found

    def wake(self) -> None:
        self.woken += 1


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    clock, clean = FakeClock(), Redactor([CANARY]).clean
    store = await open_store(f"sqlite:///{folder}/watcher.db", clock=clock)
    made = Stage(store, clock)
    live = Live(
        store=store,
        operating=Operator(store=store, env=fake_env(clock), changed=made.wake, clean=clean),
        clock=clock,
        sinks=frozenset({SINK}),
        token=lambda: made.token,
        clean=clean,
        replayed=made.wake,
    )
    health = Health(problems=dict, waiting=dict)
    try:
        async with (
            serve(("127.0.0.1", 0), CollectorRegistry(), health, live) as made.url,
            aiohttp.ClientSession() as made.session,
        ):
            yield made
    finally:
        await store.close()


def alert(name: str, **fields: Any) -> Alert:
    labels = {"alertname": name, "project": "my-shop", "severity": "critical", **fields.pop("labels", {})}
    base = Alert(
        key=f"key-{name}",
        fingerprint=f"fp-{name}",
        rule=name,
        project="my-shop",
        subject=name,
        labels=labels,
        annotations={"summary": f"{name} in my-shop"},
        state=AlertState.FIRING,
        since=START - 5 * MINUTE,
        starts_at=START - 4 * MINUTE,
    )
    return replace(base, **fields)


async def with_alerts(store: Store) -> None:
    """Three alerts that stand, and one in a group that has ended and is still to be told."""
    failed = alert("Failed")
    waiting = alert("Waiting", state=AlertState.PENDING, starts_at=0, since=START, labels={"severity": "warning"})
    known = alert("Known", silent=True, starts_at=START - 9 * MINUTE)
    over = alert("Over", state=AlertState.RESOLVED, ends_at=START, starts_at=START - MINUTE)
    group = Group(
        key=GROUP,
        receiver="team",
        route="0",
        labels={"project": "my-shop"},
        created_at=START,
        members={each.key: each for each in (failed, over)},
        told={failed.key: Told(episode=1), over.key: Told(episode=1)},
    )
    await store.commit_judgement(
        Judgement(cursor=0, alerts={each.key: each for each in (failed, waiting, known)}, groups={group.key: group})
    )


async def with_deployments(store: Store) -> None:
    """Three Deployments of two projects, one of which is blind."""
    shop, other = deployment("shop"), deployment("other", "Failed", type="preview")
    third = replace(deployment("third"), project="second")
    runs = [begun(each, START - MINUTE, region="r") for each in (shop, other)]
    await store.commit_observation(
        Observation(source=SourceState(project="my-shop", last_ok=START), upserts=[shop, other])
    )
    blind = SourceState(project="second", blind=True, failures=7, error=f"HTTP 503 {CANARY}")
    await store.commit_observation(Observation(source=blind, upserts=[third]))
    await store.commit_judgement(Judgement(cursor=0, runs={each.key: each for each in runs}))


async def with_dead_letters(store: Store, *names: str, sink: str = SINK) -> None:
    """Messages that were given up."""
    message = notification(view())
    rows = [
        Delivery(
            id=each,
            sink=sink,
            lane=f"{sink}|{GROUP}",
            seq=0,
            notification=msgspec.json.encode(replace(message, id=each)),
            created_at=START,
            observed_at=START,
            severity="critical",
        )
        for each in names
    ]
    await store.commit_judgement(Judgement(cursor=0, deliveries=rows))
    for each in names:
        await store.claim({each: f"body of {each} {CANARY}".encode()}, START)
        dead = Settlement(state=DeliveryState.DEAD, due_at=None)
        error = f"host.example answered with status 400 {CANARY}"
        await store.settle([Settled(delivery_id=each, settlement=dead, error=error)], [], START)
