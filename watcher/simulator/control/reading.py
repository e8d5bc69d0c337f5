"""What control requests hold."""

from typing import Any, TypeVar

import msgspec
from aiohttp import web
from pydantic import BaseModel, ValidationError

from watcher.simulator.decoding import decoded
from watcher.simulator.errors import invalid_json, invalid_query
from watcher.simulator.numeral import whole
from watcher.simulator.scenario import worded

Wanted = TypeVar("Wanted")
Model = TypeVar("Model", bound=BaseModel)


async def body_of(request: web.Request, kind: type[Wanted]) -> Wanted:
    """The JSON body as `kind`. Raises ApiError 400 that says what is wrong and where."""
    try:
        return msgspec.convert(decoded(await request.read()), kind)
    except msgspec.ValidationError as error:
        raise invalid_json(str(error)) from None


async def fields_of(request: web.Request) -> dict[str, Any]:
    """The JSON body as fields of a resource."""
    return await body_of(request, dict[str, Any])


async def part_of(request: web.Request, kind: type[Model]) -> Model:
    """The JSON body in the words of a scenario. Raises ApiError 400."""
    try:
        return kind.model_validate(await fields_of(request))
    except ValidationError as error:
        raise invalid_json("; ".join(worded(one) for one in error.errors())) from None


def since(request: web.Request) -> int:
    """How many of a list's first entries the caller knows already."""
    found = whole(request.query.get("since", "0"))
    if found is None:
        raise invalid_query("since must be a whole number")
    return found
