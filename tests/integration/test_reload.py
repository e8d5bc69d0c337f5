"""A reload that fails after what ran has ended: it goes on with what it had, as soon as it can, and still knows all of it."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from tests.acceptance.process import Setting
from tests.acceptance.test_running import reload
from tests.acceptance.test_timelines import Stage, heard, summary, told
from watcher import app
from watcher.config import load
from watcher.errors import StoreError
from watcher.metrics import Metrics
from watcher.pipeline.deliver import Deliverer
from watcher.simulator import serve


@pytest.mark.parametrize("failures", [1, 2])
async def test_it_goes_on_with_what_it_had_and_knows_all_of_it(
    failures: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new configuration no longer has a project, of which something fails meanwhile."""
    recover, starts = Deliverer.recover, 0

    async def failing(self: Deliverer) -> None:
        nonlocal starts
        starts += 1
        if 1 < starts <= 1 + failures:
            raise StoreError("no space left")
        await recover(self)

    monkeypatch.setattr(Deliverer, "recover", failing)
    async with serve() as simulator:
        made = Setting(simulator.url, tmp_path)
        stages = [Stage(simulator, key) for key in ("kept", "gone")]
        for each in stages:
            made.project(each.key)
            each.create("shop")
        config = made.write()
        text = config.read_text()
        origin = app.Origin(read=lambda: load(config, os.environ), apply=lambda _loaded, _redactor: None)
        metrics = Metrics(CollectorRegistry(), version="0")
        running = asyncio.create_task(app.run(origin.read(), origin, env=app.system_env(), metrics=metrics))
        for each in stages:
            await heard(each, 0)
        start = text.index('[[projects]]\nkey = "gone"')
        config.write_text(text[:start] + text[text.index("[route]\n") :])
        stages[1].set("shop", "Failed", "b2")
        assert (await reload(config))[0] == 503
        await heard(stages[1], 1)
        assert [summary(each) for each in told(simulator, "gone")] == ["firing NowWatching", "firing DeploymentFailed"]
        os.kill(os.getpid(), signal.SIGTERM)
        assert await running == 0
