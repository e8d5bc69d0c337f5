"""Rules that look at how much was written, once a minute: a share, a spike, silence, a job that did not run."""

from dataclasses import replace

import pytest

from tests.fakes import START
from tests.unit.builders import DAY, HOUR, MINUTE, SECOND
from tests.unit.log_desk import SERVICE, groups, measuring, picture, running
from watcher.config import parse_rules
from watcher.core.history import Run
from watcher.core.logrecord import Tally
from watcher.core.rule import MeasureRule
from watcher.core.snapshot import Application
from watcher.errors import ConfigError
from watcher.rules.measure import last_due

RATIO = """
[[rules]]
name = "ServerErrors"
on = "log"
of = "5xx"
above = 0.05
at_least = 20
within = "5m"
"""
SPIKE = """
[[rules]]
name = "Spike"
on = "log"
spike = 3.0
at_least = 10
within = "10m"
baseline = "1h"
"""
ABSENT = """
[[rules]]
name = "Silent"
on = "log"
absent = "24h"
"""
JOB = """
[[rules]]
name = "JobMissed"
on = "log"
missed_run = "15m"
"""
NOON = 4 * HOUR
"""The start is at eight in the morning, UTC."""
LAST_5M = (DAY - 5 * MINUTE, DAY)


def http(total: int, bad: int = 0, client: int = 0) -> Tally:
    return Tally(records=total, http=total, http_5xx=bad, http_4xx=client)


def errors(number: int, of: int = 1_000) -> Tally:
    return Tally(records=of, errors=number)


# ── a share ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wrote", "holds"),
    [
        (http(100, 5), False),
        (http(100, 6), True),
        (http(20, 2), True),
        (http(19, 19), False),
        (http(100, 0, client=50), False),
        (Tally(records=1_000, errors=1_000), False),
        (Tally(), False),
    ],
    ids=[
        "exactly the share",
        "more",
        "just enough requests",
        "too few requests",
        "other errors",
        "no request",
        "nothing",
    ],
)
def test_a_share_holds_while_more_than_it_failed_of_enough_requests(wrote: Tally, holds: bool) -> None:
    answer = measuring(RATIO).measure(picture(DAY, running(), wrote={LAST_5M: wrote}))

    assert groups(answer) == (["shop/service"] if holds else [])


def test_a_share_says_how_many_of_how_many() -> None:
    (found,) = measuring(RATIO).measure(picture(DAY, running(), wrote={LAST_5M: http(40, 10)})).holds

    assert {key: found.values[key] for key in ("part", "whole", "percent")} == {
        "part": "10",
        "whole": "40",
        "percent": "25",
    }
    assert found.labels == {
        "alertname": "ServerErrors",
        "project": "my-shop",
        "region": "europe-west1.gcp",
        "type": "production",
        "connector": "stripe",
        "deployment": "shop",
        "application": "service",
    }


@pytest.mark.parametrize(
    ("of", "wrote"), [("4xx", http(100, client=6)), ("errors", Tally(records=100, errors=6)), ("5xx", http(100, 6))]
)
def test_a_share_can_be_of_several_things(of: str, wrote: Tally) -> None:
    rule = measuring(RATIO.replace('"5xx"', f'"{of}"'))

    assert groups(rule.measure(picture(DAY, running(), wrote={LAST_5M: wrote}))) == ["shop/service"]


def test_each_application_is_measured_on_its_own_and_all_of_a_deployment_as_one_where_asked_for() -> None:
    wrote = {
        LAST_5M: {SERVICE: http(100, 3), ("id-shop", "events"): http(100, 8), ("id-other", "service"): http(50, 0)}
    }
    runs = [running(applications=("service", "events")), running("other")]

    assert groups(measuring(RATIO).measure(picture(DAY, *runs, wrote=wrote))) == ["shop/events"]
    by_deployment = measuring(RATIO + 'by = ["deployment"]')
    assert groups(by_deployment.measure(picture(DAY, *runs, wrote=wrote))) == ["shop"]
    (found,) = by_deployment.measure(picture(DAY, *runs, wrote=wrote)).holds
    assert (found.values["part"], found.values["whole"]) == ("11", "200")


def test_matchers_choose_what_is_measured() -> None:
    rule = measuring(RATIO + """matchers = ['type="production"', 'application!="events"']""")
    wrote = {
        LAST_5M: {(f"id-{name}", app): http(100, 50) for name in ("shop", "test") for app in ("service", "events")}
    }
    runs = [running(applications=("service", "events")), running("test", type="sandbox")]

    assert groups(rule.measure(picture(DAY, *runs, wrote=wrote))) == ["shop/service"]


def test_an_application_that_is_not_in_the_list_is_measured_all_the_same() -> None:
    spot = ("id-shop", "unlisted")
    found = picture(DAY, running(), heard={spot: (0, DAY)}, wrote={LAST_5M: {spot: http(100, 50)}})

    assert groups(measuring(RATIO).measure(found)) == ["shop/unlisted"]


def test_whatever_is_not_so_has_ended() -> None:
    assert measuring(RATIO).measure(picture(DAY, running())).ended


# ── a spike ──────────────────────────────────────────────────────────────────

BASE, NOW = (DAY - 70 * MINUTE, DAY - 10 * MINUTE), (DAY - 10 * MINUTE, DAY)


@pytest.mark.parametrize(
    ("before", "now", "holds"),
    [(60, 30, False), (60, 31, True), (0, 10, True), (0, 9, False), (6_000, 3_000, False)],
    ids=["three times as many", "more", "out of nothing", "too few", "always many"],
)
def test_a_spike_is_so_many_times_what_is_usual(before: int, now: int, holds: bool) -> None:
    """Sixty in an hour are ten in ten minutes."""
    found = picture(DAY, running(), heard={SERVICE: (0, DAY)}, wrote={BASE: errors(before), NOW: errors(now)})

    assert groups(measuring(SPIKE).measure(found)) == (["shop/service"] if holds else [])


@pytest.mark.parametrize(("first", "holds"), [(70 * MINUTE, True), (70 * MINUTE - 1, False), (1, False)])
def test_a_spike_needs_to_know_what_is_usual(first: int, holds: bool) -> None:
    """An application that has not been heard for long enough has no usual yet."""
    heard = {SERVICE: (DAY - first, DAY)}
    found = picture(DAY, running(), heard=heard, wrote={NOW: errors(100)})

    assert groups(measuring(SPIKE).measure(found)) == (["shop/service"] if holds else [])


def test_what_was_never_heard_has_no_spike() -> None:
    assert groups(measuring(SPIKE).measure(picture(DAY, running(), wrote={NOW: errors(100)}))) == []


def test_the_spans_that_are_asked_for_are_those_that_are_looked_at() -> None:
    spans = [(begin - START, end - START) for begin, end in measuring(SPIKE).spans((), START + DAY)]

    assert sorted(spans) == [BASE, NOW]
    assert [(a - START, b - START) for a, b in measuring(RATIO).spans((), START + DAY)] == [LAST_5M]


# ── silence ──────────────────────────────────────────────────────────────────


def silent(run: Run, at: int, *, last: int | None = None, since: int = 0, rule: str = ABSENT) -> bool:
    heard = {} if last is None else {SERVICE: (0, last)}
    return groups(measuring(rule).measure(picture(at, run, since=since, heard=heard))) == ["shop/service"]


@pytest.mark.parametrize("last", [None, 0, 3 * HOUR])
def test_silence_begins_so_long_after_the_last_word(last: int | None) -> None:
    ends = (last or 0) + DAY

    assert not silent(running(), ends - 1, last=last)
    assert silent(running(), ends, last=last)


def test_a_deployment_is_not_silent_before_it_has_been_deployed_for_so_long() -> None:
    fresh = running(since=10 * HOUR)

    assert not silent(fresh, DAY + 10 * HOUR - 1)
    assert silent(fresh, DAY + 10 * HOUR)


def test_nobody_is_silent_as_long_as_nobody_has_listened_for_so_long() -> None:
    assert not silent(running(), 3 * DAY - 1, since=2 * DAY)
    assert silent(running(), 3 * DAY, since=2 * DAY)


@pytest.mark.parametrize("status", ["Queued", "Deploying", "Failed", "Undeploying", "Hibernating"])
def test_only_what_is_deployed_can_be_silent(status: str) -> None:
    run = replace(running(), status=status)

    assert not silent(run, 9 * DAY)


def test_what_was_removed_is_not_silent() -> None:
    assert groups(measuring(ABSENT).measure(picture(9 * DAY, heard={SERVICE: (0, 1)}))) == []


def test_several_that_are_measured_as_one_are_silent_together() -> None:
    rule = measuring(ABSENT + 'by = ["connector"]')
    failed = replace(running("a"), status="Failed")
    heard = {("id-a", "service"): (0, 0), ("id-shop", "service"): (0, HOUR)}

    assert len(rule.measure(picture(DAY + HOUR, failed, running(), heard=heard)).holds) == 1
    assert rule.measure(picture(DAY + HOUR - 1, failed, running(), heard=heard)).holds == ()


# ── a job ────────────────────────────────────────────────────────────────────


def job(schedule: str = "0 12 * * *", **fields: object) -> Run:
    base = running(since=-9 * DAY, applications=())
    applications = (Application(id="1", name="sync", schedule=schedule), Application(id="2", name="service"))
    return replace(base, **{"applications": applications, **fields})  # type: ignore[arg-type]  # fields by name


def missed(run: Run, at: int, *, last: int | None = None, since: int = -9 * DAY, rule: str = JOB) -> bool:
    heard = {} if last is None else {("id-shop", "sync"): (-9 * DAY, last)}
    return groups(measuring(rule).measure(picture(at, run, since=since, heard=heard))) == ["shop/sync"]


def test_a_job_is_missed_some_time_after_it_was_due_by_the_clock_of_the_world() -> None:
    yesterday = NOON - DAY

    assert not missed(job(), NOON + 15 * MINUTE - 1, last=yesterday)
    assert missed(job(), NOON + 15 * MINUTE, last=yesterday)


def test_a_job_that_ran_is_not_missed_and_one_that_runs_late_is_not_missed_any_more() -> None:
    assert not missed(job(), NOON + HOUR, last=NOON)
    assert missed(job(), NOON + HOUR, last=NOON - HOUR)
    assert not missed(job(), NOON + 2 * HOUR, last=NOON + HOUR)
    assert missed(job(), NOON + DAY + HOUR, last=NOON + HOUR)


def test_a_job_that_never_said_anything_is_missed() -> None:
    assert missed(job(), NOON + HOUR)


@pytest.mark.parametrize(
    ("run", "since"),
    [
        (job(good_since=START + NOON + 1), -9 * DAY),
        (job(), NOON + 1),
        (job(status="Failed"), -9 * DAY),
        (job(status="Deploying"), -9 * DAY),
        (job(schedule=""), -9 * DAY),
        (job(schedule="every now and then"), -9 * DAY),
        (job(schedule="0 12 31 2 *"), -9 * DAY),
    ],
    ids=[
        "deployed later",
        "not listened",
        "failed",
        "deploying",
        "no job",
        "no schedule that can be read",
        "never due",
    ],
)
def test_nobody_waits_for_a_job_that_could_not_run(run: Run, since: int) -> None:
    assert not missed(run, NOON + HOUR, since=since)


def test_a_job_that_is_due_all_the_time_is_missed_as_soon_as_it_is_late() -> None:
    often = job("*/5 * * * *")

    assert not missed(often, HOUR, last=HOUR - 15 * MINUTE)
    assert missed(often, HOUR + 5 * MINUTE, last=HOUR - 15 * MINUTE)


def test_of_several_jobs_that_are_measured_as_one_any_can_be_missed() -> None:
    rule = measuring(JOB + 'by = ["deployment"]')
    two = tuple(Application(id=each, name=each, schedule="0 12 * * *") for each in ("a", "b"))
    heard = {("id-shop", "a"): (0, NOON), ("id-shop", "b"): (0, 0)}

    assert len(rule.measure(picture(NOON + HOUR, job(applications=two), heard=heard)).holds) == 1


@pytest.mark.parametrize(
    ("schedule", "at", "due"),
    [
        ("0 12 * * *", NOON, NOON),
        ("0 12 * * *", NOON - 1, NOON - DAY),
        ("0 12 * * *", NOON + 59 * SECOND, NOON),
        ("*/15 * * * *", 7 * MINUTE, 0),
        ("0 0 1 * *", 0, -14 * DAY - 8 * HOUR),
        ("0 0 31 2 *", 0, None),
        ("nonsense", 0, None),
    ],
)
def test_when_a_schedule_was_last_due(schedule: str, at: int, due: int | None) -> None:
    assert last_due(schedule, START + at) == (None if due is None else START + due)


# ── what cannot be said ──────────────────────────────────────────────────────


def is_open(rule: MeasureRule, at: int, run: Run, *, application: str, last: int) -> bool:
    found = rule.measure(picture(at, run, since=-9 * DAY, heard={("id-shop", application): (-9 * DAY, last)}))
    return any(each.get("application") == application for each in found.open)


@pytest.mark.parametrize("status", ["Deploying", "Failed", "Undeploying", "Deployed"])
def test_a_redeploy_alone_ends_no_silence_and_a_word_does(status: str) -> None:
    again = replace(running(), status=status, good_since=START + 2 * DAY)

    assert is_open(measuring(ABSENT), 2 * DAY + MINUTE, again, application="service", last=0)
    assert not is_open(measuring(ABSENT), 2 * DAY + MINUTE, again, application="service", last=2 * DAY)


def test_a_redeploy_alone_is_no_run_of_a_job_that_was_missed() -> None:
    again = job(good_since=START + NOON + HOUR)

    assert is_open(measuring(JOB), NOON + 2 * HOUR, again, application="sync", last=0)
    assert not is_open(measuring(JOB), NOON + 2 * HOUR, again, application="sync", last=NOON + HOUR)
    assert not is_open(measuring(JOB), NOON + 2 * HOUR, job(schedule=""), application="sync", last=0)


def test_shares_are_always_decided() -> None:
    assert measuring(RATIO).measure(picture(DAY, running())).open == ()


@pytest.mark.parametrize("zero", ['absent = "0s"', 'missed_run = "0m"', 'verdict = "0s"', "spike = 0"])
def test_a_rule_that_measures_by_nothing_is_refused_and_does_not_become_one_about_every_record(zero: str) -> None:
    with pytest.raises(ConfigError, match="must be more than 0"):
        parse_rules(f'[[rules]]\nname = "R"\non = "log"\n{zero}\n')


def test_a_rule_may_say_that_it_is_not_about_news() -> None:
    assert len(parse_rules('[[rules]]\nname = "R"\non = "log"\nnew = false\n')) == 1
