"""What an operation of the API is, and how a request becomes its input: one table makes the routes and their description."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ValidationError

from watcher.web.api_models import Model
from watcher.web.api_problem import ProblemError, invalid

W = TypeVar("W")
I = TypeVar("I", bound=Model)  # noqa: E741  input


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[W]):
    """One thing that can be asked. `verb` gets the world and the input, which is an instance of `takes`.

    What is named in the path comes from there; everything else comes from the query, of a POST from the body.
    """

    method: str
    path: str
    summary: str
    takes: type[Model]
    answers: type[Model]
    verb: Callable[[W, Any], Awaitable[BaseModel]]
    status: HTTPStatus = HTTPStatus.OK
    refuses: Mapping[HTTPStatus, str] = field(default_factory=dict)

    @property
    def has_body(self) -> bool:
        """Whether its input is a body."""
        return self.method == "POST"


async def input_of(request: web.Request, takes: type[I], *, has_body: bool) -> I:
    """The input of a request, checked. Raises ProblemError."""
    try:
        if has_body:
            return takes.model_validate_json(await _body(request))
        return takes.model_validate({**_query(request, takes), **request.match_info})
    except ValidationError as error:
        raise invalid(error) from None


async def _body(request: web.Request) -> bytes:
    if request.query_string:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "this takes its input from the body, and no query")
    try:
        return await request.read()
    except (HttpProcessingError, web.RequestPayloadError, ConnectionError):
        raise ProblemError(HTTPStatus.BAD_REQUEST, "the body is not what its head says") from None


def _query(request: web.Request, takes: type[Model]) -> dict[str, object]:
    """Parameters by name; those that may be repeated are lists, of all others there must be one."""
    lists = {each.alias or name for name, each in takes.model_fields.items() if "tuple" in str(each.annotation)}
    found: dict[str, object] = {}
    for name in request.query:
        values = request.query.getall(name)
        if name not in lists and len(values) > 1:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "a parameter is given twice that can be given once")
        found[name] = values if name in lists else values[0]
    return found
