"""When a person hears that a source cannot be seen, and what they hear when sight returns (rows 11 and 13)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import START
from tests.unit.builders import BLIND_AFTER, DAY, HOUR, MINUTE, POLL, PROJECT, SECOND, quick
from watcher.core import sight
from watcher.core.event import Event
from watcher.core.sight import Miss, SourceState

NEVER = SourceState(project=PROJECT, region="europe-west1.gcp", since=START)
OK = replace(NEVER, last_ok=START)
Step = tuple[int, str]
"""What a poll comes to so many milliseconds after the start: `ok`, `503`, `401` or `403`."""


def play(state: SourceState, steps: list[Step]) -> tuple[SourceState, list[Event]]:
    refusals = {"401": "credentials", "403": "definite"}
    told: list[Event] = []
    for at, answer in steps:
        if answer == "ok":
            state, events = sight.seen(state, START + at, BLIND_AFTER)
        else:
            state, events = sight.missed(
                state, START + at, BLIND_AFTER, error=f"HTTP {answer}", refusal=refusals.get(answer, "")
            )
        told += events
    return state, told


def said(told: list[Event]) -> list[str]:
    return [f"{each.type.value} at {each.at - START}" for each in told]


def every(step: int, until: int, answer: str) -> list[Step]:
    return [(at, answer) for at in range(step, until + 1, step)]


@pytest.mark.parametrize(
    ("state", "steps", "told"),
    [
        (OK, [(POLL, "ok"), (2 * POLL, "ok")], []),
        (OK, [(POLL, "503"), (2 * POLL, "ok")], []),
        (OK, [(BLIND_AFTER, "503")], []),
        (OK, [(BLIND_AFTER + 1, "503")], [f"blind at {BLIND_AFTER + 1}"]),
        (OK, [(POLL, "503"), (BLIND_AFTER, "503"), (BLIND_AFTER + 1, "ok")], [f"gap at {BLIND_AFTER + 1}"]),
        (OK, [*every(POLL, 10 * MINUTE, "503"), (11 * MINUTE, "ok")], ["blind at 180000", "sighted at 660000"]),
        (OK, [(POLL, "401")], ["blind at 30000"]),
        (OK, [(POLL, "403"), (2 * POLL, "403")], []),
        (OK, [(POLL, "403"), (2 * POLL, "403"), (3 * POLL, "403")], ["blind at 90000"]),
        (OK, [(POLL, "403"), (2 * POLL, "403"), (3 * POLL, "ok"), (4 * POLL, "403")], []),
        (OK, [(POLL, "401"), (2 * POLL, "401"), (3 * POLL, "503"), (4 * POLL, "403")], ["blind at 30000"]),
        (OK, [(2 * DAY, "ok")], [f"gap at {2 * DAY}"]),
        (OK, [(BLIND_AFTER, "ok")], []),
        (OK, [(BLIND_AFTER + 1, "ok")], [f"gap at {BLIND_AFTER + 1}"]),
        (NEVER, [(2 * DAY, "ok")], []),
        (NEVER, every(POLL, 3 * MINUTE, "503"), ["blind at 180000"]),
        (NEVER, [(1, "401"), (POLL, "ok")], ["blind at 1", "sighted at 30000"]),
        (replace(OK, blind=True), [(POLL, "503"), (HOUR, "503")], []),
        (replace(OK, blind=True), [(2 * DAY, "ok"), (2 * DAY + POLL, "ok")], [f"sighted at {2 * DAY}"]),
    ],
    ids=[
        "all is well",
        "one failure",
        "just not too old",
        "too old",
        "failures, yet nobody was told: a gap",
        "row 11: one blindness, one sight",
        "refused credentials at once",
        "two refusals may pass",
        "three refusals are believed",
        "refusals must be in a row",
        "one blindness is told once whatever its cause",
        "row 13: a daemon that was down has a gap",
        "a pause as long as the limit",
        "a pause longer than the limit",
        "never seen: nothing was missed",
        "never seen at all",
        "wrong credentials at the first start",
        "told before a restart is not told again",
        "sight after a restart",
    ],
)
def test_blindness_is_told_once_and_so_is_its_end(state: SourceState, steps: list[Step], told: list[str]) -> None:
    assert said(play(state, steps)[1]) == told


def test_a_daemon_that_slept_for_a_week_is_not_blind_before_it_has_looked() -> None:
    assert sight.assess(OK, START + 7 * DAY, BLIND_AFTER) == (OK, [])


def test_age_alone_makes_a_failing_source_blind_between_two_polls() -> None:
    """A server that says `Retry-After: 3600` is not asked for an hour; the person hears after the limit all the same."""
    state, _ = play(OK, [(POLL, "503")])
    assert sight.assess(state, START + BLIND_AFTER, BLIND_AFTER)[1] == []
    state, told = sight.assess(state, START + BLIND_AFTER + 1, BLIND_AFTER)
    assert (state.blind, said(told)) == (True, [f"blind at {BLIND_AFTER + 1}"])
    assert sight.assess(state, START + HOUR, BLIND_AFTER) == (state, [])


def test_rows_11_and_13_say_from_when_to_when() -> None:
    _, (blind, sighted) = play(OK, [(POLL, "503"), (BLIND_AFTER + 1, "503"), (10 * MINUTE, "ok")])
    assert blind.fields == {"from": str(START), "error": "HTTP 503"}
    assert sighted.fields == {"from": str(START), "to": str(START + 10 * MINUTE)}
    _, (gap,) = play(OK, [(2 * DAY, "ok")])
    assert gap.fields == {"from": str(START), "to": str(START + 2 * DAY)}


def test_a_source_that_was_never_seen_is_blind_since_it_was_first_tried() -> None:
    _, (blind, sighted) = play(NEVER, [(1, "401"), (HOUR, "ok")])
    assert blind.fields["from"] == sighted.fields["from"] == str(START)


def test_sight_forgets_the_failures() -> None:
    state, _ = play(OK, [(POLL, "401"), (2 * POLL, "ok")])
    assert state == replace(OK, last_ok=START + 2 * POLL)


def test_what_a_person_knows_survives_what_is_read_meanwhile() -> None:
    state = replace(OK, baselined=True, suspicious=2, unknown=frozenset({"status=X"}), truncated=True)
    after, _ = play(state, [(POLL, "503"), (HOUR, "503"), (2 * HOUR, "ok")])
    assert after == replace(state, last_ok=START + 2 * HOUR)


polls = st.lists(
    st.tuples(st.integers(1, 4 * MINUTE), st.sampled_from(["ok", "503", "401", "403"])), min_size=1, max_size=30
)


def timed(steps: list[Step]) -> list[Step]:
    now = 0
    return [(now := now + length, answer) for length, answer in steps]


@quick
@given(polls)
def test_blindness_and_sight_take_turns(steps: list[Step]) -> None:
    turns = [each.type.value for each in play(OK, timed(steps))[1] if each.type.value != "gap"]
    assert turns == ["blind", "sighted"] * (len(turns) // 2) + ["blind"] * (len(turns) % 2)


@quick
@given(polls)
def test_nobody_is_left_unaware_of_a_time_without_sight(steps: list[Step]) -> None:
    """Between two good reads further apart than the limit there is exactly one gap or one blindness with its end."""
    seen, since = 0, list[str]()
    state = OK
    for at, answer in timed(steps):
        state, told = play(state, [(at, answer)])
        since += [each.type.value for each in told]
        if answer != "ok":
            assert state.blind == (since == ["blind"])
            assert state.blind or at - seen <= BLIND_AFTER
            continue
        assert since in ([], ["gap"], ["blind", "sighted"])
        assert since or at - seen <= BLIND_AFTER
        assert since != ["gap"] or at - seen > BLIND_AFTER
        seen, since = at, []


def test_the_default_limit_bounds_how_long_blindness_can_hide() -> None:
    _, (blind,) = play(OK, every(POLL, 10 * MINUTE, "503"))
    assert blind.at - START <= BLIND_AFTER + POLL + SECOND


# ── a source beside another ──────────────────────────────────────────────────

SEEN = replace(OK, source="drafts", baselined=True)
UNSEEN = replace(NEVER, source="drafts")
REFUSED = replace(UNSEEN, unknown=frozenset({sight.FORBIDDEN}))


@pytest.mark.parametrize(
    ("state", "refusal", "optional", "trouble", "expected"),
    [
        (SEEN, "", True, 0, Miss.COUNTED),
        (SEEN, "definite", True, 0, Miss.COUNTED),
        (UNSEEN, "", True, 0, Miss.COUNTED),
        (UNSEEN, "definite", True, 0, Miss.FORBIDDEN),
        (UNSEEN, "definite", False, 0, Miss.COUNTED),
        (REFUSED, "definite", True, 0, Miss.FORBIDDEN),
        (REFUSED, "", True, 0, Miss.NEVER_SEEN),
        (SEEN, "", True, START + HOUR, Miss.OVERSHADOWED),
        (SEEN, "definite", True, START + HOUR, Miss.OVERSHADOWED),
        (SEEN, "", True, START + HOUR - BLIND_AFTER, Miss.OVERSHADOWED),
        (SEEN, "", True, START + HOUR - BLIND_AFTER - 1, Miss.COUNTED),
        (UNSEEN, "definite", True, START + HOUR, Miss.FORBIDDEN),
    ],
)
def test_a_failed_read_counts_unless_there_is_a_reason(
    state: SourceState, refusal: str, optional: bool, trouble: int, expected: Miss
) -> None:
    decided = sight.miss(state, START + HOUR, BLIND_AFTER, refusal=refusal, optional=optional, trouble=trouble)
    assert decided is expected


@pytest.mark.parametrize(
    ("state", "after", "expected"),
    [
        (OK, HOUR, False),
        (replace(OK, failures=1), BLIND_AFTER, False),
        (replace(OK, failures=1), BLIND_AFTER + 1, True),
        (replace(OK, failures=9, blind=True), SECOND, True),
    ],
)
def test_a_stumble_is_no_blindness_to_recover_from(state: SourceState, after: int, expected: bool) -> None:
    assert sight.is_recovery(state, START + after, BLIND_AFTER) is expected
