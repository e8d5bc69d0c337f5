"""Tokens: asked for once, shared, renewed in time; and what the auth service's refusals mean."""

import asyncio
from base64 import b64encode
from typing import Any

import pytest

from tests.connect_api import HTML, PROJECT, Answer, ConnectApi, access_to, answer, blind, connected, reading
from tests.connect_records import CANARY, api_error, record
from tests.fakes import FakeClock, fake_env
from watcher.connect import Session, deployments, drafts
from watcher.connect.auth import REFUSED_FOR
from watcher.errors import Blindness, SourceError
from watcher.http import Http


def many(count: int) -> list[dict[str, Any]]:
    return [record(f"d{number}") for number in range(count)]


async def test_the_grant_is_asked_for_as_the_auth_service_wants_it() -> None:
    api = ConnectApi()
    async with connected(api) as client:
        await client.list()
        await client.list()
    basic = b64encode(f"id:{CANARY}".encode()).decode()
    assert api.forms == [{"grant_type": "client_credentials", "authorization": f"Basic {basic}"}]


async def test_a_scope_is_asked_for_where_one_is_set() -> None:
    api = ConnectApi()
    async with connected(api, scope=f"view_connectors_deployments:{PROJECT}") as client:
        await client.list()
    assert api.forms[0]["scope"] == f"view_connectors_deployments:{PROJECT}"


@pytest.mark.parametrize(
    ("expires_in", "fresh_until"), [(172_800, 172_800 - 60), (100, 90), (100.5, 90), (0, 0), (-5, 0), (1e300, 1e9 - 60)]
)
async def test_a_token_is_renewed_shortly_before_it_expires(expires_in: float, fresh_until: float) -> None:
    clock = FakeClock()
    api = ConnectApi(expires_in=expires_in)
    async with connected(api, clock) as client:
        await client.list()
        clock.at += max(int(fresh_until * 1000) - 1, 0)
        await client.list()
        assert len(api.tokens) == (1 if fresh_until else 2)
        clock.at += 500
        await client.list()
        assert len(api.tokens) == (2 if fresh_until else 3)


async def test_a_revoked_token_costs_one_renewal_however_many_ask() -> None:
    api = ConnectApi(many(50))
    async with connected(api) as client:
        await client.list()
        api.revoke()
        found = await asyncio.gather(*(client.get(f"id-d{each}") for each in range(50)))
    assert all(found)
    assert len(api.tokens) == 2


async def test_those_who_come_first_share_one_token_too() -> None:
    api = ConnectApi(many(20))
    async with connected(api) as client:
        await asyncio.gather(*(client.get(f"id-d{each}") for each in range(20)))
    assert len(api.tokens) == 1


async def test_those_who_wait_for_a_failing_renewal_share_the_failure() -> None:
    clock, api = FakeClock(), ConnectApi(many(20), scripted_auth=[answer(401, {"error": "invalid_client"})])
    async with connected(api, clock) as client:
        got = await asyncio.gather(*(client.get(f"id-d{each}") for each in range(20)), return_exceptions=True)
        assert {type(each) for each in got} == {SourceError}
        assert len(api.forms) == 1
        clock.at += REFUSED_FOR
        assert len((await client.list()).records) == 20


async def test_refused_credentials_are_not_tried_more_than_once_a_minute_whoever_asks() -> None:
    clock, api = FakeClock(), ConnectApi(scripted_auth=[answer(401)] * 1_000)
    async with reading(api, clock) as clients:
        for _ in range(360):
            for ask in (clients.deployments.list, clients.drafts.list):
                with pytest.raises(SourceError):
                    await ask()
            clock.at += 10_000
    assert len(api.forms) <= 61


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        (
            answer(401, {**api_error(401, "invalid_client"), "error": "invalid_client"}),
            Blindness.CREDENTIALS,
            "invalid_client",
        ),
        (answer(401), Blindness.CREDENTIALS, "client_id, client_secret"),
        (answer(400, {"error": "invalid_scope", "error_description": CANARY}), Blindness.CREDENTIALS, "invalid_scope"),
        (answer(400, HTML, content_type="text/html"), Blindness.UNREADABLE, "answered 400"),
        (answer(403, HTML, content_type="text/html"), Blindness.FORBIDDEN, "answered 403"),
        (answer(404), Blindness.NOT_FOUND, "region"),
        (answer(429, Retry_After="5"), Blindness.RATE_LIMITED, "answered 429"),
        (answer(500), Blindness.SERVER, "answered 500"),
        (answer(200, HTML, content_type="text/html"), Blindness.UNREADABLE, "without a usable token"),
        (answer(200, {"access_token": None}), Blindness.UNREADABLE, "without a usable token"),
        (answer(200, {"access_token": ""}), Blindness.UNREADABLE, "without a usable token"),
        (answer(200, {"access_token": f"{CANARY}\r\nX: y"}), Blindness.UNREADABLE, "without a usable token"),
        (answer(200, {"access_token": CANARY, "expires_in": "soon"}), Blindness.UNREADABLE, "without a usable token"),
        (answer(200, {"expires_in": 5}), Blindness.UNREADABLE, "without a usable token"),
        (answer(302, Location=f"https://{CANARY}/"), Blindness.UNREADABLE, "not followed"),
    ],
)
async def test_refusals_of_the_auth_service(given: Answer, kind: Blindness, said: str) -> None:
    clock, api = FakeClock(), ConnectApi(scripted_auth=[given])
    async with connected(api, clock) as client:
        error = await blind(client.list())
        assert error.kind is kind
        assert said in str(error)
        assert "the auth service" in str(error)
        assert api.requests == []
        assert len(api.forms) == 1
        clock.at += REFUSED_FOR
        assert (await client.list()).total == 0


async def test_a_grant_without_a_lifetime_is_used() -> None:
    api = ConnectApi(scripted_auth=[answer(200, {"access_token": "good"})], tokens=["good"])
    async with connected(api) as client:
        await client.list()
        await client.list()
    assert len(api.forms) == 1


def test_secrets_stay_out_of_representations() -> None:
    project = access_to(f"https://{CANARY}@x", client_id=CANARY, auth_url=CANARY)
    session = Session(project, http=Http(), env=fake_env())
    clients = [deployments(project, session, str), drafts(project, session, str)]
    assert CANARY not in f"{project!r} {session!r} {clients!r}"
