"""Facts, the reason that each event ends with, and changed rules."""

from dataclasses import replace

import pytest

from tests.fakes import START, deployment
from tests.unit.builders import (
    DAY,
    FAILED,
    HOUR,
    MINUTE,
    MOVED,
    RECOVERED,
    SECOND,
    Desk,
    event,
    failed,
    news,
    pack,
    route_of,
    rule,
    stuck,
)
from watcher.core.event import Event, EventReason
from watcher.core.sight import SourceState
from watcher.core.snapshot import Deployment

# ── facts ────────────────────────────────────────────────────────────────────


def test_each_fact_is_told_once_even_if_it_happens_twice() -> None:
    desk = Desk([MOVED], route_of("project"))
    for at in (1, 2, 3):
        desk.judge(event("application", at, of=deployment()), now=at)
    desk.judge(seen=30 * DAY, now=30 * DAY)
    assert desk.heard == ["first_notification: +Moved (1 firing)"] * 3
    assert (desk.alerts, desk.groups) == ({}, {})
    assert {reason for reason, _ in desk.reasons.values()} == {EventReason.TOLD_ONCE}


def test_facts_of_one_observation_are_told_together() -> None:
    desk = Desk([MOVED], route_of("project"))
    desk.judge(*(event("application", 5, of=deployment(f"d{n}")) for n in range(3)), now=5)
    assert desk.heard == ["first_notification: +Moved +Moved +Moved (3 firing)"]


def test_observations_are_told_apart() -> None:
    desk = Desk([MOVED], route_of("project"))
    desk.judge(event("application", 5, of=deployment()), event("application", 6, of=deployment("b")), now=6)
    assert desk.heard == ["first_notification: +Moved (1 firing)"] * 2


def test_a_fact_survives_a_restart_before_its_flush() -> None:
    desk = Desk([MOVED], route_of("project", group_wait=MINUTE))
    desk.judge(event("application", 5, of=deployment()))
    desk.restart()
    assert desk.judge(now=HOUR) == ["first_notification: +Moved (1 firing)"]
    desk.restart()
    assert desk.judge(now=DAY) == []


def test_a_fact_does_not_hide_behind_the_same_fact_that_is_being_told() -> None:
    desk = Desk([MOVED], route_of("project", group_interval=5 * MINUTE))
    desk.judge(event("application", 0, of=deployment()), now=0)
    desk.judge(event("application", SECOND, of=deployment()), now=SECOND)
    desk.judge(event("application", 2 * SECOND, of=deployment()), now=HOUR)
    assert [each.notification.fresh for each in desk.decided] == [1, 2]


def test_dead_letters_belong_to_no_project_and_are_told() -> None:
    desk = Desk(pack("builtin"))
    found = event("dead_letter", 5, project="", region="", source="outbox", fields={"sink": "s", "count": "1"})
    assert desk.judge(found, now=5) == ["first_notification: +DeadLetter (1 firing)"]


# ── reasons ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "asked", "reason"),
    [
        ([], event("status", 2, of=deployment(status="Queued")), (EventReason.NO_RULE, "")),
        ([], event("created", 2, of=deployment(), baseline=True), (EventReason.BASELINE, "")),
        (
            [],
            event("created", 2, of=deployment(status="Failed"), baseline=True),
            (EventReason.BASELINE, "DeploymentFailed"),
        ),
        ([], event("status", 2, of=deployment(status="Failed")), (EventReason.STARTED, "DeploymentFailed")),
        (
            ["Failed"],
            event("report", 2, of=deployment(status="Failed")),
            (EventReason.STILL_FIRING, "DeploymentFailed"),
        ),
        (
            ["Failed"],
            event("status", 2, of=deployment(status="Queued")),
            (EventReason.STILL_FIRING, "DeploymentFailed"),
        ),
        (
            ["Failed"],
            event("attempt", 2, of=deployment(status="Failed", build="b2")),
            (EventReason.NEW_ATTEMPT, "DeploymentFailed"),
        ),
        (["Failed"], event("status", 2, of=deployment()), (EventReason.RESOLVED, "DeploymentFailed")),
        (["Failed"], event("gone", 2, of=deployment()), (EventReason.RESOLVED, "DeploymentFailed")),
        ([], event("status", 2, of=deployment(status="Deploying")), (EventReason.PENDING, "DeploymentStuck")),
        (["Deploying"], event("status", 2, of=deployment()), (EventReason.CONDITION_ENDED, "DeploymentStuck")),
        ([], event("application", 2, of=deployment()), (EventReason.TOLD_ONCE, "Moved")),
    ],
)
def test_every_event_ends_with_one_reason(before: list[str], asked: Event, reason: tuple[EventReason, str]) -> None:
    desk = Desk([failed(), *([stuck()] if "eploying" in repr((before, asked)) else []), MOVED])
    desk.judge(*(event("status", 1, of=deployment(status=each)) for each in before), now=1)
    desk.judge(replace(asked, seq=99), now=2)
    assert desk.reasons[99] == reason


def test_the_end_of_what_was_never_told_is_no_recovery() -> None:
    desk = Desk([failed()])
    desk.judge(event("created", 1, of=deployment(status="Failed"), baseline=True), now=1)
    assert desk.judge(event("status", 2, of=deployment(), previous_status="Failed"), now=2) == []
    assert desk.reasons[2] == (EventReason.CONDITION_ENDED, "DeploymentFailed")


def test_the_reason_is_that_of_the_rule_a_person_would_ask_about() -> None:
    desk = Desk([stuck(), failed()])
    desk.judge(event("status", 1, of=deployment(status="Deploying")))
    desk.judge(event("status", 2, of=deployment(status="Failed")))
    assert desk.reasons[2] == (EventReason.STARTED, "DeploymentFailed")


# ── changed rules ────────────────────────────────────────────────────────────


def adopt(desk: Desk, *deployments: Deployment, at: int) -> None:
    desk.ledger.adopt(deployments, SourceState(project="my-shop", region="europe-west1.gcp"), START + at)
    desk.commit()


def test_a_new_rule_is_no_storm_about_what_already_holds() -> None:
    desk = Desk([failed()])
    desk.restart(rules=[failed(), rule("Any", 'status="Deployed"', resolve=('status="Failed"',))])
    adopt(desk, deployment("a"), deployment("b"), at=10)
    assert (desk.judge(now=HOUR), desk.states) == ([], {"Any id-a": "firing", "Any id-b": "firing"})
    assert desk.judge(event("status", HOUR, of=deployment("a", status="Failed")), now=HOUR) == [
        "first_notification: +DeploymentFailed (1 firing)"
    ]


def test_a_change_of_rules_does_not_repeat_what_stands() -> None:
    desk = Desk([failed()])
    down = deployment(status="Failed")
    desk.judge(event("status", 1, of=down), now=1)
    desk.restart(rules=[failed(), stuck()])
    adopt(desk, down, at=10)
    assert desk.judge(now=HOUR) == []
    assert desk.judge(event("status", HOUR, of=deployment()), now=HOUR) == [
        "all_resolved: -DeploymentFailed (0 firing)"
    ]


@pytest.mark.parametrize(
    ("before", "waiting", "found"),
    [
        ([], event("status", 5, of=deployment(status="Failed", build="b2"), previous_status="Deployed"), [FAILED]),
        (
            [event("status", 1, of=deployment(status="Failed"))],
            event(
                "attempt", 5, of=deployment(status="Failed", build="b2"), previous_status="Failed", previous_build="b1"
            ),
            [FAILED],
        ),
        (
            [
                event("status", 1, of=deployment(status="Failed")),
                event("status", 2, of=deployment(status="Queued"), previous_status="Failed"),
            ],
            event("status", 5, of=deployment(status="Failed", build="b2"), previous_status="Queued"),
            [FAILED],
        ),
        (
            [event("status", 1, of=deployment(status="Failed"))],
            event("status", 5, of=deployment(), previous_status="Failed"),
            [RECOVERED],
        ),
    ],
    ids=["a failure", "a new attempt, the middle unseen", "a new attempt", "a recovery"],
)
def test_a_change_of_rules_swallows_no_event_that_waits_to_be_judged(
    before: list[Event], waiting: Event, found: list[str]
) -> None:
    """Killed between the poll's commit and its judgement, then started with another rule: what waits is still news.

    The Deployments that are adopted are those of the last poll, so what waits is judged before them.
    """
    desk = Desk([failed()])
    for each in before:
        desk.judge(each, now=each.at - START)
    told = len(desk.decided)
    desk.restart(rules=[failed(), stuck()])
    assert waiting.deployment is not None
    desk.judge(waiting, now=10)
    adopt(desk, waiting.deployment, at=10)
    assert news(desk.decided[told:]) == found


def test_deployments_that_are_adopted_may_be_ahead_of_the_events() -> None:
    """A poll may be committed after the events were read and before the Deployments are: what it found is still news."""
    desk = Desk([failed()])
    desk.judge(event("status", 1, of=deployment("a", "Failed")), now=1)
    desk.restart(rules=[failed(), stuck()])
    anew, down = deployment("a", "Failed", build="b2"), deployment("b", "Failed")
    adopt(desk, anew, down, at=10)
    desk.judge(event("attempt", 9, of=anew, previous_status="Failed", previous_build="b1"), now=9)
    desk.judge(event("status", 9, of=down, previous_status="Deployed"), now=11)
    assert desk.heard[1:] == [
        "new_attempt: +DeploymentFailed (1 firing)",
        "first_notification: +DeploymentFailed (1 firing)",
    ]


def test_an_alert_whose_rule_is_no_more_ends_without_a_word_and_is_never_repeated() -> None:
    desk = Desk([failed(), MOVED])
    desk.judge(event("status", 1, of=deployment(status="Failed")), now=1)
    desk.restart(rules=[MOVED])
    desk.commit()
    assert desk.states == {}
    assert desk.judge(now=30 * DAY) == []
    assert desk.groups == {}
