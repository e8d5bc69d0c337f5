"""The official description of the Connect API as a table.

The table (`connect_api.toml`) was taken once from the RAML. What the API is known to do otherwise, and what was
announced after that state of the RAML, stands here by hand, each line with its reason.
"""

import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One field of a type, one query parameter, or a named string."""

    type: str
    optional: bool = False
    enum: tuple[str, ...] = ()
    pattern: str = ""
    min_length: int = 0
    max_length: int = 1 << 20
    min_items: int = 0
    minimum: int | None = None
    maximum: int | None = None
    default: Any = None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request may carry, and what its success looks like; `refusals` are the documented statuses of failure."""

    status: int
    answer: str
    scopes: tuple[str, ...]
    body: str = ""
    query: dict[str, Field] = {}
    refusals: tuple[int, ...] = ()


class Refusal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An error code: the template of its message ("" where none is documented) and its further fields."""

    message: str = ""
    fields: dict[str, Field] = {}


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole description."""

    enums: dict[str, tuple[str, ...]]
    strings: dict[str, Field]
    types: dict[str, dict[str, Field]]
    endpoints: dict[str, Endpoint]
    actions: dict[str, dict[str, dict[str, Field]]]
    errors: dict[str, Refusal]


TABLE: Final = msgspec.convert(tomllib.loads(Path(__file__).with_name("connect_api.toml").read_text("utf-8")), Table)

ADDED: Final = {
    ("Deployment", "rollbackRevision"): "announced on 2026-10-23",
    ("ConnectorReportEntry", "application"): "in an official example of a ConnectorStaged",
    ("ConnectorStaged", "certified"): "in an official example of a page of ConnectorStaged",
    ("ErrorResponse", "error"): "in the official example of a 401",
}
"""Fields that are in no type of the description and still may appear, and why."""

SPARED: Final = {("setRepository", "url"): "the official command line leaves it out where only the tag is new"}
"""Required fields of update actions that may be missing all the same, and why."""

NULLABLE: Final = {
    ("ConnectorStaged", "publishingReport"): "null in an official example",
    ("ConnectorStaged", "previewableReport"): "null in an official example",
    ("ConnectorReportEntry", "message"): "null in an official example",
    ("ConnectorReportEntry", "application"): "null in an official example",
    ("DeploymentReportEntry", "message"): "the same entry as in a Connector's report",
    ("DeploymentReportEntry", "application"): "the same entry as in a Connector's report",
    ("StandardConfigurationKey", "default"): "null in an official example",
    (
        "DeploymentLogCursorPagedQueryResponse",
        "next",
    ): "the last page is known to end with an empty, null or absent next",
}
"""Fields that may be null, and why."""

ANNOUNCED_ERRORS: Final = {"DeploymentRollbackNotAllowed": "announced on 2026-10-23; its message is not public"}
AUTH_ERRORS: Final = {"invalid_token": "the code in the official example of a 401"}
"""Codes that the list of error types does not have."""

STATUSES: Final = {
    "AuthenticationError": 401,
    "invalid_token": 401,
    "AuthorizationError": 403,
    "ResourceNotFound": 404,
    "ConcurrentModification": 409,
    "General": 500,
    "BadGateway": 502,
}
"""The status of each code; every other one is a request that was invalid: 400."""
