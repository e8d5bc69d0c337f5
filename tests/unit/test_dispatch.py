"""When a group is told and what a message says."""

import pytest

from tests.fakes import START
from tests.unit.builders import (
    HOUR,
    MINUTE,
    SECOND,
)
from tests.unit.office import (
    DAYS,
    INTERVAL,
    REPEAT,
    WAIT,
    Office,
    alert,
    paced,
)
from watcher.core.alert import Alert

# ── pace ─────────────────────────────────────────────────────────────────────


def test_a_first_alert_waits_group_wait_for_company() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.add(alert("b"), 9_999)
    assert office.dispatch.next_due() == START + WAIT
    assert office.until(WAIT - 1) == []
    assert office.until(WAIT) == ["first_notification: +a +b (2 firing)"]


def test_company_does_not_put_off_the_first_message() -> None:
    office = Office()
    for n in range(20):
        office.add(alert(f"a{n}"), n * SECOND)
    assert len(office.until(WAIT)) == 1


def test_news_comes_no_oftener_than_group_interval() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.add(alert("b"), MINUTE)
    office.add(alert("c"), 2 * MINUTE)
    assert office.until(WAIT + INTERVAL - 1) == []
    assert office.until(WAIT + INTERVAL) == ["new_alerts: +b +c (3 firing)"]


def test_news_after_a_quiet_time_comes_at_once() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.add(alert("b"), HOUR)
    assert office.until(HOUR) == ["new_alerts: +b (2 firing)"]


def test_a_recovery_keeps_the_same_pace() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.end(alert("a"), MINUTE)
    assert office.until(WAIT + INTERVAL - 1) == []
    assert office.until(WAIT + INTERVAL) == ["all_resolved: -a (0 firing)"]


def test_an_alert_that_ends_before_its_first_flush_is_still_told() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.end(alert("a"), SECOND)
    assert office.until(WAIT) == ["first_notification: -a (0 firing)"]
    assert office.until(DAYS) == []


def test_what_stands_is_repeated_and_what_was_told_anew_is_not_repeated_early() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    assert office.until(WAIT + REPEAT - 1) == []
    assert office.until(WAIT + REPEAT) == ["repeat_interval: nothing (1 firing)"]
    office.add(alert("b"), 5 * HOUR)
    office.until(5 * HOUR)
    assert office.until(9 * HOUR - 1) == []
    assert office.until(9 * HOUR) == ["repeat_interval: nothing (2 firing)"]


def test_a_long_absence_is_one_reminder_and_not_one_for_each_that_was_missed() -> None:
    office = Office()
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.restart()
    assert office.until(2 * 24 * HOUR) == ["repeat_interval: nothing (1 firing)"]
    assert office.until(2 * 24 * HOUR + REPEAT - 1) == []


@pytest.mark.parametrize("over", [alert("a", fact=True), alert("a")], ids=["a fact", "a resolved alert"])
def test_what_is_over_is_never_repeated_and_its_group_is_forgotten(over: Alert) -> None:
    office = Office()
    office.add(over, 0)
    office.until(WAIT)
    if not over.fact:
        office.end(over, MINUTE)
    office.until(HOUR)
    assert office.until(DAYS) == []
    assert office.rows == {}
    assert office.dispatch.next_due() is None


def test_a_group_keeps_its_pace_until_it_is_forgotten() -> None:
    """Were it forgotten at once, a fact a second would be a message a `group_wait`, whatever `group_interval` says."""
    office = Office()
    office.add(alert("a", fact=True), 0)
    office.until(WAIT)
    office.add(alert("b", fact=True), WAIT + SECOND)
    assert office.until(WAIT + INTERVAL - 1) == []
    assert office.until(WAIT + INTERVAL) == ["first_notification: +b (1 firing)"]
    assert office.rows != {}
    office.until(WAIT + 2 * INTERVAL)
    assert office.rows == {}


def test_row_16_five_hundred_alerts_within_a_minute_are_two_messages_and_counted_exactly() -> None:
    office = Office(paced(wait=30 * SECOND))
    for n in range(500):
        at = n * MINUTE // 500
        office.until(at)
        office.add(alert(f"a{n}", at=at), at)
    office.until(HOUR)
    counts = [each.notification.fresh for each in office.decided]
    assert len(counts) <= 2
    assert sum(counts) == office.decided[-1].notification.firing == 500


def test_no_pace_at_all_tells_everything_at_once() -> None:
    office = Office(paced(wait=0, interval=0))
    office.add(alert("a"), 0)
    assert office.until(0) == ["first_notification: +a (1 firing)"]
    office.add(alert("a", episode=2), SECOND)
    assert office.until(SECOND) == ["new_attempt: +a (1 firing)"]
    office.end(alert("a", episode=2), 2 * SECOND)
    assert office.until(2 * SECOND) == ["all_resolved: -a (0 firing)"]
    assert office.rows == {}


def test_equal_times_are_told_in_the_order_of_their_news() -> None:
    office = Office(paced("deployment", wait=0, interval=0))
    office.add(alert("z", deployment="z"), 0)
    office.add(alert("a", deployment="a"), 0)
    assert office.until(0) == ["first_notification: +z (1 firing)", "first_notification: +a (1 firing)"]


# ── what a message says ──────────────────────────────────────────────────────


def test_a_message_counts_exactly_and_shows_news_first_then_what_fires_then_by_age() -> None:
    office = Office(paced(wait=0, interval=0))
    for name, at in (("old", 0), ("gone", 1), ("older", -5)):
        office.add(alert(name, at=at), 0)
    office.until(0)
    office.end(alert("gone", at=1), SECOND)
    office.add(alert("new", at=2), SECOND)
    office.until(SECOND)
    message = office.decided[-1].notification
    assert [each.labels["alertname"] for each in message.alerts] == ["new", "gone", "older", "old"]
    assert [each.fresh for each in message.alerts] == [True, True, False, False]
    assert (message.firing, message.resolved, message.fresh) == (3, 1, 2)
    assert (message.status, message.at) == ("firing", START + SECOND)


@pytest.mark.parametrize(
    ("severities", "ended_ones", "severity"),
    [
        (["info", "critical", "warning"], [], "critical"),
        (["info", "critical", "warning"], ["critical"], "warning"),
        (["critical"], ["critical"], "critical"),
        (["mine"], [], ""),
    ],
)
def test_the_severity_of_a_message_is_the_highest_that_fires(
    severities: list[str], ended_ones: list[str], severity: str
) -> None:
    office = Office(paced())
    for each in severities:
        office.add(alert(each, severity=each), 0)
    for each in ended_ones:
        office.end(alert(each, severity=each), SECOND)
    office.until(WAIT)
    assert office.decided[0].notification.severity == severity


def test_a_message_knows_since_when_its_oldest_news_waits() -> None:
    office = Office(paced(wait=0, interval=0))
    office.add(alert("a", at=0), 0)
    office.until(0)
    office.add(alert("b", at=3), 5)
    office.add(alert("c", at=2), 5)
    office.until(7)
    assert office.decided[-1].observed_at == START + 2


def test_what_is_worse_than_the_last_message_does_not_wait_for_the_interval() -> None:
    """A summary of a minute ago must not hold up the first critical alert; a second one of the same weight waits."""
    office = Office(paced())
    office.add(alert("watching", fact=True, severity="info"), 0)
    office.until(WAIT)
    office.add(alert("blind", severity="critical"), MINUTE)
    office.until(MINUTE + WAIT)
    assert office.heard == ["+watching", "+blind"]
    office.add(alert("also", severity="critical"), 2 * MINUTE)
    office.until(MINUTE + WAIT + INTERVAL - 1)
    assert office.heard == ["+watching", "+blind"]
    office.until(MINUTE + WAIT + INTERVAL)
    assert office.heard == ["+watching", "+blind", "+also"]


def test_a_reminder_waits_until_it_is_known_to_be_true() -> None:
    office = Office(paced())
    office.add(alert("a"), 0)
    office.until(WAIT)
    office.dispatch.flush_until(START + 10 * DAYS, remind=False)
    assert office.dispatch.flushes == []
    office.end(alert("a"), 10 * DAYS)
    office.until(11 * DAYS)
    assert office.heard == ["+a", "-a"]
