from typing import Any

import pytest

from tests.fakes import FakeClock
from watcher.simulator.slack_team import Answer, Team, shown

BOT = "xoxb-1-2-3"


class Bot:
    """A bot in a workspace whose time stands still."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.team = Team(clock=self.clock)

    def call(self, method: str, token: str = BOT, **arguments: Any) -> Answer:
        return self.team.call(method, token, arguments)

    def post(self, **arguments: Any) -> Answer:
        self.clock.at += 1_000
        return self.call("chat.postMessage", **{"channel": "#deploys", "text": "hello", **arguments})

    def error(self, method: str, token: str = BOT, **arguments: Any) -> str:
        answer = self.call(method, token, **arguments)
        assert answer.body["ok"] is False
        return str(answer.body["error"])


def test_what_is_posted_stands_in_its_channel_and_what_answers_it_in_its_thread() -> None:
    bot = Bot()
    root = bot.post().body
    bot.post(channel=root["channel"], thread_ts=root["ts"], text="and then", reply_broadcast=True)
    (message,) = shown(bot.team)["channels"][0]["messages"]
    (reply,) = message["replies"]
    assert (message["text"], reply["text"], reply["broadcast"], reply["thread_ts"]) == (
        "hello",
        "and then",
        True,
        root["ts"],
    )


def test_an_edit_changes_what_it_names_and_text_alone_takes_blocks_away() -> None:
    bot = Bot()
    blocks, bar = [{"type": "divider"}], [{"color": "#d32f2f", "text": "x"}]
    root = bot.post(blocks=blocks, attachments=bar).body
    where = {"channel": root["channel"], "ts": root["ts"]}
    bot.call("chat.update", **where, blocks=[*blocks, *blocks])
    post = bot.team.channel("deploys").posts[root["ts"]]
    assert post.content == {"blocks": [*blocks, *blocks], "attachments": bar}
    bot.call("chat.update", **where, text="bye")
    assert post.content == {"text": "bye", "attachments": bar}
    bot.call("chat.update", **where, text="bye", attachments=[])
    assert post.content == {"text": "bye"}
    assert len(post.earlier) == 3


@pytest.mark.parametrize(
    ("token", "code"),
    [("", "not_authed"), ("xapp-1", "not_allowed_token_type"), ("pr1vate", "invalid_auth"), (BOT, "token_revoked")],
)
def test_a_token_has_to_be_a_bots(token: str, code: str) -> None:
    bot = Bot()
    bot.team.refusing = "token_revoked"
    assert bot.error("auth.test", token) == code


def test_a_bot_may_do_what_its_scopes_say() -> None:
    bot = Bot()
    bot.team.scopes = {"users:read"}
    answer = bot.post()
    assert answer.body == {"ok": False, "error": "missing_scope", "needed": "chat:write", "provided": "users:read"}
    assert bot.call("auth.test").body["ok"]


@pytest.mark.parametrize(
    ("standing", "code"), [("missing", "channel_not_found"), ("archived", "is_archived"), ("member", "not_in_channel")]
)
def test_a_channel_can_be_closed(standing: str, code: str) -> None:
    bot = Bot()
    root = bot.post().body
    setattr(bot.team.channel("deploys"), standing, standing != "member")
    bot.clock.at += 1_000
    assert bot.error("chat.postMessage", channel="#deploys", text="x") == code
    assert bot.error("chat.update", channel=root["channel"], ts=root["ts"], text="x") == code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"channel": ""}, "channel_not_found"),
        ({"text": ""}, "no_text"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"blocks": [{"type": "unheard-of"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "divider", "block_id": "a"}] * 2}, "invalid_blocks"),
        ({"attachments": "x"}, "invalid_attachments"),
        ({"metadata": {"event_type": "x"}}, "invalid_metadata_format"),
        ({"thread_ts": "1.1"}, "thread_not_found"),
    ],
)
def test_what_cannot_be_posted_is_refused_in_slacks_words(arguments: dict[str, Any], code: str) -> None:
    given: dict[str, Any] = {"channel": "#deploys", "text": "x", **arguments}
    assert Bot().error("chat.postMessage", **given) == code


def test_all_blocks_of_a_message_share_one_budget() -> None:
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2_900}}
    half: dict[str, Any] = {"blocks": [section, section], "attachments": [{"blocks": [section, section, section]}]}
    assert Bot().error("chat.postMessage", channel="#deploys", text="x", **half) == "msg_blocks_too_long"


def test_replies_and_edits_need_a_message_that_is_there() -> None:
    bot = Bot()
    root = bot.post().body
    reply = bot.post(thread_ts=root["ts"]).body
    bot.clock.at += 1_000
    assert (
        bot.error("chat.postMessage", channel="#deploys", text="x", thread_ts=reply["ts"]) == "cannot_reply_to_message"
    )
    where = {"channel": root["channel"], "ts": root["ts"]}
    assert bot.error("chat.update", channel="#deploys", ts=root["ts"], text="x") == "channel_not_found"
    assert bot.call("chat.delete", **where).body["ok"]
    assert bot.error("chat.update", **where, text="x") == "message_not_found"
    assert bot.error("chat.delete", **where) == "message_not_found"
    assert bot.error("chat.postMessage", channel="#deploys", text="x", thread_ts=root["ts"]) == "thread_not_found"


def test_a_channel_takes_one_message_a_second_and_notes_who_does_not_wait() -> None:
    bot = Bot()
    assert bot.post().body["ok"]
    early = bot.call("chat.postMessage", channel="#deploys", text="x")
    assert (early.status, early.headers, early.body["error"]) == (429, {"Retry-After": "1"}, "ratelimited")
    assert bot.call("chat.postMessage", channel="#other", text="x").body["ok"]
    assert bot.team.hammered == 0
    bot.clock.at += 999
    assert bot.call("chat.postMessage", channel="#deploys", text="x").status == 429
    assert bot.team.hammered == 1
    bot.clock.at += 1
    assert bot.call("chat.postMessage", channel="#deploys", text="x").body["ok"]


def test_edits_have_a_tier() -> None:
    bot = Bot()
    root = bot.post().body
    where = {"channel": root["channel"], "ts": root["ts"], "text": "x"}
    for _ in range(50):
        assert bot.call("chat.update", **where).body["ok"]
    bot.clock.at += 12_500
    late = bot.call("chat.update", **where)
    assert (late.status, late.headers) == (429, {"Retry-After": "48"})
    bot.clock.at += 48_000
    assert bot.call("chat.update", **where).body["ok"]
    assert bot.team.hammered == 0


def test_an_unknown_method_is_one() -> None:
    assert Bot().error("chat.shout") == "unknown_method"
