"""Whether a group is told now, and why: every NotifyReason, with `now` as data."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from tests.unit.builders import HOUR, quick
from watcher.core.alert import Alert, AlertState
from watcher.core.group import Group, Told, decide, is_fresh
from watcher.core.notification import NotifyReason

REPEAT = 4 * HOUR
FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED


def alert(key: str = "a", state: AlertState = FIRING, episode: int = 1, *, fact: bool = False) -> Alert:
    return Alert(
        key=key,
        fingerprint=key,
        rule="R",
        project="p",
        subject="s",
        labels={},
        state=state,
        episode=episode,
        fact=fact,
    )


def group(members: list[Alert], told: Mapping[str, Told], flushed_at: int | None = START) -> Group:
    return Group(
        key="g",
        receiver="team",
        route="r",
        labels={},
        created_at=START,
        members={each.key: each for each in members},
        told=told,
        flushed_at=flushed_at,
    )


UNTOLD: Mapping[str, Told] = {}
HEARD = {"a": Told(episode=1)}
ENDED = {"a": Told(episode=1, resolved=True)}


@pytest.mark.parametrize(
    ("members", "told", "flushed_at", "after", "reason"),
    [
        ([alert()], UNTOLD, None, 0, NotifyReason.FIRST),
        ([alert("a", RESOLVED)], UNTOLD, None, 0, NotifyReason.FIRST),
        ([alert(), alert("b", RESOLVED)], UNTOLD, None, 0, NotifyReason.FIRST),
        ([alert(fact=True)], UNTOLD, None, 0, NotifyReason.FIRST),
        ([alert()], UNTOLD, START, 0, NotifyReason.FIRST),
        ([alert(), alert("b")], HEARD, START, 0, NotifyReason.NEW_ALERTS),
        ([alert("a", RESOLVED), alert("b")], HEARD, START, 0, NotifyReason.NEW_ALERTS),
        ([alert("a", FIRING, 2), alert("b")], HEARD, START, 0, NotifyReason.NEW_ALERTS),
        ([alert(), alert("b", fact=True)], HEARD, START, 0, NotifyReason.NEW_ALERTS),
        ([alert("a", FIRING, 2)], HEARD, START, 0, NotifyReason.NEW_ATTEMPT),
        ([alert("a", FIRING, 3)], HEARD, START, 0, NotifyReason.NEW_ATTEMPT),
        (
            [alert("a", FIRING, 2), alert("b", RESOLVED)],
            {**HEARD, "b": Told(episode=1)},
            START,
            0,
            NotifyReason.NEW_ATTEMPT,
        ),
        ([alert("a", FIRING, 2)], ENDED, START, 0, NotifyReason.NEW_ATTEMPT),
        ([alert(), alert("b", RESOLVED)], {**HEARD, "b": Told(episode=1)}, START, 0, NotifyReason.NEW_RESOLVED),
        ([alert(), alert("b", RESOLVED)], HEARD, START, 0, NotifyReason.NEW_RESOLVED),
        ([alert("a", RESOLVED)], HEARD, START, 0, NotifyReason.ALL_RESOLVED),
        ([alert("a", RESOLVED, 2)], HEARD, START, 0, NotifyReason.ALL_RESOLVED),
        (
            [alert("a", RESOLVED), alert("b", RESOLVED)],
            {**ENDED, "b": Told(episode=1)},
            START,
            0,
            NotifyReason.ALL_RESOLVED,
        ),
        ([alert()], HEARD, START, REPEAT, NotifyReason.REPEAT),
        ([alert()], HEARD, START, REPEAT + HOUR, NotifyReason.REPEAT),
        (
            [alert(), alert("b", RESOLVED)],
            {**HEARD, "b": Told(episode=1, resolved=True)},
            START,
            REPEAT,
            NotifyReason.REPEAT,
        ),
        ([alert()], HEARD, START, REPEAT - 1, NotifyReason.NOTHING_NEW),
        ([alert()], HEARD, START, 0, NotifyReason.NOTHING_NEW),
        ([alert("a", RESOLVED)], ENDED, START, 10 * REPEAT, NotifyReason.NOTHING_NEW),
        ([alert(fact=True)], HEARD, START, 10 * REPEAT, NotifyReason.NOTHING_NEW),
        ([], UNTOLD, START, 10 * REPEAT, NotifyReason.NOTHING_NEW),
        ([], UNTOLD, None, 0, NotifyReason.NOTHING_NEW),
    ],
    ids=[
        "a first alert",
        "an alert that ended before its first flush",
        "one that fires and one that has ended already",
        "a fact",
        "news after all was forgotten",
        "another alert",
        "another alert outweighs a recovery",
        "another alert outweighs a new attempt",
        "a fact beside an alert",
        "row 5: it failed again",
        "it failed twice since",
        "a new attempt outweighs a recovery",
        "it failed again after its recovery was told",
        "one of two has ended",
        "one started and ended unheard while another fires",
        "row 4: all is well",
        "it failed again and recovered since",
        "the last of two has ended",
        "a reminder is due",
        "a reminder is overdue",
        "a reminder beside what has ended",
        "a reminder is not due yet",
        "nothing happened",
        "nobody is reminded of what has ended",
        "nobody is reminded of a fact",
        "an empty group",
        "an empty group that was never told",
    ],
)
def test_the_reason(
    members: list[Alert], told: Mapping[str, Told], flushed_at: int | None, after: int, reason: NotifyReason
) -> None:
    assert decide(group(members, told, flushed_at), START + after, REPEAT) is reason


@pytest.mark.parametrize(
    ("found", "told", "fresh"),
    [
        (alert(), None, True),
        (alert(state=RESOLVED), None, True),
        (alert(), Told(episode=1), False),
        (alert(episode=2), Told(episode=1), True),
        (alert(state=RESOLVED), Told(episode=1), True),
        (alert(state=RESOLVED), Told(episode=1, resolved=True), False),
        (alert(state=RESOLVED, episode=2), Told(episode=1, resolved=True), True),
        (alert(episode=2), Told(episode=1, resolved=True), True),
        (alert(episode=1), Told(episode=2), False),
    ],
)
def test_fresh_is_what_the_receiver_has_not_heard(found: Alert, told: Told | None, fresh: bool) -> None:
    assert is_fresh(found, told) is fresh


alerts = st.builds(
    alert, st.sampled_from("abc"), st.sampled_from([FIRING, RESOLVED]), st.integers(1, 3), fact=st.booleans()
)
tolds = st.dictionaries(st.sampled_from("abc"), st.builds(Told, episode=st.integers(1, 3), resolved=st.booleans()))


@quick
@given(
    st.lists(alerts, max_size=3, unique_by=lambda each: each.key),
    tolds,
    st.one_of(st.none(), st.integers(0, 2 * REPEAT)),
    st.integers(0, REPEAT),
)
def test_news_is_told_and_only_news_or_what_is_due(
    members: list[Alert], told: dict[str, Told], ago: int | None, repeat: int
) -> None:
    now = START + 2 * REPEAT
    found = group(members, told, None if ago is None else now - ago)
    reason = decide(found, now, repeat)
    fresh = [each for each in members if is_fresh(each, told.get(each.key))]
    if fresh:
        assert reason not in {NotifyReason.NOTHING_NEW, NotifyReason.REPEAT}
    else:
        stands = any(each.state is FIRING and not each.fact for each in members)
        due = ago is not None and ago >= repeat
        assert reason is (NotifyReason.REPEAT if stands and due else NotifyReason.NOTHING_NEW)
    if reason is NotifyReason.ALL_RESOLVED:
        assert not any(each.state is FIRING for each in members)
    if reason is NotifyReason.NEW_RESOLVED:
        assert any(each.state is FIRING for each in members)
