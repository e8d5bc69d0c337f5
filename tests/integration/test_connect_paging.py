"""Whole lists of the Connect API, page by page, while they change, lie and do not end."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from tests.connect_api import Endpoint, answer, blind, for_every_list, reading
from watcher.errors import Blindness


def many(endpoint: Endpoint, count: int, **fields: Any) -> dict[str, Any]:
    """Arguments for an API that has so many records."""
    return {endpoint.stock: [endpoint.make(f"d{number}") for number in range(count)], **fields}


def bare(endpoint: Endpoint, count: int, **fields: Any) -> dict[str, Any]:
    return {endpoint.stock: [{"id": f"d{number}", "status": "Draft"} for number in range(count)], **fields}


def once(where: str, act: Callable[[], object]) -> Callable[[web.Request], None]:
    """Do something before the first request whose URL has `where` in it."""
    left = [act]

    def before(request: web.Request) -> None:
        if left and where in request.path_qs:
            left.pop()()

    return before


def ids(*numbers: int) -> set[str]:
    return {f"id-d{each}" for each in numbers}


@for_every_list
@pytest.mark.parametrize(("count", "calls"), [(0, 1), (1, 1), (499, 1), (500, 1), (501, 2), (1_000, 2), (1_001, 3)])
async def test_one_call_for_each_500(endpoint: Endpoint, count: int, calls: int) -> None:
    api = endpoint.api(**bare(endpoint, count))
    async with reading(api) as clients:
        listing = await endpoint.client(clients).list()
    assert (len(listing.records), listing.total, listing.truncated, listing.composed) == (count, count, False, False)
    assert api.calls == {endpoint.path: calls}
    assert api.requests[0] == f"{endpoint.path}?limit=500&offset=0"


@for_every_list
@pytest.mark.parametrize(("count", "calls"), [(0, 1), (499, 1), (500, 2), (700, 2)])
async def test_without_a_total_a_short_page_ends_the_list(endpoint: Endpoint, count: int, calls: int) -> None:
    api = endpoint.api(**bare(endpoint, count, total=None))
    async with reading(api) as clients:
        listing = await endpoint.client(clients).list()
    assert (len(listing.records), listing.total, listing.truncated) == (count, count, False)
    assert api.calls == {endpoint.path: calls}


@for_every_list
async def test_a_server_with_shorter_pages_is_followed_to_the_end(endpoint: Endpoint) -> None:
    api = endpoint.api(**bare(endpoint, 250, cap=100))
    async with reading(api) as clients:
        assert len((await endpoint.client(clients).list()).records) == 250
    assert api.calls == {endpoint.path: 3}


@for_every_list
async def test_an_unchanged_page_is_not_decoded_and_its_objects_stay(endpoint: Endpoint) -> None:
    api = endpoint.api(**many(endpoint, 1_200))
    async with reading(api) as clients:
        client = endpoint.client(clients)
        first = await client.list()
        assert (client.pages_decoded, first.unchanged) == (3, False)
        second = await client.list()
        assert (client.pages_decoded, second.unchanged) == (3, True)
        assert second.records is first.records
        getattr(api, endpoint.stock)[600]["status"] = "Failed"
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


@for_every_list
async def test_a_list_that_broke_off_does_not_make_the_next_one_unchanged(endpoint: Endpoint) -> None:
    api = endpoint.api(**many(endpoint, 600))
    async with reading(api) as clients:
        client = endpoint.client(clients)
        await client.list()
        getattr(api, endpoint.stock)[0]["status"] = "Failed"
        api.before = lambda request: api.scripted.append(answer(500)) if "offset=500" in request.path_qs else None
        assert (await blind(client.list())).kind is Blindness.SERVER
        api.before = lambda _: None
        after = await client.list()
        assert not after.unchanged
        assert after.records["id-d0"].status == "Failed"
        assert (await client.list()).unchanged


@for_every_list
async def test_a_page_fewer_is_a_change(endpoint: Endpoint) -> None:
    api = endpoint.api(**many(endpoint, 501))
    async with reading(api) as clients:
        client = endpoint.client(clients)
        await client.list()
        del getattr(api, endpoint.stock)[500]
        listing = await client.list()
    assert (len(listing.records), listing.unchanged) == (500, False)


@for_every_list
async def test_the_same_record_on_two_pages_counts_once(endpoint: Endpoint) -> None:
    api = endpoint.api(**many(endpoint, 501))
    api.before = once("offset=500", lambda: getattr(api, endpoint.stock).insert(0, endpoint.make("d501")))
    async with reading(api) as clients:
        listing = await endpoint.client(clients).list()
    assert listing.records.keys() == ids(*range(502))


@for_every_list
async def test_what_slips_behind_the_seam_of_two_pages_is_found_by_a_second_walk(endpoint: Endpoint) -> None:
    """The first page's record goes away before the second page is read: all others move up, one of them past the seam."""
    api = endpoint.api(**many(endpoint, 700))
    api.before = once("offset=500", lambda: getattr(api, endpoint.stock).pop(0))
    async with reading(api) as clients:
        client = endpoint.client(clients)
        listing = await client.list()
        assert listing.records.keys() == ids(*range(700))
        assert api.calls == {endpoint.path: 4}
        after = await client.list()
        assert not after.unchanged
        assert after.records.keys() == ids(*range(1, 700))
        assert (await client.list()).unchanged


@for_every_list
async def test_what_moves_behind_the_seam_is_found_by_a_second_walk(endpoint: Endpoint) -> None:
    api = endpoint.api(**many(endpoint, 700))
    stock = getattr(api, endpoint.stock)
    api.before = once("offset=500", lambda: stock.insert(0, stock.pop()))
    async with reading(api) as clients:
        listing = await endpoint.client(clients).list()
    assert listing.records.keys() == ids(*range(700))


@for_every_list
async def test_a_total_that_is_too_high_costs_calls_but_no_list(endpoint: Endpoint) -> None:
    api = endpoint.api(**many(endpoint, 3, total=5))
    async with reading(api) as clients:
        listing = await endpoint.client(clients).list()
    assert (len(listing.records), listing.total, listing.truncated) == (3, 5, False)
    assert api.calls == {endpoint.path: 4}


@for_every_list
@pytest.mark.parametrize("total", ["-5", "1e3", '"many"', "9" * 300, "{}"])
async def test_a_total_that_is_none_counts_for_nothing(endpoint: Endpoint, total: str) -> None:
    page = endpoint.body().decode().replace('"total": 1', f'"total": {total}')
    api = endpoint.api(answer(200, page))
    async with reading(api) as clients:
        listing = await endpoint.client(clients).list()
    assert (len(listing.records), listing.total, listing.truncated) == (1, 1, False)
    assert api.calls == {endpoint.path: 1}


@for_every_list
async def test_behind_offset_10000_nothing_is_visible_and_the_listing_says_so(endpoint: Endpoint) -> None:
    api = endpoint.api(**bare(endpoint, 10_600))
    async with reading(api) as clients:
        listing = await endpoint.client(clients).list()
    assert (len(listing.records), listing.total, listing.truncated) == (10_500, 10_600, True)
    assert (len(api.requests), api.requests[-1]) == (21, f"{endpoint.path}?limit=500&offset=10000")


@for_every_list
async def test_a_list_that_ends_exactly_at_the_limit_is_whole(endpoint: Endpoint) -> None:
    async with reading(endpoint.api(**bare(endpoint, 10_500))) as clients:
        listing = await endpoint.client(clients).list()
    assert (len(listing.records), listing.truncated) == (10_500, False)


@for_every_list
async def test_a_server_that_ignores_the_offset_is_not_asked_for_ever(endpoint: Endpoint) -> None:
    page = json.dumps({"results": many(endpoint, 500)[endpoint.stock], "total": 9_000})
    api = endpoint.api()
    api.before = lambda _: api.scripted.append(answer(200, page))
    async with reading(api) as clients:
        listing = await endpoint.client(clients).list()
    assert (len(listing.records), listing.truncated) == (500, True)
    assert api.calls == {endpoint.path: 2}


@for_every_list
async def test_pages_of_one_record_end_too(endpoint: Endpoint) -> None:
    async with reading(endpoint.api(**bare(endpoint, 300, cap=1))) as clients:
        listing = await endpoint.client(clients).list()
    assert (len(listing.records), listing.truncated) == (200, True)
