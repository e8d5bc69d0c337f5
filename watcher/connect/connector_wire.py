"""Drafts of Connectors and published Connectors on the wire: what is read of them.

All but the id may be missing: the API leaves out fields that are documented as required, such as `integrationTypes`.
`privateProjects`, creators and configurations are not read at all.
"""

import hashlib

from msgspec import Struct

from watcher.connect.wire import (
    LONG,
    MAX_PARTS,
    SHORT,
    STATUS,
    Clean,
    Form,
    ReportWire,
    entries,
    identifier,
    number,
    text,
    word,
)
from watcher.core.snapshot import Comment, Connector, ConnectorStaged


class RepositoryWire(Struct):
    """Where the code is. The URL is never kept, since it may hold a token."""

    tag: str | None = None
    url: str | None = None


class CommentWire(Struct):
    """A remark of the certification."""

    datetime: str | None = None
    comment: str | None = None


class CertificationWire(Struct):
    """The remarks of the certification."""

    comments: list[CommentWire] | None = None


class DraftWire(Struct, rename="camel"):
    """A ConnectorStaged. `isPreviewable` is a text, though clients have been seen to take it for a truth value."""

    id: str | None = None
    status: str | None = None
    key: str | None = None
    name: str | None = None
    version: int | None = None
    repository: RepositoryWire | None = None
    is_previewable: str | bool | None = None
    already_listed: bool | None = None
    has_changes: bool | None = None
    publishing_report: ReportWire | None = None
    previewable_report: ReportWire | None = None
    certification_info: CertificationWire | None = None


class ConnectorWire(Struct):
    """A published Connector."""

    id: str | None = None
    key: str | None = None
    name: str | None = None
    version: int | None = None
    repository: RepositoryWire | None = None


def make_draft(wire: DraftWire, project: str, clean: Clean) -> ConnectorStaged | None:
    """The draft, if it has an id and a status."""
    status, own = clean(word(wire.status, STATUS)), identifier(wire.id)
    if not status or not own:
        return None
    return ConnectorStaged(
        id=own,
        project=project,
        status=status,
        key=clean(word(wire.key)),
        version=number(wire.version),
        display=word(text(wire.name, SHORT, clean)),
        previewable=clean(word(_text_of(wire.is_previewable), STATUS)),
        listed=bool(wire.already_listed),
        changed=bool(wire.has_changes),
        tag=_tag(wire.repository, clean),
        repository=_which(wire.repository),
        publishing=entries(wire.publishing_report, clean),
        preview=entries(wire.previewable_report, clean),
        comments=_comments(wire.certification_info, clean),
    )


def make_connector(wire: ConnectorWire, project: str, clean: Clean) -> Connector | None:
    """The Connector, if it has an id; who runs it is for its source to find out."""
    own = identifier(wire.id)
    if not own:
        return None
    return Connector(
        id=own,
        project=project,
        key=clean(word(wire.key)),
        version=number(wire.version),
        display=word(text(wire.name, SHORT, clean)),
        tag=_tag(wire.repository, clean),
    )


def _text_of(value: str | bool | None) -> str | None:
    return str(value).lower() if isinstance(value, bool) else value


def _tag(repository: RepositoryWire | None, clean: Clean) -> str:
    return word(text(repository.tag if repository else None, SHORT, clean))


def _which(repository: RepositoryWire | None) -> str:
    url = (repository.url or "").rpartition("@")[2] if repository else ""
    return hashlib.sha256(url.encode(errors="replace")).hexdigest()[:16] if url else ""


def _comments(found: CertificationWire | None, clean: Clean) -> tuple[Comment, ...]:
    listed = (found and found.comments) or []
    said = [
        Comment(at=clean(word(each.datetime)), text=text(each.comment, LONG, clean)) for each in listed if each.comment
    ]
    return tuple(sorted(said, key=lambda each: (each.at, each.text))[-MAX_PARTS:])


DRAFT = Form(DraftWire, make_draft)
CONNECTOR = Form(ConnectorWire, make_connector)
