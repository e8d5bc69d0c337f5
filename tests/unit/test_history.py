"""What became of a Deployment's builds, as far as it was seen."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.fakes import START, deployment
from tests.unit.builders import DAY, HOUR, MINUTE, REGION, event
from watcher.core.history import Run, advanced, begun, due_verdicts
from watcher.core.snapshot import Application

AFTER = 10 * MINUTE
RULE = "Health"


def lived(*steps: str, every: int = HOUR) -> Run:
    """The history of a Deployment that is seen with the first `status build` and goes through the others."""
    first, *rest = (step.split() for step in steps)
    run: Run | None = begun(deployment(status=first[0], build=first[1]), START, region=REGION)
    before = first
    for number, (status, build) in enumerate(rest, 1):
        of = deployment(status=status, build=build)
        if status != before[0]:
            run = advanced(run, event("status", number * every, of=of, previous_status=before[0]))
        if build != before[1]:
            run = advanced(run, event("attempt", number * every, of=of, previous_build=before[1]))
        before = [status, build]
    assert run is not None
    return run


def hours(*times: int) -> Sequence[int]:
    return [(each - START) // HOUR if each else -1 for each in times]


@pytest.mark.parametrize(
    ("steps", "good", "since", "before", "before_since"),
    [
        (["Deployed b1"], "b1", 0, "", -1),
        (["Queued b1", "Deploying b1", "Deployed b1"], "b1", 2, "", -1),
        (["Failed b1"], "", -1, "", -1),
        (["Deployed b1", "Deploying b2", "Deployed b2"], "b2", 2, "b1", 0),
        (["Deployed b1", "Deployed b2"], "b2", 1, "b1", 0),
        (["Deployed b1", "Deploying b1", "Deployed b1"], "b1", 2, "b1", 0),
        (["Deployed b1", "Deploying b2", "Failed b2"], "b1", 0, "", -1),
        (["Deployed b1", "Failed b2", "Deploying b3", "Deployed b3"], "b3", 3, "b1", 0),
        (["Deployed b1", "Deployed b2", "Deployed b3"], "b3", 2, "b2", 1),
        (["Failed b1", "Deploying b2", "Deployed b2"], "b2", 2, "", -1),
    ],
)
def test_the_last_two_good_builds_are_known(
    steps: list[str], good: str, since: int, before: str, before_since: int
) -> None:
    run = lived(*steps)

    assert (run.good, run.before) == (good, before)
    assert hours(run.good_since, run.before_since) == [since, before_since]


@pytest.mark.parametrize(
    ("steps", "is_good"),
    [
        (["Deployed b1"], True),
        (["Deployed b1", "Deploying b2"], False),
        (["Deployed b1", "Deploying b2", "Failed b2"], False),
        (["Deployed b1", "Failed b2", "Deployed b3"], True),
        (["Failed b1"], False),
    ],
)
def test_it_is_good_while_its_good_build_is_what_runs(steps: list[str], is_good: bool) -> None:
    assert lived(*steps).is_good == is_good


@pytest.mark.parametrize(
    "steps",
    [
        ["Deployed b1", "Queued b1", "Deploying b1", "Deployed b1"],
        ["Deployed b1", "Queued b1", "Deploying b2", "Deployed b2"],
        ["Deployed b1", "Queued b1", "Deploying b1", "Deployed b2"],
        ["Failed b1", "Queued b1", "Deploying b2", "Deployed b2"],
        ["Failed b1", "Queued b1", "Deploying b1", "Deployed b1"],
        ["Deployed b1", "Deployed b2"],
        ["Failed b1", "Deployed b2"],
    ],
)
def test_an_attempt_begins_when_it_is_first_seen_whenever_its_build_shows(steps: list[str]) -> None:
    run = lived(*steps)

    assert hours(run.began, run.good_began) == [1, 1]


def test_a_deployment_that_is_gone_has_no_history() -> None:
    run = lived("Deployed b1")

    assert advanced(run, event("gone", HOUR, of=deployment())) is None


def test_what_is_no_fact_about_a_deployment_changes_no_history() -> None:
    run = lived("Deployed b1")
    of = deployment(build="b1", version=7)

    assert advanced(run, event("report", HOUR, of=of)) == run


def test_a_project_that_is_seen_anew_begins_anew() -> None:
    """It was not watched for a while: what runs now is not to be held against what ran then."""
    run = lived("Deployed b1", "Deployed b2")

    again = advanced(run, event("created", DAY, of=deployment(build="b9"), baseline=True))

    assert again is not None
    assert (again.good, again.good_since, again.before_since) == ("b9", START + DAY, 0)
    assert due_verdicts([again], RULE, AFTER, START + 2 * DAY) == []


def test_the_labels_of_an_application_are_those_of_its_deployment_with_its_kind() -> None:
    applications = (
        Application(id="1", name="sync", schedule="0 * * * *"),
        Application(id="2", name="listener", topic="t"),
        Application(id="3", name="service"),
    )
    run = begun(deployment(applications=applications), START, region=REGION)

    assert [run.labels(each.name)["application_kind"] for each in applications] == ["job", "event", "service"]
    assert run.labels("unknown")["application_kind"] == ""
    assert {
        key: run.labels("sync")[key] for key in ("project", "region", "type", "connector", "deployment", "build")
    } == {
        "project": "my-shop",
        "region": REGION,
        "type": "production",
        "connector": "stripe",
        "deployment": "shop",
        "build": "b1",
    }


# ── when a build is to be judged ─────────────────────────────────────────────


def test_a_build_is_due_some_time_after_it_was_deployed() -> None:
    run = lived("Deployed b1", "Deploying b2", "Deployed b2")
    since = run.good_since

    assert due_verdicts([run], RULE, AFTER, since + AFTER - 1) == []
    assert due_verdicts([run], RULE, AFTER, since + AFTER) == [run]
    assert due_verdicts([run], RULE, AFTER, since + DAY) == [run]


@pytest.mark.parametrize(
    "steps",
    [
        ["Deployed b1"],
        ["Queued b1", "Deploying b1", "Deployed b1"],
        ["Failed b1", "Deploying b2", "Deployed b2"],
        ["Deployed b1", "Deploying b2"],
        ["Deployed b1", "Deployed b2", "Failed b3"],
    ],
    ids=["seen deployed", "the first ever", "the first good one", "under way", "failed since"],
)
def test_there_is_nothing_to_compare_or_nothing_to_judge(steps: list[str]) -> None:
    assert due_verdicts([lived(*steps)], RULE, AFTER, START + 9 * DAY) == []


def test_a_build_is_judged_once_and_a_redeploy_of_the_same_build_is_another() -> None:
    run = lived("Deployed b1", "Deploying b2", "Deployed b2")
    judged = replace(run, judged=frozenset({RULE}))
    assert due_verdicts([judged], RULE, AFTER, START + DAY) == []
    assert due_verdicts([judged], "Another", AFTER, START + DAY) == [judged]

    again: Run | None = judged
    for at, status in ((DAY, "Deploying"), (DAY + MINUTE, "Deployed")):
        again = advanced(again, event("status", at, of=deployment(status=status, build="b2")))

    assert again is not None
    assert due_verdicts([again], RULE, AFTER, START + DAY + MINUTE + AFTER) == [again]
