"""What becomes of a pressed button, and who may be believed to have pressed it."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier

from tests.fakes import START, FakeClock
from tests.notifications import FAILED
from watcher.core.silence import Audit, Silence, SilenceText
from watcher.errors import StoreError
from watcher.http import Answer, Fault, Request, TransportError
from watcher.sinks.slack_buttons import Press, buttons
from watcher.sinks.slack_press import MOST, Allowed, Desk, Pressed, Presses, read
from watcher.web.slack_actions import MAX_BODY, PATH, SlackActions, is_signed

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = str(START // 1000)


@dataclass
class Office:
    """The `Operating` port, the record of who was turned away, and the way back to Slack."""

    standing: int = 1
    fault: Exception | None = None
    done: list[tuple[Any, ...]] = field(default_factory=list)
    turned_away: list[tuple[str, str, str]] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    held: asyncio.Event | None = None

    async def silence(self, wanted: SilenceText, *, by: str) -> Silence:
        if self.fault:
            raise self.fault
        self.done.append((wanted, by))
        return Silence(id="s1", matchers=(), creator=by, comment="", starts_at=START)

    async def acknowledge(self, group_key: str, *, by: str) -> int:
        if self.fault:
            raise self.fault
        if self.held:
            await self.held.wait()
        self.done.append((group_key, by))
        return self.standing

    async def expire(self, silence_id: str, *, by: str) -> Silence | None:
        raise NotImplementedError

    async def silences(self, *, ended: bool = False) -> Sequence[Silence]:
        raise NotImplementedError

    async def audit(self, limit: int = 100) -> Sequence[Audit]:
        raise NotImplementedError

    async def refused(self, *, by: str, action: str, subject: str) -> None:
        self.turned_away.append((by, action, subject))

    async def send(self, request: Request) -> Answer:
        assert request.guard
        self.said.append({"to": request.url, **json.loads(request.body or b"")})
        if request.url.endswith("gone"):
            raise TransportError("hooks.slack.com: connection refused", Fault.NETWORK)
        return Answer(status=200, headers={}, body=b"ok")


async def members(group: str) -> frozenset[str]:
    return frozenset({"U3"}) if group == "S1" else frozenset()


def desk(office: Office, **allowed: Any) -> Desk:
    chosen = Allowed(**(allowed or {"users": frozenset({"U1"})}))
    return Desk(operating=office, allowed=chosen, refused=office.refused, http=office, clock=FakeClock())


def interaction(press: Press = Press.ACKNOWLEDGE, **changed: Any) -> dict[str, Any]:
    """What Slack sends, more of it than is read."""
    (block,) = buttons(FAILED)
    found = {each["action_id"]: each for each in block["elements"]}
    action = found.get(press) or {**found[Press.SILENCE_HOUR], "action_id": press.value}
    return {
        "type": "block_actions",
        "user": {"id": "U1", "username": "ada", "team_id": "T1"},
        "container": {"type": "message"},
        "trigger_id": "1.2.3",
        "message": {"ts": "1.1", "thread_ts": "", "blocks": []},
        "response_url": "https://hooks.slack.com/actions/T1/2/3",
        "actions": [{**action, "block_id": block["block_id"], "action_ts": "1.2"}],
        **changed,
    }


def pressed(press: Press = Press.ACKNOWLEDGE, **changed: Any) -> Pressed:
    found = read(interaction(press, **changed))
    assert found is not None
    return found


# ── acting ───────────────────────────────────────────────────────────────────


async def test_a_press_acknowledges_the_group_and_everybody_is_told_in_the_thread() -> None:
    office = Office()
    await desk(office).act(pressed())
    assert office.done == [(FAILED.group_key, "ada (Slack U1)")]
    (said,) = office.said
    assert (said["response_type"], said["thread_ts"]) == ("in_channel", "1.1")
    assert said["text"].startswith("👀 Acknowledged by <@U1>")


async def test_what_is_acknowledged_already_is_said_to_the_one_who_pressed() -> None:
    office = Office(standing=0)
    await desk(office).act(pressed())
    assert [said["response_type"] for said in office.said] == ["ephemeral"]


@pytest.mark.parametrize(("press", "ends_at"), [(Press.SILENCE_HOUR, START + 3_600_000), (Press.SILENCE_DEPLOYMENT, 0)])
async def test_a_press_silences_the_group(press: Press, ends_at: int) -> None:
    office = Office()
    await desk(office).act(pressed(press))
    ((wanted, by),) = office.done
    assert (wanted.matchers, wanted.ends_at, by) == (('project="my-shop"',), ends_at, "ada (Slack U1)")
    assert wanted.until_deployment is (press is Press.SILENCE_DEPLOYMENT)


@pytest.mark.parametrize(
    ("user", "allowed", "may"),
    [
        ("U1", {"users": frozenset({"U1"})}, True),
        ("U2", {"users": frozenset({"U1"})}, False),
        ("U2", {"users": frozenset({"*"})}, True),
        ("U3", {"groups": frozenset({"S0", "S1"}), "members": members}, True),
        ("U2", {"groups": frozenset({"S0", "S1"}), "members": members}, False),
        ("U3", {"groups": frozenset({"S1"})}, False),
        ("U1", {"users": frozenset()}, False),
    ],
)
async def test_only_who_is_allowed_may_and_who_is_not_is_told_and_on_record(
    user: str, allowed: dict[str, Any], may: bool
) -> None:
    office = Office()
    await desk(office, **allowed).act(pressed(user={"id": user, "username": "ada"}))
    assert bool(office.done) is may
    assert office.turned_away == ([] if may else [(f"ada (Slack {user})", Press.ACKNOWLEDGE, FAILED.group_key)])
    assert [said["response_type"] for said in office.said] == ["in_channel" if may else "ephemeral"]


async def test_why_it_did_not_work_is_said_and_escaped() -> None:
    office = Office(fault=ValueError("<!channel> & more"))
    await desk(office).act(pressed())
    assert office.said[0]["text"] == "That did not work: &lt;!channel&gt; &amp; more"


async def test_an_answer_that_is_lost_undoes_nothing() -> None:
    office = Office()
    await desk(office).act(pressed(response_url="https://hooks.slack.com/gone"))
    await desk(office).act(pressed(response_url=""))
    assert (len(office.done), len(office.said)) == (2, 1)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {},
        interaction(type="view_submission"),
        interaction(actions=[]),
        interaction(actions=[{"action_id": "another.app", "value": "x"}]),
        interaction(actions=[{"action_id": Press.ACKNOWLEDGE, "value": "x"}]),
        interaction(actions=[{"action_id": Press.OPEN_LOGS}]),
        interaction(user="U1"),
    ],
)
def test_what_is_none_of_ours_is_no_press(payload: object) -> None:
    assert read(payload) is None


# ── over HTTP ────────────────────────────────────────────────────────────────


class Stopped(SlackClock):
    def now(self) -> float:
        return START / 1000


def signed(body: bytes, at: str = NOW, secret: str = SECRET) -> dict[str, str]:
    """The headers that Slack's own library makes."""
    signature = SignatureVerifier(secret, Stopped()).generate_signature(timestamp=at, body=body)
    return {
        "X-Slack-Signature": signature or "",
        "X-Slack-Request-Timestamp": at,
        "Content-Type": "application/x-www-form-urlencoded",
    }


def raw(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The signature of what the library does not sign: bytes that are no text, with no secret."""
    made = hmac.new(secret.encode(), b"v0:" + NOW.encode() + b":" + body, "sha256")
    return {"X-Slack-Signature": f"v0={made.hexdigest()}"}


@given(st.binary(max_size=200))
def test_what_slacks_library_signs_is_believed_and_nothing_else(body: bytes) -> None:
    text = body.decode(errors="replace").encode()
    signature = signed(text)["X-Slack-Signature"]
    assert is_signed(SECRET, NOW, text, signature, START)
    assert not is_signed(SECRET, NOW, text + b" ", signature, START)
    assert not is_signed(SECRET + "x", NOW, text, signature, START)
    assert not is_signed(SECRET, NOW, text, signature.upper(), START)
    assert not is_signed(SECRET, str(START // 1000 + 1), text, signature, START)
    assert not is_signed("", NOW, text, raw(text, "")["X-Slack-Signature"], START)


@pytest.mark.parametrize(("age", "fresh"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)])
def test_a_signature_is_good_for_five_minutes(age: int, fresh: bool) -> None:
    at = str(START // 1000 - age)
    assert is_signed(SECRET, at, b"x", signed(b"x", at)["X-Slack-Signature"], START) is fresh


@pytest.mark.parametrize("at", ["", "-1", "1e9", "٣", "9" * 5_000, f" {NOW}"])
def test_a_timestamp_that_is_none_is_not_believed(at: str) -> None:
    assert not is_signed(SECRET, at, b"x", signed(b"x")["X-Slack-Signature"], START)


@asynccontextmanager
async def listening(office: Office, clock: FakeClock | None = None) -> AsyncIterator[tuple[Presses, str]]:
    presses = Presses(desk(office))
    actions = SlackActions(presses, lambda: SECRET, clock or FakeClock())
    app = web.Application()
    app.add_routes(actions.routes())
    server = TestServer(app)
    await server.start_server()
    try:
        yield presses, str(server.make_url(PATH))
    finally:
        await server.close()
        await presses.close()


BODY = urlencode({"payload": json.dumps(interaction())}).encode()


async def status_of(url: str, body: bytes, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as client, client.post(url, data=body, headers=headers) as answer:
        assert await answer.read() == b""
        return answer.status


async def test_a_signed_press_is_answered_and_acted_on_once() -> None:
    office = Office()
    async with listening(office) as (presses, url):
        assert await status_of(url, BODY, signed(BODY)) == 200
        assert await status_of(url, BODY, signed(BODY)) == 401
        await presses.close()
    assert len(office.done) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {**signed(BODY), "X-Slack-Signature": "v0=" + "0" * 64},
        {**signed(BODY), "X-Slack-Signature": "é"},
        signed(BODY, secret="another"),
        signed(BODY, str(START // 1000 - 301)),
        signed(BODY + b"x"),
    ],
)
async def test_what_is_forged_or_old_is_unauthorized_and_does_nothing(headers: dict[str, str]) -> None:
    office = Office()
    kept = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    async with listening(office) as (_, url):
        assert await status_of(url, BODY, kept) == 401
    assert (office.done, office.said) == ([], [])


@pytest.mark.parametrize(
    "body", [b"", b"payload=%7B", b"payload=1&payload=2", b"\xff\xfe", b"other=1", b"payload=%5B%5D"]
)
async def test_what_is_signed_and_no_press_is_answered_and_does_nothing(body: bytes) -> None:
    office = Office()
    async with listening(office) as (_, url):
        assert await status_of(url, body, signed(body.decode(errors="replace").encode()) | raw(body)) == 200
    assert office.done == []


async def test_what_is_too_large_is_not_read() -> None:
    body = b"payload=" + b"x" * MAX_BODY
    async with listening(Office()) as (_, url):
        assert await status_of(url, body, signed(body)) == 401


async def test_a_store_that_fails_is_no_fault_of_the_answer_and_is_said() -> None:
    office = Office(fault=StoreError("the disk is full"))
    async with listening(office) as (presses, url):
        assert await status_of(url, BODY, signed(BODY)) == 200
        await presses.close()
    assert [(said["response_type"], said["text"][:27]) for said in office.said] == [
        ("ephemeral", "That could not be written d")
    ]


@pytest.fixture
def loud() -> Iterator[None]:
    quiet = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    yield
    structlog.configure(**quiet)


@pytest.mark.usefixtures("loud")
async def test_a_fault_of_ours_is_in_the_log() -> None:
    office = Office(fault=RuntimeError("a mistake"))
    presses = Presses(desk(office))
    with structlog.testing.capture_logs() as logged:
        presses.take(pressed())
        await presses.close()
    assert [each["event"] for each in logged] == ["press.failed"]


async def test_a_crowd_is_asked_to_press_again_and_who_is_inside_is_served() -> None:
    held = asyncio.Event()
    office = Office(held=held)
    async with listening(office) as (presses, url):
        for _ in range(MOST):
            presses.take(pressed())
        assert await status_of(url, BODY, signed(BODY)) == 503
        held.set()
        await presses.close()
        assert not presses.is_full
    assert len(office.done) == MOST


async def test_a_body_that_drips_is_not_waited_for() -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield BODY[:10]
        await asyncio.Event().wait()

    async with (
        listening(Office()) as (_, url),
        aiohttp.ClientSession() as client,
        client.post(url, data=dripping(), headers=signed(BODY)) as answer,
    ):
        assert answer.status == 401
