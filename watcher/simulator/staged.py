"""What a ConnectorStaged, its Connector, and the copy of it in a Deployment look like on the wire.

A ConnectorStaged and its Connector have the same id. Field names follow the official types; their order is that of the
official examples.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from watcher.simulator import catalogue
from watcher.simulator.payload import Payload
from watcher.simulator.repository import specification
from watcher.simulator.wanted import ConnectorStagedDraft

CONTENT = (
    "name",
    "description",
    "integrationTypes",
    "creator",
    "repository",
    "configurations",
    "globalConfiguration",
    "apiClient",
    "private",
    "supportedRegions",
    "documentationUrl",
)
"""What a publication hands over from a ConnectorStaged to its Connector."""

COPIED = ("id", "key", "version", "certified", *(name for name in CONTENT if name not in {"private", "apiClient"}))
"""What a Deployment shows of its Connector."""

CREATOR = {"name": "Integrations Team", "email": "integrations@example.com", "company": "Example Partner"}


def new_draft(draft_id: str, wanted: ConnectorStagedDraft, connector: Mapping[str, Any] | None) -> Payload:
    """A ConnectorStaged as it is created; `connector` is the one that has been published under its key already."""
    draft = {
        **unpublished(draft_id, wanted.key, wanted.repository.url, wanted.repository.tag),
        "name": wanted.name,
        "description": wanted.description or "",
        "integrationTypes": list(wanted.integration_types or ()),
        "creator": msgspec.to_builtins(wanted.creator),
        "privateProjects": list(dict.fromkeys(wanted.private_projects or ())),
        "supportedRegions": list(wanted.supported_regions or ()),
        "documentationUrl": wanted.documentation_url,
    }
    if connector is not None:
        draft |= {"private": bool(connector.get("private")), "alreadyListed": bool(connector.get("certified"))}
    return {name: value for name, value in draft.items() if value is not None}


def catalogue_draft(draft_id: str, connector: catalogue.Connector, key: str | None) -> Payload:
    """A ConnectorStaged of a Connector of the catalogue."""
    return {**unpublished(draft_id, key, repository_url(connector), connector.tag), **described(connector)}


def unpublished(draft_id: str, key: str | None, url: str, tag: str) -> Payload:
    """What every ConnectorStaged begins with.

    `hasChanges` is true of one that was never published, as the running API has it; an official example disagrees.
    """
    return {
        "id": draft_id,
        "key": key,
        "version": 1,
        "name": "",
        "description": "",
        "integrationTypes": [],
        "creator": {},
        "repository": {"url": url, "tag": tag},
        **specification(url, key),
        "private": True,
        "privateProjects": [],
        "supportedRegions": [],
        "hasChanges": True,
        "alreadyListed": False,
        "status": "Draft",
        "isPreviewable": "none",
    }


def described(connector: catalogue.Connector) -> Payload:
    """What the catalogue says of a Connector."""
    return {
        "name": connector.name,
        "description": connector.description,
        "integrationTypes": [connector.integration_type],
        "creator": CREATOR,
    }


def repository_url(connector: catalogue.Connector) -> str:
    """Where the source of a Connector of the catalogue is."""
    return f"git@github.com:example-partner/{connector.key}.git"


def catalogue_connector(connector_id: str, connector: catalogue.Connector, key: str | None) -> Payload:
    """A Connector of the catalogue. Those that are not certified were published privately, for anyone to deploy."""
    url = repository_url(connector)
    return {
        "id": connector_id,
        "key": key,
        "version": connector.version,
        **described(connector),
        "repository": {"url": url, "tag": connector.tag},
        **specification(url, connector.key),
        "private": not connector.certified,
        "supportedRegions": [],
        "certified": connector.certified,
    }


def published(draft: Mapping[str, Any], version: int) -> Payload:
    """The Connector that a ConnectorStaged is published as. A public one has been certified."""
    content = {name: draft[name] for name in CONTENT if draft.get(name) is not None}
    identity = {"id": draft["id"], "key": draft.get("key"), "version": version}
    made = {**identity, **content, "private": bool(draft.get("private")), "certified": not draft.get("private")}
    return {name: value for name, value in made.items() if value is not None}


def has_changes(draft: Mapping[str, Any], connector: Mapping[str, Any] | None) -> bool:
    """Whether a publication would change the Connector, or make one."""
    if connector is None:
        return True
    return any(draft.get(name) != connector.get(name) for name in CONTENT)


def copy_of(connector: Mapping[str, Any], *, certified: bool) -> Payload:
    """What a Deployment shows of its Connector or ConnectorStaged."""
    shown = {**connector, "certified": certified}
    return {name: shown[name] for name in COPIED if shown.get(name) is not None}
