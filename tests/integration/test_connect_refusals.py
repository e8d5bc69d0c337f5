"""What the Connect API's refusals mean, at each of its endpoints, and what a person is told of them."""

import asyncio
import re

import pytest

from tests.connect_api import (
    ENDPOINTS,
    HTML,
    PROJECT,
    Answer,
    ConnectApi,
    Endpoint,
    answer,
    blind,
    for_every_endpoint,
    reading,
)
from tests.connect_records import CANARY, api_error, connector_record, draft_record, record
from tests.fakes import FakeClock, fake_env
from watcher.connect import ProjectAccess
from watcher.errors import Blindness

CORRELATION = r"connect-watcher-[0-9a-f]{32}"


@for_every_endpoint
@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        (answer(400, api_error(400, "InvalidQueryParam")), Blindness.UNREADABLE, "answered 400 InvalidQueryParam"),
        (answer(400, HTML, content_type="text/html"), Blindness.UNREADABLE, "answered 400"),
        (answer(400, api_error(400, f"{CANARY}!")), Blindness.UNREADABLE, "answered 400"),
        (
            answer(403, api_error(403, "AuthorizationError")),
            Blindness.FORBIDDEN,
            "answered 403 AuthorizationError; the API client needs the scope SCOPE",
        ),
        (answer(403, HTML, content_type="text/html"), Blindness.FORBIDDEN, "answered 403; .* needs the scope SCOPE"),
        (answer(404, HTML, content_type="text/html"), Blindness.NOT_FOUND, "answered 404; .*key and region.*"),
        (answer(404), Blindness.NOT_FOUND, "answered 404; .*key and region.*"),
        (answer(404, api_error(404, "SomethingElse")), Blindness.NOT_FOUND, "answered 404 SomethingElse; .*"),
        (answer(404, {"statusCode": 404, "errors": 5}), Blindness.NOT_FOUND, "answered 404; .*"),
        (answer(410, api_error(410, "ResourceNotFound")), Blindness.NOT_FOUND, "answered 410 ResourceNotFound"),
        (answer(418), Blindness.UNREADABLE, "answered 418"),
        (answer(429), Blindness.RATE_LIMITED, "answered 429"),
        (answer(500, api_error(500, "General")), Blindness.SERVER, "answered 500 General"),
        (answer(501, HTML, content_type="text/html"), Blindness.SERVER, "answered 501"),
        (answer(503, Retry_After="9"), Blindness.SERVER, "answered 503"),
        (answer(204), Blindness.UNREADABLE, "answered 204"),
        (answer(301, Location="/connectors"), Blindness.UNREADABLE, "answered 301, a redirect, which is not followed"),
        (answer(302, Location=f"https://{CANARY}/"), Blindness.UNREADABLE, "answered 302, a redirect, .*"),
        (answer(307, Location=f"https://{CANARY}/"), Blindness.UNREADABLE, "answered 307, a redirect, .*"),
    ],
)
async def test_each_refusal_says_what_it_is_and_under_which_id(
    endpoint: Endpoint, given: Answer, kind: Blindness, said: str
) -> None:
    api = endpoint.api(given)
    async with reading(api) as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is kind
    said = said.replace("SCOPE", re.escape(f"{endpoint.scope}:{PROJECT}"))
    whole = rf"{PROJECT}: the Connect API {said} \(correlation id ({CORRELATION})\)"
    found = re.fullmatch(whole, str(error))
    assert found, str(error)
    assert found[1] == api.correlations[-1]
    assert len(set(api.correlations)) == len(api.correlations)
    assert api.calls[endpoint.path] == 1


@for_every_endpoint
async def test_only_a_single_record_may_be_missing(endpoint: Endpoint) -> None:
    """The API's own word that something does not exist, said of a list, is about where we look."""
    missing = answer(404, api_error(404, "ResourceNotFound"))
    async with reading(endpoint.api(missing)) as clients:
        if endpoint.is_page:
            assert (await blind(endpoint.ask(clients))).kind is Blindness.NOT_FOUND
        else:
            assert await endpoint.ask(clients) == {}


@for_every_endpoint
async def test_what_came_with_200_is_no_absence(endpoint: Endpoint) -> None:
    async with reading(endpoint.api(answer(200, api_error(404, "ResourceNotFound")))) as clients:
        assert (await blind(endpoint.ask(clients))).kind is Blindness.UNREADABLE


@for_every_endpoint
@pytest.mark.parametrize(
    ("status", "header", "wait"),
    [
        (429, "30", 30_000),
        (503, "30", 30_000),
        (429, "Sun, 06 Nov 1994 08:49:37 GMT", 1_000),
        (429, "-1", 1_000),
        (503, "1000000000", 3_600_000),
        (429, "soon", None),
        (429, "", None),
    ],
)
async def test_the_servers_wish_to_be_left_alone_is_passed_on_at_once(
    endpoint: Endpoint, status: int, header: str, wait: int | None
) -> None:
    clock = FakeClock()
    start = clock.at
    api = endpoint.api(answer(status, Retry_After=header))
    async with reading(api, clock) as clients:
        assert (await blind(endpoint.ask(clients))).retry_after == wait
    assert api.calls[endpoint.path] == 1
    assert clock.at == start


@for_every_endpoint
@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_blip_is_not_seen(endpoint: Endpoint, status: int) -> None:
    clock = FakeClock()
    start = clock.at
    api = endpoint.api(answer(status, HTML), answer(status, HTML))
    async with reading(api, clock) as clients:
        assert (await endpoint.ask(clients)).keys() == {"id-a"}
    assert api.calls[endpoint.path] == 3
    assert 250 + 500 <= clock.at - start <= 500 + 1_000


@for_every_endpoint
async def test_the_third_failure_in_a_row_is(endpoint: Endpoint) -> None:
    api = endpoint.api(answer(502), answer(503), answer(504), answer(200, endpoint.body()))
    async with reading(api) as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is Blindness.SERVER
    assert api.calls[endpoint.path] == 3
    assert api.correlations[-1] in str(error)


async def test_pauses_differ_by_chance() -> None:
    lengths = []
    for seed in range(5):
        clock = FakeClock()
        start = clock.at
        async with reading(ConnectApi(scripted=[answer(503)]), clock) as clients:
            clients.session._env = fake_env(clock, seed)
            await clients.drafts.list()
        lengths.append(clock.at - start)
    assert len(set(lengths)) == 5


# ── tokens that the API refuses ──────────────────────────────────────────────


@for_every_endpoint
async def test_a_revoked_token_costs_one_renewal(endpoint: Endpoint) -> None:
    api = endpoint.api()
    async with reading(api) as clients:
        before = await endpoint.ask(clients)
        api.revoke()
        assert await endpoint.ask(clients) == before
    assert len(api.tokens) == 2


@for_every_endpoint
async def test_a_fresh_token_that_is_refused_is_the_apis_matter(endpoint: Endpoint) -> None:
    refused = answer(401, api_error(401, "invalid_token"))
    api = endpoint.api(refused, refused, refused)
    async with reading(api) as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is Blindness.FORBIDDEN
    assert "answered 401 invalid_token; a token that was just granted is refused" in str(error)
    assert (api.calls[endpoint.path], len(api.tokens)) == (2, 2)


async def test_everybody_who_reads_as_one_client_shares_the_renewal() -> None:
    api = ConnectApi([record("a")], [draft_record("a")], [connector_record("a")])
    async with reading(api) as clients:
        await asyncio.gather(*(each.ask(clients) for each in ENDPOINTS))
        assert len(api.tokens) == 1
        api.revoke()
        found = await asyncio.gather(*(each.ask(clients) for each in ENDPOINTS * 5))
    assert all("id-a" in each for each in found)
    assert len(api.tokens) == 2


# ── where it is ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("access", "api", "connectors", "auth"),
    [
        (
            {},
            "https://connect.us-east-2.aws.commercetools.com/k/deployments",
            "https://connect.us-east-2.aws.commercetools.com/connectors",
            "https://auth.us-east-2.aws.commercetools.com/oauth/token",
        ),
        (
            {"api_url": "http://sim:1/", "auth_url": "http://sim:1"},
            "http://sim:1/k/deployments",
            "http://sim:1/connectors",
            "http://sim:1/oauth/token",
        ),
        (
            {"key": "../k?", "api_url": "http://sim", "auth_url": "http://sim/base/"},
            "http://sim/..%2Fk%3F/deployments",
            "http://sim/connectors",
            "http://sim/base/oauth/token",
        ),
    ],
)
def test_hosts_follow_the_region_unless_replaced(access: dict[str, str], api: str, connectors: str, auth: str) -> None:
    given = {"key": "k", "region": "us-east-2.aws", "client_id": "i", "client_secret": "s", **access}
    project = ProjectAccess(**given)
    assert (project.deployments_url, project.connectors_url, project.token_url) == (api, connectors, auth)


def test_one_client_on_one_host_is_one_identity_whatever_the_project() -> None:
    one = ProjectAccess(key="a", region="x", client_id="i", client_secret="s")
    same = ProjectAccess(key="b", region="x", client_id="i", client_secret="other")
    another = ProjectAccess(key="a", region="y", client_id="i", client_secret="s")
    third = ProjectAccess(key="a", region="x", client_id="j", client_secret="s")
    assert one.identity == same.identity
    assert len({one.identity, another.identity, third.identity}) == 3


@pytest.mark.parametrize("record_id", ["key=a", "../drafts", "a/b", "a?b=c", "a b", "ä#"])
async def test_an_id_stays_one_part_of_the_path(record_id: str) -> None:
    api = ConnectApi()
    async with reading(api) as clients:
        assert await clients.deployments.get(record_id) is None
        assert await clients.drafts.get(record_id) is None
        assert await clients.published.find([record_id]) == {}
    paths = [each for each in api.requests if "/search?" not in each]
    assert [each.rpartition("/")[0] for each in paths] == [
        f"/{PROJECT}/deployments",
        "/connectors/drafts",
        "/connectors",
    ]
    assert not any(set("?#") & set(each) for each in paths)
