"""The Connect client against a real HTTP server that behaves, lies, ages and breaks."""

import asyncio
import json
import re
from base64 import b64encode
from typing import Any

import pytest
from aiohttp import web

from tests.connect_api import CANARY, PROJECT, Answer, ConnectApi, answer, api_error, connected, record
from tests.fakes import FakeClock, fake_env
from tests.loopback import free_port, raw_server, saying
from watcher.connect import ListClient, ProjectAccess, Session, deployments
from watcher.core.snapshot import Application, Deployment, ReportEntry
from watcher.errors import Blindness, SourceError
from watcher.http import Http

LIST = f"/{PROJECT}/deployments"
HTML = "<html><body>" + CANARY + "</body></html>"


def many(count: int) -> list[dict[str, Any]]:
    return [record(f"d{number}") for number in range(count)]


async def blind(client: ListClient[Deployment], deployment_id: str | None = None) -> SourceError:
    """The error of a call that must fail, and must not show what is secret."""
    with pytest.raises(SourceError) as caught:
        await (client.list() if deployment_id is None else client.get(deployment_id))
    error = caught.value
    links: list[BaseException | None] = [error, error.__cause__, error.__context__]
    assert CANARY not in " ".join(f"{each!s} {each!r}" for each in links)
    assert str(error).startswith(f"{PROJECT}: ")
    return error


# ── what is read ─────────────────────────────────────────────────────────────


async def test_a_deployment_is_read_without_what_is_configured() -> None:
    async with connected(ConnectApi([record("shop", "Failed")])) as client:
        listing = await client.list()
        found = await client.get("id-shop")
    assert listing.records == {"id-shop": found}
    assert found is not None
    assert (found.id, found.key, found.project, found.status, found.type) == (
        "id-shop",
        "shop",
        PROJECT,
        "Failed",
        "production",
    )
    assert (found.version, found.region, found.build) == (3, "europe-west1.gcp", "b1")
    assert (found.connector_id, found.connector_key, found.connector_name, found.connector_version) == (
        "c1",
        "stripe",
        "Stripe",
        7,
    )
    assert found.entries == (ReportEntry(type="Warning", title="postDeploy", created_at="2026-11-23T10:00:00Z"),)
    assert found.applications == (Application(id="a1", name="service", url="https://service.example"),)
    assert CANARY not in repr(listing)


async def test_foreign_texts_pass_the_cleaner_and_are_cut() -> None:
    entry = {"type": "Error", "title": "t" * 9_000, "message": f"token {CANARY}", "application": CANARY}
    shop = record("shop", details={"build": {"id": "b", "report": {"entries": [entry]}}})
    shop["applications"][0] |= {"applicationName": CANARY, "url": f"https://{CANARY}", "topic": CANARY}
    shop["connector"]["name"] = CANARY
    async with connected(ConnectApi([shop]), clean=lambda text: text.replace(CANARY, "***")) as client:
        listing = await client.list()
    assert CANARY not in repr(listing)
    found = listing.records["id-shop"]
    assert len(found.entries[0].title) == 4096
    assert found.entries[0].message == "token ***"
    assert found.applications[0].url == "https://***"


async def test_an_unknown_status_is_kept_as_it_is_within_bounds() -> None:
    odd = [record("a", "Hibernating"), record("b", "x" * 500), record("c", "Fail\u202eed\x1b[31m")]
    async with connected(ConnectApi(odd)) as client:
        found = (await client.list()).records
    assert found["id-a"].status == "Hibernating"
    assert found["id-b"].status == "x" * 64
    assert found["id-c"].status == "Fail\ufffded\ufffd[31m"


@pytest.mark.parametrize(
    ("fields", "field", "value"),
    [
        ({"version": "12"}, "version", 0),
        ({"version": 1.5}, "version", 0),
        ({"version": "HUGE"}, "version", 0),
        ({"version": 10**30}, "version", 0),
        ({"version": -1}, "version", 0),
        ({"version": None}, "version", 0),
        ({"key": 7}, "key", ""),
        ({"key": None}, "key", ""),
        ({"type": ["production"]}, "type", ""),
        ({"deployedRegion": {}}, "region", ""),
        ({"connector": None}, "connector_key", ""),
        ({"connector": "stripe"}, "connector_key", ""),
        ({"connector": {"key": "stripe", "version": "x"}}, "connector_key", "stripe"),
        ({"connector": {"key": "stripe", "name": 5}}, "connector_key", "stripe"),
        ({"details": None}, "build", ""),
        ({"details": []}, "build", ""),
        ({"details": {"build": None}}, "build", ""),
        ({"details": {"build": {"id": "b9", "report": None}}}, "build", "b9"),
        ({"details": {"build": {"id": "b9", "report": {"entries": None}}}}, "build", "b9"),
        ({"details": {"build": {"id": "b9", "report": {"entries": "none"}}}}, "build", "b9"),
        ({"details": {"build": {"id": "b9", "report": {"entries": [None, 5, {"title": 3}, {}]}}}}, "entries", ()),
        ({"applications": None}, "applications", ()),
        ({"applications": {}}, "applications", ()),
        ({"applications": [{"id": 5, "applicationName": "x"}]}, "applications", (Application(id="", name="x"),)),
        ({"rollbackRevision": {"x": [1, 2]}, "surprise": "field"}, "status", "Failed"),
    ],
)
async def test_a_field_of_another_form_costs_that_field_only(fields: dict[str, Any], field: str, value: object) -> None:
    odd = json.dumps(record("odd", "Failed", **fields)).replace('"HUGE"', "9" * 5_000)
    api = ConnectApi()
    api.scripted = [answer(200, f'{{"results": [{json.dumps(record("a"))}, {odd}], "total": 2}}'), answer(200, odd)]
    async with connected(api) as client:
        listing = await client.list()
        alone = await client.get("id-odd")
    found = listing.records["id-odd"]
    assert getattr(found, field) == value
    assert found.status == "Failed"
    assert found == alone
    assert listing.records["id-a"].entries
    assert listing.quarantined == 0
    assert CANARY not in repr(listing)


@pytest.mark.parametrize(
    "bad",
    [
        "null",
        "5",
        '"text"',
        "[]",
        "{}",
        '{"id": "x"}',
        '{"status": "Failed"}',
        '{"id": null, "status": "Failed"}',
        '{"id": 5, "status": "Failed"}',
        '{"id": "x", "status": null}',
        '{"id": "x", "status": 5}',
        '{"id": "x", "status": " "}',
        '{"id": "", "status": "Failed"}',
        '{"id": "../../admin", "status": "Failed"}',
        '{"id": "a b", "status": "Failed"}',
        '{"id": "\\ud83d", "status": "Failed"}',
        json.dumps({"id": "x" * 200, "status": "Failed"}),
    ],
)
async def test_a_record_without_id_or_status_is_left_out_and_counted(bad: str) -> None:
    api = ConnectApi(scripted=[answer(200, f'{{"results": [{json.dumps(record("a"))}, {bad}], "total": 2}}')])
    async with connected(api) as client:
        listing = await client.list()
    assert list(listing.records) == ["id-a"]
    assert listing.quarantined == 1
    assert api.calls == {LIST: 1}


async def test_half_a_surrogate_pair_does_not_blind_a_project() -> None:
    """A message that was cut in the middle of an emoji; an escaped backslash before the letters is no escape."""
    entry = r'{"type": "Error", "title": "cut \ud83d", "message": "whole \ud83d\ude00, path C:\\ud83d, \udc00"}'
    shop = json.dumps(record("shop", details="DETAILS")).replace(
        '"DETAILS"', f'{{"build": {{"id": "b", "report": {{"entries": [{entry}]}}}}}}'
    )
    api = ConnectApi(scripted=[answer(200, f'{{"results": [{shop}], "total": 1}}'), answer(200, shop)])
    async with connected(api) as client:
        found = (await client.list()).records["id-shop"]
        assert await client.get("id-shop") == found
    assert found.entries[0].title == "cut \ufffd"
    assert found.entries[0].message == "whole \U0001f600, path C:\\ud83d, \ufffd"


async def test_bytes_that_are_no_text_cost_their_characters_only() -> None:
    page = json.dumps({"results": [record("a", key="SHOP")], "total": 1}).encode().replace(b"SHOP", b"sh\xffp")
    async with connected(ConnectApi(scripted=[answer(200, page)])) as client:
        assert (await client.list()).records["id-a"].key == "sh\ufffdp"


async def test_of_duplicate_fields_the_last_counts() -> None:
    page = '{"results": [{"id": "id-a", "status": "Deployed", "status": "Failed"}], "total": 1}'
    async with connected(ConnectApi(scripted=[answer(200, page)])) as client:
        assert (await client.list()).records["id-a"].status == "Failed"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"null",
        b"[]",
        b"5",
        b'"text"',
        b"{}",
        b'{"results": null}',
        b'{"results": {}}',
        b'{"results": "none"}',
        b'{"results": [',
        b'{"results": []} trailing',
        b'{"results": [NaN]}',
        b'{"results": [{"id": "a", "status": "Failed", "x": Infinity}]}',
        b'{"results": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
        b'{"results": [{"id": "a", "status": "Failed", "x": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}]}",
        '{"results": []}'.encode("utf-16"),
        HTML.encode(),
        b"\x00\x01\x02\x03",
        json.dumps({"statusCode": 200, "message": CANARY}).encode(),
    ],
)
async def test_what_is_no_page_blinds_and_is_not_repeated(body: bytes) -> None:
    async with connected(ConnectApi(scripted=[answer(200, body), answer(200, body)])) as client:
        assert (await blind(client)).kind is Blindness.UNREADABLE
        assert (await blind(client, "id-a")).kind is Blindness.UNREADABLE


async def test_a_byte_order_mark_is_no_obstacle() -> None:
    async with connected(ConnectApi(scripted=[answer(200, b"\xef\xbb\xbf" + b'{"results": []}')])) as client:
        assert (await client.list()).records == {}


# ── paging ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (499, 1), (500, 1), (501, 2), (1_000, 2), (1_001, 3)])
async def test_one_call_for_each_500(count: int, calls: int) -> None:
    api = ConnectApi(many(count))
    async with connected(api) as client:
        listing = await client.list()
    assert (len(listing.records), listing.total, listing.truncated) == (count, count, False)
    assert api.calls == {LIST: calls}
    assert api.requests[0] == f"{LIST}?limit=500&offset=0"


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (499, 1), (500, 2), (700, 2)])
async def test_without_a_total_a_short_page_ends_the_list(count: int, calls: int) -> None:
    api = ConnectApi(many(count), total=None)
    async with connected(api) as client:
        listing = await client.list()
    assert (len(listing.records), listing.total, listing.truncated) == (count, count, False)
    assert api.calls == {LIST: calls}


async def test_a_server_with_shorter_pages_is_followed_to_the_end() -> None:
    api = ConnectApi(many(250), cap=100)
    async with connected(api) as client:
        assert len((await client.list()).records) == 250
    assert api.calls == {LIST: 3}


async def test_an_unchanged_page_is_not_decoded_and_its_objects_stay() -> None:
    api = ConnectApi(many(1_200))
    async with connected(api) as client:
        first = await client.list()
        assert (client.pages_decoded, first.unchanged) == (3, False)
        second = await client.list()
        assert (client.pages_decoded, second.unchanged) == (3, True)
        assert second.records is first.records
        api.deployments[600]["status"] = "Failed"
        third = await client.list()
        assert (client.pages_decoded, client.pages_read, third.unchanged) == (4, 9, False)
        fourth = await client.list()
    assert fourth.unchanged
    assert third.records["id-d600"].status == "Failed"
    assert [third.records[f"id-d{each}"] is first.records[f"id-d{each}"] for each in (0, 499, 500, 1_199)] == [
        True,
        True,
        False,
        True,
    ]


async def test_a_list_that_broke_off_does_not_make_the_next_one_unchanged() -> None:
    api = ConnectApi(many(600))
    async with connected(api) as client:
        await client.list()
        api.deployments[0]["status"] = "Failed"
        api.before = lambda request: api.scripted.append(answer(500)) if "offset=500" in request.path_qs else None
        assert (await blind(client)).kind is Blindness.SERVER
        api.before = lambda _: None
        after = await client.list()
        assert not after.unchanged
        assert after.records["id-d0"].status == "Failed"
        assert (await client.list()).unchanged


async def test_a_page_fewer_is_a_change() -> None:
    api = ConnectApi(many(501))
    async with connected(api) as client:
        await client.list()
        del api.deployments[500]
        listing = await client.list()
    assert (len(listing.records), listing.unchanged) == (500, False)


async def test_the_same_deployment_on_two_pages_counts_once() -> None:
    api = ConnectApi(many(501))
    async with connected(api) as client:
        api.before = once("offset=500", lambda: api.deployments.insert(0, record("new")))
        listing = await client.list()
    assert listing.records.keys() == {"id-new", *(f"id-d{each}" for each in range(501))}


async def test_what_slips_behind_the_seam_of_two_pages_is_found_by_a_second_walk() -> None:
    """The first page's record goes away before the second page is read: all others move up, one of them past the seam."""
    api = ConnectApi(many(700))
    async with connected(api) as client:
        api.before = once("offset=500", lambda: api.deployments.pop(0))
        listing = await client.list()
        assert listing.records.keys() == {f"id-d{each}" for each in range(700)}
        assert api.calls == {LIST: 4}
        after = await client.list()
        assert not after.unchanged
        assert after.records.keys() == {f"id-d{each}" for each in range(1, 700)}
        assert (await client.list()).unchanged


async def test_what_moves_behind_the_seam_is_found_by_a_second_walk() -> None:
    api = ConnectApi(many(700))
    async with connected(api) as client:
        api.before = once("offset=500", lambda: api.deployments.insert(0, api.deployments.pop()))
        listing = await client.list()
    assert listing.records.keys() == {f"id-d{each}" for each in range(700)}


async def test_a_total_that_is_too_high_costs_calls_but_no_list() -> None:
    api = ConnectApi(many(3), total=5)
    async with connected(api) as client:
        listing = await client.list()
    assert (len(listing.records), listing.total, listing.truncated) == (3, 5, False)
    assert api.calls == {LIST: 4}


async def test_behind_offset_10000_nothing_is_visible_and_the_listing_says_so() -> None:
    api = ConnectApi([{"id": f"d{each}", "status": "Deployed"} for each in range(10_600)])
    async with connected(api) as client:
        listing = await client.list()
    assert (len(listing.records), listing.total, listing.truncated) == (10_500, 10_600, True)
    assert (len(api.requests), api.requests[-1]) == (21, f"{LIST}?limit=500&offset=10000")


async def test_a_list_that_ends_exactly_at_the_limit_is_whole() -> None:
    api = ConnectApi([{"id": f"d{each}", "status": "Deployed"} for each in range(10_500)])
    async with connected(api) as client:
        listing = await client.list()
    assert (len(listing.records), listing.truncated) == (10_500, False)


async def test_a_server_that_ignores_the_offset_is_not_asked_for_ever() -> None:
    page = json.dumps({"results": many(500), "total": 9_000})
    api = ConnectApi()
    api.before = lambda _: api.scripted.append(answer(200, page))
    async with connected(api) as client:
        listing = await client.list()
    assert (len(listing.records), listing.truncated) == (500, True)
    assert api.calls == {LIST: 2}


async def test_pages_of_one_record_end_too() -> None:
    api = ConnectApi([{"id": f"d{each}", "status": "Deployed"} for each in range(300)], cap=1)
    async with connected(api) as client:
        listing = await client.list()
    assert (len(listing.records), listing.truncated) == (200, True)


def once(where: str, act: Any) -> Any:
    """Do something before the first request whose URL has `where` in it."""
    left = [act]
    return lambda request: left.pop()() if left and where in request.path_qs else None


# ── one Deployment ───────────────────────────────────────────────────────────


async def test_a_deployment_that_does_not_exist_is_none() -> None:
    async with connected(ConnectApi()) as client:
        assert await client.get("id-gone") is None


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(404, HTML, content_type="text/html"), Blindness.NOT_FOUND),
        (answer(404), Blindness.NOT_FOUND),
        (answer(404, api_error(404, "SomethingElse")), Blindness.NOT_FOUND),
        (answer(410, api_error(410, "ResourceNotFound")), Blindness.NOT_FOUND),
        (answer(200, api_error(404, "ResourceNotFound")), Blindness.UNREADABLE),
        (answer(200, record("other")), Blindness.UNREADABLE),
        (answer(403, api_error(403, "AuthorizationError")), Blindness.FORBIDDEN),
    ],
)
async def test_any_other_absence_is_blindness(given: Answer, kind: Blindness) -> None:
    async with connected(ConnectApi([record("gone")], scripted=[given])) as client:
        assert (await blind(client, "id-gone")).kind is kind


# ── refusals ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        (answer(400, api_error(400, "InvalidQueryParam")), Blindness.UNREADABLE, "answered 400 InvalidQueryParam"),
        (
            answer(403, api_error(403, "AuthorizationError")),
            Blindness.FORBIDDEN,
            f"view_connectors_deployments:{PROJECT}",
        ),
        (answer(404, api_error(404, "ResourceNotFound")), Blindness.NOT_FOUND, "key and region"),
        (answer(404, HTML, content_type="text/html"), Blindness.NOT_FOUND, "key and region"),
        (answer(410), Blindness.NOT_FOUND, "answered 410"),
        (answer(429), Blindness.RATE_LIMITED, "answered 429"),
        (answer(500, api_error(500, "General")), Blindness.SERVER, "answered 500 General"),
        (answer(501, HTML, content_type="text/html"), Blindness.SERVER, "answered 501"),
        (answer(302, Location=f"https://{CANARY}/"), Blindness.UNREADABLE, "not followed"),
        (answer(204), Blindness.UNREADABLE, "answered 204"),
        (answer(418), Blindness.UNREADABLE, "answered 418"),
        (answer(503, Retry_After="9"), Blindness.SERVER, "answered 503"),
    ],
)
async def test_each_refusal_says_what_it_is_and_under_which_id(given: Answer, kind: Blindness, said: str) -> None:
    api = ConnectApi(scripted=[given])
    async with connected(api) as client:
        error = await blind(client)
    assert error.kind is kind
    assert said in str(error)
    assert api.correlations[-1] in str(error)
    assert re.fullmatch("connect-watcher-[0-9a-f]{32}", api.correlations[-1])
    assert len(set(api.correlations)) == len(api.correlations) == 2
    assert api.calls == {LIST: 1}


@pytest.mark.parametrize(
    ("status", "header", "wait"),
    [
        (429, "30", 30_000),
        (503, "30", 30_000),
        (429, "Sun, 06 Nov 1994 08:49:37 GMT", 1_000),
        (429, "-1", 1_000),
        (503, "1000000000", 3_600_000),
        (429, "soon", None),
    ],
)
async def test_the_servers_wish_to_be_left_alone_is_passed_on_at_once(
    status: int, header: str, wait: int | None
) -> None:
    clock = FakeClock()
    start = clock.at
    api = ConnectApi(scripted=[answer(status, Retry_After=header)])
    async with connected(api, clock) as client:
        assert (await blind(client)).retry_after == wait
    assert api.calls == {LIST: 1}
    assert clock.at == start


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_blip_is_not_seen(status: int) -> None:
    clock = FakeClock()
    start = clock.at
    api = ConnectApi([record("shop")], scripted=[answer(status, HTML), answer(status, HTML)])
    async with connected(api, clock) as client:
        assert len((await client.list()).records) == 1
    assert api.calls == {LIST: 3}
    assert 250 + 500 <= clock.at - start <= 500 + 1_000


async def test_the_third_failure_in_a_row_is() -> None:
    api = ConnectApi(scripted=[answer(502), answer(503), answer(504), answer(200, {"results": []})])
    async with connected(api) as client:
        error = await blind(client)
    assert error.kind is Blindness.SERVER
    assert api.calls == {LIST: 3}
    assert api.correlations[-1] in str(error)


async def test_pauses_differ_by_chance() -> None:
    lengths = []
    for seed in range(5):
        clock = FakeClock()
        start = clock.at
        api = ConnectApi(scripted=[answer(503)])
        async with connected(api, clock) as client:
            client._session._env = fake_env(clock, seed)
            await client.list()
        lengths.append(clock.at - start)
    assert len(set(lengths)) == 5


async def test_a_connection_that_breaks_before_an_answer_is_a_blip() -> None:
    def broken(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    api = ConnectApi([record("shop")], scripted=[broken])
    async with connected(api) as client:
        assert len((await client.list()).records) == 1


async def test_an_answer_that_is_cut_off_is_no_page_wherever_the_cut_is() -> None:
    whole = json.dumps({"results": [record("shop")], "total": 1}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(whole)
    cuts, seen = iter(range(len(whole))), list[int]()

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(next(cuts, 0))
        await saying(head + whole[: seen[-1]])(reader, writer)

    async with raw_server(cut) as url, connected(ConnectApi(), api_url=url) as client:
        for _ in whole:
            assert (await blind(client)).kind is Blindness.NETWORK
    assert next(cuts, None) is None
    assert len(seen) == len(whole)


async def test_too_much_is_unreadable() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
    async with raw_server(saying(head, then="hang")) as url, connected(ConnectApi(), api_url=url) as client:
        error = await blind(client)
    assert error.kind is Blindness.UNREADABLE
    assert "larger than" in str(error)


async def test_a_host_that_is_not_there() -> None:
    clock = FakeClock()
    start = clock.at
    url = f"http://127.0.0.1:{free_port()}"
    async with connected(ConnectApi(), clock, api_url=url) as client:
        error = await blind(client)
    assert error.kind is Blindness.NETWORK
    assert "Connection refused" in str(error)
    assert clock.at > start


async def test_a_tls_failure_is_told_apart() -> None:
    plain = saying(b"HTTP/1.1 400 Bad Request\r\n\r\n", then="hang", at_once=True)
    async with raw_server(plain) as url, connected(ConnectApi(), api_url=url.replace("http:", "https:")) as client:
        assert (await blind(client)).kind is Blindness.TLS


# ── tokens ───────────────────────────────────────────────────────────────────


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
    api = ConnectApi(many(20), scripted_auth=[answer(401, {"error": "invalid_client"})])
    async with connected(api) as client:
        got = await asyncio.gather(*(client.get(f"id-d{each}") for each in range(20)), return_exceptions=True)
        assert {type(each) for each in got} == {SourceError}
        assert len(api.forms) == 1
        assert len((await client.list()).records) == 20


async def test_a_fresh_token_that_is_refused_is_the_apis_matter() -> None:
    refused = answer(401, api_error(401, "invalid_token"))
    api = ConnectApi(scripted=[refused, refused, refused])
    async with connected(api) as client:
        error = await blind(client)
    assert error.kind is Blindness.FORBIDDEN
    assert "answered 401 invalid_token" in str(error)
    assert (api.calls, len(api.tokens)) == ({LIST: 2}, 2)


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
    api = ConnectApi(scripted_auth=[given])
    async with connected(api) as client:
        error = await blind(client)
        assert error.kind is kind
        assert said in str(error)
        assert "the auth service" in str(error)
        assert api.requests == []
        assert len(api.forms) == 1
        assert (await client.list()).total == 0


async def test_a_grant_without_a_lifetime_is_used() -> None:
    api = ConnectApi(scripted_auth=[answer(200, {"access_token": "good"})], tokens=["good"])
    async with connected(api) as client:
        await client.list()
        await client.list()
    assert len(api.forms) == 1


def test_secrets_stay_out_of_representations() -> None:
    project = ProjectAccess(
        key=PROJECT, region="x", client_id=CANARY, client_secret=CANARY, api_url=f"https://{CANARY}@x", auth_url=CANARY
    )
    client = deployments(project, Session(project, http=Http(), env=fake_env()), str)
    assert CANARY not in repr(project)
    assert CANARY not in repr(client)


@pytest.mark.parametrize(
    ("access", "api", "auth"),
    [
        (
            {},
            "https://connect.us-east-2.aws.commercetools.com/k/deployments",
            "https://auth.us-east-2.aws.commercetools.com/oauth/token",
        ),
        (
            {"api_url": "http://sim:1/", "auth_url": "http://sim:1"},
            "http://sim:1/k/deployments",
            "http://sim:1/oauth/token",
        ),
        (
            {"key": "../k?", "api_url": "http://sim", "auth_url": "http://sim/base/"},
            "http://sim/..%2Fk%3F/deployments",
            "http://sim/base/oauth/token",
        ),
    ],
)
def test_hosts_follow_the_region_unless_replaced(access: dict[str, str], api: str, auth: str) -> None:
    given = {"key": "k", "region": "us-east-2.aws", "client_id": "i", "client_secret": "s", **access}
    project = ProjectAccess(**given)
    assert (project.deployments_url, project.token_url) == (api, auth)
