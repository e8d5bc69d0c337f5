"""What is read of the API's answers: an allow-list. Fields that are not named here are skipped, never decoded.

Configuration values, secured ones included, stand in the same answers; nothing here can hold them. Every field may be
missing, null or of another type than documented: what is left of the record counts, as long as it has an id and a
status. A record without those is quarantined: left out, and counted.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Raw, Struct

from watcher.core.snapshot import Application, Deployment, ReportEntry

SHORT, LONG, LINK = 256, 4096, 2048
"""Longest name, text and URL that is kept, in characters."""
STATUS = 64
MAX_PARTS = 100
"""Report entries (the last ones) and applications that are kept of one Deployment."""

_NOT_READABLE = (msgspec.MsgspecError, ValueError, RecursionError)
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


class BuildWire(Struct):
    """The attempt: its id tells one from the next."""

    id: str | None = None
    report: ReportWire | None = None


class DetailsWire(Struct):
    """The envelope around the build."""

    build: BuildWire | None = None


class ConnectorWire(Struct):
    """The copy of the Connector that a Deployment carries."""

    id: str | None = None
    key: str | None = None
    name: str | None = None
    version: int | None = None


class ApplicationWire(Struct, rename="camel"):
    """An application, without its configuration."""

    id: str | None = None
    application_name: str | None = None
    url: str | None = None
    topic: str | None = None


class DeploymentWire(Struct, rename="camel"):
    """A Deployment, without what is configured."""

    id: str | None = None
    status: str | None = None
    key: str | None = None
    version: int | None = None
    type: str | None = None
    deployed_region: str | None = None
    connector: ConnectorWire | None = None
    details: DetailsWire | None = None
    applications: list[ApplicationWire] | None = None


class _PageWire(Struct):
    results: list[DeploymentWire]
    total: int | None = None


class _LoosePage(Struct):
    results: list[Raw]
    total: Raw = Raw(b"null")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page as it was read. `count` is how many records it had, the `quarantined` ones included."""

    deployments: tuple[Deployment, ...]
    count: int
    quarantined: int
    total: int | None


_page = msgspec.json.Decoder(_PageWire)


def decode_page(body: bytes, project: str, clean: Clean) -> Page:
    """Read a page of the list.

    Raises:
        ValueError: it is not such a page; the text says what it looks like and repeats none of it.
    """
    try:
        wire = _page.decode(body)
    except _NOT_READABLE:
        wire = _salvaged_page(body)
    found = [each for record in wire.results if (each := _deployment(record, project, clean)) is not None]
    count = len(wire.results)
    total = wire.total if wire.total is not None and 0 <= wire.total < _INT64 else None
    return Page(deployments=tuple(found), count=count, quarantined=count - len(found), total=total)


def decode_deployment(body: bytes, project: str, clean: Clean) -> Deployment:
    """Read a single Deployment. Raises ValueError as `decode_page` does."""
    record = _salvage(_repaired(body), DeploymentWire)
    found = _deployment(record, project, clean)
    if found is None:
        raise ValueError(_looks_like(body))
    return found


def _salvaged_page(body: bytes) -> _PageWire:
    """The page record by record and field by field, each as far as it can be read."""
    try:
        loose = msgspec.json.decode(_repaired(body), type=_LoosePage)
    except _NOT_READABLE:
        loose = None
    if loose is None:
        raise ValueError(_looks_like(body))
    return _PageWire(
        results=[_salvage(record, DeploymentWire) for record in loose.results], total=_read(loose.total, int)
    )


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
    """The value of a field that is declared as `X | None`; `None` where it is not an X."""
    kind = next(each for each in get_args(annotation) if each is not NoneType)
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return [_salvage(each, item) for each in _read(raw, list[Raw]) or ()]
    return _salvage(raw, kind) if issubclass(kind, Struct) else _read(raw, kind)


def _read(raw: Raw | str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except _NOT_READABLE:
        return None


def _repaired(body: bytes) -> str:
    """The text with what is no text replaced: bytes that are not UTF-8, and halves of surrogate pairs.

    A server that cuts a message in the middle of an emoji sends such a half; one message must not blind a project.
    """
    text = body.decode("utf-8-sig", "replace")
    return _HALVES.sub(lambda found: found[1] or "\\ufffd", text)


def _looks_like(body: bytes) -> str:
    start = body.lstrip()[:1]
    if not start:
        return "an empty body"
    if start == b"<":
        return "HTML or XML"
    return "JSON of another form, or broken JSON" if start in b'{["ntf-0123456789' else "something that is not JSON"


def _deployment(wire: DeploymentWire, project: str, clean: Clean) -> Deployment | None:
    status = clean(_word(wire.status, STATUS))
    if not status or not wire.id or not _ID.fullmatch(wire.id):
        return None
    connector = wire.connector or ConnectorWire()
    build = (wire.details and wire.details.build) or BuildWire()
    return Deployment(
        id=wire.id,
        project=project,
        status=status,
        key=clean(_word(wire.key)),
        type=clean(_word(wire.type)),
        version=_number(wire.version),
        region=clean(_word(wire.deployed_region)),
        connector_id=_word(connector.id),
        connector_key=clean(_word(connector.key)),
        connector_name=_text(connector.name, SHORT, clean),
        connector_version=_number(connector.version),
        build=_word(build.id),
        entries=_entries(build.report, clean),
        applications=_applications(wire.applications or (), clean),
    )


def _entries(report: ReportWire | None, clean: Clean) -> tuple[ReportEntry, ...]:
    listed = (report and report.entries) or []
    return tuple(
        ReportEntry(
            type=_word(each.type),
            title=_text(each.title, LONG, clean),
            message=_text(each.message, LONG, clean),
            application=_text(each.application, SHORT, clean),
            created_at=_word(each.created_at),
        )
        for each in listed[-MAX_PARTS:]
        if each.title or each.message
    )


def _applications(listed: Sequence[ApplicationWire], clean: Clean) -> tuple[Application, ...]:
    return tuple(
        Application(
            id=_word(each.id),
            name=_text(each.application_name, SHORT, clean),
            url=_text(each.url, LINK, clean),
            topic=_text(each.topic, LINK, clean),
        )
        for each in listed[:MAX_PARTS]
    )


def _word(value: str | None, limit: int = SHORT) -> str:
    """A name or an enumeration's value, on one line and without anything that cannot be seen."""
    if not value:
        return ""
    text = value[:limit].strip()
    return text if text.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in text)


def _text(value: str | None, limit: int, clean: Clean) -> str:
    """Foreign prose. Cleaned before it is cut: half a secret would not be recognised."""
    return clean(value[: 4 * limit])[:limit] if value else ""


def _number(value: int | None) -> int:
    return value if value is not None and 0 <= value < _INT64 else 0
