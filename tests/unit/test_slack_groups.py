"""Who is in a user group, as far as Slack says it."""

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import pytest

from tests.fakes import FakeClock
from watcher.core.delivery import Outcome
from watcher.errors import DeliveryError
from watcher.http import Answer, Fault, Request, TransportError
from watcher.simulator.slack_team import Team
from watcher.sinks.slack_bot import Api
from watcher.sinks.slack_groups import AGAIN, FRESH, Groups

TOKEN = "xoxb-1-2-3"


@dataclass
class Wire:
    """The way to a workspace, for calls that read."""

    team: Team
    down: bool = False
    calls: list[str] = field(default_factory=list)

    async def send(self, request: Request) -> Answer:
        assert request.guard
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        if self.down:
            raise TransportError("slack.example: connection refused", Fault.NETWORK)
        arguments = {name: value for name, (value,) in parse_qs((request.body or b"").decode()).items()}
        self.calls.append(arguments["usergroup"])
        token = request.headers["authorization"].removeprefix("Bearer ")
        answer = self.team.call("usergroups.users.list", token, arguments)
        return Answer(status=answer.status, headers=answer.headers, body=json.dumps(answer.body).encode())


@dataclass
class Place:
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.team = Team(clock=self.clock, groups={"S1": ["U1", "U2"]})
        self.wire = Wire(self.team)
        self.groups = Groups([self.api()], self.clock)

    def api(self, token: str = TOKEN) -> Api:
        return Api(
            http=self.wire, clock=self.clock, url="https://slack.example/api", token=lambda: token, deadline=1_000
        )


async def test_members_are_read_once_and_again_after_a_while() -> None:
    place = Place()
    assert await place.groups.members("S1") == {"U1", "U2"}
    place.team.groups["S1"] = ["U2"]
    place.clock.at += FRESH - 1
    assert await place.groups.members("S1") == {"U1", "U2"}
    place.clock.at += 1
    assert await place.groups.members("S1") == {"U2"}
    assert len(place.wire.calls) == 2


async def test_a_group_that_cannot_be_read_has_nobody_in_it_until_it_can() -> None:
    place = Place()
    await place.groups.members("S1")
    place.clock.at += FRESH
    place.wire.down = True
    assert await place.groups.members("S1") == frozenset()
    place.wire.down = False
    place.clock.at += AGAIN - 1
    assert await place.groups.members("S1") == frozenset()
    place.clock.at += 1
    assert await place.groups.members("S1") == {"U1", "U2"}


@pytest.mark.parametrize("how", ["scope", "unknown", "refused"])
async def test_no_refusal_lets_anybody_in(how: str) -> None:
    place = Place()
    place.team.scopes = {"chat:write"} if how == "scope" else place.team.scopes
    place.team.refusing = "token_revoked" if how == "refused" else ""
    assert await place.groups.members("S9" if how == "unknown" else "S1") == frozenset()


async def test_the_first_bot_that_knows_a_group_says_who_is_in_it() -> None:
    place = Place()

    def unreadable() -> str:
        raise DeliveryError("the file is gone", Outcome.UNSENT, reason="credentials")

    stranger = place.api("xoxp-1")
    rotated = Api(http=place.wire, clock=place.clock, url="https://slack.example/api", token=unreadable, deadline=1_000)
    assert await Groups([stranger, rotated, place.api()], place.clock).members("S1") == {"U1", "U2"}
