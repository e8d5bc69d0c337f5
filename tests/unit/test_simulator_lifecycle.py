"""The pure lifecycle, and the time in which its courses run."""

import ast
import itertools
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.facts.table import TABLE
from tests.unit.simulated import DURATIONS, START, HandClock
from watcher.simulator import lifecycle
from watcher.simulator.lifecycle import (
    CONNECTOR_MOVES,
    CONNECTOR_STAGED,
    DEPLOYMENT_MOVES,
    GONE,
    PREVIEW_MOVES,
    RESULTS,
    Course,
    Fields,
    Move,
    Outcome,
    Refusal,
    deploy,
    is_lawful,
    may_edit,
    may_preview,
    may_publish,
    may_redeploy,
    may_remove,
    may_undeploy,
    new_repository,
    preview,
    publish,
    undeploy,
)
from watcher.simulator.progress import Plans, Progress
from watcher.simulator.tempo import Tempo

DEPLOYMENT_STATUSES = TABLE.enums["DeploymentStatus"]
CONNECTOR_STATUSES = TABLE.enums["ConnectorStatus"]
PREVIEWABLE = TABLE.enums["IsPreviewable"]


def test_the_module_needs_the_standard_library_only() -> None:
    tree = ast.parse(Path(lifecycle.__file__).read_text("utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {str(name).partition(".")[0] for name in imported} <= sys.stdlib_module_names


# ── what may be asked for ────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Draft", None),
        ("Queued", "Already queued"),
        ("Deploying", "Already deploying"),
        ("Deployed", None),
        ("Failed", None),
        ("Undeploying", "Already undeploying"),
        ("UndeployFailed", None),
        ("Paused", "Already paused"),
        (None, "Already unknown"),
    ],
)
def test_deploying_again_and_deleting_are_for_deployments_at_rest(status: str | None, state: str | None) -> None:
    refusal = state and Refusal(code="DeploymentInvalidStatusTransition", words={"state": state})
    assert may_redeploy(status) == refusal
    assert may_undeploy(status) == refusal


def test_every_documented_status_has_its_moves() -> None:
    for statuses, moves in (
        (DEPLOYMENT_STATUSES, DEPLOYMENT_MOVES),
        (CONNECTOR_STATUSES, CONNECTOR_MOVES),
        (PREVIEWABLE, PREVIEW_MOVES),
    ):
        assert set(moves) == set(statuses)
        assert {after for targets in moves.values() for after in targets} <= {*statuses, GONE}


@pytest.mark.parametrize("status", CONNECTOR_STATUSES)
def test_a_draft_may_be_changed_unless_it_is_processing(status: str) -> None:
    assert (may_edit(status) is None) is (status != "Processing")
    assert (may_remove(status) is None) is (status != "Processing")
    refusal = may_remove(status, ["Deployed"])
    assert refusal is not None
    assert refusal.code == "InvalidPathParam"


@pytest.mark.parametrize("status", [*DEPLOYMENT_STATUSES, "Paused", None])
def test_a_draft_may_be_deleted_once_nothing_of_it_runs(status: str | None) -> None:
    assert (may_remove("Published", ["Draft", status]) is None) is (status in {"Draft", "Failed"})


@pytest.mark.parametrize(
    ("before", "changes", "lawful"),
    [
        ({"status": "Draft"}, {"status": "Processing"}, True),
        ({"status": "Draft"}, {"status": "Published"}, False),
        ({"status": "Draft", "isPreviewable": "none"}, {"status": "Draft", "isPreviewable": "true"}, False),
        ({"status": "Draft", "isPreviewable": "none"}, {"status": "Draft", "isPreviewable": "pending"}, True),
        ({"status": "Published"}, {"name": "Another"}, True),
        ({"status": ["odd"]}, {"status": "Processing"}, True),
        ({"status": "Paused"}, {"status": "Processing"}, True),
    ],
)
def test_a_move_is_lawful_where_the_tables_have_it(before: Fields, changes: Fields, lawful: bool) -> None:
    assert is_lawful(CONNECTOR_STAGED, before, changes) is lawful


@pytest.mark.parametrize(
    ("status", "certification", "certified", "code"),
    [
        ("Draft", True, False, None),
        ("Draft", False, False, None),
        ("Failed", True, False, None),
        ("Published", True, False, None),
        ("Published", True, True, "ConnectorAlreadyCertified"),
        ("Published", False, True, None),
        ("ReadyForCertification", True, False, "ConnectorStagedInCertification"),
        ("InCertification", True, False, "ConnectorStagedInCertification"),
        ("InCertification", False, False, None),
        ("Processing", False, False, "InvalidJsonInput"),
        ("Processing", True, True, "InvalidJsonInput"),
        ("Paused", True, False, None),
    ],
)
def test_what_may_be_published(status: str, certification: bool, certified: bool, code: str | None) -> None:
    refusal = may_publish(status, certification=certification, certified=certified)
    assert (refusal and refusal.code) == code


@pytest.mark.parametrize("previewable", PREVIEWABLE)
def test_a_preview_is_requested_one_at_a_time(previewable: str) -> None:
    refusal = may_preview(previewable)
    expected = "ConnectorStagedPreviewRequestUnderProcess" if previewable == "pending" else None
    assert (refusal and refusal.code) == expected


# ── what follows ─────────────────────────────────────────────────────────────


def statuses(course: Course) -> list[tuple[int, Any]]:
    found = [(0, course.at_once.get("status", course.at_once.get("isPreviewable")))]
    return found + [
        (move.after, GONE if move.gone else move.changes.get("status", move.changes.get("isPreviewable")))
        for move in course.moves
    ]


DEPLOY = {
    "Deployed": [(0, "Queued"), (5, "Deploying"), (65, "Deployed")],
    "Warning": [(0, "Queued"), (5, "Deploying"), (65, "Deployed")],
    "Failed": [(0, "Queued"), (5, "Deploying"), (65, "Failed")],
    "stuck": [(0, "Queued"), (5, "Deploying")],
}
UNDEPLOY = {
    GONE: [(0, "Undeploying"), (30, GONE)],
    "UndeployFailed": [(0, "Undeploying"), (30, "UndeployFailed")],
    "stuck": [(0, "Undeploying")],
}
PREVIEW = {
    "true": [(0, "pending"), (40, "true")],
    "false": [(0, "pending"), (40, "false")],
    "none": [(0, "pending"), (40, "none")],
    "stuck": [(0, "pending")],
}
CERTIFIED = [(0, "Processing"), (70, "ReadyForCertification"), (150, "InCertification"), (240, "Published")]
PUBLISH = {
    "Published": CERTIFIED,
    "Failed": [(0, "Processing"), (70, "Failed")],
    "stuck": [(0, "Processing")],
    "ReadyForCertification": CERTIFIED[:2],
    "InCertification": CERTIFIED[:3],
    "Rejected": [*CERTIFIED[:3], (240, "Failed")],
}
PRIVATE = {
    **{key: [(0, "Processing"), (70, "Published")] for key in RESULTS["publish"]},
    **{result: PUBLISH[result] for result in ("Failed", "stuck")},
}


def course_of(kind: str, result: str) -> Course:
    outcome = Outcome(result=result)
    made = {
        "deploy": lambda: deploy("b", DURATIONS, outcome),
        "undeploy": lambda: undeploy("b", DURATIONS, outcome),
        "preview": lambda: preview(DURATIONS, outcome),
        "publish": lambda: publish(DURATIONS, outcome, certification=True),
        "private": lambda: publish(DURATIONS, outcome, certification=False),
    }
    return made[kind]()


COURSES = {"deploy": DEPLOY, "undeploy": UNDEPLOY, "preview": PREVIEW, "publish": PUBLISH, "private": PRIVATE}


def test_the_table_of_courses_is_whole() -> None:
    for kind, results in RESULTS.items():
        assert set(COURSES[kind]) == set(results)


@pytest.mark.parametrize(("kind", "result"), [(kind, result) for kind, table in COURSES.items() for result in table])
def test_a_course_makes_legal_moves_at_its_moments(kind: str, result: str) -> None:
    found = statuses(course_of(kind, result))
    assert found == COURSES[kind][result]
    moves = {"deploy": DEPLOYMENT_MOVES, "undeploy": DEPLOYMENT_MOVES, "preview": PREVIEW_MOVES}.get(
        kind, CONNECTOR_MOVES
    )
    for (_, before), (_, after) in itertools.pairwise(found):
        assert after in moves[before]


def entries(course: Course, name: str = "details") -> list[dict[str, Any]]:
    changes = course.moves[-1].changes
    found: list[dict[str, Any]] = (
        changes["details"]["build"]["report"]["entries"] if name == "details" else changes[name]["entries"]
    )
    return found


SCRIPT = {"type": "Warning", "title": "Failed during the execution of 'postDeploy' script"}
OWN = {"type": "Information", "title": "of one's own"}


@pytest.mark.parametrize(
    ("outcome", "skip", "expected"),
    [
        (Outcome(), False, []),
        (Outcome(result="Warning"), False, [{**SCRIPT, "application": "app"}]),
        (Outcome(result="Warning", cause="exit 1"), False, [{**SCRIPT, "message": "exit 1", "application": "app"}]),
        (Outcome(result="Warning"), True, []),
        (Outcome(entries=(OWN, SCRIPT)), False, [OWN, SCRIPT]),
        (Outcome(entries=(OWN, SCRIPT)), True, [OWN]),
        (
            Outcome(result="Failed", cause="no such image"),
            True,
            [
                {
                    "type": "Error",
                    "title": "Failed during the build of the application",
                    "message": "no such image",
                    "application": "app",
                }
            ],
        ),
    ],
)
def test_the_report_of_an_attempt(outcome: Outcome, skip: bool, expected: list[dict[str, Any]]) -> None:
    course = deploy("b-1", DURATIONS, outcome, application="app", skip_scripts=skip)
    assert course.at_once["details"] == {"build": {"id": "b-1"}}  # no report before the end
    assert course.moves[-1].changes["details"]["build"]["id"] == "b-1"
    assert entries(course) == expected


def test_reports_of_checks_come_with_their_results() -> None:
    passed = [f"{check} check succeeded" for check in lifecycle.CHECKS]
    failed = [*passed[:2], "Connector specification file validation check failed"]
    assert preview(DURATIONS, Outcome()).at_once["previewableReport"] is None
    for result, titles in (("true", passed), ("false", failed)):
        course = preview(DURATIONS, Outcome(result=result, cause="bad"))
        assert [entry["title"] for entry in entries(course, "previewableReport")] == titles
    assert "previewableReport" not in preview(DURATIONS, Outcome(result="none")).moves[0].changes
    ready, certifying, done = publish(DURATIONS, Outcome(result="Published"), certification=True).moves
    assert [entry["title"] for entry in ready.changes["publishingReport"]["entries"]] == passed
    assert "publishingReport" not in {**certifying.changes, **done.changes}
    assert (done.changes["alreadyListed"], done.changes["hasChanges"]) == (True, False)
    refused = publish(DURATIONS, Outcome(result="Failed", cause="bad"), certification=False)
    assert entries(refused, "publishingReport")[-1] == {"type": "Error", "title": failed[-1], "message": "bad"}


def test_comments_come_with_certification() -> None:
    outcome = Outcome(result="Published", comments=("please explain",))
    comments = [move.changes.get("comments") for move in publish(DURATIONS, outcome, certification=True).moves]
    assert comments == [None, ("please explain",), None]
    assert publish(DURATIONS, outcome, certification=True).at_once["private"] is False
    private = publish(DURATIONS, outcome, certification=False)
    assert (private.at_once["private"], private.moves[0].changes["alreadyListed"]) == (True, False)


def test_another_repository_leaves_nothing_of_the_last() -> None:
    assert new_repository().at_once == {
        "status": "Draft", "isPreviewable": "none", "publishingReport": None, "previewableReport": None,
    }  # fmt: skip


# ── time ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("speed", "passed", "elapsed"), [(1, 70, 70), (60, 1, 60), (0.5, 7, 3), (0, 99, 0)])
def test_scenario_time_passes_with_its_speed(speed: float, passed: int, elapsed: int) -> None:
    clock = HandClock()
    tempo = Tempo(clock, speed)
    clock.at += passed
    assert tempo.elapsed() == elapsed


def test_scenario_time_jumps_ahead_and_never_goes_back() -> None:
    clock = HandClock()
    tempo = Tempo(clock, 10)
    clock.at += 5
    tempo.advance(1000)
    assert tempo.elapsed() == 1050
    clock.at -= 3
    assert tempo.elapsed() == 1050
    clock.at += 5
    assert tempo.elapsed() == 1070


def test_a_moment_of_scenario_time_has_one_on_the_wall() -> None:
    clock = HandClock()
    tempo = Tempo(clock, 10)
    clock.at += 5
    tempo.advance(1000)
    clock.at += 5
    found = [tempo.wall(moment) - START for moment in (-1, 0, 20, 50, 51, 1049, 1050, 1080, 1200)]
    assert found == [0, 0, 2, 5, 5, 5, 5, 8, 20]
    assert found == sorted(found)


def test_where_time_stands_still_a_moment_is_when_it_was_jumped_over() -> None:
    clock = HandClock()
    tempo = Tempo(clock, 0)
    clock.at += 5
    tempo.advance(100)
    clock.at += 5
    assert [tempo.wall(moment) - START for moment in (0, 1, 100, 101)] == [0, 5, 5, 10]


def test_moves_come_when_they_are_due_and_a_new_course_replaces_the_old() -> None:
    clock = HandClock()
    progress = Progress(tempo=Tempo(clock))
    first, second, other = (Move(after=after, changes={"n": after}) for after in (10, 20, 15))
    progress.begin(("x", "a"), [first, second])
    progress.begin(("x", "b"), [other])
    assert [at for at, _, _ in progress.upcoming()] == [10, 15, 20]
    clock.at += 15
    assert [*progress.due()] == [(START + 10, ("x", "a"), first), (START + 15, ("x", "b"), other)]
    progress.begin(("x", "a"), [first])
    clock.at += 9
    assert [*progress.due()] == []
    clock.at += 1
    assert [*progress.due()] == [(START + 25, ("x", "a"), first)]
    progress.begin(("y", "a"), [first])
    progress.cancel(("y", "a"))
    clock.at += 99
    assert [*progress.due()] == []


def test_plans_are_used_up_nearest_first() -> None:
    plans = Plans()
    outcomes = {name: Outcome(result=name) for name in ("one", "two", "all", "any")}
    plans.add("deploy", "k", outcomes["one"], 1)
    plans.add("deploy", "k", outcomes["two"], 2)
    plans.add("deploy", "*", outcomes["any"], None)
    plans.add("undeploy", "k", outcomes["all"], None)
    taken = [plans.take("deploy", ("k", None)).result for _ in range(5)]
    assert taken == ["one", "two", "two", "any", "any"]
    assert plans.take("deploy", ("other",)).result == "any"
    assert [plans.take(kind, ()).result for kind in ("undeploy", "preview", "publish")] == [GONE, "true", "Published"]
    plans.add("undeploy", "k", outcomes["one"], 1)  # what was planned for all is over
    assert [plans.take("undeploy", ("k",)).result for _ in range(2)] == ["one", GONE]
