"""The newest lines of each application: enough to explain a failure, never more than there is room for."""

from tests.fakes import START
from watcher.core.logrecord import LogRecord
from watcher.core.recent import LONGEST, Recent, lines_of


def record(message: str, at: int = 0, *, application: str = "service", deployment_id: str = "id-shop") -> LogRecord:
    return LogRecord(
        deployment_id=deployment_id,
        application=application,
        type="APPLICATION_TEXT",
        severity="DEFAULT",
        level="ERROR",
        at=START + at,
        message=message,
    )


def said(recent: Recent, project: str = "my-shop", deployment_id: str = "id-shop", since: int = 0) -> list[str]:
    return [each.message for each in recent.lines(project, deployment_id, since=START + since)]


def test_the_last_lines_of_all_applications_of_a_deployment_come_in_order_of_time() -> None:
    recent = Recent()
    recent.add("my-shop", [record("b", 2), record("a", 1), record("c", 3, application="sync")])
    recent.add("my-shop", [record("d", 0)])

    assert said(recent) == ["d", "a", "b", "c"]
    assert said(recent, since=2) == ["b", "c"]
    assert {each.application for each in recent.lines("my-shop", "id-shop")} == {"service", "sync"}


def test_lines_written_at_the_same_moment_stay_in_the_order_in_which_they_came() -> None:
    recent = Recent()
    recent.add("my-shop", [record("Error: boom", 1), record("    at one", 1), record("    at two", 1)])

    assert said(recent) == ["Error: boom", "    at one", "    at two"]


def test_deployments_and_projects_are_kept_apart() -> None:
    recent = Recent()
    recent.add("my-shop", [record("mine"), record("other", deployment_id="id-other")])
    recent.add("your-shop", [record("yours")])

    assert said(recent) == ["mine"]
    assert said(recent, deployment_id="id-other") == ["other"]
    assert said(recent, project="your-shop") == ["yours"]
    assert said(recent, deployment_id="unknown") == []


def test_only_the_newest_of_an_application_are_kept_and_a_noisy_one_does_not_push_out_another() -> None:
    recent = Recent(kept=3)
    recent.add("my-shop", [record("quiet", 0, application="quiet")])
    recent.add("my-shop", [record(str(n), n) for n in range(10)])
    recent.add("my-shop", [record("10", 10)])

    assert said(recent) == ["quiet", "8", "9", "10"]


def test_applications_that_were_silent_for_longest_make_room() -> None:
    recent = Recent(applications=2)
    for name in ("a", "b", "a", "c"):
        recent.add("my-shop", [record(name, application=name)])

    assert sorted(said(recent)) == ["a", "a", "c"]


def test_a_line_has_a_greatest_length() -> None:
    recent = Recent()
    recent.add("my-shop", [record("x" * (LONGEST + 1))])

    assert [len(each) for each in said(recent)] == [LONGEST]
    assert [len(each.message) for each in lines_of([record("x" * (LONGEST + 1))])] == [LONGEST]


def test_records_that_were_asked_for_become_lines_in_order_of_time() -> None:
    assert [each.message for each in lines_of([record("b", 2), record("a", 1), record("c", 2)])] == ["a", "b", "c"]
