"""Published Connectors by their ids: many by one search, the ones that it leaves out each alone."""

from collections import Counter

import pytest

from tests.connect_api import Answer, ConnectApi, answer, blind, reading
from tests.connect_records import api_error, connector_record
from watcher.connect.published import BATCH
from watcher.errors import Blindness


def shelf(count: int, *, unlisted: int = 0) -> tuple[ConnectApi, list[str]]:
    """An API that has so many, of which the first ones are found by no search; and their ids."""
    made = [connector_record(f"c{number:03d}") for number in range(count)]
    ids = [each["id"] for each in made]
    return ConnectApi(connectors=made, unlisted=set(ids[:unlisted])), ids


def kinds(api: ConnectApi) -> Counter[str]:
    return Counter("search" if "/search?" in each else "single" for each in api.requests)


@pytest.mark.parametrize(
    ("count", "searches"), [(0, 1), (1, 1), (BATCH - 1, 1), (BATCH, 1), (BATCH + 1, 2), (3 * BATCH, 3)]
)
async def test_one_search_for_each_50(count: int, searches: int) -> None:
    api, ids = shelf(count)
    async with reading(api) as clients:
        found = await clients.published.find(ids)
    assert list(found) == ids
    assert kinds(api) == {name: each for name, each in {"search": searches}.items() if each}


async def test_every_id_is_asked_for_once_and_the_page_is_as_long_as_it_may_be() -> None:
    api, ids = shelf(2 * BATCH + 7)
    async with reading(api) as clients:
        await clients.published.find(ids)
    queries = [each.partition("?")[2].split("&") for each in api.requests]
    assert sorted(word for each in queries for word in each if word.startswith("id=")) == [f"id={each}" for each in ids]
    assert all("limit=500" in each for each in queries)
    assert max(len(each) for each in api.requests) < 2_100


async def test_what_a_search_leaves_out_is_asked_for_alone() -> None:
    """As it may be with Connectors that are private or no longer listed."""
    api, ids = shelf(60, unlisted=3)
    async with reading(api) as clients:
        found = await clients.published.find(ids)
    assert found.keys() == set(ids)
    assert kinds(api) == {"search": 2, "single": 3}
    assert [each for each in api.requests if "search" not in each] == [f"/connectors/{each}" for each in ids[:3]]


async def test_what_does_not_exist_is_not_among_what_was_found() -> None:
    api, ids = shelf(2)
    async with reading(api) as clients:
        found = await clients.published.find([*ids, "id-gone"])
    assert list(found) == ids


async def test_an_id_that_nobody_asked_for_is_not_among_what_was_found() -> None:
    """A server that does not know the parameter `id` answers with whatever it has."""
    api, ids = shelf(3)
    api.scripted = [answer(200, {"results": [{"id": each} for each in [*ids, "id-other"]], "total": 9_000})]
    async with reading(api) as clients:
        found = await clients.published.find(ids[:2])
    assert list(found) == ids[:2]


@pytest.mark.parametrize(
    ("at", "given", "kind"),
    [
        ("/connectors/search", answer(500), Blindness.SERVER),
        ("/connectors/id-c001", answer(500), Blindness.SERVER),
        ("/connectors/id-c001", answer(404, b"<html>"), Blindness.NOT_FOUND),
        ("/connectors/search", answer(404, api_error(404, "ResourceNotFound")), Blindness.NOT_FOUND),
    ],
)
async def test_a_part_is_never_taken_for_all(at: str, given: Answer, kind: Blindness) -> None:
    api, ids = shelf(BATCH + 1, unlisted=3)
    api.at, api.scripted = at, [given]
    async with reading(api) as clients:
        assert (await blind(clients.published.find(ids))).kind is kind
        assert len(await clients.published.find(ids)) == BATCH + 1


@pytest.mark.parametrize(
    "given", [answer(403), answer(200, connector_record("other"))], ids=["forbidden", "unreadable"]
)
async def test_one_that_cannot_be_read_hides_no_other_and_what_was_found_before_is_believed(given: Answer) -> None:
    api, ids = shelf(BATCH + 1, unlisted=3)
    async with reading(api) as clients:
        before = await clients.published.find(ids)
        api.at, api.scripted = "/connectors/id-c001", [given, given]
        assert await clients.published.find(ids) == before
    api.at, api.scripted = "/connectors/id-c001", [given]
    async with reading(api) as clients:
        assert await clients.published.find(ids) == {key: each for key, each in before.items() if key != "id-c001"}
