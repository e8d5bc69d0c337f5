"""Judging as a fold over events: what starts, stands and ends, what a person hears, and that a restart changes nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START, deployment
from tests.unit.builders import (
    DAY,
    HOUR,
    MINUTE,
    POLL,
    SECOND,
    Desk,
    Watch,
    event,
    failed,
    news,
    pack,
    quick,
    route_of,
    rule,
    stuck,
    warned,
    watching,
)
from watcher.core.dispatch import Flush
from watcher.core.event import Event, EventReason, whole_observations
from watcher.core.route import Route
from watcher.core.rule import Rule
from watcher.core.snapshot import Deployment, ReportEntry

FAILED, RECOVERED = "+DeploymentFailed", "-DeploymentFailed"
STUCK, STUCK_CRITICAL = "+DeploymentStuck", "+DeploymentStuckCritical"


def run(watch: Watch, *steps: str) -> list[str]:
    """Poll once for each step, a status and after a blank its build; returns what a person hears."""
    for step in steps:
        status, *build = step.split()
        watch.set(status=status, **({"build": build[0]} if build else {}))
        watch.poll()
    return watch.heard


# ── the timelines that one Deployment makes ──────────────────────────────────


@pytest.mark.parametrize(
    ("steps", "heard"),
    [
        (["Queued", "Deploying b2", "Deployed"], []),
        (["Queued", "Deploying b2", "Failed"], [FAILED]),
        (["Queued", "Deploying b2", "Failed", "Failed", "Failed"], [FAILED]),
        (["Deploying b2", "Failed", "Queued", "Deploying b3"], [FAILED]),
        (["Deploying b2", "Failed", "Queued", "Deploying b3", "Deployed"], [FAILED, RECOVERED]),
        (["Deploying b2", "Failed", "Deployed b3"], [FAILED, RECOVERED]),
        (["Deploying b2", "Failed", "Queued", "Deploying b3", "Failed"], [FAILED, FAILED]),
        (["Deploying b2", "Failed", "Failed b3"], [FAILED, FAILED]),
        (["Deploying b2", "Failed", "Failed b3", "Failed b4", "Deployed b5"], [FAILED, FAILED, FAILED, RECOVERED]),
        (["Deploying b2", "Failed", "Queued", "Failed b2"], [FAILED, FAILED]),
        (["Deployed b2"], []),
        (["Failed b2"], [FAILED]),
        (["Failed b2", "Deployed b2", "Failed b3", "Deployed b4"], [FAILED, RECOVERED, FAILED, RECOVERED]),
        (["Deploying", "Failed b2"], [FAILED]),
        (["Failed", "Failed b1"], [FAILED]),
        (["Undeploying", "UndeployFailed", "Undeploying"], ["+UndeployFailed"]),
        (["Undeploying", "UndeployFailed", "Undeploying", "UndeployFailed"], ["+UndeployFailed", "+UndeployFailed"]),
        (["Failed b2", "Undeploying"], [FAILED]),
        (["Hibernating", "Hibernating", "Deployed"], ["+UnknownValue"]),
    ],
    ids=[
        "row 2",
        "row 3",
        "row 3: told once however long it stays",
        "row 4: a redeploy is no recovery",
        "row 4",
        "row 4: the middle unseen",
        "row 5",
        "row 5: the middle unseen",
        "row 5: over and over",
        "row 5: a redeploy that keeps its build",
        "row 7",
        "row 8",
        "every failure is told anew after a recovery",
        "a build that is shown with the failure",
        "the same build",
        "an undeployment that fails",
        "an undeployment that fails again",
        "a failed one that is being undeployed",
        "row 17",
    ],
)
def test_what_a_person_hears_of_one_deployment(steps: list[str], heard: list[str]) -> None:
    assert run(watching(), *steps) == heard


@pytest.mark.parametrize("restart_at", range(8))
def test_row_18_a_restart_between_two_polls_changes_nothing(restart_at: int) -> None:
    steps = ["Queued", "Deploying b2", "Failed", "Queued", "Failed b3", "Deployed b4", "Failed b5", "Deployed b6"]
    watch = watching()
    run(watch, *steps[:restart_at])
    watch.restart()
    run(watch, *steps[restart_at:])
    assert watch.heard == [FAILED, FAILED, RECOVERED, FAILED, RECOVERED]


def test_a_second_failure_says_again_and_names_its_reason() -> None:
    watch = watching()
    run(watch, "Failed b2", "Failed b3")
    first, again = [each.notification for each in watch.desk.decided[1:]]
    assert (first.reason, again.reason) == ("first_notification", "new_attempt")
    assert [each.alerts[0].annotations["seen"] for each in (first, again)] == ["False False ", "True False "]
    assert [each.alerts[0].attempts for each in (first, again)] == [1, 2]
    assert [each.alerts[0].starts_at for each in (first, again)] == [START + 2 * POLL] * 2


def test_a_recovery_says_when_it_began_and_ended() -> None:
    watch = watching()
    run(watch, "Failed b2", "Queued", "Deployed b3")
    view = watch.desk.decided[-1].notification.alerts[0]
    assert (view.state, view.starts_at, view.ends_at) == ("resolved", START + 2 * POLL, START + 4 * POLL)
    assert view.annotations["seen"] == "False True "


def test_row_9_a_warning_and_a_clean_attempt() -> None:
    watch = watching()
    watch.set(build="b2", entries=(warned(),))
    watch.poll()
    run(watch, "Queued", "Deploying b3")
    assert watch.heard == ["+DeploymentWarning"]
    watch.set(status="Deployed", entries=())
    watch.poll()
    assert watch.heard == ["+DeploymentWarning", "-DeploymentWarning"]


def test_row_9_a_warning_whose_report_is_emptied_first() -> None:
    watch = watching()
    watch.set(build="b2", entries=(warned(),))
    watch.poll()
    watch.set(status="Queued", entries=())
    watch.poll()
    assert run(watch, "Deploying b3", "Deployed") == ["+DeploymentWarning", "-DeploymentWarning"]


def test_row_9_a_warning_that_comes_back_with_the_next_attempt_is_told_again() -> None:
    watch = watching()
    watch.set(build="b2", entries=(warned(),))
    watch.poll()
    assert run(watch, "Queued", "Deploying b3", "Deployed") == ["+DeploymentWarning", "+DeploymentWarning"]


def test_row_9_each_application_warns_and_recovers_for_itself() -> None:
    watch = watching()
    watch.set(build="b2", entries=(warned(), warned(application="job")))
    watch.poll()
    watch.set(status="Deployed", build="b3", entries=(warned(application="job"),))
    watch.poll()
    assert watch.heard == ["+DeploymentWarning +DeploymentWarning", "+DeploymentWarning -DeploymentWarning"]


def test_row_10_an_announced_end_is_silent_and_an_unannounced_one_is_told() -> None:
    for steps, heard in ((["Undeploying"], []), ([], ["+DeploymentVanished"])):
        watch = watching(deployment(), deployment("other"))
        run(watch, *steps)
        watch.remove("shop")
        for _ in range(5):
            watch.poll()
        assert watch.heard == heard


def test_a_failed_deployment_that_is_undeployed_is_over_worded_removed() -> None:
    watch = watching(deployment(), deployment("other"))
    run(watch, "Failed b2", "Undeploying")
    watch.remove("shop")
    watch.poll()
    watch.poll()
    assert watch.heard == [FAILED, RECOVERED]
    assert watch.desk.decided[-1].notification.alerts[0].annotations["seen"] == "False True true"
    assert not watch.desk.alerts


def test_a_failed_undeployment_that_succeeds_at_last_has_not_vanished() -> None:
    watch = watching(deployment(), deployment("other"))
    run(watch, "Undeploying", "UndeployFailed")
    watch.remove("shop")
    watch.poll()
    watch.poll()
    assert watch.heard == ["+UndeployFailed", "-UndeployFailed"]


def test_row_11_blind_then_sight_then_what_failed_meanwhile() -> None:
    watch = watching()
    for minute in range(20):
        if minute == 10:
            watch.set(status="Failed", build="b2")
        watch.miss()
    watch.poll()
    assert watch.heard == ["+SourceBlind", "-SourceBlind", FAILED]


def test_row_13_down_for_two_days() -> None:
    watch = watching()
    run(watch, "Deploying b2")
    watch.set(status="Failed")
    watch.restart()
    watch.poll(after=2 * DAY)
    assert watch.heard == ["+WasBlind", FAILED]


# ── the first sight ──────────────────────────────────────────────────────────


def test_row_1_what_failed_long_ago_is_known_and_not_told() -> None:
    watch = Watch()
    watch.put(*(deployment(f"d{n}", "Failed" if n < 40 else "Deployed") for n in range(300)))
    watch.poll()
    assert news(watch.desk.outbox.values()) == ["+NowWatching"]
    assert Counter(watch.desk.states.values()) == {"firing": 40}
    watch.restart()
    watch.poll(after=HOUR)
    assert watch.heard == ["+WasBlind"]


@pytest.mark.parametrize(
    ("steps", "heard"),
    [
        (["Deployed b2"], []),
        (["Queued", "Deploying b2"], []),
        (["Queued", "Deploying b2", "Deployed"], []),
        (["Queued", "Deploying b2", "Failed"], [FAILED]),
        (["Failed b2"], [FAILED]),
        (["Failed b2", "Failed b3"], [FAILED, FAILED]),
        (["Failed b2", "Deployed b3"], [FAILED, RECOVERED]),
        (["Deployed b2", "Failed b3"], [FAILED]),
    ],
)
def test_what_had_failed_before_the_first_sight_is_news_when_it_fails_anew(steps: list[str], heard: list[str]) -> None:
    assert run(watching(deployment(status="Failed")), *steps) == heard


def test_a_first_failure_after_a_silent_one_is_not_called_another_one() -> None:
    watch = watching(deployment(status="Failed"))
    run(watch, "Failed b2")
    view = watch.desk.decided[-1].notification.alerts[0]
    assert (view.annotations["seen"], view.attempts, view.starts_at) == ("False False ", 1, START + 2 * POLL)


def test_what_is_under_way_at_first_sight_is_clocked_from_there() -> None:
    watch = watching(deployment(status="Deploying"))
    watch.poll(after=19 * MINUTE)
    assert watch.heard == ["+WasBlind"]
    watch.poll(after=MINUTE)
    assert watch.heard == ["+WasBlind", STUCK]


# ── conditions that must last ────────────────────────────────────────────────


def lasting(watch: Watch, length: int) -> None:
    for _ in range(length // POLL):
        watch.poll()


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


# ── starts and ends within the pace of a group ───────────────────────────────

SLOW = {"group_wait": 10 * SECOND, "group_interval": 5 * MINUTE}


def paced_watch(**pace: int) -> Watch:
    return watching(root=route_of("project", "deployment", **{**SLOW, **pace}))


def test_failed_recovered_and_failed_again_within_group_interval_is_told() -> None:
    """The receiver has heard `failed`; the recovery was never told, the next failure must be."""
    watch = paced_watch()
    run(watch, "Failed b2", "Failed b2", "Deployed b3", "Failed b4")
    lasting(watch, 10 * MINUTE)
    assert watch.heard == [FAILED, FAILED]


def test_failed_recovered_and_failed_within_group_wait_is_told_as_failed() -> None:
    watch = paced_watch(group_wait=5 * MINUTE)
    run(watch, "Failed b2", "Deployed b3", "Failed b4")
    lasting(watch, 10 * MINUTE)
    assert watch.heard == [FAILED]


def test_failed_and_recovered_within_group_wait_is_told() -> None:
    watch = paced_watch(group_wait=5 * MINUTE)
    run(watch, "Failed b2", "Deployed b3")
    lasting(watch, 10 * MINUTE)
    assert watch.heard == [RECOVERED]


def test_a_flapping_deployment_ends_with_the_truth() -> None:
    watch = paced_watch()
    for n in range(40):
        run(watch, "Failed" if n % 2 else "Deployed")
    lasting(watch, 10 * MINUTE)
    assert watch.heard[-1] == FAILED
    run(watch, "Deployed")
    lasting(watch, 10 * MINUTE)
    assert watch.heard[-1] == RECOVERED


# ── facts ────────────────────────────────────────────────────────────────────

MOVED = rule("Moved", events=["application"])


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
    desk.ledger.adopt(deployments, START + at)
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


# ── subjects ─────────────────────────────────────────────────────────────────


def test_a_deployment_made_anew_under_the_same_key_is_not_ended_by_the_end_of_the_old_one() -> None:
    """Row 32: the old one failed and was deleted, the new one has failed, and only then is the old one known as gone."""
    watch = watching(deployment(), deployment("other"))
    run(watch, "Failed b2")
    watch.remove("shop")
    watch.put(deployment("shop", "Failed", id="id-anew", build="b7"))
    for _ in range(4):
        watch.poll()
    assert watch.desk.states == {"DeploymentFailed id-anew": "firing"}
    assert watch.heard[:2] == [FAILED, FAILED]
    assert RECOVERED not in watch.heard
    watch.truth["id-anew"] = replace(watch.truth["id-anew"], status="Deployed")
    watch.poll()
    assert watch.heard[-1] == RECOVERED


def test_projects_do_not_age_one_another() -> None:
    desk = Desk([stuck(WAIT)])
    there = deployment("there", "Deploying", project="other")
    desk.judge(event("created", 0, of=there, project="other"), seen=HOUR, now=HOUR)
    assert desk.decided == []
    assert desk.judge(event("sighted", WAIT, project="other", sight=START + WAIT), now=WAIT) != []


# ── restarts ─────────────────────────────────────────────────────────────────


def test_a_limited_read_ends_between_two_observations() -> None:
    """Six hundred failures in one poll are one message, also where the process dies between two batches of judging."""
    earlier = [event("status", 0, of=deployment("a", "Failed"))]
    found = [event("status", 1, of=deployment(f"d{n}", "Failed")) for n in range(600)]
    assert whole_observations([*earlier, *found[:499]]) == earlier
    assert whole_observations(found[:500]) == []
    assert whole_observations([]) == []


SUBJECTS = ("a", "b", "c")
statuses = st.sampled_from(["Queued", "Deploying", "Deployed", "Failed", "Undeploying", "UndeployFailed"])
builds = st.sampled_from(["b1", "b2", "b3"])
reports: st.SearchStrategy[tuple[ReportEntry, ...]] = st.sampled_from([(), (warned(),), (warned(application="job"),)])
happenings = st.lists(
    st.tuples(
        st.sampled_from(SUBJECTS),
        statuses,
        builds,
        reports,
        st.sampled_from([0, POLL, POLL, 10 * MINUTE, 5 * HOUR]),
    ),
    min_size=1,
    max_size=25,
)
paces = st.sampled_from(
    [
        route_of("project", "deployment"),
        route_of("project"),
        route_of("project", group_wait=MINUTE, group_interval=5 * MINUTE),
        route_of(group_wait=10 * SECOND, group_interval=HOUR, repeat_interval=4 * HOUR),
    ]
)
Script = Sequence[tuple[str, str, str, tuple[ReportEntry, ...], int]]


def recorded(script: Script) -> list[Event]:
    """The events of a script as observing records them."""
    watch = watching(*(deployment(name) for name in SUBJECTS))
    watch.events.clear()
    found: list[Event] = []
    for name, status, build, entries, length in script:
        watch.set(name, status=status, build=build, entries=entries)
        if length:
            found += watch.poll(after=length, judged=False).events
            watch.events.clear()
    return [replace(each, seq=number) for number, each in enumerate(found, 1)]


def summary(flushes: Sequence[Flush]) -> dict[str, list[tuple[object, ...]]]:
    """What each lane was told: names, reasons and counts."""
    lanes: dict[str, list[tuple[object, ...]]] = {}
    for each in flushes:
        message = each.notification
        told = (message.id, message.reason, message.firing, message.resolved, message.fresh)
        lanes.setdefault(each.lane, []).append(told)
    return lanes


@quick
@given(happenings, paces, st.lists(st.integers(1, 10), min_size=1, max_size=10))
def test_batches_of_any_size_with_a_restart_after_each_say_the_same(
    script: Script, pace: Route, sizes: list[int]
) -> None:
    events = recorded(script)
    observations = [list(found) for _, found in groupby(events, key=lambda each: each.at)]
    whole = Desk(pack("builtin"), pace)
    pieces = Desk(pack("builtin"), pace)
    whole.judge(*events)
    at = 0
    for number in range(len(observations)):
        size = sizes[number % len(sizes)]
        pieces.judge(*chain.from_iterable(observations[at : at + size]))
        pieces.restart()
        at += size
    end = events[-1].at - START + DAY if events else DAY
    whole.judge(seen=end, now=end)
    pieces.judge(seen=end, now=end)
    assert summary(pieces.decided) == summary(whole.decided)
    assert pieces.states == whole.states
    assert pieces.reasons == whole.reasons


@quick
@given(happenings)
def test_judging_late_says_what_judging_at_once_says(script: Script) -> None:
    """As long as nothing is repeated: of several reminders that nobody sent one is enough."""
    events, root = recorded(script), route_of("project", "deployment", repeat_interval=365 * DAY)
    prompt, late = Desk([failed(), MOVED], root), Desk([failed(), MOVED], root)
    for each, following in pairwise([*events, None]):
        assert each is not None
        last = following is None or following.at != each.at
        prompt.judge(each, now=each.at - START if last else None)
    late.judge(*events, now=events[-1].at - START if events else 0)
    assert summary(late.decided) == summary(prompt.decided)


@quick
@given(happenings, paces)
def test_a_message_is_never_lost_to_another_of_the_same_name(script: Script, pace: Route) -> None:
    desk = Desk(pack("builtin"), pace)
    for _, found in groupby(recorded(script), key=lambda each: each.at):
        events = list(found)
        desk.judge(*events, seen=events[0].at - START, now=events[0].at - START)
    assert len(desk.outbox) == len(desk.decided)


# ── a naive person's model ───────────────────────────────────────────────────

runs = st.lists(st.tuples(statuses, builds), max_size=20)


def expected(steps: Sequence[tuple[str, str]]) -> list[str]:
    """Say `failed` when a failure is seen that was not there a poll ago, and `recovered` when it is deployed after one."""
    heard, down, before = [], False, ("Deployed", "b1")
    for step in steps:
        if step[0] == "Failed" and step != before:
            heard.append(FAILED)
            down = True
        if step[0] == "Deployed" and down:
            heard.append(RECOVERED)
            down = False
        before = step
    return heard


@quick
@given(runs, st.sets(st.integers(0, 20)))
def test_a_person_hears_each_failure_and_each_recovery_once(steps: list[tuple[str, str]], restarts: set[int]) -> None:
    watch = watching(rules_=[failed()])
    for number, (status, build) in enumerate(steps):
        if number in restarts:
            watch.restart()
        watch.set(status=status, build=build)
        watch.poll()
    assert watch.heard == expected(steps)


@quick
@given(runs, st.sampled_from([0, 10 * SECOND, 2 * MINUTE]))
def test_at_any_pace_each_failure_is_followed_by_its_news_and_the_last_word_is_true(
    steps: list[tuple[str, str]], wait: int
) -> None:
    watch = watching(rules_=[failed()], root=route_of("project", group_wait=wait, group_interval=5 * MINUTE))
    before, failures, down = ("Deployed", "b1"), list[int](), False
    for step in steps:
        watch.set(status=step[0], build=step[1])
        watch.poll()
        if step[0] == "Failed" and step != before:
            failures.append(watch.at)
        down = step[0] == "Failed" or (down and step[0] != "Deployed")
        before = step
    lasting(watch, 20 * MINUTE)
    told = [each.notification for each in watch.desk.decided if each.notification.fresh]
    last = watch.desk.decided[-1].notification.status if told else "resolved"
    assert (last == "firing") == down
    for at in failures:
        assert any(each.at >= at for each in told), "a failure that nobody heard of"
    for earlier, later in pairwise(told):
        assert any(earlier.at <= at <= later.at for at in failures) or later.status == "resolved", "news of nothing"
