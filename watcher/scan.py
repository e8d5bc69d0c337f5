"""Which of many patterns occur in which of many lines. RE2's syntax is the contract and RE2 has the last word.

Two scanners give the same answers. `compile_set` asks RE2 about each line, all patterns at once. `compile_batch` joins the
lines and lets hyperscan find the few that may match, at a fraction of the cost; RE2 is then asked about those only.

Hyperscan gets a relaxed form of each pattern and a flattened text, a byte for each character: a newline inside a line
becomes NUL (so every newline ends a line and no match spans two), a character that Latin-1 lacks becomes `?`. An atom of
the pattern becomes the bytes of all characters that it matches, as RE2 itself says; what remains is structure, which both
read alike. So what RE2 finds, the relaxed form finds as well. What cannot be relaxed, or hyperscan refuses, is left to RE2.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, Protocol, cast

import re2

from watcher.pattern import fullmatch

try:
    import hyperscan
except ImportError:  # an extra, and not for every platform
    hyperscan = cast("Any", None)

MAX_LINE = 16 * 1024
"""Characters of a line that are looked at; the rest of a longer one is as if it had not been written."""
_CHUNK = 256
"""Lines that are scanned at once: enough to share the cost of a call, few enough to stay in the processor's cache."""
_FEW, _PER_LINE = 64, 2
"""Reports that are never too many, and those for each line that cost more than asking RE2 about the line."""
_PAUSE = 50_000
"""Lines that go to RE2 alone after there were too many: what the attempt cost is little for that many."""
_SAMPLE = (
    '2026-01-31T08:15:42.123Z info: GET /api/orders/3f2b9c1d?limit=20 200 35 ms user-agent="axios/1.6.2"',
    '{"level":"info","message":"Processed cart 8f14e45f-ceea-467f-9575-6b7f36b1c9d1 in 12 ms","service":"order-sync"}',
    'Received message 12345 from subscription "orders", attempt 1 of 5',
)
"""Lines of the usual kinds, none of them worth an alert."""
_TRUSTED = b"Version: 5.4.2 "
"""Intel's last. Vectorscan, which bindings since 0.7 bring, overlooks matches: 5.4.12 ` abcd52` beside `^\\s*abc[0-9a-f]{4}`."""
_PADDING = "\n" * 64
"""Behind the last line: what ends in the last bytes of a text is where engines err."""
_MEBIBYTE = 1024 * 1024
_BUDGETS, _SMALL_BUDGETS = (8 * _MEBIBYTE, 32 * _MEBIBYTE), (_MEBIBYTE // 4, _MEBIBYTE, 8 * _MEBIBYTE)
"""Bytes that an RE2 set may take, in the first of which 5,000 common patterns fit; of one pattern, in a thousand sets."""

Pairs = list[tuple[int, int]]
_Match = Callable[[bytes], list[int] | None]


class Scanner(Protocol):
    """Patterns, ready to be looked for. Used by one thread at a time."""

    def scan(self, lines: Sequence[str]) -> Pairs:
        """The number of a line and of a pattern, counted from 0, for each pattern that occurs in the line; sorted.

        A line is one text: `^` and `$` are its two ends, `.` is no newline in it. What is not valid Unicode is a `?`.
        """


def check(pattern: str) -> None:
    """Refuse what cannot be a pattern.

    Raises:
        ValueError: RE2 cannot compile it, or it is too large; RE2's words, and where the reason is, if that is known.
    """
    try:
        fullmatch(pattern)
    except ValueError as error:
        part = str(error).rpartition(": ")[2]  # what RE2 dislikes, or the whole pattern
        known = part != pattern and pattern.count(part) == 1
        raise ValueError(f"{error} (at character {pattern.index(part) + 1})" if known else str(error)) from None


def compile_set(patterns: Sequence[str]) -> Scanner:
    """A scanner that asks RE2 about each line.

    Raises:
        ValueError: One cannot be compiled; the message has its number, counted from 0, and what `check` says.
    """
    for number, pattern in enumerate(patterns):
        try:
            check(pattern)
        except ValueError as error:
            raise ValueError(f"pattern {number}: {error}") from None
    return _sets(patterns, range(len(patterns)))


def compile_batch(patterns: Sequence[str]) -> Scanner | None:
    """A scanner that lets hyperscan look first; None without a version that can be trusted or a pattern that suits it.

    Takes half a second for 1,000 patterns, mostly without the interpreter's lock: meant for a thread.

    Raises:
        ValueError: As `compile_set`.
    """
    if hyperscan is None or not _database({0: "x"}).info().startswith(_TRUSTED):
        return None
    everything = compile_set(patterns)
    texts = {number: text for number, pattern in enumerate(patterns) if (text := _relaxed(pattern))}
    relaxed, database = _fitting(texts)
    if not database:
        return None
    rest = [number for number in range(len(patterns)) if number not in relaxed]
    beside = _sets(patterns, rest) if rest else None
    return _Batch(patterns=tuple(patterns), database=database, everything=everything, rest=beside)


# ── RE2 ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Sets:
    """RE2 sets, each with the numbers of its patterns, ascending from set to set."""

    sets: tuple[tuple[_Match, Sequence[int]], ...]

    def scan(self, lines: Sequence[str]) -> Pairs:
        found: Pairs = []
        for line, text in enumerate(lines):
            raw = _encoded(text)
            for match, numbers in self.sets:
                if places := match(raw):
                    found += [(line, numbers[place]) for place in sorted(places)]
        return found


def _encoded(line: str) -> bytes:
    return line[:MAX_LINE].encode(errors="replace")


def _sets(patterns: Sequence[str], numbers: Sequence[int], budgets: Sequence[int] = _BUDGETS) -> _Sets:
    """One set of these patterns, or two, or four: as few as stay within their budget."""
    if not numbers:
        return _Sets(())
    match = _match([patterns[number] for number in numbers], budgets)
    if match is not None:
        return _Sets(((match, numbers),))
    if len(numbers) == 1:
        raise ValueError(f"pattern {numbers[0]}: the pattern is too complex")
    middle = len(numbers) // 2
    first, last = _sets(patterns, numbers[:middle], budgets), _sets(patterns, numbers[middle:], budgets)
    return _Sets((*first.sets, *last.sets))


def _match(patterns: Sequence[str], budgets: Sequence[int]) -> _Match | None:
    """Which of them occur in a text; no function at all if no budget is enough."""
    for budget in budgets:
        found = re2.Set.SearchSet(_options(budget))
        for pattern in patterns:
            found.Add(pattern)
        with suppress(re2.error):
            found.Compile()
            return cast("_Match", found.Match)
    return None


def _options(budget: int) -> re2.Options:
    options = re2.Options()
    options.log_errors, options.never_capture, options.max_mem = False, True, budget
    return options


# ── hyperscan before RE2 ─────────────────────────────────────────────────────


@dataclass(slots=True, kw_only=True)
class _Batch:
    """`rest` looks for the patterns that the database has not. `pause` is how many lines the prefilter sits out."""

    patterns: Sequence[str]
    database: Any
    everything: Scanner
    rest: Scanner | None
    single: dict[int, _Match] = field(default_factory=dict)
    pause: int = 0

    def scan(self, lines: Sequence[str]) -> Pairs:
        chunks = ((first, self._chunk(lines[first : first + _CHUNK])) for first in range(0, len(lines), _CHUNK))
        return [(first + line, number) for first, found in chunks for line, number in found]

    def _chunk(self, lines: Sequence[str]) -> Pairs:
        suspects = self._suspects(lines)
        if suspects is None:
            return self.everything.scan(lines)
        found = [(line, number) for line, number in suspects if self._verified(number, lines[line])]
        if self.rest is not None:
            found += self.rest.scan(lines)
        found.sort()
        return found

    def _suspects(self, lines: Sequence[str]) -> Pairs | set[tuple[int, int]] | None:
        """Whatever may match; None when RE2 has to look at each line anyway."""
        if self.pause > 0:
            self.pause -= len(lines)
            return None
        text, flat = _flattened(lines)
        if not text.isascii() and any(letter in text for letter in _FOLDED):
            return None
        places = _places(self.database, text.encode("latin-1", errors="replace"), _PER_LINE * len(lines) + _FEW)
        if places is None:
            self.pause = _PAUSE
            return None
        return _pairs(places, flat) if places else []

    def _verified(self, number: int, line: str) -> bool:
        match = self.single.get(number)
        if match is None:
            match = self.single[number] = _sets(self.patterns, [number], _SMALL_BUDGETS).sets[0][0]
        return bool(match(_encoded(line)))


def _flattened(lines: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The lines, ended by the only newlines in the text, and what of each is in there: as long as what RE2 is shown."""
    if "\n" in "".join(lines):
        lines = [line.replace("\n", "\0") for line in lines]
    text = "\n".join([*lines, _PADDING])
    half = MAX_LINE // 2
    # A line that is too long fills one of these stretches: a few searches, and not the length of every line.
    if any(text.find("\n", at, at + half) < 0 for at in range(0, len(text) - half, half)):
        lines = [line[:MAX_LINE] for line in lines]
        text = "\n".join([*lines, _PADDING])
    return text, lines


def _places(database: Any, flat: bytes, limit: int) -> Pairs | None:
    """The end of each match and its pattern's number; None above the limit, where the scan is broken off."""
    places: Pairs = []

    def note(number: int, _start: int, end: int, _flags: int, _context: object) -> bool:
        places.append((end, number))
        return len(places) > limit

    try:
        database.scan(flat, note)
    except hyperscan.error:  # broken off, or a text that it gives up on
        return None
    return places


def _pairs(places: Pairs, lines: Sequence[str]) -> set[tuple[int, int]]:
    """The lines that the places are in. A place behind the last newline is in none."""
    ends = list(accumulate(map(len, lines)))
    numbers = range(len(lines))

    def line(place: int) -> int:
        return bisect_left(numbers, place, key=lambda number: ends[number] + number)

    last = ends[-1] + len(ends) - 1
    return {(line(place), number) for place, number in places if place <= last}


def _fitting(relaxed: Mapping[int, str]) -> tuple[Mapping[int, str], Any]:
    """Those that hyperscan accepts and that do not match all the time."""
    database = _database(relaxed)
    if database is None:
        relaxed = {number: text for number, text in relaxed.items() if _database({number: text})}
        database = _database(relaxed)
    if dense := _dense(database):
        relaxed = {number: text for number, text in relaxed.items() if number not in dense}
        database = _database(relaxed)
    return relaxed, database


def _database(relaxed: Mapping[int, str]) -> Any:
    if not relaxed:
        return None
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    texts = [text.encode() for text in relaxed.values()]
    try:
        database.compile(expressions=texts, ids=list(relaxed), elements=len(texts), flags=hyperscan.HS_FLAG_MULTILINE)
    except hyperscan.error:
        return None
    return database


def _dense(database: Any) -> set[int]:
    """The patterns that would be reported all the time, in lines of any kind."""
    flat = "".join(f"{line}\n" for line in _SAMPLE).encode()
    counts = Counter(number for _, number in (database and _places(database, flat, 1_000_000)) or [])
    return {number for number, count in counts.items() if count > _PER_LINE * len(_SAMPLE)}


# ── a pattern for hyperscan that misses nothing ──────────────────────────────

_TOKEN = re.compile(
    r"""\\Q(?P<quoted>.*?)(?:\\E|\Z)
    |(?P<edge>\\[AzbB]|[\^$])
    |(?P<atom>\\[pP](?:\{[^}]*\}|.)|\\x(?:\{[^}]*\}|..)|\\[0-7]{1,3}|\\.|\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*+\])
    |(?P<flags>\(\?[imsU]*(?:-[imsU]*)?[:)])
    |(?P<open>\((?:\?P?<\w+>)?)
    |(?P<mark>[|)])
    |(?P<repeat>[*+?]|\{\d+(?:,\d*)?\})\??
    |(?P<literal>.)""",
    re.VERBOSE | re.DOTALL,
)
_NOTHING = "(?:)"
_EDGES = {"^": "^", "$": "$", r"\A": "^", r"\z": "$", r"\b": r"\b", r"\B": _NOTHING}
_OPTIONAL = ("*", "?", "{0")
_ASCII = bytes(range(128))
_BEYOND = frozenset({ord("?"), *range(128, 256)})
"""What characters beyond ASCII become, and so may the members of a class that reaches beyond it."""
_FOLDED = ("\N{LATIN SMALL LETTER LONG S}", "\N{KELVIN SIGN}")
"""The only two that `(?i)` makes equal to letters of ASCII. They are so rare that RE2 may have the whole chunk."""


def _relaxed(pattern: str) -> str | None:
    """Matches, in the flattened line, wherever the valid pattern matches in the line; None if that cannot be said."""
    try:
        parts = list(_parts(pattern))
    except re2.error:
        return None
    if any(other == "repeat" and one in {"edge", "repeat"} for (one, _), (other, _) in pairwise(parts)):
        return None  # `^*`, `a+(?i)?`: what is repeated is RE2's to say
    return "".join(text for _, text in _trimmed(parts)) or None


def _parts(pattern: str) -> Iterator[tuple[str, str]]:
    """Each token's kind and what it becomes. Groups keep their places; what flags mean is written out."""
    flags, outer = frozenset[str](), []
    for token in _TOKEN.finditer(pattern):
        kind = str(token.lastgroup)
        text = token[kind]
        if kind == "open" or (kind == "flags" and text.endswith(":")):
            outer.append(flags)
            yield "open", "(?:"
        if kind == "flags":
            on, _, off = text[2:-1].partition("-")
            flags = (flags | set(on)) - set(off)
        elif kind != "open":
            yield from _leaf(kind, text, flags)
        if text == ")" and kind == "mark":
            flags = outer.pop()


def _leaf(kind: str, text: str, flags: frozenset[str]) -> Iterator[tuple[str, str]]:
    if kind == "edge":
        # The ends of lines inside a line are not in the flattened one.
        yield kind, _NOTHING if text in {"^", "$"} and "m" in flags else _EDGES[text]
    elif kind == "atom":
        yield kind, _class(text, "i" in flags)
    elif kind in {"literal", "quoted"}:
        if not text:
            raise re2.error("an empty quotation may be repeated")
        yield from (("atom", _literal(character, "i" in flags)) for character in text)
    else:
        yield kind, text


def _literal(character: str, folds: bool) -> str:
    if folds and not character.isascii():
        return _class(character, folds)
    if folds and character.isalpha():
        return f"[{character.lower()}{character.upper()}]"
    return _hex(0 if character == "\n" else character.encode("latin-1", errors="replace")[0])


@lru_cache(maxsize=1_000)
def _class(source: str, folds: bool) -> str:
    """The bytes that stand for the characters which this atom matches, by RE2's own account.

    Raises:
        re2.error: It is no such atom.
    """
    if source == r"\C":
        raise re2.error("not a character but a byte of one")
    atom = f"(?i:{source})" if folds else f"(?:{source})"
    members = set(b"".join(re2.compile(atom, _options(_MEBIBYTE)).findall(_ASCII)).replace(b"\n", b"\0"))
    last: bytes = re2.compile(rf"\A{atom}\z", _options(_MEBIBYTE)).possiblematchrange(4)[1]
    if last > _ASCII[-1:]:
        members |= _BEYOND
    if not members:
        raise re2.error("no character at all")
    return "[" + "".join(map(_hex, sorted(members))) + "]"


def _hex(value: int) -> str:
    return f"\\x{value:02x}"


def _trimmed(parts: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without what may be absent at either end: `.*late.*` occurs where `late` does, but would be reported at each letter."""

    def may_lack(pair: list[tuple[str, str]]) -> bool:
        return [kind for kind, _ in pair] == ["atom", "repeat"] and pair[1][1].startswith(_OPTIONAL)

    while may_lack(parts[-2:]):
        parts = parts[:-2]
    if parts and parts[-1] == ("repeat", "+"):
        parts = parts[:-1]
    while may_lack(parts[:2]):
        parts = parts[2:]
    return parts
