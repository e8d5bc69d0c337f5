"""The simulator's Socket Mode as Slack's own client finds it, and what people do in the workspace."""

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from tests.fakes import FakeClock
from watcher.simulator import Simulator, serve
from watcher.simulator.slack_people import LASTING, USES

BLOCKS = [
    {
        "type": "actions",
        "block_id": "b",
        "elements": [
            {"type": "button", "action_id": "go", "value": "v", "text": {"type": "plain_text", "text": "Go"}},
        ],
    }
]


def client_of(simulator: Simulator, token: str = "xoxb-1-2-3") -> AsyncWebClient:
    return AsyncWebClient(token=token, base_url=f"{simulator.url}/slack/api/", retry_handlers=[])


async def control(simulator: Simulator, method: str, path: str, body: object = None) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession(f"{simulator.url}/_sim/") as session,
        session.request(method, path, json=body) as answer,
    ):
        return answer.status, await answer.json() if answer.status != 204 else None


async def test_slacks_own_client_hears_of_a_press_acknowledges_and_answers() -> None:
    async with serve() as simulator:
        root = await client_of(simulator).chat_postMessage(channel="#deploys", text="hello", blocks=BLOCKS)
        heard: asyncio.Queue[SocketModeRequest] = asyncio.Queue()

        async def listen(client: Any, request: SocketModeRequest) -> None:
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
            await heard.put(request)

        slack = SocketModeClient(
            app_token="xapp-1-2-3", web_client=client_of(simulator, "xapp-1-2-3"), auto_reconnect_enabled=False
        )
        slack.socket_mode_request_listeners.append(listen)
        await slack.connect()  # type: ignore[no-untyped-call]  # not typed by its author
        try:
            await simulator.sockets.wait(1, 5)
            status, said = await control(simulator, "POST", "slack/press", {"action": "go", "user": "U7"})
            assert (status, said) == (200, {"acknowledged": True})
            pressed = (await asyncio.wait_for(heard.get(), 5)).payload
        finally:
            await slack.close()  # type: ignore[no-untyped-call]  # not typed by its author
        assert (pressed["user"]["id"], pressed["message"]["ts"]) == ("U7", root["ts"])
        assert (pressed["actions"][0]["action_id"], pressed["actions"][0]["value"]) == ("go", "v")
        answer = AsyncWebhookClient(pressed["response_url"])
        assert (await answer.send(text="only you", response_type="ephemeral")).status_code == 200
        assert (await answer.send_dict({"text": "all", "response_type": "in_channel", "thread_ts": root["ts"]})).body
        assert [reply.text for reply in simulator.slack.channel("deploys").thread(root["ts"])] == ["all"]
        _, shown = await control(simulator, "GET", "slack")
        assert [(each["user"], each["text"]) for each in shown["whispers"]] == [("U7", "only you")]


async def test_a_response_url_takes_five_answers_within_half_an_hour() -> None:
    clock = FakeClock()
    async with serve(clock=clock) as simulator:
        await client_of(simulator).chat_postMessage(channel="#deploys", text="hello", blocks=BLOCKS)
        press = simulator.people.press(simulator.url, "go", user="U7", name="ada")
        answer = AsyncWebhookClient(press["response_url"])
        statuses = [(await answer.send(text="x")).status_code for _ in range(USES + 1)]
        assert statuses == [200] * USES + [404]
        late = AsyncWebhookClient(simulator.people.press(simulator.url, "go", user="U7", name="ada")["response_url"])
        assert (await late.send(text="new", replace_original=True)).status_code == 200
        assert simulator.slack.channel("deploys").roots()[0].text == "new"
        clock.at += LASTING + 1
        assert "expired_url" in (await late.send(text="x")).body


async def test_only_an_app_may_connect_and_each_address_is_for_once() -> None:
    async with serve() as simulator:
        with pytest.raises(SlackApiError, match="not_allowed_token_type"):
            await client_of(simulator).apps_connections_open(app_token="xoxb-1-2-3")
        with pytest.raises(SlackApiError, match="not_allowed_token_type"):
            await client_of(simulator, "xapp-1").auth_test()
        opened = await client_of(simulator).apps_connections_open(app_token="xapp-1-2-3")
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(opened["url"]) as socket:
                assert (await socket.receive_json())["type"] == "hello"
                assert (await control(simulator, "POST", "slack/disconnect", {}))[0] == 204
                assert await socket.receive_json() == {
                    "type": "disconnect",
                    "reason": "refresh_requested",
                    "debug_info": {"host": "simulator"},
                }
                await control(simulator, "POST", "slack/disconnect", {"reason": "closed"})
                assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
                await session.ws_connect(opened["url"])


async def test_who_is_not_connected_hears_nothing_and_what_is_not_there_cannot_be_pressed() -> None:
    async with serve() as simulator:
        assert (await control(simulator, "POST", "slack/press", {"action": "go"}))[0] == 404
        await client_of(simulator).chat_postMessage(channel="#deploys", text="hello", blocks=BLOCKS)
        assert await control(simulator, "POST", "slack/press", {"action": "go"}) == (200, {"acknowledged": False})


async def test_members_of_groups_are_told_to_whom_has_the_scope() -> None:
    async with serve() as simulator:
        await control(simulator, "POST", "slack", {"groups": {"S1": ["U1"]}})
        client = client_of(simulator)
        assert (await client.usergroups_users_list(usergroup="S1"))["users"] == ["U1"]
        with pytest.raises(SlackApiError, match="no_such_subteam"):
            await client.usergroups_users_list(usergroup="S2")
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer xoxb-1-2-3"}) as session:
            url = f"{simulator.url}/slack/api/usergroups.users.list"
            async with session.post(url, json={"usergroup": "S1"}) as answer:
                assert not (await answer.json())["ok"]
        simulator.slack.scopes = {"chat:write"}
        with pytest.raises(SlackApiError, match="missing_scope"):
            await client.usergroups_users_list(usergroup="S1")
