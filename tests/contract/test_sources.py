"""What every implementation of `ports.Source` must do. A new one adds a line to `SUBJECTS`."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import pytest

from tests.connect_api import PROJECT, Clients, ConnectApi, answer, reading
from tests.connect_records import connector_record, draft_record, record
from tests.fakes import ScriptedSource, connector, deployment, draft
from watcher.core.snapshot import Deployment, Record
from watcher.errors import Blindness, SourceError
from watcher.ports import Source
from watcher.sources.connectors import ConnectorSource
from watcher.sources.drafts import DraftSource, Roster

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A source, and hands that change the world behind it. Names become ids by `id-`.

    `put` makes a record say a word, and `says` reads it: its status, or the tag of what has none.
    """

    source: Source[Record]
    put: Callable[[str, str], None]
    remove: Callable[[str], None]
    fail: Callable[[], None]
    heal: Callable[[], None]
    says: Callable[[Any], str] = lambda found: str(found.status)
    composed: bool = False


# ── over HTTP ────────────────────────────────────────────────────────────────


@asynccontextmanager
async def over_http(
    stock: str, make: Callable[[str, str], dict[str, Any]], source: Callable[[ConnectApi, Clients], Any], **more: Any
) -> AsyncIterator[Subject]:
    api = ConnectApi()
    records = getattr(api, stock)

    def remove(name: str) -> None:
        records[:] = [each for each in records if each["id"] != f"id-{name}"]

    def put(name: str, word: str) -> None:
        made = make(name, word)
        place = next((at for at, each in enumerate(records) if each["id"] == made["id"]), len(records))
        records[place : place + 1] = [made]

    async with reading(api) as clients:
        yield Subject(
            source=source(api, clients),
            put=put,
            remove=remove,
            fail=lambda: setattr(api, "before", lambda _: api.scripted.append(answer(500))),
            heal=lambda: setattr(api, "before", lambda _: None),
            **more,
        )


def behind_a_roster(api: ConnectApi, clients: Clients) -> Source[Record]:
    """With another client's draft in the list."""
    api.drafts.append(draft_record("others", "Failed"))

    async def remembered(project: str) -> Sequence[Any]:
        return [draft("others", project="other-shop")] if project == "other-shop" else []

    return DraftSource(clients.drafts, PROJECT, Roster(projects=("other-shop", PROJECT), remembered=remembered))


def in_use(api: ConnectApi, clients: Clients) -> Source[Record]:
    """Every Connector is used by one Deployment that runs it and one that is behind, whether or not it exists."""

    async def deployments() -> list[Deployment]:
        users = [(name, version) for name in "abc" for version in (7, 8)]
        return [
            deployment(f"{name}{version}", connector_id=f"id-{name}", connector_version=version)
            for name, version in users
        ]

    return ConnectorSource(clients.published, deployments)


def tagged(name: str, word: str) -> dict[str, Any]:
    return connector_record(name, repository={"tag": word})


# ── scripted ─────────────────────────────────────────────────────────────────


@asynccontextmanager
async def scripted(make: Callable[..., R], word: str = "status", **more: Any) -> AsyncIterator[Subject]:
    source: ScriptedSource[R] = ScriptedSource(composed=bool(more.get("composed")))
    yield Subject(
        source=source,
        put=lambda name, value: source.put(make(name, **{word: value})),
        remove=source.remove,
        fail=source.fail,
        heal=lambda: setattr(source, "error", None),
        **more,
    )


PUBLISHED: dict[str, Any] = {"says": lambda found: found.tag, "composed": True}
SUBJECTS: dict[str, Callable[[], AbstractAsyncContextManager[Subject]]] = {
    "deployments": partial(over_http, "deployments", record, lambda _, clients: clients.deployments),
    "drafts": partial(over_http, "drafts", draft_record, lambda _, clients: clients.drafts),
    "drafts behind a roster": partial(over_http, "drafts", draft_record, behind_a_roster),
    "published connectors": partial(over_http, "connectors", tagged, in_use, **PUBLISHED),
    "scripted deployments": partial(scripted, deployment),
    "scripted drafts": partial(scripted, draft),
    "scripted connectors": partial(scripted, connector, "tag", **PUBLISHED),
}
COMPARING = [each for each in SUBJECTS if each != "published connectors"]
"""Those that know a list when they see it again. One that looks up what is in use reads it anew each time."""


@pytest.fixture(params=SUBJECTS)
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with SUBJECTS[request.param]() as found:
        yield found


@pytest.fixture(params=COMPARING)
async def comparing(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    async with SUBJECTS[request.param]() as found:
        yield found


async def test_nothing_is_a_listing_too(subject: Subject) -> None:
    listing = await subject.source.list()
    assert (dict(listing.records), listing.total, listing.truncated, listing.quarantined) == ({}, 0, False, 0)


async def test_the_listing_has_everything_by_id(subject: Subject) -> None:
    subject.put("a", "Deployed")
    subject.put("b", "Failed")
    listing = await subject.source.list()
    assert {each: subject.says(found) for each, found in listing.records.items()} == {
        "id-a": "Deployed",
        "id-b": "Failed",
    }
    assert all(found.id == each and found.project == PROJECT for each, found in listing.records.items())
    assert listing.total == 2


async def test_only_a_list_that_was_asked_for_by_name_says_so(subject: Subject) -> None:
    subject.put("a", "Deployed")
    assert (await subject.source.list()).composed is subject.composed


async def test_one_is_read_as_the_listing_has_it(subject: Subject) -> None:
    subject.put("a", "Failed")
    assert await subject.source.get("id-a") == (await subject.source.list()).records["id-a"]


async def test_what_does_not_exist_is_none_and_no_error(subject: Subject) -> None:
    subject.put("a", "Deployed")
    assert await subject.source.get("id-b") is None
    subject.remove("a")
    assert await subject.source.get("id-a") is None
    assert "id-a" not in (await subject.source.list()).records


async def test_what_comes_back_is_listed_again(subject: Subject) -> None:
    for _ in range(3):
        subject.put("a", "Deployed")
        assert list((await subject.source.list()).records) == ["id-a"]
        assert await subject.source.get("id-a") is not None
        subject.remove("a")
        assert not (await subject.source.list()).records


async def test_the_first_listing_is_never_unchanged(subject: Subject) -> None:
    assert not (await subject.source.list()).unchanged


async def test_unchanged_means_that_nothing_changed(comparing: Subject) -> None:
    comparing.put("a", "Deployed")
    first = await comparing.source.list()
    second = await comparing.source.list()
    assert second.unchanged
    assert second.records == first.records
    assert second.records["id-a"] is first.records["id-a"]


async def test_what_is_the_same_is_listed_the_same(subject: Subject) -> None:
    subject.put("a", "Deployed")
    subject.put("b", "Failed")
    first, second = await subject.source.list(), await subject.source.list()
    assert (second.records, second.total) == (first.records, first.total)


@pytest.mark.parametrize("change", ["word", "more", "fewer"])
async def test_a_change_is_seen_by_the_next_listing(subject: Subject, change: str) -> None:
    subject.put("a", "Deployed")
    subject.put("b", "Deployed")
    before = await subject.source.list()
    if change == "fewer":
        subject.remove("b")
    else:
        subject.put("b" if change == "word" else "c", "Failed")
    after = await subject.source.list()
    assert not after.unchanged
    assert after.records != before.records


async def test_a_listing_that_was_returned_does_not_change_any_more(subject: Subject) -> None:
    subject.put("a", "Deployed")
    before = await subject.source.list()
    subject.put("a", "Failed")
    subject.put("b", "Failed")
    await subject.source.list()
    assert {each: subject.says(found) for each, found in before.records.items()} == {"id-a": "Deployed"}


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
    assert subject.says(listing.records["id-a"]) == "Failed"
