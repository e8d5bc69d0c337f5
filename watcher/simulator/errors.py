"""What the API says when it refuses: one exception, and the bodies as the official error types describe them.

SimulatorError
├── ApiError          a request is refused; carries the whole answer
└── ScenarioError     a scenario file cannot be played
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

DEFAULT_CODES: dict[int, tuple[str, str]] = {
    400: ("InvalidJsonInput", "Request body does not contain valid JSON."),
    403: ("AuthorizationError", "Access denied"),
    404: ("ResourceNotFound", "The Resource was not found."),
    409: ("ConcurrentModification", "Version mismatch. Concurrent modification."),
    500: ("General", "Write operations are temporarily unavailable"),
    502: ("BadGateway", "Bad Gateway"),
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
    """No token, or one that was never issued, has expired or was revoked."""
    body = {**error_body(401, "invalid_token", "invalid_token"), "error": "invalid_token"}
    return ApiError(401, body, {"WWW-Authenticate": 'Bearer realm="simulator", error="invalid_token"'})


def auth_refusal(status: int, code: str, message: str) -> ApiError:
    """The auth service's answer: the API's error body and the OAuth2 fields in one object."""
    body = {**error_body(status, code, message), "error": code, "error_description": message}
    return ApiError(
        status, body, {"WWW-Authenticate": 'Basic realm="simulator"'} if status == HTTPStatus.UNAUTHORIZED else None
    )


def deployment_not_found(reference: str) -> ApiError:
    """The wording of the official ResourceNotFound type; `reference` is `id=…` or `key=…`."""
    return ApiError(404, error_body(404, "ResourceNotFound", f"Deployment with {reference} does not exist"))


def invalid_query(why: str) -> ApiError:
    """A query parameter out of its documented range."""
    message = "Request query param is not valid"
    return ApiError(400, error_body(400, "InvalidQueryParam", message, detailedErrorMessage=why))


def invalid_path(why: str) -> ApiError:
    """An id or key which cannot be one."""
    message = "Request path param is not valid"
    return ApiError(400, error_body(400, "InvalidPathParam", message, detailedErrorMessage=why))


def duplicate_field(name: str, value: Any) -> ApiError:
    """A value that another resource has already."""
    message = f"A duplicate value {value} exists for field {name}."
    return ApiError(400, error_body(400, "DuplicateField", message, field=name, duplicateValue=value))


def invalid_json(why: str) -> ApiError:
    """A body that is not JSON, or not of the documented form."""
    message = "Request body does not contain valid JSON."
    return ApiError(400, error_body(400, "InvalidJsonInput", message, detailedErrorMessage=why))


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Any value, or bytes that are JSON already, as the API sends it."""
    encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return web.Response(body=encoded, status=status, headers=headers, content_type="application/json", charset="utf-8")


def error_response(error: ApiError) -> web.Response:
    """The answer that a refusal carries."""
    return json_response(error.body, error.status, error.headers)
