"""What is told of many messages in one, and what is left of a message that cannot be read."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from tests.notifications import alert, notification, notifications, resolved
from tests.unit.builders import HOUR, MINUTE, quick
from watcher import render
from watcher.core.digest import ALERTS_AT_ONCE, LONG, MANY, bounded, is_called_for, merged, reduced
from watcher.core.notification import AlertView, Notification

SINK = "team/webhook/0"
LABELS = {"severity": "warning"}


def warning(name: str, **fields: object) -> AlertView:
    return alert("Stuck", name, labels=LABELS, **fields)


def message(at: int, *alerts: AlertView) -> Notification:
    return notification(*alerts, id=f"cw_{at}", at=START + at)


@pytest.mark.parametrize(
    ("away", "waiting", "expected"),
    [(LONG, MANY + 1, True), (LONG, MANY, False), (LONG - 1, 10_000, False), (24 * HOUR, MANY + 1, True)],
)
def test_a_digest_is_for_many_after_long(away: int, waiting: int, expected: bool) -> None:
    assert is_called_for(away, waiting) is expected


def test_each_alert_is_told_once_as_it_was_last() -> None:
    found, tally = merged(
        [
            message(0, warning("a"), warning("b")),
            message(MINUTE, replace(resolved("a"), labels=warning("a").labels, fingerprint=warning("a").fingerprint)),
            message(2 * MINUTE, warning("b", fresh=False), warning("c")),
        ],
        SINK,
        START + HOUR,
    )
    fact, *views = found.alerts
    assert [(each.labels["deployment"], each.state, each.fresh) for each in views] == [
        ("a", "resolved", True),
        ("b", "firing", True),
        ("c", "firing", True),
    ]
    assert (tally.messages, tally.firing, tally.resolved, tally.notices) == (3, 2, 1, 0)
    assert (tally.first, tally.last) == (START, START + 2 * MINUTE)
    assert (found.firing, found.resolved, len(found.alerts)) == (3, 1, 4)
    assert fact.annotations["summary"] == (
        "3 messages that could not be delivered are told in this one, the oldest 1h old, "
        "written within 2m: 2 firing, 1 resolved"
    )
    assert render.title(found) == "2 firing, 1 notice, 1 resolved · Digest, Stuck"
    assert render.body(found).splitlines()[0] == f"notice: {fact.annotations['summary']}"


def test_facts_are_never_one_even_where_they_are_of_the_same() -> None:
    facts = [warning("a", fact=True, starts_at=START + n) for n in range(3)]
    found, tally = merged([message(n, each) for n, each in enumerate(facts)], SINK, START)
    assert (len(found.alerts), tally.notices, tally.firing) == (4, 3, 0)


def test_what_only_recovered_is_told_as_resolved() -> None:
    found, tally = merged([message(n, resolved(f"d{n}", labels=LABELS)) for n in range(30)], SINK, START)
    assert (found.status, tally.resolved, tally.firing) == ("resolved", 30, 0)


def test_a_digest_has_the_same_name_for_the_same_messages_and_is_small() -> None:
    long = warning("a", annotations={"summary": "x" * 5_000, "error": "y" * 5_000, "status": "Failed"})
    told = [message(0, long)]
    found, _ = merged(told, SINK, START)
    assert found.id == merged(told, SINK, START + HOUR)[0].id
    assert found.id not in {merged(told, "other", START)[0].id, merged(told * 2, SINK, START)[0].id}
    assert {name: len(text) for name, text in found.alerts[1].annotations.items()} == {"summary": 300, "status": 6}


@quick
@given(st.lists(notifications(), min_size=1, max_size=5))
def test_no_alert_is_lost_or_invented(messages: list[Notification]) -> None:
    found, tally = merged(messages, SINK, START)
    last = {(v.fingerprint, v.starts_at if v.fact else 0): v.state for each in messages for v in each.alerts}
    assert sorted(last.values()) == sorted(each.state for each in found.alerts[1:])
    assert (tally.messages, tally.firing + tally.notices) == (len(messages), list(last.values()).count("firing"))
    assert tally.resolved == list(last.values()).count("resolved")
    assert (found.firing, found.resolved) == (1 + tally.firing + tally.notices, tally.resolved)


def test_a_message_that_cannot_be_read_is_reduced_to_its_counts_and_its_first_alert() -> None:
    whole = notification(
        alert(deployment="known", fresh=False),
        alert(annotations={"summary": "naïve <b>\x00\ud800 failed", "error": "x"}),
        resolved("over"),
    )
    least = reduced(whole)
    (view,) = least.alerts
    assert view.annotations == {"summary": "na?ve <b>?? failed (+2 more: 1 firing, 1 resolved)"}
    assert (least.firing, least.resolved, least.fresh, least.id) == (2, 1, whole.fresh, whole.id)


@quick
@given(notifications())
def test_reducing_survives_every_message_and_is_short(whole: Notification) -> None:
    least = reduced(whole)
    assert len(least.alerts) == min(len(whole.alerts), 1)
    for each in least.alerts:
        for text in (*each.annotations.values(), *each.labels.values()):
            assert text.isascii()
            assert len(text) < 400


def test_what_silences_held_back_is_counted_in_what_tells_of_all() -> None:
    told = [replace(message(n, warning("a")), held_back=n) for n in range(4)]
    assert merged(told, SINK, START)[0].held_back == 6


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [([], 0), ([1, 2], 2), ([ALERTS_AT_ONCE], 1), ([ALERTS_AT_ONCE, 1], 1), ([ALERTS_AT_ONCE + 1, 1], 1), ([1] * 9, 9)],
)
def test_a_digest_stands_for_so_many_alerts_at_most(sizes: list[int], kept: int) -> None:
    assert bounded(sizes, lambda size: size) == sizes[:kept]
