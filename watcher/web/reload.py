"""`POST /-/reload`: the configuration is read anew, and the answer says what came of it, once that is known.

This machine may ask, and whoever shows the API's token. There is no body, so that `curl -X POST` is all it takes; a page
that somebody has open is refused by where it comes from.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web

from watcher.web import api_door
from watcher.web.api_problem import ProblemError, response

Route: TypeAlias = web.RouteDef
PATH = "/-/reload"


class Outcome(StrEnum):
    """What came of a reload."""

    RELOADED = "reloaded"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    """The configuration cannot be used; the one before stays in force."""
    UNABLE = "unable"
    """It could be used, but not now; the one before stays in force."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """An outcome, and every problem that led to it."""

    outcome: Outcome
    problems: tuple[str, ...] = ()


_STATUS = {
    Outcome.RELOADED: HTTPStatus.OK,
    Outcome.UNCHANGED: HTTPStatus.OK,
    Outcome.REFUSED: HTTPStatus.BAD_REQUEST,
    Outcome.UNABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


def route(ask: Callable[[], Awaitable[Reloaded]], token: Callable[[], str]) -> web.RouteDef:
    """The endpoint. `ask` reloads and waits for the outcome, `token` reads what strangers must present."""

    async def answer(request: web.Request) -> web.Response:
        try:
            api_door.let_in(api_door.call_of(request), token)
        except ProblemError as problem:
            return response(problem)
        found = await ask()
        said: dict[str, object] = {"status": found.outcome.value}
        if found.problems:
            said["problems"] = list(found.problems)
        return web.json_response(said, status=_STATUS[found.outcome])

    return web.post(PATH, answer)
