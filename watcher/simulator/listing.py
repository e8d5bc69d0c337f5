"""Paging, sorting and selecting, with the bounds the API documents. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from watcher.simulator.errors import invalid_query
from watcher.simulator.facts import DEFAULT_LIMIT, DEPLOYMENT_TYPES, INTEGRATION_TYPES, MAX_LIMIT, MAX_OFFSET
from watcher.simulator.numeral import whole
from watcher.simulator.resource import Resource

SORT_FIELDS: dict[str, Callable[[Resource], Any]] = {
    "createdAt": lambda found: found.created,
    "lastModifiedAt": lambda found: found.modified,
    "id": lambda found: found.id,
    "key": lambda found: found.key or "",
    "name": lambda found: str(found.payload.get("name", "")),
    "status": lambda found: found.status or "",
    "type": lambda found: found.type or "",
    "version": lambda found: number(found.payload.get("version")),
}
"""What can be sorted by is not documented; the official client offers the first two."""

Parameters: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One list request."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    sort: tuple[tuple[str, bool], ...] = ()
    deployment_type: str | None = None
    integration_types: frozenset[str] = frozenset()
    private: bool | None = None
    text: str | None = None
    company: str | None = None
    ids: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()


def read_query(parameters: Parameters) -> Query:
    """A query for Deployments. Raises ApiError 400 InvalidQueryParam; parameters nobody documented are ignored."""
    deployment_type = dict(parameters).get("deploymentType")
    if deployment_type is not None:
        one_of("deploymentType", deployment_type, DEPLOYMENT_TYPES)
    return Query(**paging(parameters), deployment_type=deployment_type)


def read_draft_query(parameters: Parameters) -> Query:
    """A query for ConnectorStaged. Raises ApiError 400 InvalidQueryParam."""
    return Query(**paging(parameters), private=boolean("isPrivate", parameters))


def read_search(parameters: Parameters) -> Query:
    """A search for Connectors. Raises ApiError 400 InvalidQueryParam."""
    last = dict(parameters)
    return Query(
        **paging(parameters),
        private=boolean("private", parameters) or None,
        text=last.get("text"),
        company=last.get("creator.company"),
        ids=each("id", parameters),
        keys=each("key", parameters),
    )


def paging(parameters: Parameters) -> dict[str, Any]:
    """What all lists have in common."""
    last = dict(parameters)
    return {
        "limit": bounded("limit", last.get("limit"), DEFAULT_LIMIT, MAX_LIMIT),
        "offset": bounded("offset", last.get("offset"), 0, MAX_OFFSET),
        "sort": tuple(sort_key(value) for name, value in parameters if name == "sort"),
        "integration_types": frozenset(
            one_of("integrationTypes", value, INTEGRATION_TYPES) for value in each("integrationTypes", parameters)
        ),
    }


def each(name: str, parameters: Parameters) -> frozenset[str]:
    """The values of a parameter that may be given several times."""
    return frozenset(value for one, value in parameters if one == name)


def boolean(name: str, parameters: Parameters) -> bool | None:
    """`true` or `false`, where it is given."""
    text = dict(parameters).get(name)
    return None if text is None else one_of(name, text, ("true", "false")) == "true"


def bounded(name: str, text: str | None, default: int, highest: int) -> int:
    """A whole number between 0 and `highest`."""
    if text is None:
        return default
    found = whole(text)
    if found is None or found > highest:
        raise invalid_query(f"{name} must be a number between 0 and {highest}")
    return found


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


def number(value: Any) -> float:
    """The value where it can be sorted with others."""
    return value if isinstance(value, int | float) else 0


def page(resources: Mapping[str, Resource], query: Query) -> bytes:
    """The envelope with one page of results, oldest first unless sorted."""
    found: Iterable[Resource] = resources.values()
    total = len(resources)
    if is_selective(query):
        found = [one for one in found if selected(one, query)]
        total = len(found)
    for name, descending in reversed(query.sort):
        found = sorted(found, key=SORT_FIELDS[name], reverse=descending)
    return enveloped([one.encoded for one in islice(found, query.offset, query.offset + query.limit)], total, query)


def enveloped(results: Sequence[bytes], total: int, query: Query) -> bytes:
    """The envelope of a page, around results that are JSON already."""
    head = b'{"offset":%d,"limit":%d,"total":%d,"count":%d,"results":['
    return head % (query.offset, query.limit, total, len(results)) + b",".join(results) + b"]}"


def is_selective(query: Query) -> bool:
    """Whether the query's filters could keep anything out."""
    return query != Query(limit=query.limit, offset=query.offset, sort=query.sort)


def selected(found: Resource, query: Query) -> bool:
    """Whether the query's filters let a resource through."""
    return (
        query.deployment_type in {None, found.type}
        and (not query.integration_types or not query.integration_types.isdisjoint(found.integration_types))
        and (not query.ids or found.id in query.ids)
        and (not query.keys or found.key in query.keys)
        and ((query.private, query.text, query.company) == (None, None, None) or described(found.payload, query))
    )


def described(payload: Mapping[str, Any], query: Query) -> bool:
    """Whether the filters that look into a Connector let it through."""
    creator = payload.get("creator")
    company = creator.get("company") if isinstance(creator, Mapping) else None
    words = f"{payload.get('name')}\n{payload.get('description')}".casefold()
    return (
        query.private in {None, bool(payload.get("private"))}
        and query.company in {None, company}
        and (query.text or "").casefold() in words
    )
