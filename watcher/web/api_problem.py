"""What the API says when it does not do what it was asked: a problem object (RFC 9457) that says what to do."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from aiohttp import web
from pydantic import ValidationError

from watcher.errors import WatcherError
from watcher.redact import strip

CONTENT_TYPE = "application/problem+json"
_SHOWN = 300
_MOST = 20
"""Things wrong with one request that are told; who has mended those may hear of the rest."""


class ProblemError(WatcherError):
    """A request that is not answered. The text says what to do; `errors` says where and what, one for each thing wrong."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def response(problem: ProblemError) -> web.Response:
    """The problem as an answer."""
    said: dict[str, object] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": strip(str(problem)),
    }
    if problem.errors:
        said["errors"] = [{"at": at, "problem": strip(text)[:_SHOWN]} for at, text in problem.errors[:_MOST]]
    return web.Response(
        status=problem.status, body=json.dumps(said).encode(), content_type=CONTENT_TYPE, headers=problem.headers
    )


def invalid(error: ValidationError) -> ProblemError:
    """What is wrong with the input, without repeating it."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(each["type"] == "json_invalid" for each in found):
        return ProblemError(HTTPStatus.BAD_REQUEST, "the body is not JSON: send one JSON object")
    errors = [(".".join(map(_part, each["loc"])), each["msg"].removeprefix("Value error, ")) for each in found]
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "mend what is listed under errors", errors=errors)


def of_http(error: web.HTTPException) -> ProblemError:
    """What aiohttp refuses by itself: paths, methods, sizes."""
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    detail = _DETAILS.get(error.status, "see /api/v1/openapi.json for what can be asked")
    return ProblemError(HTTPStatus(error.status), detail, headers=headers)


_DETAILS = {
    404: "nothing is there: see /api/v1/openapi.json for what is",
    405: "this cannot be done there: see the header Allow, and /api/v1/openapi.json",
    413: "the body is too large: 64 KiB are plenty for every request",
}


def _part(part: str | int) -> str:
    """A part of a path; a key that the sender has invented is cut."""
    return strip(str(part))[:40]
