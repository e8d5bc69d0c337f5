"""What people do, as events that judge meets in their order: why an event was not told, and until which deployment."""

import pytest

from tests.fakes import START, deployment
from tests.unit.builders import HOUR, MINUTE, MOVED, Desk, event, failed, matchers, rule
from watcher.core.event import Event, EventReason
from watcher.core.silence import SOURCE, Silence, Stage, written

SHOP = 'deployment="shop"'


def silenced(at: int = 0, *, ends: int = HOUR, text: str = SHOP, until_deployment: bool = False) -> Event:
    made = Silence(
        id="s1",
        matchers=matchers(text),
        creator="ann",
        comment="",
        starts_at=START + at,
        ends_at=START + ends,
        until_deployment=until_deployment,
    )
    return event("silenced", at, project="", source=SOURCE, fields=written(made))


def unsilenced(at: int) -> Event:
    return event("unsilenced", at, project="", source=SOURCE, fields={"silence": "s1", "by": "ben"})


def fails(at: int, build: str = "b1", before: str = "Deploying") -> Event:
    return event("status", at, of=deployment(status="Failed", build=build), previous_status=before, previous_build="b1")


def redeployed(at: int) -> Event:
    return event("status", at, of=deployment(status="Queued"), previous_status="Failed", previous_build="b1")


def test_why_an_event_was_not_told_is_kept() -> None:
    desk = Desk([failed(), MOVED])
    desk.judge(silenced(), fails(1), event("application", 2, of=deployment(status="Failed")), now=3)
    assert desk.reasons[2] == (EventReason.SILENCED, "DeploymentFailed")
    assert desk.reasons[3] == (EventReason.SILENCED, "Moved")
    assert desk.heard == []


def test_an_alert_that_is_silenced_fires_all_the_same() -> None:
    desk = Desk([failed()])
    desk.judge(silenced(), fails(1), now=2)
    assert desk.states == {"DeploymentFailed id-shop": "firing"}


def test_a_silence_ends_before_what_the_same_event_brings_is_told() -> None:
    """From one failed build to another: the second one is told, and the first was told before."""
    desk = Desk([failed()])
    desk.judge(fails(1), now=2)
    desk.judge(silenced(3, until_deployment=True), now=4)
    desk.judge(fails(MINUTE, "b2", before="Failed"), now=MINUTE)
    assert desk.heard == [
        "first_notification: +DeploymentFailed (1 firing)",
        "new_attempt: +DeploymentFailed (1 firing)",
    ]
    assert desk.silences["s1"][1].stage is Stage.OVER
    assert desk.silences["s1"][1].why == "the next deployment of shop began"


@pytest.mark.parametrize("restart", [False, True])
def test_a_silence_until_the_next_deployment_ends_with_it_and_not_before(restart: bool) -> None:
    desk = Desk([failed()])
    desk.judge(silenced(until_deployment=True), fails(1), now=2)
    if restart:
        desk.restart()
    assert desk.judge(event("report", 3, of=deployment(status="Failed"), previous_status="Failed"), now=4) == []
    assert desk.judge(redeployed(5), now=6) == ["first_notification: +DeploymentFailed (1 firing)"]


def test_a_silence_that_ends_in_the_same_batch_never_was() -> None:
    desk = Desk([failed()])
    desk.judge(silenced(), unsilenced(1), fails(2), now=3)
    assert desk.heard == ["first_notification: +DeploymentFailed (1 firing)"]
    assert desk.silences["s1"][1].stage is Stage.OVER


def test_a_silence_that_cannot_be_read_holds_nothing_back() -> None:
    desk = Desk([failed()])
    broken = silenced()
    broken = event("silenced", 0, project="", fields={**broken.fields, "matchers": "{deployment}"})
    desk.judge(broken, fails(1), now=2)
    assert desk.heard == ["first_notification: +DeploymentFailed (1 firing)"]
    assert desk.ledger.dispatch.silences.unreadable
    assert desk.silences["s1"][1].stage is Stage.OVER


def test_a_rule_may_tell_that_somebody_has_made_a_silence() -> None:
    desk = Desk([rule("Hushed", on="source", events=["silenced"])])
    assert desk.judge(silenced(), now=1) == ["first_notification: +Hushed (1 firing)"]
