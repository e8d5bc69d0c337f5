"""The simulator pushes its logs to an OTLP receiver as the OpenTelemetry Collector would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from pydantic import ValidationError

from tests.integration.test_simulator_control import ask
from tests.loopback import free_port, web_server
from watcher.simulator import Simulator, serve
from watcher.simulator.pushing import LOOK
from watcher.simulator.scenario import read_scenario

WAIT = 10
KEY = {"api-key": "s3cret"}


@dataclass
class StillClock:
    """Stands still. Whoever waits between two attempts is woken at once, later by as much; whoever idles, never."""

    at: int = 1_793_178_000_000
    slept: list[int] = field(default_factory=list)

    def now(self) -> int:
        return self.at

    async def sleep(self, length: int) -> None:
        if 0 < length <= LOOK:
            await asyncio.Event().wait()
        self.slept.append(length)
        self.at += length


@dataclass
class Receiver:
    """Answers as told, then with 200; keeps what it was sent."""

    answers: list[web.Response] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    taken: list[list[dict[str, Any]]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        content = await request.read()  # decompressed by the server
        self.bodies.append(content)
        self.headers.append(request.headers)
        self.paths.append(request.path)
        answer = self.answers.pop(0) if self.answers else web.Response()
        if answer.status == 200:
            self.taken.append(records(content))
        self.came.set()
        return answer

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [record for batch in self.taken for record in batch]


def records(content: bytes) -> list[dict[str, Any]]:
    """The attributes of each record that are texts."""
    made = ExportLogsServiceRequest.FromString(content)
    return [
        {one.key: one.value.string_value for one in record.attributes if one.value.HasField("string_value")}
        for resource in made.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


@dataclass
class Stand:
    simulator: Simulator
    clock: StillClock
    receiver: Receiver
    url: str

    async def push(self, **how: Any) -> None:
        await self.simulator.push_to(f"{self.url}/v1/logs", KEY, **how)

    def create(self, **fields: Any) -> str:
        (made,) = self.simulator.create("shop", connector="tax-calculation", **fields)
        return str(made["id"])

    def redeploy(self, found: str) -> None:
        update = {
            "version": self.simulator.world.by_id(found).payload["version"],
            "actions": [{"action": "redeploy"}],
        }
        self.simulator.world.request_redeploy("shop", ("id", found), update)

    async def settled(self) -> Any:
        await self.simulator.wait_pushed(WAIT)
        report = self.simulator.pushed
        assert report is not None
        return report


@asynccontextmanager
async def standing(text: str = "", **server: Any) -> AsyncIterator[Stand]:
    clock, receiver = StillClock(), Receiver()
    async with web_server(receiver.take) as url:
        scenario = read_scenario(text.replace("URL", url)) if text else None
        async with serve(clock=clock, scenario=scenario, **server) as simulator:
            yield Stand(simulator, clock, receiver, url)


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    async with standing() as made:
        yield made


# ── what is sent ─────────────────────────────────────────────────────────────


async def test_each_record_is_sent_once_with_the_key(stand: Stand) -> None:
    await stand.push()
    found = stand.create()
    stand.simulator.log_burst(found, shape="json-error", count=5)
    report = await stand.settled()
    assert (report.sent, report.silent, report.waiting, report.requests) == (5, 0, 0, 1)
    assert {record["deploymentId"] for record in stand.receiver.messages} == {found}
    assert len(stand.receiver.messages) == 5
    (headers,) = stand.receiver.headers
    assert (headers["api-key"], headers["Content-Type"]) == ("s3cret", "application/x-protobuf")
    assert headers["Content-Encoding"] == "gzip"
    assert stand.receiver.paths == ["/v1/logs"]
    await stand.settled()
    assert len(stand.receiver.bodies) == 1


async def test_batches_have_a_size_and_the_order_of_arrival(stand: Stand) -> None:
    await stand.push(batch=10)
    found = stand.create()
    stand.simulator.log_burst(found, count=25, over="10s")
    stand.simulator.advance(10_000)
    assert (await stand.settled()).requests == 3
    assert [len(batch) for batch in stand.receiver.taken] == [10, 10, 5]
    moments = [record["timestamp"] for record in stand.receiver.messages]
    assert moments == sorted(moments)
    assert len(set(moments)) == 25


async def test_a_record_is_sent_once_it_has_arrived(stand: Stand) -> None:
    await stand.push()
    found = stand.create()
    stand.simulator.log_burst(found, count=2, late="30s")
    stand.simulator.advance(29_999)
    report = await stand.settled()
    assert (report.sent, report.waiting) == (0, 2)
    stand.simulator.advance(1)
    assert (await stand.settled()).sent == 2


async def test_an_idle_exporter_is_told_what_was_written(stand: Stand) -> None:
    await stand.push()
    found = stand.create()
    await stand.settled()
    stand.simulator.log_burst(found)
    await asyncio.wait_for(stand.receiver.came.wait(), WAIT)


async def test_an_idle_exporter_finds_out_by_itself_that_time_has_passed() -> None:
    """On the machine's clock and without anybody who asks for anything."""
    receiver = Receiver()
    async with web_server(receiver.take) as url, serve() as simulator:
        await simulator.push_to(url)
        (found,) = simulator.create("shop")
        simulator.log_burst(found["id"], late="100ms")
        await asyncio.wait_for(receiver.came.wait(), WAIT)


async def test_access_logs_come_along_at_their_rate(stand: Stand) -> None:
    await stand.push(foreign=60, batch=25)
    found = stand.create()
    stand.simulator.log_burst(found, count=10, over="1m")
    stand.simulator.advance(60_000)
    report = await stand.settled()
    assert (report.sent, report.foreign) == (70, 60)
    assert sum("deploymentId" in record for record in stand.receiver.messages) == 10
    assert {record["projectKey"] for record in stand.receiver.messages if "projectKey" in record} == {"demo-shop"}
    mixed = ["deploymentId" in record for record in stand.receiver.taken[0]]
    assert True in mixed
    assert False in mixed


# ── who is forwarded ─────────────────────────────────────────────────────────


async def test_a_deployment_of_before_is_silent_until_it_is_deployed_again(stand: Stand) -> None:
    old = stand.create()
    stand.clock.at += 5
    await stand.push()
    new = stand.create()
    for each in (old, new):
        stand.simulator.log_burst(each, count=3)
    report = await stand.settled()
    assert (report.sent, report.silent) == (3, 3)
    stand.redeploy(old)
    stand.simulator.advance(30_000)  # the former build is still running
    stand.simulator.log_burst(old, count=2)
    assert (await stand.settled()).silent == 5
    stand.simulator.advance(60_000)
    stand.simulator.log_burst(old, count=4)
    report = await stand.settled()
    assert (report.sent, report.silent) == (3 + 1 + 4, 5)  # the start mark, and what came then
    assert {record["deploymentId"] for record in stand.receiver.messages} == {old, new}


async def test_a_failed_attempt_changes_nothing(stand: Stand) -> None:
    old = stand.create(key="shop")
    stand.clock.at += 5
    await stand.push()
    stand.simulator.plan("deploy", "shop", result="Failed")
    stand.redeploy(old)
    stand.simulator.advance(90_000)
    assert stand.simulator.world.by_id(old).status == "Failed"
    stand.simulator.log_burst(old, count=2)
    report = await stand.settled()
    assert (report.sent, report.silent) == (0, 2)


async def test_a_raw_change_to_another_build_is_a_deployment_too(stand: Stand) -> None:
    old = stand.create()
    stand.clock.at += 5
    await stand.push()
    stand.simulator.update(old, type="sandbox")
    stand.simulator.log_burst(old)
    stand.clock.at += 5
    stand.simulator.update(old, details={"build": {"id": "another"}})
    stand.simulator.log_burst(old)
    report = await stand.settled()
    assert (report.sent, report.silent) == (1, 1)


async def test_what_was_written_ahead_of_a_redeployment_is_forwarded_from_it_on(stand: Stand) -> None:
    old = stand.create()
    stand.simulator.log_burst(old, count=10, over="10m")
    stand.clock.at += 5
    await stand.push()
    stand.redeploy(old)
    stand.simulator.advance(600_000)
    report = await stand.settled()  # deployed after 65 s, so those of 0 s and 60 s are silent
    assert (report.sent, report.silent) == (8 + 1, 1)


async def test_a_deployment_that_is_gone_says_nothing(stand: Stand) -> None:
    await stand.push()
    found = stand.create()
    stand.simulator.log_burst(found, late="1s")
    stand.simulator.delete(found)
    stand.simulator.advance(1000)
    report = await stand.settled()
    assert (report.sent, report.silent) == (0, 1)


async def test_forwarding_begins_anew(stand: Stand) -> None:
    await stand.push()
    found = stand.create()
    ended = await stand.settled()
    await stand.simulator.stop_push()
    assert stand.simulator.pushed is None
    stand.simulator.log_burst(found)
    assert ended.waiting == 0
    stand.clock.at += 5
    await stand.push()
    stand.simulator.log_burst(found)
    report = await stand.settled()
    assert (report.sent, report.silent) == (0, 1)
    assert stand.receiver.bodies == []


# ── receivers in trouble ─────────────────────────────────────────────────────


async def test_a_busy_receiver_gets_the_same_bytes_again(stand: Stand) -> None:
    stand.receiver.answers += [
        web.Response(status=503, headers={"Retry-After": "7"}),
        web.Response(status=429),
        web.Response(status=502),
        web.Response(status=504),
    ]
    await stand.push(batch=3)
    stand.simulator.log_burst(stand.create(), count=6)
    report = await stand.settled()
    assert (report.sent, report.retries, report.dropped, report.requests, report.trouble) == (6, 4, 0, 6, "")
    assert len(set(stand.receiver.bodies[:5])) == 1
    assert stand.receiver.bodies[5] != stand.receiver.bodies[4]
    asked, *pauses = stand.clock.slept
    assert asked == 7000
    for pause, base in zip(pauses, (7_500, 11_250, 16_875), strict=True):
        assert base // 2 <= pause <= base + base // 2


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
async def test_a_refused_batch_is_dropped(stand: Stand, status: int) -> None:
    stand.receiver.answers.append(web.Response(status=status))
    await stand.push(batch=2)
    stand.simulator.log_burst(stand.create(), count=4)
    report = await stand.settled()
    assert (report.sent, report.dropped, report.retries) == (2, 2, 0)


async def test_a_batch_is_given_up(stand: Stand) -> None:
    stand.receiver.answers += [web.Response(status=503, headers={"Retry-After": "9"}) for _ in range(3)]
    await stand.push(give_up="20s")
    stand.simulator.log_burst(stand.create(), count=4)
    report = await stand.settled()
    assert (report.sent, report.dropped, report.requests) == (0, 4, 3)
    assert (report.status, report.trouble) == (503, "answered with 503")


async def test_nobody_listens(stand: Stand) -> None:
    await stand.simulator.push_to(f"http://127.0.0.1:{free_port()}", give_up="20s")
    stand.simulator.log_burst(stand.create())
    report = await stand.settled()
    assert (report.sent, report.dropped, report.status) == (0, 1, None)
    assert "cannot connect" in report.trouble


async def test_rejected_records_are_not_sent_again(stand: Stand) -> None:
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = 3
    answer.partial_success.error_message = "of an unknown project"
    stand.receiver.answers.append(web.Response(body=answer.SerializeToString()))
    await stand.push()
    stand.simulator.log_burst(stand.create(), count=5)
    report = await stand.settled()
    assert (report.sent, report.rejected, report.requests) == (2, 3, 1)
    assert report.trouble == "of an unknown project"


async def test_an_answer_that_is_not_understood_is_a_good_one(stand: Stand) -> None:
    stand.receiver.answers.append(web.Response(text="<html>"))
    await stand.push()
    stand.simulator.log_burst(stand.create(), count=5)
    report = await stand.settled()
    assert (report.sent, report.retries) == (5, 0)
    assert "no ExportLogsServiceResponse" in report.trouble


# ── how it is asked for ──────────────────────────────────────────────────────


async def test_the_control_api_begins_shows_and_ends_it(stand: Stand) -> None:
    async with aiohttp.ClientSession(stand.simulator.url) as client:
        assert await ask(client, "GET", "/_sim/push") == {"pushing": None}
        how = {"url": stand.url, "headers": KEY, "placement": "json-body", "encoding": "json", "compression": "none"}
        begun = await ask(client, "POST", "/_sim/push", how, 201)
        assert begun["pushing"]["headers"] == ["api-key"]
        stand.simulator.log_burst(stand.create(), count=2)
        stand.receiver.answers.append(web.Response(status=400))
        await stand.settled()
        told = await ask(client, "GET", "/_sim/push")
        assert "s3cret" not in str(told)
        assert (told["dropped"], told["status"], told["pushing"]["placement"]) == (2, 400, "json-body")
        assert stand.receiver.bodies[0].startswith(b'{"resourceLogs":')
        assert "Content-Encoding" not in stand.receiver.headers[0]
        await ask(client, "DELETE", "/_sim/push", status=204)
        assert await ask(client, "GET", "/_sim/push") == {"pushing": None}
        await ask(client, "DELETE", "/_sim/push", status=204)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"url": "ftp://there"},
        {"url": "http://there", "placement": "somewhere"},
        {"url": "http://there", "headers": {"9key": "a"}},
        {"url": "http://there", "headers": {"key": "it's"}},
        {"url": "http://there", "headers": {"key": "a\r\nb: c"}},
        {"url": "http://there", "foreign": -1},
        {"url": "http://there", "batch": 0},
        {"url": "http://there", "attributes": {str(n): "" for n in range(11)}},
        {"url": "http://there", "at": "1m"},
        {"url": "http://there", "speed": 2},
    ],
)
async def test_what_cannot_be_is_refused(stand: Stand, wrong: dict[str, Any]) -> None:
    async with aiohttp.ClientSession(stand.simulator.url) as client:
        refusal = await ask(client, "POST", "/_sim/push", wrong, 400)
        assert refusal["errors"][0]["code"] == "InvalidJsonInput"
        assert "s3cret" not in str(refusal)
    with pytest.raises((ValidationError, TypeError)):
        await stand.simulator.push_to(**wrong)
    assert stand.simulator.pushed is None


SCENARIO = """
project = "shop"
[push]
url = "URL/v1/logs"
headers = { api-key = "s3cret" }
batch = 100
AT
[[steps]]
at = "0s"
create = { key = "tax", connector = "tax-calculation" }
[[steps]]
at = "0s"
logs = { key = "tax", count = 10, over = "10m" }
[[steps]]
at = "5m"
redeploy = { key = "tax" }
"""


@pytest.mark.parametrize(
    ("at", "sent", "silent"),
    [("", 10 + 1, 0), ('at = "1m"', 3 + 1, 6), ('at = "20m"', 0, 0)],
    ids=["always", "from a moment on", "later"],
)
async def test_a_scenario_pushes(at: str, sent: int, silent: int) -> None:
    """Deployed again 65 s after 5 min; of ten records, one a minute, the last three come after that."""
    async with standing(SCENARIO.replace("AT", at), speed=0) as stand:
        stand.simulator.play()
        for _ in range(11):
            stand.simulator.advance(60_000)
        report = await stand.settled()
        assert (report.sent, report.waiting) == (sent, 0)
        if sent:
            assert report.silent == silent
        assert stand.receiver.bodies == [] or stand.receiver.headers[0]["api-key"] == "s3cret"


async def test_bodies_are_the_same_for_the_same_seed() -> None:
    sent = []
    for _ in range(2):
        async with standing(seed=5) as stand:
            await stand.push(foreign=30)
            stand.simulator.log_burst(stand.create(), count=5, shape="pino-error")
            stand.simulator.advance(10_000)
            await stand.settled()
            sent.append(stand.receiver.bodies)
    assert sent[0] == sent[1] != []
