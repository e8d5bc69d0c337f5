"""The revisions of Deployments, newest first, only what was deployed successfully.

Paths and meaning are public. The shape of a page is not; it is the usual envelope here, with `limit` and `offset`.
"""

from collections.abc import Sequence

import msgspec
from aiohttp import web

from watcher.simulator.api.deployments import ALL, VIEW
from watcher.simulator.api.reading import BY_ID, BY_KEY, authorized, parameters_of, reference_of
from watcher.simulator.errors import invalid_path, json_response, not_found
from watcher.simulator.listing import enveloped, read_query
from watcher.simulator.numeral import whole
from watcher.simulator.payload import Payload


def routes() -> list[web.RouteDef]:
    """The endpoints."""
    made = []
    for path in (f"{ALL}/{BY_KEY}/revisions", f"{ALL}/{BY_ID}/revisions"):
        made += [web.get(path, query_revisions), web.get(f"{path}/{{revision}}", get_revision)]
    return made


async def query_revisions(request: web.Request) -> web.Response:
    """GET …/revisions."""
    found, query = revisions_of(request), read_query(parameters_of(request))
    chosen = found[query.offset : query.offset + query.limit]
    return json_response(enveloped([msgspec.json.encode(one) for one in chosen], len(found), query))


async def get_revision(request: web.Request) -> web.Response:
    """GET …/revisions/{revision}."""
    text = request.match_info["revision"]
    wanted = whole(text)
    if wanted is None:
        raise invalid_path(f"revision must be a whole number: {text}")
    for one in revisions_of(request):
        if one["revision"] == wanted:
            return json_response(one)
    raise not_found("DeploymentRevision", f"revision={text}")


def revisions_of(request: web.Request) -> Sequence[Payload]:
    """The revisions of the Deployment that a path names. Raises ApiError 404."""
    world, ref = authorized(request, VIEW).world, reference_of(request)
    return world.revisions.of(world.deployment(request.match_info["projectKey"], ref))
