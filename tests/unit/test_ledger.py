"""What one project makes a person hear: the timelines, the first sight, the pace of a group."""

from collections import Counter
from dataclasses import replace

import pytest

from tests.fakes import START, deployment
from tests.unit.builders import (
    DAY,
    FAILED,
    HOUR,
    MINUTE,
    POLL,
    RECOVERED,
    SECOND,
    STUCK,
    Desk,
    Watch,
    event,
    lasting,
    news,
    route_of,
    run,
    stuck,
    warned,
    watching,
)

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
    desk = Desk([stuck(HOUR)])
    there = deployment("there", "Deploying", project="other")
    desk.judge(event("created", 0, of=there, project="other"), seen=HOUR, now=HOUR)
    assert desk.decided == []
    assert desk.judge(event("sighted", HOUR, project="other", sight=START + HOUR), now=HOUR) != []
