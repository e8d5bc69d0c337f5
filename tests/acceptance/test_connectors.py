"""Connectors for real: the daemon as a process, the simulator as Connect, messages counted in its inbox.

Two projects whose API clients both see the same drafts, a published Connector that moves on, and a third project whose
client may read Deployments only.
"""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from tests.acceptance.process import Daemon, Setting
from tests.acceptance.test_timelines import PATIENCE, summary, told
from watcher.simulator import Simulator, serve

ROWS: dict[str, tuple[dict[str, Any], ...]] = {
    "published": ({"status": "Processing"}, {"status": "Published", "alreadyListed": True}),
    "failed": ({"status": "Processing"}, {"status": "Failed"}),
    "previewable": ({"isPreviewable": "pending"}, {"isPreviewable": "true"}),
    "refused": ({"isPreviewable": "pending"}, {"isPreviewable": "false"}),
    "cancelled": ({"isPreviewable": "pending"}, {"isPreviewable": "none"}),
    "skipped": (
        {"status": "Processing"},
        {
            "status": "ReadyForCertification",
            "publishingReport": {
                "entries": [
                    {
                        "type": "Error",
                        "title": "Image security analysis check skipped",
                        "message": None,
                        "createdAt": "2026-11-24T10:00:00.822Z",
                    }
                ]
            },
        },
    ),
    "commented": (
        {"status": "InCertification"},
        {
            "certificationInfo": {
                "comments": [{"userId": "someone", "datetime": "2026-11-24T10:00:00.000Z", "comment": "Add a README."}]
            }
        },
    ),
}
HEARD = Counter(
    {
        "firing ConnectorPublishFailed": 1,
        "firing PreviewRefused": 1,
        "firing PreviewCancelled": 1,
        "firing CertificationComment": 1,
    }
)
DRIFT = """
[[rules]]
name = "DeploymentDrift"
on = "connector"
matchers = ['kind="published"', 'behind!="0"']
resolve = ['behind="0"']
labels = { severity = "info" }
annotations = { summary = "{{ behind }} behind {{ connector }}: {{ deployments }}" }
"""


def fingerprints(simulator: Simulator, key: str) -> Counter[str]:
    """What the receiver of a project was told alert by alert, however the messages were put together."""
    found: Counter[str] = Counter()
    for message in told(simulator, key):
        found.update(f"{each['status']} {each['labels']['alertname']}" for each in message["alerts"] if each["fresh"])
    return found


async def polled(simulator: Simulator, path: str, times: int = 3) -> None:
    """Wait for that many more polls of a path: what was so before the first of them has been committed."""
    before = sum(entry.path == path for entry in simulator.requests)
    await simulator.wait_requests(lambda found: sum(e.path == path for e in found) >= before + times, PATIENCE)


def setting(simulator: Simulator, folder: Path) -> Path:
    made = Setting(simulator.url, folder, extra=DRIFT)
    for key in ("one", "two"):
        made.project(key)
        made.projects[-1] += 'connectors = { drift_interval = "1s" }\n'
    made.project("three")
    return made.write()


async def play(simulator: Simulator, drafts: dict[str, Any]) -> None:
    steps = max(map(len, ROWS.values()))
    for step in range(steps):
        for name, changes in ROWS.items():
            simulator.update_draft(drafts[name], **changes[step])
        await polled(simulator, "/connectors/drafts", 6)


async def test_what_happens_to_connectors_is_heard_once(tmp_path: Path) -> None:
    async with serve() as simulator, Daemon(setting(simulator, tmp_path)) as daemon:
        simulator.create("one", key="tax", connector="tax-calculation")
        simulator.create(["two", "three"], count=2)
        drafts = {name: simulator.create_drafts(key=name)[0]["id"] for name in ROWS}
        await daemon.start()
        await polled(simulator, "/connectors/drafts", 6)
        await play(simulator, drafts)
        published = next(each for each in simulator.world.connectors().values() if each.key == "tax-calculation")
        version = published.payload["version"]
        simulator.update_connector(published.id, version=version + 1)
        await simulator.wait_inbox(lambda _: fingerprints(simulator, "one")["firing DeploymentDrift"] == 1, PATIENCE)
        simulator.update_connector(published.id, version=version)
        await simulator.wait_inbox(lambda _: fingerprints(simulator, "one")["resolved DeploymentDrift"] == 1, PATIENCE)
        simulator.delete_draft(drafts["failed"])
        await polled(simulator, "/connectors/drafts", 12)
        assert await daemon.stop() == 0, daemon.log.decode()[-2000:]
        heard = [fingerprints(simulator, key) for key in ("one", "two", "three")]
        assert sum(each["firing NowWatching"] for each in heard) == 4
        drift = Counter({"firing DeploymentDrift": 1, "resolved DeploymentDrift": 1})
        ended = Counter({"resolved ConnectorPublishFailed": 1})
        together = sum(heard, Counter()) - Counter({"firing NowWatching": 4})
        assert together == HEARD + drift + ended
        text = str([message.body for message in simulator.messages])
    assert "Add a README." in text
    assert "tax" in next(
        each["annotations"]["summary"]
        for message in told(simulator, "one")
        for each in message["alerts"]
        if each["labels"]["alertname"] == "DeploymentDrift"
    )
    assert "someone" not in text
    assert b"canary-secret" not in daemon.log


async def test_a_client_that_may_read_deployments_only_is_told_so_once_and_all_else_works(tmp_path: Path) -> None:
    async with serve() as simulator, Daemon(setting(simulator, tmp_path)) as daemon:
        simulator.fault("/connectors/*", status=403)
        made = simulator.create(["one", "two", "three"], count=3)
        await daemon.start()
        await simulator.wait_inbox(
            lambda _: all(fingerprints(simulator, key)["firing NowWatching"] for key in ("one", "two", "three")),
            PATIENCE,
        )
        simulator.update(made[0]["id"], status="Failed")
        await simulator.wait_inbox(lambda _: fingerprints(simulator, "one")["firing DeploymentFailed"] == 1, PATIENCE)
        await asyncio.gather(*(polled(simulator, f"/{key}/deployments") for key in ("one", "two", "three")))
        assert await daemon.stop() == 0
        heard = fingerprints(simulator, "one")
    assert heard == Counter(
        {"firing NowWatching": 1, "firing ConnectorsNotWatched": 2, "firing DeploymentFailed": 1}
    ), [summary(each) for each in told(simulator, "one")]
