"""The simulator's Slack Web API as Slack's own client finds it, and what can be done to it."""

from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes import FakeClock
from watcher.simulator import Simulator, serve

TOKEN = "xoxb-1-2-3"


def client_of(simulator: Simulator) -> AsyncWebClient:
    return AsyncWebClient(token=TOKEN, base_url=f"{simulator.url}/slack/api/", retry_handlers=[])


async def refused(call: Any) -> Any:
    with pytest.raises(SlackApiError) as caught:
        await call
    return caught.value.response


async def test_slacks_own_client_posts_edits_and_answers() -> None:
    clock = FakeClock()
    async with serve(clock=clock) as simulator:
        client = client_of(simulator)
        root = await client.chat_postMessage(channel="#deploys", text="hello", blocks=[{"type": "divider"}])
        clock.at += 1_000
        await client.chat_postMessage(channel="#deploys", text="again", thread_ts=root["ts"], reply_broadcast=True)
        await client.chat_update(channel=root["channel"], ts=root["ts"], text="bye", blocks=[{"type": "divider"}])
        assert (await client.auth_test())["user_id"] == "U0WATCHER"
        (card,) = simulator.slack.channel("deploys").roots()
        (reply,) = simulator.slack.channel("deploys").thread(card.ts)
        assert (card.text, reply.text, reply.broadcast) == ("bye", "again", True)
        assert [(message.path, message.body["text"]) for message in simulator.messages] == [
            ("/slack/api/chat.postMessage", "hello"),
            ("/slack/api/chat.postMessage", "again"),
            ("/slack/api/chat.update", "bye"),
        ]
        assert TOKEN not in str(simulator.messages)


async def test_slacks_own_client_understands_the_refusals() -> None:
    clock = FakeClock()
    async with serve(clock=clock) as simulator:
        client = client_of(simulator)
        await client.chat_postMessage(channel="#deploys", text="hello")
        early = await refused(client.chat_postMessage(channel="#deploys", text="hello"))
        assert (early.status_code, early["error"], early.headers["Retry-After"]) == (429, "ratelimited", "1")
        simulator.fault("/slack/api/chat.postMessage", status=503, count=1)
        assert (await refused(client.chat_postMessage(channel="#deploys", text="x")))["error"] == "service_unavailable"
        simulator.fault("/slack/api/*", body={"ok": False, "error": "fatal_error"}, count=1)
        assert (await refused(client.chat_postMessage(channel="#deploys", text="x")))["error"] == "fatal_error"


async def test_a_workspace_can_be_spoilt_and_looked_at() -> None:
    clock = FakeClock()
    async with serve(clock=clock) as simulator, aiohttp.ClientSession(simulator.url) as control:
        client = client_of(simulator)
        root = await client.chat_postMessage(channel="#deploys", text="hello")
        seen = await (await control.get("/_sim/slack")).json()
        assert seen["channels"][0]["messages"][0]["text"] == "hello"
        assert (await control.delete(f"/_sim/slack/messages/{root['ts']}")).status == 204
        assert (await control.delete(f"/_sim/slack/messages/{root['ts']}")).status == 404
        gone = await refused(client.chat_update(channel=root["channel"], ts=root["ts"], text="x"))
        assert gone["error"] == "message_not_found"
        await control.post("/_sim/slack/channels/deploys", json={"archived": True})
        clock.at += 1_000
        assert (await refused(client.chat_postMessage(channel="#deploys", text="x")))["error"] == "is_archived"
        assert (await control.post("/_sim/slack/channels/deploys", json={"archive": True})).status == 400
        await control.post("/_sim/slack", json={"scopes": ["users:read"], "refusing": ""})
        assert (await refused(client.chat_postMessage(channel="#deploys", text="x")))["needed"] == "chat:write"
        await control.post("/_sim/slack", json={"refusing": "account_inactive"})
        assert (await refused(client.chat_postMessage(channel="#deploys", text="x")))["error"] == "account_inactive"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"'])
async def test_what_is_no_object_is_refused(body: bytes) -> None:
    async with serve() as simulator, aiohttp.ClientSession(simulator.url) as raw:
        answer = await raw.post("/slack/api/chat.postMessage", data=body, headers={"Content-Type": "application/json"})
        assert (answer.status, await answer.json()) == (200, {"ok": False, "error": "invalid_json"})
