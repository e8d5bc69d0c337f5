"""What is read of the API's answers: an allow-list. Fields that no wire type names are skipped, never decoded.

Configuration values, secured ones included, stand in the same answers; no wire type can hold them. Every field may be
missing, null or of another type than documented: what is left of the record counts, as long as it has what it cannot
be understood without. A record that has not is quarantined: left out, and counted. A kind of record is described by a
`Form`: its wire type, and how the core's type is made of it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from watcher.core.snapshot import R_co, Record, ReportEntry

SHORT, LONG, LINK = 256, 4096, 2048
"""Longest name, text and URL that is kept, in characters."""
STATUS = 64
MAX_PARTS = 100
"""Report entries (the last ones), comments and applications that are kept of one record."""

NOT_READABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:~-]{0,127}", re.ASCII)
_INT64 = 2**63
_HALVES = re.compile(
    # what is sound, as one long match: text, other escapes, whole pairs
    r"((?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})++)"
    r"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}",
    re.DOTALL,
)

Clean = Callable[[str], str]
"""Takes secrets and control characters out of foreign text."""
W = TypeVar("W", bound=Struct)
F = TypeVar("F", bound=Record)


class EntryWire(Struct, rename="camel"):
    """One line of a build report."""

    type: str | None = None
    title: str | None = None
    message: str | None = None
    application: str | None = None
    created_at: str | None = None


class ReportWire(Struct):
    """What a build says about itself."""

    entries: list[EntryWire] | None = None


class _PageWire(Struct, Generic[W]):
    results: list[W]
    total: int | None = None


class _LoosePage(Struct):
    results: list[Raw]
    total: Raw = Raw(b"null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[R_co]):
    """One page as it was read. `count` is how many records it had, the `quarantined` ones included."""

    records: tuple[R_co, ...]
    count: int
    quarantined: int
    total: int | None


class Form(Generic[W, F]):
    """One kind of record: its wire type, and `make`, which takes the wire record, the project and `clean`.

    `make` returns `None` for a record that cannot be understood.
    """

    def __init__(self, wire: type[W], make: Callable[[W, str, Clean], F | None]) -> None:
        self._wire = wire
        self._make = make
        self._page = msgspec.json.Decoder(_PageWire[wire])  # type: ignore[valid-type]  # the type is a value here

    def page(self, body: bytes, project: str, clean: Clean) -> Page[F]:
        """Read a page of the list.

        Raises:
            ValueError: it is not such a page; the text says what it looks like and repeats none of it.
        """
        wire = self._read_page(body)
        found = [each for record in wire.results if (each := self._make(record, project, clean)) is not None]
        count = len(wire.results)
        total = wire.total if wire.total is not None and 0 <= wire.total < _INT64 else None
        return Page(records=tuple(found), count=count, quarantined=count - len(found), total=total)

    def record(self, body: bytes, project: str, clean: Clean) -> F:
        """Read a single record. Raises ValueError as `page` does."""
        found = self._make(_salvage(repaired(body), self._wire), project, clean)
        if found is None:
            raise ValueError(looks_like(body))
        return found

    def _read_page(self, body: bytes) -> _PageWire[W]:
        """The page; if need be record by record and field by field, each as far as it can be read."""
        try:
            return self._page.decode(body)
        except NOT_READABLE:
            loose = _loose(body)
        if loose is None:
            raise ValueError(looks_like(body))
        results = [_salvage(record, self._wire) for record in loose.results]
        return _PageWire(results=results, total=_read(loose.total, int))


def _loose(body: bytes) -> _LoosePage | None:
    try:
        return msgspec.json.decode(repaired(body), type=_LoosePage)
    except NOT_READABLE:
        return None


def _salvage(raw: Raw | str, kind: type[W]) -> W:
    """A record as it is documented, or what of its fields is."""
    whole: W | None = _read(raw, kind)
    if whole is not None:
        return whole
    fields = _read(raw, dict[str, Raw]) or {}
    kept = {
        field.name: _salvaged_field(fields[field.encode_name], field.type)
        for field in msgspec.structs.fields(kind)
        if field.encode_name in fields
    }
    return kind(**kept)


def _salvaged_field(raw: Raw, annotation: Any) -> Any:
    """The value of a field that is declared as `X | None` or `X | Y | None`; `None` where it is neither."""
    kind = next(each for each in get_args(annotation) if each is not NoneType)
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return [_salvage(each, item) for each in _read(raw, list[Raw]) or ()]
    return _salvage(raw, kind) if issubclass(kind, Struct) else _read(raw, annotation)


def _read(raw: Raw | str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except NOT_READABLE:
        return None


def repaired(body: bytes) -> str:
    """The text with what is no text replaced: bytes that are not UTF-8, and halves of surrogate pairs.

    A server that cuts a message in the middle of an emoji sends such a half; one message must not blind a project.
    """
    text = body.decode("utf-8-sig", "replace")
    return _HALVES.sub(lambda found: found[1] or "\\ufffd", text)


def looks_like(body: bytes) -> str:
    """What a body that cannot be read seems to be; nothing of it is repeated."""
    start = body.lstrip()[:1]
    if not start:
        return "an empty body"
    if start == b"<":
        return "HTML or XML"
    return "JSON of another form, or broken JSON" if start in b'{["ntf-0123456789' else "something that is not JSON"


def identifier(value: str | None) -> str:
    """An id that can be part of a path, or nothing."""
    return value if value and _ID.fullmatch(value) else ""


def entries(report: ReportWire | None, clean: Clean) -> tuple[ReportEntry, ...]:
    """The lines of a report that say something."""
    listed = (report and report.entries) or []
    return tuple(
        ReportEntry(
            type=clean(word(each.type)),
            title=text(each.title, LONG, clean),
            message=text(each.message, LONG, clean),
            application=text(each.application, SHORT, clean),
            created_at=clean(word(each.created_at)),
        )
        for each in listed[-MAX_PARTS:]
        if each.title or each.message
    )


def word(value: str | None, limit: int = SHORT) -> str:
    """A name or an enumeration's value, on one line and without anything that cannot be seen."""
    if not value:
        return ""
    shown = value[:limit].strip()
    return shown if shown.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in shown)


def text(value: str | None, limit: int, clean: Clean) -> str:
    """Foreign prose. Cleaned before it is cut: half a secret would not be recognised."""
    return clean(value[: 4 * limit])[:limit] if value else ""


def number(value: int | None) -> int:
    """A count or version; 0 where it is none."""
    return value if value is not None and 0 <= value < _INT64 else 0
