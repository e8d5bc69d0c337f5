"""The contract of a sink, on every kind there is, against a real server. A new kind needs its row in `SETTINGS`.

`MAKE_GOLDEN=1` writes the golden files anew; look at the difference before it is kept.
"""

import asyncio
import json
import os
import socket
import traceback
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError

from tests.fakes import FakeClock, fake_env
from tests.mailserver import PASSWORD, TLS, USER, Mailroom, mail_server
from tests.notifications import FAILED, WELL_KNOWN, delivery, notifications
from watcher.core.delivery import Outcome
from watcher.core.notification import Notification
from watcher.errors import ConfigError, DeliveryError
from watcher.http import Http
from watcher.ports import Sink
from watcher.sinks import SINKS, SinkConfig, SlackConfig, Wiring
from watcher.sinks.base import HttpSinkConfig
from watcher.sinks.outcome import Reason
from watcher.sinks.slack_bot import Api, SlackBot
from watcher.sinks.slack_card import Manner, read_sheet, root

GOLDEN = Path(__file__).parent / "golden"
LOOPBACK = (ip_network("127.0.0.0/8"),)
PATH = "/services/T0PR1VATE/B0PR1VATE/pr1vate-token"
KEY = "whsec_cHIxdmF0ZSBzaWduaW5nIGtleSBvZiBhIHdlYmhvb2s="
ROUTING_KEY = "R0pr1vateR0pr1vateR0pr1vateR0pr1"
TOKEN = "xoxb-1-2-pr1vate-token"
MAILBOXES = {"from": "Watcher <watcher@example.com>", "to": ["team@example.com", "oncall@example.com"]}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "slack": {"url": "{url}", "mention": "<!here>"},
    "slack-bot": {"token": TOKEN, "channel": "#deploys", "api_url": "{base}", "mention": "<!here>"},
    "webhook": {"url": "{url}", "secret": KEY, "headers": {"Authorization": "Bearer pr1vate-header"}},
    "pagerduty": {"routing_key": ROUTING_KEY, "api_url": "{base}"},
    "alertmanager": {"urls": ["{base}"], "username": "watcher", "password": "pr1vate-password"},
    "teams": {"url": "{url}"},
    "email": {"host": "127.0.0.1", "port": "{mail}", "username": USER, "password": PASSWORD, **MAILBOXES},
    "apprise": {"url": "{apprise}", "unguarded": True},
    "file": {"path": "{path}"},
    "console": {},
}
PATHS = {"slack-bot": "/chat.postMessage", "pagerduty": "/v2/enqueue", "alertmanager": "/api/v2/alerts"}
"""Where those post whose path is the service's own; all others post to PATH."""
OK = {"slack-bot": '{"ok":true,"channel":"C012345678","ts":"1800000000.000001"}'}
"""What those say that take a message and do not say `ok`."""
CLOSED = Http()
"""A way out that is not open: rendering needs none."""
CLOSED_API = Api(http=CLOSED, clock=FakeClock(), url="https://slack.example/api", token=lambda: TOKEN, deadline=1)
SECRETS = ("PR1VATE", "pr1vate", KEY.removeprefix("whsec_"))


class SlackBotForm(SlackConfig):
    """The other form of Slack, which is held to the contract as well."""

    kind: ClassVar[str] = "slack-bot"


FORMS: tuple[type[SinkConfig], ...] = (*SINKS, SlackBotForm)
WITH_URL = tuple(each for each in SINKS if issubclass(each, HttpSinkConfig))
OVER_HTTP = tuple(each for each in FORMS if each in WITH_URL or each.kind in PATHS)

every_sink = pytest.mark.parametrize("kind", FORMS, ids=lambda kind: kind.kind)
every_http_sink = pytest.mark.parametrize("kind", OVER_HTTP, ids=lambda kind: kind.kind)
every_sink_with_a_url = pytest.mark.parametrize("kind", WITH_URL, ids=lambda kind: kind.kind)


@dataclass
class Receiver:
    """A server that answers as told and keeps what arrives; `fault` is `hang`, `reset` or `cut` instead of an answer."""

    status: int = 200
    text: str = "ok"
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    requests: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)
    port: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    mail: Mailroom = field(default_factory=lambda: Mailroom(port=1))
    folder: Path = Path("/nowhere")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, dict(request.headers), await request.read()))
        if self.fault == "hang":
            await self.over.wait()
        if self.fault == "reset" and request.transport:
            request.transport.abort()
        if self.fault == "cut":
            return await self.cut(request)
        return web.Response(status=self.status, text=self.text, headers=self.headers)

    async def cut(self, request: web.Request) -> web.StreamResponse:
        """A status, the promise of a body, and the end of the connection."""
        response = web.StreamResponse(status=self.status, headers={"Content-Length": "100"})
        await response.prepare(request)
        assert request.transport
        request.transport.close()
        return response


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    made = Receiver(folder=tmp_path)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    async with mail_server(made.mail):
        yield made
    made.over.set()
    await runner.cleanup()


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http(allow=LOOPBACK) as opened:
        yield opened


@dataclass
class Post:
    """One sink, and where its messages arrive, whatever its kind."""

    sink: Sink
    config: SinkConfig
    receiver: Receiver
    stream: StringIO

    @property
    def arrived(self) -> Sequence[bytes]:
        posted = [as_frozen(self.config.kind, body) for _, _, body in self.receiver.requests]
        mailed = [content for _, content in self.receiver.mail.mails]
        filed = [line for each in self.receiver.folder.glob("*.ndjson") for line in each.read_bytes().splitlines()]
        return posted or mailed or filed or self.stream.getvalue().encode().splitlines()

    async def attempt(self, told: Notification = FAILED, **row: Any) -> DeliveryError | None:
        try:
            await self.sink.send(delivery(self.sink.render(told), **row))
        except DeliveryError as error:
            return error
        return None


def as_frozen(kind: str, posted: bytes) -> bytes:
    """What was frozen of a posted body: PagerDuty's routing key joins it when it is sent; Apprise puts it otherwise."""
    if kind == "apprise":
        sent = json.loads(posted)
        return json.dumps(
            {"title": sent["title"], "body": sent["message"], "type": sent["type"]}, ensure_ascii=False
        ).encode()
    if kind == "slack-bot":
        told = SlackBot("", CLOSED_API, Manner(channel="#deploys", mention="<!here>")).render(FAILED)
        sent = json.loads(posted)
        assert sent.pop("channel") == "#deploys"
        assert sent.pop("metadata")["event_payload"] == {"id": FAILED.id}
        return told if sent == root(read_sheet(told), (), call=True) else posted
    if kind != "pagerduty":
        return posted
    event = json.loads(posted)
    assert event.pop("routing_key") == ROUTING_KEY
    return json.dumps({"event": event}, ensure_ascii=False, separators=(",", ":")).encode()


def filled_in(value: Any, receiver: Receiver) -> Any:
    """A setting with the receiver's address in it."""
    if isinstance(value, list):
        return [filled_in(each, receiver) for each in value]
    places = {
        "{url}": receiver.url,
        "{base}": receiver.url.removesuffix(PATH),
        "{mail}": receiver.mail.port,
        "{apprise}": receiver.url.replace("http://", "json://"),
        "{path}": receiver.folder / "told.ndjson",
    }
    return places.get(value, value) if isinstance(value, str) else value


def post(kind: type[SinkConfig], receiver: Receiver, http: Http, **extra: Any) -> Post:
    given_ = {**SETTINGS[kind.kind], **extra}
    filled = {name: filled_in(value, receiver) for name, value in given_.items() if value is not None}
    config, stream = kind.model_validate(filled), StringIO()
    receiver.text = OK.get(kind.kind, receiver.text)
    wiring = Wiring(
        http=http,
        env=fake_env(FakeClock()),
        read=lambda path: path.read_text().strip(),
        stream=stream,
        allow=LOOPBACK,
        ca_file=TLS / "good.pem",
    )
    return Post(config.build(f"team/{kind.kind}/0", wiring), config, receiver, stream)


def test_every_kind_is_held_to_the_contract() -> None:
    assert {each.kind for each in FORMS} == set(SETTINGS)
    assert len(SETTINGS) == len(FORMS)


# ── sending ──────────────────────────────────────────────────────────────────


@every_sink
async def test_one_send_is_one_message_with_the_frozen_body(
    kind: type[SinkConfig], receiver: Receiver, http: Http
) -> None:
    to = post(kind, receiver, http)
    assert to.sink.id == f"team/{kind.kind}/0"
    assert to.sink.send_resolved
    assert await to.attempt() is None
    assert to.arrived == [to.sink.render(FAILED)]


@every_sink
async def test_every_attempt_sends_the_same_bytes(kind: type[SinkConfig], receiver: Receiver, http: Http) -> None:
    to = post(kind, receiver, http)
    receiver.status = 503
    await to.attempt(attempts=1)
    receiver.status = 200
    await to.attempt(attempts=2)
    assert len(to.arrived) == 2
    assert set(to.arrived) == {to.sink.render(FAILED)}


@every_sink
async def test_a_delivery_without_a_body_is_not_sent(kind: type[SinkConfig], receiver: Receiver, http: Http) -> None:
    to = post(kind, receiver, http)
    with pytest.raises(DeliveryError) as caught:
        await to.sink.send(delivery(None))
    assert (caught.value.outcome, list(to.arrived)) == (Outcome.UNSENT, [])


@every_sink
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=notifications())
async def test_rendering_survives_every_notification(kind: type[SinkConfig], told: Notification) -> None:
    to = post(kind, Receiver(port=1), CLOSED)
    assert to.sink.render(told)
    assert to.sink.render(told) == to.sink.render(told)


@every_sink
@pytest.mark.parametrize("name", WELL_KNOWN)
async def test_messages_look_as_they_did(kind: type[SinkConfig], name: str, receiver: Receiver, http: Http) -> None:
    body = post(kind, receiver, http).sink.render(WELL_KNOWN[name]).decode().replace("\r\n", "\n")
    is_json = body.startswith(("{", "["))
    text = json.dumps(json.loads(body), indent=2, ensure_ascii=False) if is_json else body
    golden = GOLDEN / f"{kind.kind}-{name}.{'json' if is_json else 'txt'}"
    if os.environ.get("MAKE_GOLDEN"):
        golden.write_text(text + "\n")
    assert text + "\n" == golden.read_text()


# ── what the other side answers ──────────────────────────────────────────────


async def outcome(to: Post) -> tuple[Outcome, str]:
    error = await to.attempt()
    if error is None:
        return Outcome.DELIVERED, ""
    assert "127.0.0.1" in str(error)
    return error.outcome, error.reason


@every_http_sink
@pytest.mark.parametrize("status", [200, 201, 202])
async def test_success_is_delivered(kind: type[SinkConfig], status: int, receiver: Receiver, http: Http) -> None:
    receiver.status = status
    assert await outcome(post(kind, receiver, http)) == (Outcome.DELIVERED, "")


@every_http_sink
@pytest.mark.parametrize("wish", ["7", "Fri, 15 Jan 2027 08:00:07 GMT"])
@pytest.mark.parametrize("status", [429, 503])
async def test_who_asks_to_be_left_alone_is(
    kind: type[SinkConfig], status: int, wish: str, receiver: Receiver, http: Http
) -> None:
    receiver.status, receiver.headers = status, {"Retry-After": wish, "Date": "Fri, 15 Jan 2027 08:00:00 GMT"}
    error = await post(kind, receiver, http).attempt()
    assert error is not None
    assert (error.outcome, error.retry_after) == (Outcome.REJECTED, 7_000)


@every_http_sink
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (408, (Outcome.REJECTED, "timeout")),
        (425, (Outcome.REJECTED, "rate_limited")),
        (429, (Outcome.REJECTED, "rate_limited")),
        (500, (Outcome.REJECTED, "server_error")),
        (502, (Outcome.REJECTED, "server_error")),
        (503, (Outcome.REJECTED, "server_error")),
        (504, (Outcome.REJECTED, "server_error")),
        (400, (Outcome.MALFORMED, "client_error")),
        (401, (Outcome.REFUSED, "auth_error")),
        (403, (Outcome.REFUSED, "auth_error")),
        (404, (Outcome.REFUSED, "not_found")),
        (410, (Outcome.REFUSED, "gone")),
        (418, (Outcome.REFUSED, "client_error")),
        (301, (Outcome.REFUSED, "redirect")),
        (307, (Outcome.REFUSED, "redirect")),
    ],
)
async def test_a_status_has_one_meaning(
    kind: type[SinkConfig], status: int, expected: tuple[Outcome, str], receiver: Receiver, http: Http
) -> None:
    receiver.status, receiver.text, receiver.headers = status, "no", {"Location": "/elsewhere"}
    assert await outcome(post(kind, receiver, http)) == expected
    assert {path for path, _, _ in receiver.requests} == {PATHS.get(kind.kind, PATH)}


@every_http_sink
@pytest.mark.parametrize(("fault", "reason"), [("hang", "timeout"), ("reset", "network")])
async def test_no_answer_is_an_unknown_outcome(
    kind: type[SinkConfig], fault: str, reason: str, receiver: Receiver, http: Http
) -> None:
    receiver.fault = fault
    assert await outcome(post(kind, receiver, http, timeout="200ms")) == (Outcome.UNKNOWN, reason)
    assert len(receiver.requests) == 1


@every_http_sink
async def test_a_status_counts_even_where_the_rest_is_lost(
    kind: type[SinkConfig], receiver: Receiver, http: Http
) -> None:
    receiver.fault, receiver.status = "cut", 503
    assert await outcome(post(kind, receiver, http)) == (Outcome.REJECTED, "server_error")


@every_http_sink
async def test_a_refused_connection_is_unsent(kind: type[SinkConfig], http: Http) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = Receiver(port=closed.getsockname()[1])
        assert await outcome(post(kind, nobody, http)) == (Outcome.UNSENT, "network")


@every_http_sink
async def test_an_address_that_the_egress_policy_blocks_is_refused(kind: type[SinkConfig], receiver: Receiver) -> None:
    async with Http() as guarded:
        assert await outcome(post(kind, receiver, guarded)) == (Outcome.REFUSED, "blocked")
    assert receiver.requests == []


# ── secrets ──────────────────────────────────────────────────────────────────


def spoken(error: BaseException) -> str:
    """All that a log could hold of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


@every_sink
async def test_no_secret_is_ever_spoken(kind: type[SinkConfig], receiver: Receiver, http: Http) -> None:
    to = post(kind, receiver, http, **({"timeout": "200ms"} if "timeout" in kind.model_fields else {}))
    texts = [repr(to.sink), str(to.sink), repr(vars(to.sink)), repr(to.config), to.config.model_dump_json()]
    for status, text, fault in (
        (404, PATH, ""),
        (200, KEY, ""),
        (500, PATH, ""),
        (200, "", "hang"),
        (200, "", "reset"),
    ):
        receiver.status, receiver.text, receiver.fault = status, text, fault
        error = await to.attempt()
        texts += [spoken(error)] if error else []
    with pytest.raises(ValidationError) as caught:
        post(kind, receiver, http, unknown=PATH, send_resolved=KEY)
    texts.append(spoken(caught.value))
    assert not [secret for secret in SECRETS for text in texts if secret in text]


@every_sink_with_a_url
@pytest.mark.parametrize("wrong", [PATH, f"ftp://127.0.0.1{PATH}", f"https://user:pr1vate@127.0.0.1{PATH}"])
async def test_a_wrong_url_is_not_shown(
    kind: type[SinkConfig], wrong: str, receiver: Receiver, http: Http, tmp_path: Path
) -> None:
    file = tmp_path / "url"
    file.write_text(wrong)
    with pytest.raises(ValidationError) as at_reading:
        post(kind, receiver, http, url=wrong)
    with pytest.raises(ConfigError, match=rf"^team/{kind.kind}/0: url: ") as at_building:
        post(kind, receiver, http, url=None, url_file=file)
    said = spoken(at_reading.value) + spoken(at_building.value)
    assert not [secret for secret in SECRETS if secret in said]


@every_sink_with_a_url
async def test_a_rotated_secret_is_used_by_the_next_attempt(
    kind: type[SinkConfig], receiver: Receiver, http: Http, tmp_path: Path
) -> None:
    file = tmp_path / "url"
    file.write_text(f"http://127.0.0.1:{receiver.port}/old\n")
    to = post(kind, receiver, http, url=None, url_file=file)
    receiver.status = 403
    await to.attempt()
    receiver.status = 200
    file.write_text(f"http://127.0.0.1:{receiver.port}/new\n")
    assert await to.attempt() is None
    assert [path for path, _, _ in receiver.requests] == ["/old", "/new"]


@every_sink_with_a_url
async def test_a_secret_file_must_be_readable_at_the_start_and_may_be_missing_later(
    kind: type[SinkConfig], receiver: Receiver, http: Http, tmp_path: Path
) -> None:
    file = tmp_path / "pr1vate-name"
    with pytest.raises(ConfigError, match=r"^team/\w+/0: url: cannot be read: No such file or directory$"):
        post(kind, receiver, http, url=None, url_file=file)
    file.write_text(receiver.url)
    to = post(kind, receiver, http, url=None, url_file=file)
    file.write_bytes(b"\xff\xfe")
    error = await to.attempt()
    assert error is not None
    assert (error.outcome, error.reason) == (Outcome.UNSENT, Reason.CREDENTIALS)
    assert receiver.requests == []


@every_sink_with_a_url
@pytest.mark.parametrize("extra", [{"url_file": "/run/secrets/url"}, {"url": None}])
async def test_a_secret_is_given_once(
    kind: type[SinkConfig], extra: dict[str, Any], receiver: Receiver, http: Http
) -> None:
    with pytest.raises(ValidationError, match="give either url or url_file"):
        post(kind, receiver, http, **extra)
