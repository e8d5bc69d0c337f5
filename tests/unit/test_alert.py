"""What makes two alerts one, and when an alert that fires has failed anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.builders import quick
from watcher.core.alert import Alert, AlertState, fingerprint, identity, is_new_attempt

LABELS = {"alertname": "DeploymentFailed", "project": "my-shop", "deployment": "shop"}


def test_a_fingerprint_is_sixteen_hex_digits_and_never_changes() -> None:
    found = fingerprint(LABELS)
    assert len(found) == 16
    assert set(found) <= set("0123456789abcdef")
    assert found == fingerprint(dict(reversed(LABELS.items())))


def test_an_empty_label_is_an_absent_one() -> None:
    assert fingerprint({**LABELS, "application": ""}) == fingerprint(LABELS)


def test_text_that_was_cut_in_the_middle_of_an_emoji_has_a_fingerprint() -> None:
    assert fingerprint({"deployment": "\ud83d"}) != fingerprint({"deployment": "\ud83e"})


texts = st.text(alphabet=st.sampled_from('ab=,"{}\\ÿþ\x00 '), max_size=4)


@quick
@given(st.dictionaries(texts, texts, max_size=3), st.dictionaries(texts, texts, max_size=3))
def test_fingerprints_are_equal_exactly_for_equal_label_sets(one: dict[str, str], other: dict[str, str]) -> None:
    same = {k: v for k, v in one.items() if v} == {k: v for k, v in other.items() if v}
    assert (fingerprint(one) == fingerprint(other)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "1", "b": "2"}, {"a": "1ÿbþ2"}),
        ({"a": "1", "b": "2"}, {"a": "1, b=2"}),
        ({"a": "1,b=2"}, {"a,b": "1=2"}),
        ({"ab": "c"}, {"a": "bc"}),
    ],
)
def test_no_text_of_a_label_can_pass_for_another_label(one: dict[str, str], other: dict[str, str]) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_only_what_names_the_subject_and_the_rule_is_identity() -> None:
    found = {
        "project": "p",
        "region": "r",
        "type": "production",
        "connector": "c",
        "deployment": "d",
        "application": "a",
        "source": "s",
        "deployment_id": "id",
        "status": "Failed",
        "build": "b",
        "version": "3",
        "connector_version": "7",
        "error": "boom",
        "message": "m",
        "title": "t",
        "event": "status",
        "previous_status": "Deployed",
        "previous_build": "b0",
        "entry_type": "Error",
    }
    assert identity("R", found, {"severity": "critical", "team": ""}) == {
        "alertname": "R",
        "project": "p",
        "region": "r",
        "type": "production",
        "connector": "c",
        "deployment": "d",
        "application": "a",
        "source": "s",
        "severity": "critical",
    }


def test_a_rule_may_ask_for_more_by_name() -> None:
    assert identity("R", {"project": "p", "host": "h", "none": ""}, {}, by=("host", "none")) == {
        "alertname": "R",
        "project": "p",
        "host": "h",
    }


def test_the_labels_of_a_rule_win_over_those_of_the_subject() -> None:
    assert identity("R", {"project": "p", "type": "sandbox"}, {"type": "mine"})["type"] == "mine"


def firing(attempt: str, status: str = "Failed", *, away: bool = False) -> Alert:
    return Alert(
        key="k",
        fingerprint="k",
        rule="R",
        project="p",
        subject="s",
        labels={},
        state=AlertState.FIRING,
        attempt=attempt,
        status=status,
        away=away,
    )


@pytest.mark.parametrize(
    ("alert", "attempt", "status", "again"),
    [
        (firing("b1"), "b1", "Failed", False),
        (firing("b1"), "b2", "Failed", True),
        (firing("b1"), "", "Failed", False),
        (firing(""), "b1", "Failed", False),
        (firing("b1", away=True), "b1", "Failed", True),
        (firing("b1", away=True), "b2", "Failed", True),
        (firing("b1", away=True), "", "Failed", True),
        (firing("b1", "Queued"), "b2", "Deploying", False),
        (firing("b1", "Deploying"), "b2", "Deploying", True),
    ],
    ids=[
        "the same attempt",
        "row 5: another build",
        "a build that is no longer shown",
        "a build that appears late",
        "back after a redeploy that kept its build",
        "back with another build",
        "back without a build",
        "the same run going on",
        "another run in the same status",
    ],
)
def test_a_new_attempt_is_another_build_or_a_return(alert: Alert, attempt: str, status: str, again: bool) -> None:
    assert is_new_attempt(alert, attempt, status) is again
