"""What every implementation of `ports.Source` must do. A new one adds a line to `SUBJECTS`."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.connect_api import PROJECT, ConnectApi, answer, connected, record
from tests.fakes import ScriptedSource, deployment
from watcher.core.snapshot import Deployment
from watcher.errors import Blindness, SourceError
from watcher.ports import Source


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A source, and hands that change the world behind it. Names become ids by `id-`."""

    source: Source[Deployment]
    put: Callable[[str, str], None]
    remove: Callable[[str], None]
    fail: Callable[[], None]
    heal: Callable[[], None]


@asynccontextmanager
async def over_http() -> AsyncIterator[Subject]:
    api = ConnectApi()

    def remove(name: str) -> None:
        api.deployments[:] = [each for each in api.deployments if each["id"] != f"id-{name}"]

    def put(name: str, status: str) -> None:
        found = next((each for each in api.deployments if each["id"] == f"id-{name}"), None)
        if found:
            found["status"] = status
        else:
            api.deployments.append(record(name, status))

    async with connected(api) as client:
        yield Subject(
            source=client,
            put=put,
            remove=remove,
            fail=lambda: setattr(api, "before", lambda _: api.scripted.append(answer(500))),
            heal=lambda: setattr(api, "before", lambda _: None),
        )


@asynccontextmanager
async def scripted() -> AsyncIterator[Subject]:
    source = ScriptedSource()

    def put(name: str, status: str) -> None:
        if f"id-{name}" in source.deployments:
            source.set(name, status=status)
        else:
            source.put(deployment(name, status))

    yield Subject(
        source=source,
        put=put,
        remove=source.remove,
        fail=source.fail,
        heal=lambda: setattr(source, "error", None),
    )


SUBJECTS: dict[str, Callable[[], AbstractAsyncContextManager[Subject]]] = {"http": over_http, "scripted": scripted}


@pytest.fixture(params=SUBJECTS)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with SUBJECTS[request.param]() as found:
        yield found


async def test_nothing_is_a_listing_too(subject: Subject) -> None:
    listing = await subject.source.list()
    assert (dict(listing.records), listing.total, listing.truncated, listing.quarantined) == ({}, 0, False, 0)


async def test_the_listing_has_everything_by_id(subject: Subject) -> None:
    subject.put("a", "Deployed")
    subject.put("b", "Failed")
    listing = await subject.source.list()
    assert {each: found.status for each, found in listing.records.items()} == {"id-a": "Deployed", "id-b": "Failed"}
    assert all(found.id == each and found.project == PROJECT for each, found in listing.records.items())
    assert listing.total == 2


async def test_one_is_read_as_the_listing_has_it(subject: Subject) -> None:
    subject.put("a", "Failed")
    assert await subject.source.get("id-a") == (await subject.source.list()).records["id-a"]


async def test_what_does_not_exist_is_none_and_no_error(subject: Subject) -> None:
    subject.put("a", "Deployed")
    assert await subject.source.get("id-b") is None
    subject.remove("a")
    assert await subject.source.get("id-a") is None
    assert "id-a" not in (await subject.source.list()).records


async def test_the_first_listing_is_never_unchanged(subject: Subject) -> None:
    assert not (await subject.source.list()).unchanged


async def test_unchanged_means_that_nothing_changed(subject: Subject) -> None:
    subject.put("a", "Deployed")
    first = await subject.source.list()
    second = await subject.source.list()
    assert second.unchanged
    assert second.records == first.records
    assert second.records["id-a"] is first.records["id-a"]


@pytest.mark.parametrize("change", ["status", "more", "fewer"])
async def test_a_change_is_seen_by_the_next_listing(subject: Subject, change: str) -> None:
    subject.put("a", "Deployed")
    subject.put("b", "Deployed")
    before = await subject.source.list()
    if change == "fewer":
        subject.remove("b")
    else:
        subject.put("b" if change == "status" else "c", "Failed")
    after = await subject.source.list()
    assert not after.unchanged
    assert after.records != before.records


async def test_a_listing_that_was_returned_does_not_change_any_more(subject: Subject) -> None:
    subject.put("a", "Deployed")
    before = await subject.source.list()
    subject.put("a", "Failed")
    subject.put("b", "Failed")
    await subject.source.list()
    assert {each: found.status for each, found in before.records.items()} == {"id-a": "Deployed"}


async def test_failure_is_an_error_of_a_kind_and_never_an_empty_listing(subject: Subject) -> None:
    subject.put("a", "Deployed")
    subject.fail()
    for call in (subject.source.list(), subject.source.get("id-a")):
        with pytest.raises(SourceError) as caught:
            await call
        assert caught.value.kind is Blindness.SERVER
        assert str(caught.value)


async def test_what_changed_during_a_failure_is_seen_after_it(subject: Subject) -> None:
    subject.put("a", "Deployed")
    await subject.source.list()
    subject.fail()
    subject.put("a", "Failed")
    with pytest.raises(SourceError):
        await subject.source.list()
    subject.heal()
    listing = await subject.source.list()
    assert not listing.unchanged
    assert listing.records["id-a"].status == "Failed"
