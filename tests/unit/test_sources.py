"""The sources that are more than a list of the API: drafts that belong to one client, Connectors that are in use."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.connect_api import access_to
from tests.fakes import ScriptedSource, connector, deployment, draft, fake_env
from tests.unit.builders import quick
from watcher.connect import PublishedConnectors, Session
from watcher.core.snapshot import Connector, ConnectorStaged, Deployment, Listing
from watcher.errors import Blindness, SourceError, StoreError
from watcher.http import Http
from watcher.sources.connectors import ConnectorSource, behind
from watcher.sources.drafts import DENIALS, DraftSource, Roster

FIRST, SECOND = "first-shop", "second-shop"


# ── drafts ───────────────────────────────────────────────────────────────────


@dataclass
class Team:
    """Two API clients that read drafts of one host, and what the store remembers of an earlier life."""

    remembered: dict[str, list[ConnectorStaged]] = field(default_factory=dict)
    error: StoreError | None = None
    reads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.roster = Roster(projects=(FIRST, SECOND), remembered=self._load)
        self.lists = {each: ScriptedSource[ConnectorStaged]() for each in (FIRST, SECOND)}
        self.sources = {each: DraftSource(self.lists[each], each, self.roster) for each in (FIRST, SECOND)}

    async def _load(self, project: str) -> Sequence[ConnectorStaged]:
        self.reads.append(project)
        if self.error:
            raise self.error
        return self.remembered.get(project, [])

    def show(self, *names: str, to: Sequence[str] = (FIRST, SECOND), **fields: Any) -> None:
        for each in to:
            self.lists[each].put(*(draft(name, project=each, **fields) for name in names))

    def hide(self, *names: str, of: str) -> None:
        for each in names:
            self.lists[of].remove(each)

    async def deny(self, *names: str, to: str) -> None:
        """Have the client ask for what its list lacks, as often as it takes to believe that it is gone."""
        for name in names:
            for _ in range(DENIALS):
                await self.sources[to].get(f"id-{name}")

    async def poll(self, project: str) -> Listing[ConnectorStaged]:
        return await self.sources[project].list()

    async def names(self, project: str) -> list[str]:
        return [each.name for each in (await self.poll(project)).records.values()]


async def test_what_two_clients_see_is_told_through_the_one_that_saw_it_first() -> None:
    team = Team()
    team.show("a", "b")
    team.show("c", to=[SECOND])
    assert await team.names(FIRST) == ["a", "b"]
    assert await team.names(SECOND) == ["c"]
    team.show("d")
    assert await team.names(SECOND) == ["c", "d"]
    assert await team.names(FIRST) == ["a", "b"]


async def test_the_total_counts_what_is_its_own() -> None:
    team = Team()
    team.show("a", "b", "c")
    assert (await team.poll(FIRST)).total == 3
    assert (await team.poll(SECOND)).total == 0


async def test_a_list_that_lies_changes_no_owner() -> None:
    """However long it lies: its drafts still exist when they are asked for."""
    team = Team()
    team.show("a", "b")
    await team.poll(FIRST)
    team.lists[FIRST].hidden = True
    for _ in range(20):
        assert await team.names(FIRST) == []
        await team.deny("a", "b", to=FIRST)
        assert await team.names(SECOND) == []
    team.lists[FIRST].hidden = False
    assert await team.names(FIRST) == ["a", "b"]


async def test_one_denial_is_not_enough() -> None:
    team = Team()
    team.show("a")
    await team.poll(FIRST)
    for _ in range(3):
        found = team.lists[FIRST].records.pop("id-a")
        assert await team.sources[FIRST].get("id-a") is None
        team.lists[FIRST].put(found)
        assert await team.names(FIRST) == ["a"], "seen in between: the count begins anew"
    assert await team.names(SECOND) == []


async def test_when_the_first_loses_sight_the_other_takes_over() -> None:
    team = Team()
    team.show("a", "b")
    await team.poll(FIRST)
    team.hide("a", of=FIRST)
    assert await team.names(FIRST) == ["b"]
    assert await team.names(SECOND) == []
    await team.deny("a", to=FIRST)
    assert await team.names(SECOND) == ["a"]
    team.show("a", to=[FIRST])
    assert await team.names(FIRST) == ["b"], "and keeps it, though the first sees it again"
    assert await team.names(SECOND) == ["a"]


async def test_what_was_taken_over_does_not_exist_for_the_first_any_more() -> None:
    """Otherwise its own read of it would belie a list that rightly lacks it, for ever."""
    team = Team()
    team.show("a")
    await team.poll(FIRST)
    assert await team.sources[FIRST].get("id-a") == draft("a", project=FIRST)
    assert await team.sources[SECOND].get("id-a") is None
    team.hide("a", of=FIRST)
    await team.deny("a", to=FIRST)
    assert await team.names(SECOND) == ["a"]
    team.show("a", to=[FIRST])
    assert await team.names(SECOND) == ["a"]
    assert await team.sources[FIRST].get("id-a") is None
    assert await team.sources[SECOND].get("id-a") == draft("a", project=SECOND)


async def test_a_failing_list_gives_nothing_away() -> None:
    team = Team()
    team.show("a")
    await team.poll(FIRST)
    team.lists[FIRST].fail(Blindness.FORBIDDEN)
    for _ in range(5):
        with pytest.raises(SourceError):
            await team.poll(FIRST)
        assert await team.names(SECOND) == []


@pytest.mark.parametrize("partial", [{"truncated": True}, {"quarantined": 1}], ids=str)
async def test_a_list_that_is_not_whole_gives_nothing_away_and_takes_nothing(partial: dict[str, Any]) -> None:
    class Partial(ScriptedSource[ConnectorStaged]):
        async def list(self) -> Listing[ConnectorStaged]:
            found = await super().list()
            return Listing(records=found.records, total=found.total, **partial)

    team = Team()
    team.show("a", "b")
    await team.poll(FIRST)
    lost, whole = Partial({"id-b": draft("b")}), Partial({"id-a": draft("a"), "id-c": draft("c")})
    first, second = DraftSource(lost, FIRST, team.roster), DraftSource(whole, SECOND, team.roster)
    for _ in range(5):
        assert list((await first.list()).records) == ["id-b"]
        assert list((await second.list()).records) == ["id-c"]


async def test_after_a_restart_the_stores_owners_are_honoured_before_anybody_claims() -> None:
    """Whoever happens to poll first must not tell what the other one has told."""
    team = Team({FIRST: [draft("a", project=FIRST)], SECOND: [draft("b", project=SECOND)]})
    team.show("a", "b", "c")
    assert await team.names(SECOND) == ["b", "c"]
    assert await team.names(FIRST) == ["a"]
    assert team.reads == [FIRST, SECOND], "read once"


async def test_what_the_store_remembers_may_be_gone_or_new() -> None:
    team = Team({FIRST: [draft("a", project=FIRST), draft("gone", project=FIRST)]})
    team.show("a", "new", to=[SECOND])
    assert await team.names(SECOND) == ["new"]
    assert await team.names(FIRST) == []
    await team.deny("a", "gone", to=FIRST)
    assert await team.names(SECOND) == ["a", "new"]


async def test_nobody_claims_while_the_store_cannot_be_read() -> None:
    team = Team({FIRST: [draft("a", project=FIRST)]}, error=StoreError("locked"))
    team.show("a")
    for _ in range(2):
        with pytest.raises(StoreError):
            await team.poll(SECOND)
    team.error = None
    assert await team.names(SECOND) == []
    assert await team.names(FIRST) == ["a"]


async def test_unchanged_is_about_what_is_ones_own() -> None:
    team = Team()
    team.show("a", "b")
    team.lists[FIRST].remove("b")
    await team.poll(FIRST)
    assert [(await team.poll(SECOND)).unchanged for _ in range(3)] == [False, True, True]
    team.hide("a", of=FIRST)
    assert (await team.poll(SECOND)).unchanged
    await team.deny("a", to=FIRST)
    assert not (await team.poll(SECOND)).unchanged, "the bytes were the same, but one draft more is its own"
    assert (await team.poll(SECOND)).unchanged


async def test_unchanged_is_not_said_of_a_first_list_nor_of_a_changed_draft() -> None:
    team = Team()
    assert not (await team.poll(FIRST)).unchanged
    assert (await team.poll(FIRST)).unchanged
    team.show("a")
    assert not (await team.poll(FIRST)).unchanged
    team.show("a", status="Failed")
    assert not (await team.poll(FIRST)).unchanged


Step = tuple[str, str, str]
"""Who, what and which draft: `lists`, `gains` or `loses`."""
steps = st.lists(
    st.tuples(
        st.sampled_from([FIRST, SECOND]), st.sampled_from(["lists", "lists", "gains", "loses"]), st.sampled_from("ab")
    ),
    max_size=60,
)


@quick
@given(steps, st.booleans())
async def test_no_draft_is_ever_told_through_two_clients_nor_through_none(played: list[Step], known: bool) -> None:
    team = Team({FIRST: [draft("a", project=FIRST)]} if known else {})
    for project, act, name in played:
        if act == "gains":
            team.show(name, to=[project])
        elif act == "loses" and f"id-{name}" in team.lists[project].records:
            team.hide(name, of=project)
        elif act == "lists":
            await team.poll(project)
    told: list[str] = []
    for _ in range(2):
        for each in (FIRST, SECOND):
            await team.deny(*({"a", "b"} - set(await team.names(each))), to=each)
        told = [*await team.names(FIRST), *await team.names(SECOND)]
        assert len(told) == len(set(told)), "never through two"
    seen = {each.name for source in team.lists.values() for each in source.records.values()}
    assert set(told) == seen, "in the end each through one"


# ── published Connectors ─────────────────────────────────────────────────────


class Shelf(PublishedConnectors):
    """The published Connectors that exist."""

    def __init__(self, *found: Connector) -> None:
        access = access_to("http://api.example")
        super().__init__("http://api.example", Session(access, http=Http(), env=fake_env()), str)
        self.found = {each.id: each for each in found}
        self.asked: list[Sequence[str]] = []

    async def find(self, ids: Sequence[str]) -> dict[str, Connector]:
        self.asked.append(list(ids))
        return {each: self.found[each] for each in ids if each in self.found}


def source_of(shelf: Shelf, *users: Deployment) -> ConnectorSource:
    async def in_use() -> list[Deployment]:
        return list(users)

    return ConnectorSource(shelf, in_use)


def user(name: str, version: int, of: str = "stripe", **fields: Any) -> Deployment:
    return deployment(name, connector_id=f"id-{of}", connector_version=version, **fields)


STRIPE, ADYEN = connector("stripe", version=8), connector("adyen", version=2)


@pytest.mark.parametrize(
    ("user", "is_behind"),
    [
        (user("a", 7), True),
        (user("a", 8), False),
        (user("a", 9), False),
        (user("a", 0), False),
        (user("a", 7, type="sandbox"), True),
        (user("a", 7, type="preview"), False),
        (user("a", 7, type=""), True),
        (user("a", 7, status="Undeploying"), False),
        (user("a", 7, status="UndeployFailed"), True),
        (user("a", 7, status="Failed"), True),
        (user("a", 7, status="Queued"), True),
    ],
    ids=str,
)
async def test_who_is_behind(user: Deployment, is_behind: bool) -> None:
    listing = await source_of(
        Shelf(STRIPE), user, deployment("b", connector_id="id-stripe", connector_version=8)
    ).list()
    (found,) = listing.records.values()
    assert found.behind == (("a",) if is_behind else ())


def test_those_behind_are_named_in_order_whatever_the_list_says() -> None:
    users = [user("c", 1), user("a", 7), user("b", 8), user("", 3, id="id-0", key="")]
    assert behind(STRIPE, users) == behind(STRIPE, users[::-1]) == ("a", "c", "id-0")
    assert behind(connector(version=0), users) == ()


async def test_what_is_in_use_is_looked_up_and_nothing_else() -> None:
    shelf = Shelf(STRIPE, ADYEN, connector("unused"))
    users = [user("a", 7), user("b", 8), user("c", 2, "adyen"), user("d", 1, "gone"), deployment("e", connector_id="")]
    preview, going = user("f", 1, "previewed", type="preview"), user("g", 1, "going", status="Undeploying")
    listing = await source_of(shelf, *users, preview, going).list()
    assert shelf.asked == [["id-adyen", "id-gone", "id-stripe"]]
    assert {each.name: each.behind for each in listing.records.values()} == {"adyen": (), "stripe": ("a",)}
    assert (listing.total, listing.composed, listing.unchanged, listing.truncated) == (2, True, False, False)


async def test_where_nothing_is_in_use_nothing_is_listed() -> None:
    listing = await source_of(Shelf(STRIPE), deployment(connector_id="")).list()
    assert (dict(listing.records), listing.total, listing.composed) == ({}, 0, True)


async def test_one_is_looked_up_with_those_that_are_behind() -> None:
    source = source_of(Shelf(STRIPE, ADYEN), user("a", 7))
    assert await source.get("id-stripe") == (await source.list()).records["id-stripe"]
    assert await source.get("id-adyen") == ADYEN, "whether or not it is in use"
    assert await source.get("id-gone") is None


async def test_each_list_is_of_what_is_in_use_now() -> None:
    users = [user("a", 7)]

    async def in_use() -> list[Deployment]:
        return users

    source = ConnectorSource(Shelf(STRIPE, ADYEN), in_use)
    assert (await source.list()).records["id-stripe"].behind == ("a",)
    users[:] = [user("a", 8), user("b", 1, "adyen")]
    after = (await source.list()).records
    assert {key: each.behind for key, each in after.items()} == {"id-stripe": (), "id-adyen": ("b",)}
