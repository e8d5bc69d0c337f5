"""Reading polled logs: whatever a server shows, and whenever, each record is handed on as often as it was written."""

import random  # noqa: TID251  seeded: the manners of a server
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core import reading
from watcher.core.columns import columns
from watcher.core.logrecord import LogRecord
from watcher.core.reading import KEPT, LEARN, MAX_KEYS, OVERLAP, LogCursor, Reading, Taken

NOW = 1_800_000_000_000
MINUTE, DAY = 60_000, 86_400_000


def record(at: int, key: int = 1) -> LogRecord:
    return LogRecord("d", "service", "APPLICATION_TEXT", "DEFAULT", "INFO", at, str(key), key=key)


def start(learn: int = LEARN, now: int = NOW) -> LogCursor:
    return reading.first("shop", "d", "", now=now, learn=learn, fresh_from=now)


def took(cursor: LogCursor, *pages: tuple[Sequence[LogRecord], str], now: int = NOW) -> tuple[LogCursor, list[Taken]]:
    """The cursor after these pages, committed after each."""
    found = []
    for records, token in pages:
        work = Reading(reading.opened(cursor, now))
        found.append(work.take(records, token))
        cursor = work.cursor()
    return cursor, found


# ── a server whose manners nobody has promised ───────────────────────────────


@dataclass(frozen=True)
class Written:
    """A record as it was written, and when it could first be read."""

    at: int
    arrival: int
    key: int


@dataclass(kw_only=True)
class Server:
    """Shows records by time, upwards or downwards, in pages whose inner order is left to chance."""

    chance: random.Random
    size: int
    falling: bool = False
    repeats: int = 0
    empty_share: float = 0.0
    expiry_share: float = 0.0
    expiring: int = 20
    clock: int = NOW
    written: list[Written] = field(default_factory=list)

    def page(self, start: int, end: int, token: str) -> tuple[list[LogRecord], str] | None:
        """`None`: the token has expired. A token is the last position that was shown."""
        if token and self.expiring and self.chance.random() < self.expiry_share:
            self.expiring -= 1
            return None
        sign = -1 if self.falling else 1
        shown = sorted(
            (sign * each.at, number, each)
            for number, each in enumerate(self.written)
            if start <= each.at <= end and each.arrival <= self.clock
        )
        position = tuple(int(part) for part in token.split(":")[1:]) if token else ()
        ahead = [one for one in shown if not position or one[:2] > position]
        if self.chance.random() < self.empty_share:
            return [], f"{self.chance.random()}:{':'.join(map(str, position or (-(2**62), 0)))}"
        chosen = ahead[: self.size]
        more = len(ahead) > self.size
        behind = [one for one in shown if position and one[:2] <= position][-self.repeats :] if self.repeats else []
        records = [record(one[2].at, one[2].key) for one in [*again(behind, chosen), *chosen]]
        self.chance.shuffle(records)
        last = chosen[-1][:2] if chosen else (0, 0)
        return records, f"{self.chance.random()}:{last[0]}:{last[1]}" if more else ""


def again(
    behind: list[tuple[int, int, Written]], chosen: list[tuple[int, int, Written]]
) -> list[tuple[int, int, Written]]:
    """The end of the page before, shown once more: all of a moment or nothing of it, and more than one moment.

    A page that begins with what the last one ended with, in the same millisecond, cannot be told from one that goes on
    with a record written twice.
    """
    whole = behind[:]
    while whole and whole[0][0] == behind[0][0]:
        whole.pop(0)
    return whole if len({one[0] for one in whole}) > 1 and chosen else []


class Killed(Exception):  # noqa: N818  it is no error
    pass


@dataclass
class Reader:
    """Reads as the collector does: pages are grouped, and a group is committed or forgotten."""

    server: Server
    chance: random.Random
    kill_share: float = 0.0
    cursor: LogCursor = field(default_factory=start)
    handed: Counter[tuple[int, int]] = field(default_factory=Counter)
    late: int = 0
    dated: bool = False

    def look(self, most: int = 10_000) -> None:
        """Walk to the end of the window, whatever happens on the way."""
        for _ in range(most):
            try:
                if self.step():
                    return
            except Killed:
                self.cursor = msgspec.json.decode(msgspec.json.encode(self.cursor), type=LogCursor)
        raise AssertionError("a walk without an end")

    def step(self) -> bool:
        work = Reading(reading.opened(self.cursor, self.server.clock, self.server.clock if self.dated else 0))
        fresh: list[LogRecord] = []
        for _ in range(self.chance.randint(1, 3)):
            page = self.server.page(*reading.query(work.position))
            if page is None:
                self.commit(work.cursor(), fresh)
                self.cursor = reading.restarted(self.cursor)
                return False
            taken = work.take(*page)
            fresh += taken.fresh
            self.late += taken.late
            if not work.position.open:
                break
        self.commit(work.cursor(), fresh)
        return not self.cursor.open

    def commit(self, cursor: LogCursor, fresh: Iterable[LogRecord]) -> None:
        if self.chance.random() < self.kill_share:
            raise Killed
        self.handed.update((each.at, each.key) for each in fresh)
        self.cursor = cursor
        if self.chance.random() < self.kill_share:
            raise Killed


moments = st.integers(0, 40).map(lambda n: n * 20_000) | st.integers(0, 12 * MINUTE)
lines = st.tuples(moments, st.integers(0, OVERLAP - 1) | st.just(0), st.integers(1, 3), st.integers(1, 3))


@settings(max_examples=400, deadline=None)
@given(
    lines=st.lists(lines, max_size=60),
    looks=st.lists(st.integers(1, 4 * MINUTE), min_size=1, max_size=12),
    size=st.integers(1, 7),
    falling=st.booleans(),
    repeats=st.integers(0, 6),
    shares=st.tuples(*[st.sampled_from([0.0, 0.2])] * 3),
    seed=st.integers(0, 2**16),
    dated=st.booleans(),
)
def test_what_is_handed_on_is_exactly_what_was_written(
    lines: list[tuple[int, int, int, int]],
    looks: list[int],
    size: int,
    falling: bool,
    repeats: int,
    shares: tuple[float, float, float],
    seed: int,
    dated: bool,
) -> None:
    """Shuffled, repeated, paged anew, late, with expired tokens and a process that is killed around its commits."""
    chance = random.Random(seed)
    server = Server(chance=chance, size=size, falling=falling, repeats=repeats)
    server.empty_share, server.expiry_share, killing = shares
    for at, delay, key, times in lines:
        server.written += [Written(NOW + at, NOW + at + delay, key)] * times
    server.written.sort(key=lambda each: each.arrival)
    reader = Reader(server, chance, kill_share=killing, dated=dated)
    for pause in [*looks, 20 * MINUTE]:
        server.clock += pause
        reader.look()
    assert reader.handed == Counter((each.at, each.key) for each in server.written)
    assert reader.late == 0


# ── ends, circles, bounds ────────────────────────────────────────────────────


def test_a_token_that_repeats_ends_the_walk_without_doubling_anything() -> None:
    """A server that takes no notice of tokens shows the same page for ever."""
    page = [record(NOW - 9, 1), record(NOW - 5, 2)]
    cursor, found = took(start(), (page, "t1"), (page, "t1"))
    assert [len(each.fresh) for each in found] == [2, 0]
    assert found[-1].circling
    assert not cursor.open


def test_a_circle_of_several_pages_is_found() -> None:
    pages = [([record(NOW - 1000 + n, n)], f"t{n % 7}") for n in range(7)]
    cursor, met, fresh, taken = start(), 0, 0, Taken(columns(()))
    while met == 0 or cursor.open:
        cursor, (taken,) = took(cursor, pages[met % 7])
        met, fresh = met + 1, fresh + len(taken.fresh)
        assert met < 40
    assert taken.circling
    assert fresh == 7


def test_empty_pages_are_walked_through_but_not_for_ever() -> None:
    cursor, _ = took(start(), *([([], f"t{n}") for n in range(50)]), ([record(NOW - 5)], ""))
    assert not cursor.open
    assert cursor.newest == NOW - 5
    cursor, taken = start(), Taken(columns(()))
    for n in range(reading.MAX_BARREN):
        assert cursor.open == (n > 0)
        cursor, (taken,) = took(cursor, ([], f"t{n}"))
    assert taken.circling
    assert not cursor.open
    assert cursor.floor == start().floor


def test_what_is_late_within_the_overlap_is_found_and_beyond_it_counted() -> None:
    cursor, _ = took(start(), ([record(NOW - 5)], ""))
    late, too_late = record(NOW - 5 - OVERLAP, 2), record(NOW - 6 - OVERLAP, 3)
    _, (taken,) = took(cursor, ([record(NOW - 5), late, too_late], ""), now=NOW + MINUTE)
    assert (list(taken.fresh), taken.duplicates, taken.late) == ([late], 1, 1)


def test_a_time_far_ahead_of_the_window_is_not_believed_and_holds_nothing_back() -> None:
    future = [record(NOW + 7_000 * 365 * DAY + n, n) for n in range(MAX_KEYS + 5_000)]
    cursor, (taken,) = took(start(), ([*future, record(NOW - 5)], ""))
    assert (list(taken.fresh), taken.ahead) == ([record(NOW - 5)], len(future))
    assert (cursor.newest, cursor.floor) == (NOW - 5, NOW - 5 - OVERLAP)
    _, (taken,) = took(cursor, ([record(NOW + MINUTE - 5, 2), *future], ""), now=NOW + MINUTE)
    assert (list(taken.fresh), taken.ahead) == ([record(NOW + MINUTE - 5, 2)], len(future))


def test_a_time_a_little_ahead_of_the_window_is_that_of_a_clock_that_is_fast() -> None:
    fast = record(NOW + reading.AHEAD)
    _, (taken,) = took(start(), ([fast, record(NOW + reading.AHEAD + 1, 2)], ""))
    assert (list(taken.fresh), taken.ahead) == ([fast], 1)


def test_records_are_handed_on_in_order_of_time() -> None:
    _, (taken,) = took(start(), ([record(NOW - n, n) for n in (5, 900, 7, 8)], ""))
    assert [each.at for each in taken.fresh] == [NOW - 900, NOW - 8, NOW - 7, NOW - 5]


@pytest.mark.parametrize("shown_at_once", [True, False])
def test_memory_is_bounded_and_what_it_holds_is_still_recognised(shown_at_once: bool) -> None:
    records = [record(NOW - 100_000 + n, n) for n in range(30_000)]
    if shown_at_once:
        cursor, _ = took(start(), (records, ""))
    else:
        pages = [(records[n : n + 10_000], f"t{n}") for n in range(0, 30_000, 10_000)]
        cursor, _ = took(start(), *pages)
        cursor = reading.restarted(cursor)
    assert len(reading.remembered(cursor.seen).seen) <= MAX_KEYS
    assert NOW - OVERLAP < cursor.floor < NOW - 70_000
    again = [each for each in records if each.at >= cursor.floor]
    assert len(again) >= MAX_KEYS // 2
    _, (taken,) = took(cursor, (again, ""))
    assert taken.duplicates == len(again)


def test_a_noisy_cursor_is_small_enough_to_commit_often() -> None:
    cursor, _ = took(start(), ([record(NOW - 100_000 + n, n * 7) for n in range(20_000)], ""))
    assert len(msgspec.json.encode(cursor)) < 450_000
    assert msgspec.json.decode(msgspec.json.encode(cursor), type=LogCursor) == cursor


def test_what_is_not_kept_any_more_is_not_asked_for_and_is_said_to_be_lost() -> None:
    cursor, _ = took(start(), ([record(NOW - 5)], ""))
    assert reading.lost(cursor, NOW + 29 * DAY) is None
    later = NOW + 40 * DAY
    assert reading.lost(cursor, later) == (NOW, later - KEPT)
    assert reading.lost(cursor, later, last_ok=later - DAY) is None
    assert reading.query(reading.opened(cursor, later)) == (later - KEPT, later, "")


def test_the_window_of_a_walk_does_not_move() -> None:
    cursor, _ = took(start(), ([record(NOW - 5)], "t1"))
    later = reading.opened(cursor, NOW + MINUTE)
    assert reading.query(later) == (NOW - LEARN, NOW, "t1")


def test_first_sight_may_look_back_as_little_as_the_overlap() -> None:
    assert reading.query(reading.opened(start(OVERLAP), NOW)).start == NOW - OVERLAP
    assert reading.query(reading.opened(start(90 * DAY), NOW)).start == NOW - KEPT


def test_a_refused_window_begins_later_until_that_cannot_be_it() -> None:
    cursor = reading.opened(start(90 * DAY), NOW)
    again = reading.narrowed(cursor, NOW)
    assert again is not None
    assert reading.query(reading.opened(again, NOW)).start == NOW - KEPT + DAY
    assert reading.narrowed(again, NOW) is None


def test_several_pages_of_last_words_are_not_asked_for_for_ever() -> None:
    cursor = start()
    for page in (([record(NOW - 9), record(NOW - 8)], "t"), ([record(NOW - 7)], "")):
        work = Reading(reading.opened(cursor, NOW + 20 * MINUTE, NOW + 20 * MINUTE))
        work.take(*page)
        cursor = work.cursor()
    assert cursor.floor == NOW + 15 * MINUTE
    assert cursor.seen == b""
