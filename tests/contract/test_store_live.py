"""What the API and the heartbeat ask of every store."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes import START, FakeClock, deployment, draft
from watcher.core.alert import Alert
from watcher.core.group import Group
from watcher.core.history import begun
from watcher.core.sight import SourceState
from watcher.core.silence import Audit
from watcher.errors import StoreError
from watcher.ports import Judgement, Observation, Store
from watcher.store import open_store

URLS = ("sqlite:///{folder}/store/watcher.db", "sqlite://", *os.environ.get("STORE_URLS", "").split())


@pytest.fixture(params=URLS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(request.param.format(folder=tmp_path), clock=FakeClock())
    yield opened
    await opened.close()


async def test_what_stands_is_read_as_judge_left_it(store: Store) -> None:
    assert await store.load_standing() == replace(await store.load_standing(), alerts=[], groups=[])
    alert = Alert(key="k", fingerprint="f", rule="Failed", project="shop", subject="d", labels={"alertname": "Failed"})
    group = Group(key="g", receiver="team", route="0", labels={}, created_at=START, members={"k": alert})
    await store.commit_judgement(Judgement(cursor=0, alerts={"k": alert}, groups={"g": group}))
    found = await store.load_standing()
    assert (found.alerts, found.groups) == ([alert], [group])


async def test_the_inventory_is_of_deployments_only_and_of_one_project_or_all(store: Store) -> None:
    shop, other = deployment("shop"), replace(deployment("other"), project="second")
    for project, record in (("my-shop", shop), ("second", other)):
        await store.commit_observation(Observation(source=SourceState(project=project), upserts=[record]))
    drafts = SourceState(project="my-shop", source="drafts")
    await store.commit_observation(Observation(source=drafts, upserts=[draft()]))
    run = begun(shop, START, region="r")
    await store.commit_judgement(Judgement(cursor=0, runs={run.key: run}))
    found = await store.load_inventory()
    assert (found.deployments, found.runs) == ([shop, other], [run])
    assert [(each.project, each.source) for each in found.sources] == [
        ("my-shop", "deployments"),
        ("my-shop", "drafts"),
        ("second", "deployments"),
    ]
    assert await store.load_sources() == found.sources
    assert (await store.load_inventory("second")).deployments == [other]


async def test_to_be_alive_is_to_write(store: Store) -> None:
    await store.touch(START)
    await store.touch(START + 1)
    assert (await store.load_ledger()).meta["alive"] == str(START + 1)
    await store.close()
    with pytest.raises(StoreError):
        await store.touch(START)


async def test_what_is_noted_is_in_the_audit(store: Store) -> None:
    noted = Audit(at=START, actor="ann", action="deadletters.replayed", subject="a", detail="1")
    await store.note(noted)
    assert await store.load_audit(9) == [noted]
