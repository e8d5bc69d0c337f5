"""Paging, sorting and selecting, with the bounds the API documents. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from watcher.simulator.errors import invalid_query
from watcher.simulator.payload import DEPLOYMENT_TYPES, INTEGRATION_TYPES
from watcher.simulator.state import Resource

DEFAULT_LIMIT = 20
MAX_LIMIT = 500
MAX_OFFSET = 10_000

SORT_FIELDS: dict[str, Callable[[Resource], Any]] = {
    "createdAt": lambda found: found.created,
    "lastModifiedAt": lambda found: found.modified,
    "id": lambda found: found.id,
    "key": lambda found: found.key or "",
    "status": lambda found: found.status or "",
    "type": lambda found: found.type or "",
    "version": lambda found: found.payload.get("version", 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One list request."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    sort: tuple[tuple[str, bool], ...] = ()
    deployment_type: str | None = None
    integration_types: frozenset[str] = frozenset()


def read_query(parameters: Sequence[tuple[str, str]]) -> Query:
    """The request's query. Raises ApiError 400 InvalidQueryParam; parameters nobody documented are ignored."""
    last = dict(parameters)
    deployment_type = last.get("deploymentType")
    if deployment_type is not None:
        one_of("deploymentType", deployment_type, DEPLOYMENT_TYPES)
    return Query(
        limit=bounded("limit", last.get("limit"), DEFAULT_LIMIT, MAX_LIMIT),
        offset=bounded("offset", last.get("offset"), 0, MAX_OFFSET),
        sort=tuple(sort_key(value) for name, value in parameters if name == "sort"),
        deployment_type=deployment_type,
        integration_types=frozenset(
            one_of("integrationTypes", value, INTEGRATION_TYPES)
            for name, value in parameters
            if name == "integrationTypes"
        ),
    )


def bounded(name: str, text: str | None, default: int, highest: int) -> int:
    """A whole number between 0 and `highest`."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or int(text) > highest:
        raise invalid_query(f"{name} must be a number between 0 and {highest}")
    return int(text)


def one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    """A value of a documented enumeration."""
    if value not in allowed:
        raise invalid_query(f"{name} must be one of {', '.join(allowed)}")
    return value


def sort_key(text: str) -> tuple[str, bool]:
    """`field`, `field asc` or `field desc` as the field and whether it descends."""
    name, _, direction = text.strip().partition(" ")
    if name not in SORT_FIELDS or direction not in {"", "asc", "desc"}:
        raise invalid_query(f"sort must be one of {', '.join(SORT_FIELDS)}, then asc or desc")
    return name, direction == "desc"


def page(deployments: Mapping[str, Resource], query: Query) -> bytes:
    """The envelope with one page of results, oldest first unless sorted."""
    chosen: Iterable[Resource] = deployments.values()
    total = len(deployments)
    if query.deployment_type or query.integration_types:
        chosen = [found for found in chosen if selected(found, query)]
        total = len(chosen)
    for name, descending in reversed(query.sort):
        chosen = sorted(chosen, key=SORT_FIELDS[name], reverse=descending)
    results = [found.encoded for found in islice(chosen, query.offset, query.offset + query.limit)]
    head = b'{"offset":%d,"limit":%d,"total":%d,"count":%d,"results":['
    return head % (query.offset, query.limit, total, len(results)) + b",".join(results) + b"]}"


def selected(found: Resource, query: Query) -> bool:
    """Whether the query's filters let a Deployment through."""
    return query.deployment_type in {None, found.type} and (
        not query.integration_types or not query.integration_types.isdisjoint(found.integration_types)
    )
