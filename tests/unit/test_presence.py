"""What a list no longer shows: gone, only hidden, or a list that is not to be believed (design truth 7)."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.fakes import START, deployment
from tests.unit.builders import PROJECT
from watcher.core import presence
from watcher.core.presence import Absence
from watcher.core.sight import SourceState
from watcher.core.snapshot import Deployment

STATE = SourceState(project=PROJECT, last_ok=START, baselined=True)
TOLD = replace(STATE, suspicious=presence.SUSPICIOUS_POLLS)
HERE = deployment("here")


def lacking(missing: int) -> Absence:
    return Absence(missing=tuple(f"id-d{n}" for n in range(missing)), suspect=missing > 0, probe=())


def project(size: int, undeploying: int = 0) -> dict[str, Deployment]:
    found = [deployment(f"d{n}", "Undeploying" if n < undeploying else "Deployed") for n in range(size)]
    return {each.id: each for each in found}


def shown(size: int, missing: int) -> list[str]:
    return [f"id-d{n}" for n in range(missing, size)]


@pytest.mark.parametrize(
    ("size", "missing", "undeploying", "suspect"),
    [
        (300, 0, 0, False),
        (300, 1, 0, False),
        (300, 150, 0, False),
        (300, 151, 0, True),
        (10, 5, 0, False),
        (10, 6, 0, True),
        (8, 4, 0, False),
        (7, 4, 0, False),
        (7, 5, 0, True),
        (4, 4, 0, True),
        (2, 2, 0, True),
        (1, 1, 0, False),
        (4, 3, 0, False),
        (10, 10, 10, False),
        (10, 10, 9, False),
        (10, 10, 8, True),
        (10, 9, 4, False),
        (10, 10, 4, True),
    ],
)
def test_when_most_of_a_project_is_missing_at_once_the_list_is_suspect(
    size: int, missing: int, undeploying: int, suspect: bool
) -> None:
    found = presence.absence(project(size, undeploying), shown(size, missing), STATE)
    assert (len(found.missing), found.suspect) == (missing, suspect)


def test_nothing_missing_is_nothing_to_read() -> None:
    assert presence.absence(project(3), shown(3, 0), STATE) == Absence(missing=(), suspect=False, probe=())


def test_what_is_missing_is_read_one_by_one() -> None:
    assert presence.absence(project(3), shown(3, 1), STATE).probe == ("id-d0",)


def test_a_suspect_list_is_not_checked_until_a_person_was_told() -> None:
    assert presence.absence(project(10), [], STATE).probe == ()
    assert len(presence.absence(project(10), [], TOLD).probe) == 10


def test_an_emptied_project_is_no_burst_of_requests() -> None:
    assert len(presence.absence(project(500), [], TOLD).probe) == presence.PROBES
    assert len(presence.absence(project(500), shown(500, 100), STATE).probe) == presence.PROBES


@pytest.mark.parametrize(
    ("before", "answers", "missing", "counts", "gone"),
    [
        ({}, {}, [], {}, []),
        ({}, {"a": None}, ["a"], {"a": 1}, []),
        ({"a": 1}, {"a": None}, ["a"], {}, ["a"]),
        ({"a": 1}, {}, ["a"], {"a": 1}, []),
        ({"a": 1}, {"a": HERE}, ["a"], {}, []),
        ({"a": 1}, {}, [], {}, []),
        ({"a": 1, "b": 1}, {"a": None, "b": HERE}, ["a", "b"], {}, ["a"]),
        ({"a": 1}, {"a": None, "b": None}, ["a", "b"], {"b": 1}, ["a"]),
    ],
    ids=[
        "nothing missing",
        "one agreement is not enough",
        "two are",
        "a read that failed leaves the count alone",
        "a read that finds it starts anew",
        "a list that shows it again starts anew",
        "each for itself",
        "each has its own count",
    ],
)
def test_gone_is_what_list_and_read_agree_on_twice(
    before: Mapping[str, int],
    answers: Mapping[str, Deployment | None],
    missing: list[str],
    counts: Mapping[str, int],
    gone: list[str],
) -> None:
    assert presence.agreed(before, answers, missing) == (counts, gone)


def test_row_12_the_third_unbelievable_list_in_a_row_is_told_once() -> None:
    state, told = STATE, []
    for _ in range(10):
        state, events = presence.suspicion(state, lacking(10), 10, doubtful=True, at=START)
        told.append(len(events))
    assert told == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]


def test_one_list_that_can_be_believed_ends_the_row() -> None:
    state = replace(STATE, suspicious=2)
    state, _ = presence.suspicion(state, lacking(0), 10, doubtful=False, at=START)
    state, told = presence.suspicion(state, lacking(10), 10, doubtful=True, at=START)
    assert (state.suspicious, told) == (1, [])


def test_what_is_told_is_how_many_of_how_many() -> None:
    _, (told,) = presence.suspicion(replace(STATE, suspicious=2), lacking(9), 10, doubtful=True, at=START + 5)
    assert (told.type.value, dict(told.fields), told.at) == ("suspicious", {"missing": "9", "known": "10"}, START + 5)


@pytest.mark.parametrize(
    ("status", "announced"),
    [
        ("Deployed", "false"),
        ("Failed", "false"),
        ("Deploying", "false"),
        ("Undeploying", "true"),
        # it can only have failed to undeploy when somebody had asked for that
        ("UndeployFailed", "true"),
    ],
)
def test_row_10_the_end_says_whether_somebody_announced_it(status: str, announced: str) -> None:
    found = presence.gone_event(deployment(status=status), STATE, START)
    assert found.fields == {"announced": announced, "mass": "false"}
    assert found.previous_status == status
    assert found.deployment == deployment(status=status)
