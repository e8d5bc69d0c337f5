"""What a person hears about Connectors, on virtual time: drafts, published Connectors, and being blind to them.

As for Deployments, each row is played once more for every point at which the process can die.
"""

from dataclasses import replace
from typing import Any

import pytest

from tests.fakes import ScriptedSource, connector, deployment, draft
from tests.integration.test_timelines import Row, by_lane, played
from tests.world import DAY, HOUR, MINUTE, World, summary
from watcher.core.snapshot import Comment, ReportEntry
from watcher.errors import Blindness

SKIPPED = tuple(
    ReportEntry(type="Error", title=f"{check} check skipped", created_at="2026-11-24T10:00:00.822Z")
    for check in ("Image security analysis", "SAST and SCA analysis", "Connector runtime security")
)
FAILED_BUILD = (ReportEntry(type="Error", title="Connector image build check failed", message="npm ci exited with 1"),)


async def watching(world: World, *drafts: Any, connectors: Any = ()) -> None:
    """First sight of a project with a healthy Deployment, and of drafts or Connectors."""
    world.drafts, world.connectors = ScriptedSource(), ScriptedSource(composed=True)
    world.drafts.put(*drafts)
    world.connectors.put(*connectors)
    world.api.put(deployment())
    await world.live(world.boot)
    await world.poll()


def edit(world: World, **fields: Any) -> None:
    assert world.drafts is not None
    world.drafts.set("stripe", **fields)


async def steps(world: World, *changes: dict[str, Any]) -> None:
    for each in changes:
        edit(world, **each)
        await world.run(world.interval)


async def no_drafts(world: World) -> None:
    await watching(world)
    await world.run(5 * MINUTE)


async def published(world: World) -> None:
    await watching(world, draft())
    await steps(world, {"status": "Processing"}, {"status": "Published", "listed": True})


async def publish_failed(world: World) -> None:
    await watching(world, draft())
    await steps(world, {"status": "Processing"}, {"status": "Failed", "publishing": FAILED_BUILD})


async def publish_failed_then_mended(world: World) -> None:
    await publish_failed(world)
    await steps(world, {"status": "Draft", "tag": "v1.0.1", "publishing": ()}, {"status": "Processing"})
    await steps(world, {"status": "Published"})


async def publish_failed_again(world: World) -> None:
    await publish_failed(world)
    await steps(world, {"status": "Draft", "publishing": ()}, {"status": "Processing"})
    await steps(world, {"status": "Failed", "publishing": FAILED_BUILD})


async def publish_failed_of_what_is_published(world: World) -> None:
    """A draft and its published Connector have one id, and are two subjects."""
    await watching(world, draft(), connectors=[connector()])
    await steps(world, {"status": "Processing"}, {"status": "Failed", "publishing": FAILED_BUILD})
    assert world.connectors is not None
    world.connectors.set("stripe", tag="v1.2.0")
    await world.run(5 * MINUTE)
    world.connectors.remove("stripe")
    await world.run(5 * MINUTE)


async def previewable(world: World) -> None:
    await watching(world, draft())
    await steps(world, {"previewable": "pending"}, {"previewable": "true"})


async def refused(world: World) -> None:
    await watching(world, draft())
    await steps(world, {"previewable": "pending"}, {"previewable": "false", "preview": FAILED_BUILD})


async def cancelled(world: World) -> None:
    await watching(world, draft())
    await steps(world, {"previewable": "pending"}, {"previewable": "none"})


async def retagged(world: World) -> None:
    await watching(world, draft())
    await steps(world, {"previewable": "pending"}, {"previewable": "none", "tag": "v1.0.1"})


async def moved_to_another_repository(world: World) -> None:
    await watching(world, draft(repository="a"))
    await steps(world, {"previewable": "pending"}, {"previewable": "none", "repository": "b"})


async def refused_then_retagged(world: World) -> None:
    await refused(world)
    await steps(world, {"previewable": "none", "tag": "v1.0.1", "preview": ()})
    await world.run(5 * HOUR)


async def skipped_checks(world: World) -> None:
    await watching(world, draft())
    await steps(world, {"status": "Processing"}, {"status": "ReadyForCertification", "publishing": SKIPPED})
    await world.run(HOUR)


async def certification_drags_on(world: World) -> None:
    await watching(world, draft(status="ReadyForCertification"))
    world.interval = HOUR
    await world.live(world.boot)
    await world.run(4 * DAY)
    await steps(world, {"status": "Published"})


async def preview_pending(world: World) -> None:
    await watching(world, draft())
    await steps(world, {"previewable": "pending"})
    await world.run(31 * MINUTE)
    await steps(world, {"previewable": "true"})


async def processing(world: World) -> None:
    await watching(world, draft())
    await steps(world, {"status": "Processing"})
    await world.run(21 * MINUTE)
    await steps(world, {"status": "Published"})


async def commented(world: World) -> None:
    first = Comment(at="2026-11-24T10:00:00Z", text="Please add tests.")
    second = Comment(at="2026-11-24T11:00:00Z", text="And a README.")
    await watching(world, draft(status="InCertification", comments=(first,)))
    await steps(world, {"comments": (first, second)})


async def unknown_status(world: World) -> None:
    await watching(world, draft(), draft("other"))
    await steps(world, {"status": "FEEDBACK_REQUIRED"}, {"status": "Draft"})


async def deleted(world: World) -> None:
    await publish_failed(world)
    assert world.drafts is not None
    world.drafts.remove("stripe")
    await world.run(4 * world.interval)


async def first_sight_of_failed(world: World) -> None:
    await watching(world, draft(status="Failed", publishing=FAILED_BUILD), draft("other"))
    await world.run(HOUR)


async def drifted(world: World) -> None:
    await watching(world, connectors=[connector(behind=())])
    assert world.connectors is not None
    world.connectors.set("stripe", version=4, tag="v1.1.0", behind=("shop",))
    await world.run(HOUR + world.interval)
    world.connectors.set("stripe", behind=())
    await world.run(world.interval)


async def drift_mended_in_time(world: World) -> None:
    await watching(world, connectors=[connector(behind=())])
    assert world.connectors is not None
    world.connectors.set("stripe", version=4, tag="v1.1.0", behind=("shop",))
    await world.run(30 * MINUTE)
    world.connectors.set("stripe", behind=())
    await world.run(2 * HOUR)


async def drift_at_first_sight(world: World) -> None:
    await watching(world, connectors=[connector(behind=("shop",))])
    await world.run(2 * HOUR)


async def no_longer_used(world: World) -> None:
    await watching(world, connectors=[connector(behind=("shop",)), *(connector(f"c{n}") for n in range(9))])
    await world.run(HOUR + world.interval)
    assert world.connectors is not None
    world.connectors.records.clear()
    await world.run(5 * world.interval)


async def preview_lingers(world: World) -> None:
    world.api.put(deployment(type="preview"))
    world.interval = 5 * MINUTE
    await world.live(world.boot)
    await world.run(8 * DAY)
    world.api.set("shop", status="Undeploying")
    await world.run(world.interval)
    world.api.remove("shop")
    await world.run(4 * world.interval)


async def api_outage(world: World) -> None:
    await watching(world, draft(), connectors=[connector()])
    await world.run(world.interval)
    sources = [each for each in (world.api, world.drafts, world.connectors) if each is not None]
    for each in sources:
        each.fail()
    await world.run(10 * MINUTE)
    for each in sources:
        each.error = None
    await world.run(10 * MINUTE)


async def credentials_refused(world: World) -> None:
    await watching(world, draft())
    for each in (world.drafts, world.api):  # the drafts hear of it first
        assert each is not None
        each.fail(Blindness.CREDENTIALS, "refuses the API client")
    world.observers.reverse()
    await world.run(10 * MINUTE)


async def told_to_wait_for_an_hour(world: World) -> None:
    await watching(world, draft())
    for each in (world.drafts, world.api):
        assert each is not None
        each.fail(Blindness.RATE_LIMITED, "HTTP 429", retry_after=50 * MINUTE)
    await world.run(20 * MINUTE)


async def blind_to_drafts_alone(world: World) -> None:
    await watching(world, draft())
    assert world.drafts is not None
    world.drafts.fail()
    await world.run(10 * MINUTE)
    world.drafts.error = None
    await world.run(5 * MINUTE)


async def blind_to_drafts_while_deployments_stumble(world: World) -> None:
    """A stumble of the one must not hide the blindness of the other for ever."""
    await watching(world, draft())
    assert world.drafts is not None
    world.drafts.fail()
    for _ in range(20):
        world.api.fail()
        await world.poll()
        world.api.error = None
        await world.run(4 * world.interval)


async def refused_then_away_then_refused(world: World) -> None:
    """What was never seen cannot become blind."""
    await not_permitted(world)
    assert world.drafts is not None
    for kind in (Blindness.SERVER, Blindness.FORBIDDEN, Blindness.TIMEOUT):
        world.drafts.fail(kind, "HTTP 503")
        await world.run(3 * HOUR)


async def failed_again_unseen(world: World) -> None:
    """Another report is another attempt, though its middle was not seen."""
    await watching(world, draft())
    first = tuple(replace(each, created_at="2026-11-24T10:00:00Z") for each in FAILED_BUILD)
    second = tuple(replace(each, created_at="2026-11-24T11:00:00Z") for each in FAILED_BUILD)
    await steps(world, {"status": "Processing"}, {"status": "Failed", "publishing": first})
    await steps(world, {"tag": "v1.0.1", "publishing": second})


async def certification_refused_twice(world: World) -> None:
    """Passing the checks again heals nothing: certification is what had refused it."""
    await publish_failed(world)
    await steps(world, {"status": "Processing", "publishing": ()}, {"status": "ReadyForCertification"})
    await steps(world, {"status": "InCertification"}, {"status": "Failed", "publishing": FAILED_BUILD})


async def two_comments_at_once(world: World) -> None:
    await watching(world, draft(status="InCertification"))
    said = [Comment(at=f"2026-11-24T1{n}:00:00Z", text=f"Comment {n}.") for n in range(2)]
    await steps(world, {"comments": tuple(said)})


async def not_permitted(world: World) -> None:
    world.drafts = ScriptedSource()
    world.drafts.fail(Blindness.FORBIDDEN, "HTTP 403 AuthorizationError")
    world.api.put(deployment())
    await world.live(world.boot)
    await world.poll()
    await world.run(6 * HOUR)


async def permission_lost(world: World) -> None:
    await watching(world, draft())
    assert world.drafts is not None
    world.drafts.fail(Blindness.FORBIDDEN, "HTTP 403 AuthorizationError")
    await world.run(10 * MINUTE)


async def down_two_days(world: World) -> None:
    await watching(world, draft())
    await steps(world, {"status": "Processing"})
    world.clock.at += 2 * DAY
    edit(world, status="Failed", publishing=FAILED_BUILD)
    await world.live(world.boot)
    await world.run(2 * world.interval)


WATCHING, DRAFTS = "firing NowWatching", "firing NowWatching"
PUBLISH_FAILED = "firing ConnectorPublishFailed"
ROWS = [
    Row("no-drafts", no_drafts, [WATCHING]),
    Row("14-published", published, [WATCHING, DRAFTS]),
    Row("14-failed", publish_failed, [WATCHING, DRAFTS, PUBLISH_FAILED]),
    Row("14-mended", publish_failed_then_mended, [WATCHING, DRAFTS, PUBLISH_FAILED, "resolved ConnectorPublishFailed"]),
    Row("14-again", publish_failed_again, [WATCHING, DRAFTS, PUBLISH_FAILED, f"{PUBLISH_FAILED} again"]),
    Row("14-published-before", publish_failed_of_what_is_published, [WATCHING, DRAFTS, PUBLISH_FAILED]),
    Row("14-previewable", previewable, [WATCHING, DRAFTS]),
    Row("14-refused", refused, [WATCHING, DRAFTS, "firing PreviewRefused"]),
    Row("14-cancelled", cancelled, [WATCHING, DRAFTS, "firing PreviewCancelled"]),
    Row("14-retagged", retagged, [WATCHING, DRAFTS]),
    Row("14-moved", moved_to_another_repository, [WATCHING, DRAFTS]),
    Row(
        "14-refused-retagged",
        refused_then_retagged,
        [WATCHING, DRAFTS, "firing PreviewRefused", "resolved PreviewRefused"],
    ),
    Row("15", skipped_checks, [WATCHING, DRAFTS]),
    Row("processing", processing, [WATCHING, DRAFTS, "firing ConnectorProcessing", "resolved ConnectorProcessing"]),
    Row("pending", preview_pending, [WATCHING, DRAFTS, "firing PreviewPending", "resolved PreviewPending"]),
    Row("comment", commented, [WATCHING, DRAFTS, "firing CertificationComment"]),
    Row("unknown", unknown_status, [WATCHING, DRAFTS, "firing UnknownValue"]),
    Row("deleted", deleted, [WATCHING, DRAFTS, PUBLISH_FAILED, "resolved ConnectorPublishFailed"]),
    Row("first-sight", first_sight_of_failed, [WATCHING, DRAFTS]),
    Row("drift", drifted, [WATCHING, "firing DeploymentDrift", "resolved DeploymentDrift"]),
    Row("drift-mended", drift_mended_in_time, [WATCHING]),
    Row("drift-first-sight", drift_at_first_sight, [WATCHING, "firing DeploymentDrift"]),
    Row("unused", no_longer_used, [WATCHING, "firing DeploymentDrift", "resolved DeploymentDrift"]),
    Row("11-outage", api_outage, [WATCHING, DRAFTS, "firing SourceBlind", "resolved SourceBlind"]),
    Row("credentials", credentials_refused, [WATCHING, DRAFTS, "firing SourceBlind"]),
    Row("rate-limited", told_to_wait_for_an_hour, [WATCHING, DRAFTS, "firing SourceBlind"]),
    Row("blind", blind_to_drafts_alone, [WATCHING, DRAFTS, "firing ConnectorsBlind", "resolved ConnectorsBlind"]),
    Row("blind-stumbling", blind_to_drafts_while_deployments_stumble, [WATCHING, DRAFTS, "firing ConnectorsBlind"]),
    Row("forbidden-away", refused_then_away_then_refused, [WATCHING, "firing ConnectorsNotWatched"]),
    Row("14-again-unseen", failed_again_unseen, [WATCHING, DRAFTS, PUBLISH_FAILED, f"{PUBLISH_FAILED} again"]),
    Row(
        "14-certified",
        certification_refused_twice,
        [WATCHING, DRAFTS, PUBLISH_FAILED, f"{PUBLISH_FAILED} again"],
    ),
    Row("comments", two_comments_at_once, [WATCHING, DRAFTS, "firing CertificationComment"]),
    Row("forbidden", not_permitted, [WATCHING, "firing ConnectorsNotWatched"]),
    Row("permission-lost", permission_lost, [WATCHING, DRAFTS, "firing ConnectorsBlind"]),
    Row("13-down", down_two_days, [WATCHING, DRAFTS, "firing WasBlind", PUBLISH_FAILED]),
]
LONG = [
    Row(
        "certification",
        certification_drags_on,
        [WATCHING, DRAFTS, "firing CertificationPending", "resolved CertificationPending"],
    ),
    Row("lingering", preview_lingers, [WATCHING, "firing PreviewLingering", "resolved PreviewLingering"]),
]


def told(world: World) -> list[str]:
    """What was heard, without reminders."""
    return [summary(each) for each in world.messages if each.reason != "repeat_interval"]


@pytest.mark.parametrize("row", [*ROWS, *LONG], ids=lambda row: row.number)
async def test_a_person_hears_exactly_this(row: Row) -> None:
    world = await played(row)
    assert told(world) == row.heard


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
async def test_killed_at_any_point_the_messages_are_the_same(row: Row) -> None:
    calm = await played(row)
    every = max(1, len(calm.crash_points) // 15)
    for crash_at in range(0, len(calm.crash_points), every):
        world = await played(row, crash_at)
        assert by_lane(world) == by_lane(calm), f"killed {calm.crash_points[crash_at]}, at crash point {crash_at}"


async def test_each_of_several_comments_is_told() -> None:
    world = await played(next(row for row in ROWS if row.number == "comments"))
    told_of = [each.annotations["summary"] for each in world.messages[-1].alerts]
    assert [each.rpartition(": ")[2] for each in told_of] == ["Comment 0.", "Comment 1."]


async def test_the_messages_say_what_is_needed() -> None:
    wanted = {
        "14-refused-retagged": ("the refused preview of connector stripe is no longer asked for", ""),
        "pending": ("the preview of connector stripe is decided: true", ""),
        "14-failed": ("publishing connector stripe failed", "Connector image build check failed: npm ci exited with 1"),
        "14-refused": (
            "connector stripe cannot be previewed",
            "Connector image build check failed: npm ci exited with 1",
        ),
        "drift": (
            "1 deployment(s) run an older version of stripe than the published one (v1.1.0): shop in my-shop",
            "",
        ),
        "comment": ("new comment on the certification of connector stripe: And a README.", ""),
    }
    for row in ROWS:
        if row.number in wanted:
            world = await played(row)
            alert = next(each for each in world.messages[-1 if row.number != "drift" else -2].alerts if each.fresh)
            assert (alert.annotations["summary"], alert.annotations.get("error", "")) == wanted[row.number]
