"""The logs of Deployments, an endpoint whose removal was announced on 6 November 2026."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from aiohttp import web

from watcher.simulator.api.deployments import ALL, VIEW
from watcher.simulator.api.reading import BY_ID, BY_KEY, authorized, reference_of
from watcher.simulator.errors import json_response, refused
from watcher.simulator.facts import is_aws
from watcher.simulator.logbook import Query, application_named
from watcher.simulator.payload import Payload


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    return [web.get(f"{ALL}/{BY_KEY}/logs", query_logs), web.get(f"{ALL}/{BY_ID}/logs", query_logs)]


async def query_logs(request: web.Request) -> web.Response:
    """GET …/logs. Once the endpoint is gone, it is gone for whatever is asked of it."""
    admitted = authorized(request, VIEW)
    logbook = admitted.simulator.logbook
    logbook.refuse_removed()
    found = admitted.world.deployment(request.match_info["projectKey"], reference_of(request))
    query = read_query(found.payload, request.query)
    return json_response(logbook.page(query), headers=logbook.notices())


def read_query(payload: Payload, parameters: Mapping[str, str]) -> Query:
    """The request's query. Raises ApiError 400.

    An application or token that is there but empty counts as left out. What AWS regions do differently besides
    insisting on an application is unknown.
    """
    application = parameters.get("applicationName") or None
    if application is not None:
        application_named(payload, application)
    elif is_aws(str(payload.get("deployedRegion"))):
        raise refused("DeploymentLogMissingApplicationName")
    return Query(
        deployment_id=payload["id"],
        application=application,
        start=read_date(parameters.get("startDate")),
        end=read_date(parameters.get("endDate")),
        token=parameters.get("pageToken"),
    )


def read_date(text: str | None) -> int | None:
    """A date and time as wall milliseconds; without a zone it is UTC. Raises ApiError 400 DeploymentLogInvalidDate."""
    if text is None:
        return None
    try:
        read = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise refused("DeploymentLogInvalidDate") from None
    return round((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)
