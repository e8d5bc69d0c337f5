"""Reading logs that have no ids, no promised order and expiring page tokens: what was read already, and where to go on.

One *walk* reads a window of time page by page, with a fixed end. The next window begins a little before the newest
record, so that records which arrive late are still found, and what was read before is recognised as a multiset: a record
that was written twice is handed on twice, however often and in whatever order it is shown. Everything needed for that
is in the cursor, so that a process that dies between two pages goes on at the second.

The page that shows a record is not always the last one to show it: a server may repeat the end of a page on the next.
So pages that follow each other in time, upwards or downwards, add to what a walk has met; a page that reaches back into
the time of those before it shows their records again, and adds only what exceeds them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from struct import Struct
from typing import NamedTuple

from watcher.core.columns import Columns, columns, in_order, picked
from watcher.core.duration import Millis
from watcher.core.logrecord import RETENTION_DAYS, LogRecord

OVERLAP: Millis = 5 * 60_000
"""How late a record may arrive and still be found."""
DAY: Millis = 86_400_000
LEARN: Millis = DAY
"""How far back to read at first, to know what is usual."""
MARGIN: Millis = 5 * 60_000
GRACE: Millis = 30_000
AHEAD: Millis = 3_600_000
"""How much later than the end of the window a record may say to be. One of a later time was not asked for: believed, it
would hold windows, silence and alerts in the future, where nothing that follows can reach them."""
KEPT: Millis = RETENTION_DAYS * DAY - MARGIN
"""How far back a walk begins at most. It may go on until its beginning is `GRACE` away from what the API takes."""
MAX_KEYS = 20_000
"""Records of the overlap that are remembered of one cursor; where there are more, the overlap is shorter."""
MAX_BARREN = 200
"""Pages in a row that show nothing new before a walk is held to go round in circles."""
MAX_STALLED = 5
"""The same, where they are empty and their token is one that was there before: to ask again may help, but not for ever."""

_ENTRY = Struct("<qIHH")
_MOST = 0xFFFF
by_time = itemgetter(5, 13)
"""The order in which records are handed on: by time, and by checksum where that is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCursor:
    """Where reading goes on. `application` is empty where one query reads all of a Deployment's applications.

    What was written before `fresh_from` was so when this was first seen. `floor` is where the next walk begins: all
    that lies before it is done, all that was read after it is in `seen`. `newest` is the newest record, `read_to` the
    end of the last whole walk.

    A walk is open while `end` is not 0: it reads from `start` to `end`, `token` names its next page, `low` and `high`
    are the times its `pages` reach so far (`high` 0: none yet). `rising` says that a page has begun where those before it
    ended, `shuffled` that one did not get beyond them or reached further back. `settled` is what the server's clock said at most when the walk began. `mark` is
    an earlier token of it, by which a circle is found; `barren` counts pages without anything new.
    """

    project: str
    deployment_id: str
    application: str = ""
    fresh_from: Millis = 0
    floor: Millis = 0
    newest: Millis = 0
    read_to: Millis = 0
    start: Millis = 0
    end: Millis = 0
    token: str = ""
    low: Millis = 0
    high: Millis = 0
    pages: int = 0
    rising: bool = False
    shuffled: bool = False
    settled: Millis = 0
    mark: str = ""
    barren: int = 0
    seen: bytes = b""

    @property
    def spot(self) -> tuple[str, str]:
        """Deployment and application: what tells a project's cursors apart."""
        return self.deployment_id, self.application

    @property
    def open(self) -> bool:
        """Whether a walk is under way."""
        return self.end != 0


class Query(NamedTuple):
    """One page to ask for. Without a token it is the first one of the window."""

    start: Millis
    end: Millis
    token: str = ""


class Taken(NamedTuple):
    """What a page brought: `fresh` ones in order of time, those known already, and those too late to be told apart.

    `circling` means that the server does not get on: the walk was ended. `ahead` counts those of a time that is not
    believed, which are left out.
    """

    fresh: Columns
    duplicates: int = 0
    late: int = 0
    circling: bool = False
    ahead: int = 0


def first(
    project: str, deployment_id: str, application: str, *, now: Millis, learn: Millis, fresh_from: Millis
) -> LogCursor:
    """A cursor for something not read before. `learn` is how far to look back."""
    return LogCursor(
        project=project,
        deployment_id=deployment_id,
        application=application,
        fresh_from=fresh_from,
        floor=max(now - min(learn, KEPT), 0),
    )


def lost(cursor: LogCursor, now: Millis, last_ok: Millis = 0) -> tuple[Millis, Millis] | None:
    """The span that can no longer be read and never was, `last_ok` being when everything of the project last had been."""
    oldest = now - KEPT
    known = cursor.floor if cursor.open or not cursor.read_to else max(cursor.read_to, last_ok)
    return (known, oldest) if known < oldest else None


def is_walking(cursor: LogCursor, now: Millis) -> bool:
    """Whether a walk is under way that can still be asked on."""
    return cursor.open and cursor.start >= now - KEPT - MARGIN + GRACE


def opened(cursor: LogCursor, now: Millis, server: Millis = 0) -> LogCursor:
    """The cursor with a walk under way: the one it has, else a new one that ends now. `server` is its clock, if known."""
    if is_walking(cursor, now):
        return cursor
    start = max(cursor.floor, now - KEPT)
    return replace(_closed(cursor), floor=start, start=start, end=max(now, start), settled=min(server, now))


def query(cursor: LogCursor) -> Query:
    """What to ask for next, in an open walk."""
    return Query(cursor.start, cursor.end, cursor.token)


def restarted(cursor: LogCursor) -> LogCursor:
    """The token is worth nothing any more: give up the walk; the next one begins where this one is not done."""
    return _closed(cursor)


def narrowed(cursor: LogCursor, now: Millis) -> LogCursor | None:
    """The window is refused for its dates: begin a day later; `None` where that cannot be what is wrong with it."""
    floor = now - KEPT + DAY
    return replace(_closed(cursor), floor=floor) if cursor.floor < floor else None


def unchanged(cursor: LogCursor) -> LogCursor:
    """The only page of the walk is the one of the last whole walk: nothing to look at."""
    return replace(_closed(cursor), read_to=max(cursor.end, cursor.read_to))


def _closed(cursor: LogCursor) -> LogCursor:
    return replace(
        cursor,
        start=0,
        end=0,
        token="",
        low=0,
        high=0,
        pages=0,
        rising=False,
        shuffled=False,
        settled=0,
        mark="",
        barren=0,
        seen=_forgotten(cursor.seen) if cursor.pages else cursor.seen,
    )


# ── what was seen ────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Memory:
    """How often each record was seen at all, and how often in the walk under way, by time and checksum in one number."""

    seen: dict[int, int] = field(default_factory=dict)
    met: dict[int, int] = field(default_factory=dict)

    def without(self, floor: Millis) -> None:
        """Forget what is older than `floor`."""
        if not self.seen or min(self.seen) >> 32 >= floor:
            return
        least = floor << 32
        self.seen = {key: count for key, count in self.seen.items() if key >= least}
        self.met = {key: count for key, count in self.met.items() if key >= least}

    def bounded(self) -> Millis:
        """Forget the oldest beyond `MAX_KEYS`, whole milliseconds at a time; from when on everything is still known."""
        if len(self.seen) <= MAX_KEYS:
            return 0
        moments = sorted((key >> 32 for key in self.seen), reverse=True)
        floor = min(moments[MAX_KEYS - MAX_KEYS // 10] + 1, moments[0])
        self.without(floor)
        return floor


def remembered(packed: bytes) -> Memory:
    """The memory of a cursor."""
    memory = Memory()
    for at, key, seen, met in _ENTRY.iter_unpack(packed):
        name = at << 32 | key
        memory.seen[name] = seen
        if met:
            memory.met[name] = met
    return memory


def packed(memory: Memory, *, walking: bool) -> bytes:
    """The memory as a cursor keeps it."""
    met = memory.met if walking else {}
    return b"".join(
        _ENTRY.pack(name >> 32, name & 0xFFFFFFFF, min(count, _MOST), min(met.get(name, 0), _MOST))
        for name, count in sorted(memory.seen.items())
    )


def _forgotten(seen: bytes) -> bytes:
    """The same, of no walk."""
    return packed(remembered(seen), walking=False)


# ── taking a page in ─────────────────────────────────────────────────────────


class Reading:
    """A cursor at work. It is thrown away when what it took in could not be committed; `cursor` is what to commit."""

    def __init__(self, cursor: LogCursor) -> None:
        self._cursor = cursor
        self._loaded: Memory | None = None

    @property
    def _memory(self) -> Memory:
        """Unpacked when the first page comes: most pages that are asked for are the one that was there before."""
        if self._loaded is None:
            self._loaded = remembered(self._cursor.seen)
        return self._loaded

    @property
    def position(self) -> LogCursor:
        """The cursor as far as it was read, with the memory it began with: for asking on, not for keeping."""
        return self._cursor

    def cursor(self) -> LogCursor:
        """What to commit with the records taken in so far."""
        self._cursor = replace(self._cursor, seen=packed(self._memory, walking=self._cursor.open))
        return self._cursor

    def take(self, records: Sequence[LogRecord], token: str) -> Taken:
        """Take in the page that was asked for. `token` names the next one; it is empty at the end."""
        cursor = self._cursor
        page = columns(records)
        shown = page.span()
        if shown is not None and shown[1] > cursor.end + AHEAD:
            page = picked(page, [at for at, time in enumerate(page.times()) if time <= cursor.end + AHEAD])
            shown = page.span()
        ahead = len(records) - len(page)
        repeated = bool(token) and token in {cursor.token, cursor.mark}
        circling = repeated and shown is not None
        again = circling or _reaches_back(cursor, shown)
        taken = self._count(page, again=again)
        # what was met before in this walk is no news, what an earlier walk has seen may be on the way to some
        barren = cursor.barren + 1 if not page or (again and not taken.fresh) else 0
        circling = circling or barren >= (MAX_STALLED if repeated else MAX_BARREN)
        cursor = _onward(cursor, shown, again=again)
        if token and not circling:
            pages = cursor.pages
            mark = token if pages & (pages - 1) == 0 else cursor.mark
            self._cursor = replace(cursor, token=token, mark=mark, barren=barren)
            self._settle()
        else:
            self._end(cursor, whole=not circling)
        return taken._replace(circling=circling, ahead=ahead)

    def _count(self, page: Columns, *, again: bool) -> Taken:
        """Tell the new ones from those that were seen, each as often as it was written."""
        seen, met, floor, start = self._memory.seen, self._memory.met, self._cursor.floor, self._cursor.start
        shown: dict[int, int] = {}
        fresh: list[int] = []
        late = duplicates = 0
        checksum = page.checksum
        for place, at in enumerate(page.times()):
            if at < floor:  # of this walk, and done; or from before it
                duplicates, late = duplicates + (at >= start), late + (at < start)
                continue
            name = at << 32 | checksum(place)
            here = shown[name] = shown.get(name, 0) + 1
            before = met.get(name, 0)
            count = max(before, here) if again else before + 1
            met[name] = count
            if count > seen.get(name, 0):
                seen[name] = count
                fresh.append(place)
            else:
                duplicates += 1
        return Taken(in_order([picked(page, fresh)]), duplicates, late)

    def _settle(self) -> None:
        """After a page that is not the last: where pages rise, what lies far enough behind them is done."""
        cursor = self._cursor
        if cursor.rising and not cursor.shuffled:
            floor = max(cursor.floor, _done(cursor, min(cursor.high, cursor.end)))
            self._memory.without(floor)
            self._cursor = replace(cursor, floor=max(floor, self._memory.bounded()))
        else:
            self._memory.bounded()

    def _end(self, cursor: LogCursor, *, whole: bool) -> None:
        """The walk is over. Where it was cut and its pages did not rise, what it has not shown may lie anywhere."""
        if not whole and (cursor.shuffled or not cursor.rising):
            self._cursor = replace(_closed(replace(cursor, pages=0)), read_to=cursor.read_to)
            self._memory.met.clear()
            self._memory.bounded()
            return
        floor, read_to = max(cursor.floor, _done(cursor, cursor.newest)), cursor.read_to
        if whole:
            read_to = max(read_to, cursor.end)
            # an application that has fallen silent is not asked for several pages of its last words for ever
            floor = max(floor, cursor.settled - OVERLAP if cursor.pages > 1 else 0)
        self._memory.met.clear()
        self._memory.without(floor)
        floor = max(floor, self._memory.bounded())
        self._cursor = replace(_closed(replace(cursor, pages=0)), floor=floor, read_to=read_to)


def _done(cursor: LogCursor, high: Millis) -> Millis:
    """What no record can come before any more, where all up to `high` were shown: they come within the overlap."""
    return max(high - OVERLAP, min(high, cursor.settled - OVERLAP) if cursor.pages > 1 else 0)


def _reaches_back(cursor: LogCursor, shown: tuple[Millis, Millis] | None) -> bool:
    """Whether a page does not simply go on, upwards or downwards, where those before it ended."""
    if shown is None or not cursor.high:
        return False
    low, high = shown
    up, down = low >= cursor.high, high <= cursor.low
    if cursor.rising or cursor.shuffled:
        return not (up and not cursor.shuffled) and not (down and not cursor.rising)
    return not (up or down)


def _onward(cursor: LogCursor, shown: tuple[Millis, Millis] | None, *, again: bool) -> LogCursor:
    """The cursor after a page."""
    if shown is None:
        return replace(cursor, pages=cursor.pages + 1)
    low, high = shown
    begun = cursor.high != 0
    rises = begun and not again and low >= cursor.high and high > cursor.low
    return replace(
        cursor,
        pages=cursor.pages + 1,
        low=min(low, cursor.low) if begun else low,
        high=max(high, cursor.high),
        newest=max(cursor.newest, min(high, cursor.end)),
        rising=cursor.rising or rises,
        shuffled=cursor.shuffled or (begun and (high < cursor.high or low < cursor.low)),
    )
