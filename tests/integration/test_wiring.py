"""Which sources a configuration is watched through, and what they may ask one another."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tests.fakes import FakeClock, deployment, fake_env
from tests.world import MINUTE, World
from watcher import app
from watcher.config import loads
from watcher.core.dispatch import SinkRef
from watcher.metrics import Metrics
from watcher.redact import Redactor
from watcher.store import inline, open_store

REST = '[[receivers]]\nname = "team"\nconsole = [{}]\n'


def project(key: str, client: str, more: str = "") -> str:
    return f"""
[[projects]]
key = "{key}"
region = "europe-west1.gcp"
client_id = "{client}"
client_secret = "not a secret"
{more}
"""


async def watched(folder: Path, *projects: str) -> list[tuple[str, str]]:
    """The sources by name and project, in the order of their making."""
    text = "\n".join([*projects, REST, f'[store]\nurl = "sqlite:///{folder}/watcher.db"'])
    metrics = Metrics(CollectorRegistry(), version="0")
    settings = loads(text, {}).settings
    async with app.daemon(settings, env=fake_env(), metrics=metrics, redactor=Redactor(())) as made:
        return [(each.target.name, each.target.project) for each in made.observers]


async def test_drafts_are_read_once_for_each_api_client(tmp_path: Path) -> None:
    found = await watched(tmp_path, project("two", "a"), project("one", "a"), project("other", "b"))
    assert [each for each in found if each[0] == "drafts"] == [("drafts", "one"), ("drafts", "other")]
    assert [each for each in found if each[0] == "connectors"] == [
        ("connectors", "two"),
        ("connectors", "one"),
        ("connectors", "other"),
    ]


async def test_the_order_of_projects_does_not_change_who_reads_drafts(tmp_path: Path) -> None:
    one, two = project("one", "a"), project("two", "a")
    assert set(await watched(tmp_path, one, two)) == set(await watched(tmp_path, two, one))


@pytest.mark.parametrize(
    ("one", "expected"), [("", [("drafts", "one")]), ("connectors = { watch = false }", [("drafts", "two")])]
)
async def test_a_project_that_does_not_watch_connectors_reads_none(
    tmp_path: Path, one: str, expected: Sequence[Any]
) -> None:
    found = await watched(tmp_path, project("one", "a", one), project("two", "a"))
    assert [each for each in found if each[0] == "drafts"] == expected
    assert (("connectors", "one") in found) == (not one)


async def test_what_is_known_can_be_asked_for_in_the_middle_of_a_commit() -> None:
    """And costs nothing of what was counted: a Deployment that is missing is gone as soon as otherwise."""
    store = await open_store("sqlite://", clock=FakeClock(), run=inline)
    try:
        world = World(store)
        world.api.put(deployment(), deployment("other"))
        await world.boot()
        world.crash_points.clear()
        asked: list[int] = []
        commit = store.commit_observation

        async def nosy(observation: Any) -> None:
            asked.append(len(list(await world.observer.records())))
            await commit(observation)
            asked.append(len(list(await world.observer.records())))

        store.commit_observation = nosy  # type: ignore[method-assign]  # the only way to be in the middle
        await world.poll()
        world.api.remove("shop")
        await world.run(3 * world.interval)
    finally:
        await store.close()
    assert asked[:4] == [0, 0, 0, 2]
    assert asked[-1] == 1
    assert world.heard[-1] == "firing DeploymentVanished"


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ('alertmanager = [{ urls = ["https://am.example.com"], resolve_after = "90m" }]', {"refresh": 30 * MINUTE}),
        (f'pagerduty = [{{ routing_key = "{"a" * 32}" }}]', {"acknowledgements": True, "keeps_open": True}),
        ('slack = [{ token = "xoxb-1", channel = "#a" }]', {"acknowledgements": True, "keeps_open": True}),
        ('slack = [{ token = "xoxb-1", channel = "#a", update_message = false }]', {}),
        ("console = [{}]", {}),
    ],
)
async def test_what_a_sink_asks_for_beside_the_news_is_known_to_judging(
    tmp_path: Path, kind: str, known: dict[str, Any]
) -> None:
    receiver = f'[[receivers]]\nname = "team"\n{kind}\n[store]\nurl = "sqlite:///{tmp_path}/watcher.db"'
    settings = loads(project("one", "a") + receiver, {}).settings
    metrics = Metrics(CollectorRegistry(), version="0")
    async with app.daemon(settings, env=fake_env(), metrics=metrics, redactor=Redactor(())) as made:
        await made.judge.run_once()
        (sink,) = made.judge._ledger.dispatch.receivers["team"]  # type: ignore[union-attr]  # loaded by now
    assert sink == SinkRef(id=sink.id, **known)
