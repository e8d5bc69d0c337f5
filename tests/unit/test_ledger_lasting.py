"""Conditions that must last, and what blindness does to them."""

from dataclasses import replace

import pytest

from tests.fakes import START, deployment
from tests.unit.builders import (
    FAILED,
    HOUR,
    MINUTE,
    POLL,
    RECOVERED,
    STUCK,
    STUCK_CRITICAL,
    Desk,
    event,
    failed,
    lasting,
    news,
    route_of,
    run,
    stuck,
    watching,
)
from watcher.core.event import Event, EventReason
from watcher.core.rule import Rule

# ── conditions that must last ────────────────────────────────────────────────


def test_row_6_stuck_twice_and_recovered_together() -> None:
    watch = watching()
    run(watch, "Deploying b2")
    lasting(watch, 35 * MINUTE)
    run(watch, "Deployed")
    assert watch.heard == [STUCK, STUCK_CRITICAL, "-DeploymentStuck -DeploymentStuckCritical"]


@pytest.mark.parametrize("minutes", [0, 5, 19, 20, 21, 29, 30, 31])
def test_row_6_the_same_when_killed_at_any_time(minutes: int) -> None:
    watch = watching()
    run(watch, "Deploying b2")
    lasting(watch, minutes * MINUTE)
    watch.restart()
    lasting(watch, (35 - minutes) * MINUTE)
    run(watch, "Deployed")
    assert watch.heard == [STUCK, STUCK_CRITICAL, "-DeploymentStuck -DeploymentStuckCritical"]


def test_row_6_the_same_when_judging_comes_late() -> None:
    """Polls go on while judging is down; afterwards a person hears what they would have heard."""
    watch = watching()
    run(watch, "Deploying b2")
    for _ in range(70):
        watch.poll(judged=False)
    watch.judge()
    run(watch, "Deployed")
    assert watch.heard == [STUCK, STUCK_CRITICAL, "-DeploymentStuck -DeploymentStuckCritical"]


def test_stuck_then_failed_is_told_as_the_failure() -> None:
    watch = watching()
    run(watch, "Deploying b2")
    lasting(watch, 21 * MINUTE)
    run(watch, "Failed")
    assert watch.heard == [STUCK, f"{FAILED} -DeploymentStuck"]


def test_what_began_in_one_observation_is_stuck_in_one_message() -> None:
    watch = watching(*(deployment(f"d{n}") for n in range(20)), root=route_of("project"))
    for n in range(20):
        watch.set(f"d{n}", status="Deploying", build="b2")
    lasting(watch, 25 * MINUTE)
    assert watch.heard == [" ".join([STUCK] * 20)]


def test_row_5_holds_for_a_failure_that_must_last_as_well() -> None:
    """An own rule may replace `DeploymentFailed` by one with `for`; a new attempt that fails is told once it has lasted."""
    watch = watching(rules_=[failed(wait=MINUTE)])
    run(watch, *["Failed b2"] * 4, "Queued", "Deploying b3", *["Failed b3"] * 4)
    assert watch.heard == [FAILED, FAILED]


def test_a_new_attempt_that_does_not_fail_long_enough_is_no_news() -> None:
    watch = watching(rules_=[failed(wait=MINUTE)])
    run(watch, *["Failed b2"] * 4, "Queued", "Deploying b3", "Failed b3", "Deployed b3")
    assert watch.heard == [FAILED, RECOVERED]


WAIT = 10 * MINUTE


def pending(*more: Rule) -> tuple[Desk, Event]:
    """A condition that began at the start and must last ten minutes."""
    desk = Desk([stuck(WAIT), *more])
    began = event("created", 0, of=deployment(status="Deploying"))
    assert desk.judge(began, seen=0, now=0) == []
    return desk, began


@pytest.mark.parametrize(
    ("seen", "now", "told"),
    [
        (WAIT - 1, WAIT - 1, []),
        (WAIT, WAIT, ["first_notification: +DeploymentStuck (1 firing)"]),
        (WAIT - 1, 10 * WAIT, []),
        (WAIT, 10 * WAIT, ["first_notification: +DeploymentStuck (1 firing)"]),
    ],
    ids=["not yet", "just now", "not while nobody looks", "as far as somebody has looked"],
)
def test_a_condition_has_lasted_only_as_far_as_it_was_seen(seen: int, now: int, told: list[str]) -> None:
    desk, _ = pending()
    assert desk.judge(seen=seen, now=now) == told


def test_a_condition_that_ends_in_time_is_never_told() -> None:
    desk, _ = pending()
    end = event("status", WAIT - 1, of=deployment(), previous_status="Deploying", sight=START + WAIT - 1 - POLL)
    assert desk.judge(end, seen=10 * WAIT, now=10 * WAIT) == []
    assert (desk.alerts, desk.reasons[2][0]) == ({}, EventReason.CONDITION_ENDED)


def test_a_condition_that_ended_unseen_before_its_time_is_never_told() -> None:
    """The look before saw it at nine minutes, the next one at eleven sees its end: nobody knows that it lasted ten."""
    desk, _ = pending()
    end = event("status", 11 * MINUTE, of=deployment(), previous_status="Deploying", sight=START + 9 * MINUTE)
    assert desk.judge(end, seen=11 * MINUTE, now=11 * MINUTE) == []


def test_a_condition_that_was_seen_to_last_is_told_even_when_it_has_ended_since() -> None:
    desk, _ = pending()
    end = event("status", 11 * MINUTE, of=deployment(), previous_status="Deploying", sight=START + WAIT)
    assert news(desk.decided) == []
    desk.judge(end, seen=11 * MINUTE, now=11 * MINUTE)
    assert "DeploymentStuck" in " ".join(news(desk.decided))


def test_a_condition_that_begins_anew_is_clocked_anew() -> None:
    desk, _ = pending()
    desk.judge(event("status", 5 * MINUTE, of=deployment(), previous_status="Deploying"))
    desk.judge(event("status", 6 * MINUTE, of=deployment(status="Queued"), previous_status="Deployed"))
    assert desk.judge(seen=16 * MINUTE - 1, now=16 * MINUTE - 1) == []
    assert desk.judge(seen=16 * MINUTE, now=16 * MINUTE) != []


def test_another_run_in_the_same_status_is_clocked_anew() -> None:
    desk, _ = pending()
    other = deployment(status="Deploying", build="b2")
    desk.judge(event("attempt", 5 * MINUTE, of=other, previous_status="Deploying", previous_build="b1"))
    assert desk.judge(seen=15 * MINUTE - 1, now=15 * MINUTE - 1) == []
    assert desk.judge(seen=15 * MINUTE, now=15 * MINUTE) != []


def test_the_same_run_that_moves_on_is_not() -> None:
    desk = Desk([stuck(WAIT)])
    desk.judge(event("created", 0, of=deployment(status="Queued")))
    moved = deployment(status="Deploying", build="b2")
    desk.judge(event("status", 5 * MINUTE, of=moved, previous_status="Queued"))
    desk.judge(event("attempt", 5 * MINUTE, of=moved, previous_status="Queued", previous_build="b1"))
    assert desk.judge(seen=WAIT, now=WAIT) != []


def test_a_removed_deployment_is_stuck_no_longer() -> None:
    desk, began = pending()
    desk.judge(replace(began, type=event("gone").type, at=START + MINUTE))
    assert desk.judge(seen=10 * WAIT, now=10 * WAIT) == []
    assert desk.alerts == {}


def test_what_fires_late_started_when_it_was_due() -> None:
    desk, _ = pending()
    desk.judge(seen=15 * MINUTE, now=16 * MINUTE)
    (flush,) = desk.decided
    assert flush.notification.alerts[0].starts_at == START + WAIT
    assert flush.notification.at == START + 16 * MINUTE


# ── while a source is blind ──────────────────────────────────────────────────


def test_while_blind_nothing_starts_and_nothing_ends() -> None:
    watch = watching(deployment("a", "Failed"), deployment("b"))
    watch.set("a", build="b2")
    watch.set("b", status="Deploying", build="b2")
    watch.poll()
    for _ in range(60):
        watch.miss()
    assert watch.heard == [FAILED, "+SourceBlind"]
    assert watch.desk.states["DeploymentStuck id-b"] == "pending"


def test_what_still_stands_when_sight_returns_has_lasted() -> None:
    watch = watching(deployment(status="Deploying"))
    for _ in range(50):
        watch.miss()
    watch.poll()
    assert sorted(watch.heard) == sorted(["+SourceBlind", "-SourceBlind", STUCK])


def test_what_had_ended_when_sight_returns_is_never_told() -> None:
    watch = watching(deployment(status="Deploying"))
    for _ in range(60):
        watch.miss()
    run(watch, "Deployed")
    lasting(watch, HOUR)
    assert watch.heard == ["+SourceBlind", "-SourceBlind"]
