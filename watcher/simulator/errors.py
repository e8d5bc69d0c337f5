"""What the API says when it refuses: one exception, and a table of the official error codes.

SimulatorError
├── ApiError          a request is refused; carries the whole answer
└── ScenarioError     a scenario file cannot be played

The official description gives each code a message and its extra fields, and the status only of some; all others are
400. Where a message says `id=$resourceId or key=$resourceKey`, the one is given that the request or the resource was
named by.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One official error code: its status, its message with names in braces, and the fields special to it."""

    message: str
    status: int = 400
    fields: tuple[str, ...] = ()


OFFICIAL: Mapping[str, Kind] = {
    "AuthenticationError": Kind(status=401, message="Bad credentials or Client ID is not defined"),
    "AuthorizationError": Kind(status=403, message="Access denied"),
    "BadGateway": Kind(status=502, message="Bad Gateway"),
    "ConcurrentModification": Kind(
        status=409,
        message="Object {reference} has a different version than expected."
        " Expected: {expectedVersion} - Actual: {currentVersion})",
        fields=("expectedVersion", "currentVersion"),
    ),
    "ConnectorAlreadyCertified": Kind(message="The ConnectorStaged is already certified"),
    "ConnectorReferenceNotFound": Kind(message="Connector '{identifier}' with version {version} not found"),
    "ConnectorSpecificationFileNotFound": Kind(
        message="The file connect.yaml at {url} with the tag {tag} was not found"
    ),
    "ConnectorSpecificationFileNotValid": Kind(
        message="The file connect.yaml at {url} with the tag {tag} is not valid"
    ),
    "ConnectorStagedInCertification": Kind(message="The ConnectorStaged is already in certification"),
    "ConnectorStagedNotPreviewable": Kind(message="Connector {reference} with version {version} is not previewable"),
    "ConnectorStagedNotPrivate": Kind(
        message="The operation is not valid because ConnectorStaged with {reference} is not private"
    ),
    "ConnectorStagedPreviewRequestUnderProcess": Kind(
        message="The ConnectorStaged preview request is already in progress"
    ),
    "DeploymentApplicationDoNotBelong": Kind(
        message="Deployment with {reference} does not include application: {application}"
    ),
    "DeploymentApplicationDoesNotExist": Kind(message="Deployment does not have an application named {application}."),
    "DeploymentApplicationRequired": Kind(message="A Deployment requires at least one application"),
    "DeploymentConnectorUpdateFailure": Kind(
        message="Deployment with {reference} failed while trying to update Connector {connector} (cause: {cause})"
    ),
    "DeploymentEmptyRequiredGlobalConfigurationKey": Kind(
        message="Deployment requires a non empty value for {kind} global configuration with key {key}."
    ),
    "DeploymentInvalidStatusTransition": Kind(message="Invalid status change: {state}"),
    "DeploymentInvalidType": Kind(
        message="The Connector {reference} cannot be deployed as a '{type}' type. Only '{allowed}' types are allowed."
    ),
    "DeploymentLogInvalidDate": Kind(message="Invalid start/end date"),
    "DeploymentLogInvalidPageToken": Kind(message="Invalid page token: {token}"),
    "DeploymentLogMissingApplicationName": Kind(message="Missing application name when fetching deployment logs"),
    "DeploymentMissingGlobalConfigurationKey": Kind(
        message="Deployment global configuration requires {kind} with key {key}."
    ),
    "DeploymentProductionDeactivated": Kind(
        message="Deployments to production are disabled for this Project."
        " Please contact support to enable production deployments."
    ),
    "DeploymentRollbackNotAllowed": Kind(
        message="Deployment with {reference} cannot be rolled back: {cause}"  # the code is public, its message is not
    ),
    "DeploymentUnknownApplicationConfiguration": Kind(
        message="Deployment does not require configuration for application named '{application}'."
    ),
    "DeploymentUnknownApplicationConfigurationKey": Kind(
        message="Deployment does not require {kind} configuration with key {key} for application named {application}."
    ),
    "DeploymentUnknownGlobalConfigurationKey": Kind(
        message="Deployment global configuration does not require {kind} with key {key}."
    ),
    "DeploymentUnsupportedRegion": Kind(message="Deployment unsupported region {region}"),
    "DuplicateField": Kind(
        message="A duplicate value {duplicateValue} exists for field {field}.", fields=("field", "duplicateValue")
    ),
    "FieldValueNotFound": Kind(
        message="The value {value} for the {field} field was not found", fields=("field", "value")
    ),
    "General": Kind(status=500, message="Write operations are temporarily unavailable"),
    "GitRepositoryNotReachable": Kind(message="Repository with the tag is not reachable"),
    "InvalidJsonInput": Kind(message="Request body does not contain valid JSON.", fields=("detailedErrorMessage",)),
    "InvalidPathParam": Kind(message="Request path param is not valid", fields=("detailedErrorMessage",)),
    "InvalidQueryParam": Kind(message="Request query param is not valid", fields=("detailedErrorMessage",)),
    "ResourceNotFound": Kind(status=404, message="{resource} with {reference} does not exist"),
}

DEFAULT_CODES: dict[int, tuple[str, str]] = {
    400: ("InvalidJsonInput", OFFICIAL["InvalidJsonInput"].message),
    403: ("AuthorizationError", OFFICIAL["AuthorizationError"].message),
    404: ("ResourceNotFound", "The Resource was not found."),
    409: ("ConcurrentModification", "Version mismatch. Concurrent modification."),
    500: ("General", OFFICIAL["General"].message),
    502: ("BadGateway", OFFICIAL["BadGateway"].message),
    503: ("OverCapacity", "The service is having trouble handling the load."),
}
"""Code and message an answer of that status carries when nobody chose one. 429 is not described by the API."""


class SimulatorError(Exception):
    """Root of every error that the simulator raises on purpose."""


class ApiError(SimulatorError):
    """A request is refused with `status`, `body` and `headers`."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body.get('message', '')}")
        self.status = status
        self.body = body
        self.headers = headers or {}


class ScenarioError(SimulatorError):
    """A scenario file cannot be played. `problems` are lines for a person, each with its path."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def refused(code: str, **words: Any) -> ApiError:
    """The refusal with an official code. `words` complete its message and fill its extra fields."""
    kind = OFFICIAL[code]
    message = kind.message.format(**words)
    more = {name: words[name] for name in kind.fields if words.get(name) is not None}
    return ApiError(kind.status, error_body(kind.status, code, message, **more))


def together(refusals: Sequence[ApiError]) -> ApiError:
    """Several refusals of one status as one answer that lists them all."""
    first = refusals[0]
    errors = [error for refusal in refusals for error in refusal.body["errors"]]
    return ApiError(first.status, {**first.body, "errors": errors})


def error_body(status: int, code: str, message: str, **more: Any) -> dict[str, Any]:
    """The body every endpoint of the API answers with; `more` are the fields special to one code."""
    return {"statusCode": status, "message": message, "errors": [{"code": code, "message": message, **more}]}


def default_body(status: int) -> dict[str, Any]:
    """The body for a status nobody chose a code for."""
    if status == HTTPStatus.UNAUTHORIZED:
        return dict(invalid_token().body)
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    code, message = DEFAULT_CODES.get(status, ("General", reason))
    return error_body(status, code, message)


def invalid_token() -> ApiError:
    """A token that was never issued, has expired or was revoked."""
    body = {**error_body(401, "invalid_token", "invalid_token"), "error": "invalid_token"}
    return ApiError(401, body, {"WWW-Authenticate": 'Bearer realm="simulator", error="invalid_token"'})


def auth_refusal(status: int, code: str, message: str) -> ApiError:
    """The auth service's answer: the API's error body and the OAuth2 fields in one object."""
    body = {**error_body(status, code, message), "error": code, "error_description": message}
    return ApiError(
        status, body, {"WWW-Authenticate": 'Basic realm="simulator"'} if status == HTTPStatus.UNAUTHORIZED else None
    )


def not_found(resource: str, reference: str) -> ApiError:
    """The wording of the official ResourceNotFound type; `reference` is `id=…` or `key=…`."""
    return refused("ResourceNotFound", resource=resource, reference=reference)


def invalid_query(why: str) -> ApiError:
    """A query parameter out of its documented range."""
    return refused("InvalidQueryParam", detailedErrorMessage=why)


def invalid_path(why: str) -> ApiError:
    """An id or key which cannot be one."""
    return refused("InvalidPathParam", detailedErrorMessage=why)


def duplicate_field(name: str, value: Any) -> ApiError:
    """A value that another resource has already."""
    return refused("DuplicateField", field=name, duplicateValue=value)


def invalid_json(why: str) -> ApiError:
    """A body that is not JSON, or not of the documented form."""
    return refused("InvalidJsonInput", detailedErrorMessage=why)


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Any value, or bytes that are JSON already, as the API sends it."""
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return web.Response(body=encoded, status=status, headers=headers, content_type="application/json", charset="utf-8")


def error_response(error: ApiError) -> web.Response:
    """The answer that a refusal carries."""
    return json_response(error.body, error.status, error.headers)
