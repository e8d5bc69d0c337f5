"""Logs that are pushed, as tables of times: how far they have been heard, and what becomes of an unlisted Deployment's."""

from dataclasses import dataclass, replace

import pytest

from watcher.core.duration import Millis
from watcher.core.event import EventType
from watcher.core.listening import DEAF, FEW_STRANGERS, PAUSE, RESENT, STRANGE_FOR, Stranger, listened, stranger
from watcher.core.sight import SourceState

SINCE = 1_000_000


@pytest.mark.parametrize(
    ("age", "listed_at", "pending", "expected"),
    [
        (0, [SINCE - 1], 0, Stranger.AWAITED),
        (STRANGE_FOR - 1, [SINCE], 0, Stranger.AWAITED),
        (STRANGE_FOR, [SINCE], 0, Stranger.BELIEVED),
        (1, [SINCE + 1], 0, Stranger.UNKNOWN),
        (1, [SINCE + 1, SINCE - 1], 0, Stranger.AWAITED),
        (0, [SINCE - 1], FEW_STRANGERS, Stranger.AWAITED),
        (0, [SINCE - 1], FEW_STRANGERS + 1, Stranger.UNKNOWN),
    ],
)
def test_a_stranger(age: Millis, listed_at: list[Millis], pending: int, expected: Stranger) -> None:
    assert stranger(SINCE, SINCE + age, listed_at, pending=pending) is expected


HEARD = 10 * DEAF
"""When the source was heard last."""
FIRST = SourceState(project="shop", source="logs", since=HEARD - 5 * DEAF)
KNOWN = replace(FIRST, last_ok=HEARD, read_to=HEARD, baselined=True)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A listener that began `begun` after the source was heard last, and what it knows at `now` after that."""

    begun: Millis = -DEAF
    now: Millis
    heard: Millis
    deaf: bool = False


@pytest.mark.parametrize(
    "row",
    [
        Row(now=0, heard=0),
        Row(now=PAUSE, heard=PAUSE),
        Row(now=DEAF - 1, heard=DEAF - 1),
        Row(now=DEAF, heard=DEAF, deaf=True),
        Row(begun=PAUSE, now=PAUSE, heard=PAUSE),
        Row(begun=PAUSE + 1, now=PAUSE + 1, heard=0),
        Row(begun=PAUSE + 1, now=PAUSE + RESENT, heard=0),
        Row(begun=PAUSE + 1, now=PAUSE + 1 + RESENT, heard=PAUSE + 1 + RESENT),
        Row(begun=2 * DEAF, now=2 * DEAF, heard=0, deaf=True),
        Row(begun=2 * DEAF, now=2 * DEAF + RESENT, heard=2 * DEAF + RESENT, deaf=True),
    ],
    ids=[
        "at the same moment",
        "a usual pause",
        "a long one of a listener that never stopped",
        "so long that nobody knows",
        "a short restart",
        "after a longer one, senders send again",
        "still do",
        "and have",
        "after hours, they send again, too",
        "and silence counts from now on",
    ],
)
def test_how_far_pushed_logs_are_heard(row: Row) -> None:
    state, told = listened(KNOWN, FIRST, HEARD + row.begun, HEARD + row.now)
    assert state.last_ok == state.seen_to == HEARD + row.heard
    assert state.since == (HEARD + row.now if row.deaf else FIRST.since)
    assert told == [], "nothing was missed: it is sent again"


def test_what_is_heard_for_the_first_time_is_heard_up_to_now_and_no_news() -> None:
    assert listened(None, FIRST, HEARD, HEARD + 1) == (replace(FIRST, last_ok=HEARD + 1, baselined=True), [])


def test_a_source_that_was_blind_is_seen_again() -> None:
    state, told = listened(replace(KNOWN, blind=True), FIRST, HEARD, HEARD + 2 * DEAF)
    assert not state.blind
    assert [each.type for each in told] == [EventType.SIGHTED]
