"""A live card over the Web API, against a workspace that is as strict as Slack or stricter."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.notifications import alert, delivery, notification, resolved
from tests.slack_world import (
    DEPLOYING,
    FACT,
    FAILED_AGAIN,
    FAILED_FIRST,
    FAILED_NEXT,
    QUEUED,
    RECOVERED,
    REMINDER,
    TOKEN,
    Lane,
    Row,
    header,
    outline,
)
from watcher.core.delivery import Outcome
from watcher.core.notification import Notification, NotifyReason
from watcher.ports import Sparing
from watcher.sinks.slack_card import Manner, card_in, sheet


def methods(lane: Lane) -> list[str]:
    return [method.removeprefix("chat.") for method, _ in lane.wire.calls]


# ── what a person sees ───────────────────────────────────────────────────────


async def test_a_run_is_one_card_edited_in_place_with_its_history_in_the_thread() -> None:
    lane = Lane()
    for told in (QUEUED, DEPLOYING, FAILED_NEXT, RECOVERED):
        await lane.tell(told)
    assert outline(lane.channel) == [("✅ RESOLVED", ["🔵 FIRING", "! 🔴 FIRING", "✅ RESOLVED"])]
    (card,) = lane.channel.roots()
    assert len(card.earlier) == 3
    assert methods(lane) == ["postMessage", *["update", "postMessage"] * 3]
    assert lane.team.hammered == 0


async def test_beginning_a_card_takes_no_turn_of_the_edits() -> None:
    lane = Lane()
    assert isinstance(lane.sink, Sparing)

    def idle(told: Notification) -> list[str]:
        assert isinstance(lane.sink, Sparing)
        row = delivery(lane.sink.render(told), seq=lane.seq + 1, memo=lane.memo)
        return [name.rpartition("/")[2] for name in lane.sink.idle(row, row.body or b"")]

    assert idle(FAILED_FIRST) == ["chat.update"]
    await lane.tell(FAILED_FIRST)
    assert idle(FAILED_AGAIN) == []
    await lane.tell(RECOVERED)
    assert idle(FAILED_FIRST) == ["chat.update"]


async def test_the_card_shows_its_earlier_states_and_the_thread_how_it_began() -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    await lane.tell(FAILED_AGAIN)
    await lane.tell(RECOVERED)
    (card,) = lane.channel.roots()
    first, second = (json.dumps(each.content, ensure_ascii=False) for each in lane.channel.thread(card.ts))
    shown = json.dumps(card.content, ensure_ascii=False)
    assert shown.index("🔴 FIRING · ") < shown.index("🔴 FIRING again · ")
    assert "npm ci exited with code 1" in first
    assert "This began with" in first
    assert "This began with" not in second


@pytest.mark.parametrize("following", [FAILED_FIRST, FAILED_NEXT])
@pytest.mark.parametrize("ended", [RECOVERED, FACT])
async def test_what_comes_after_the_end_begins_a_new_card(ended: Notification, following: Notification) -> None:
    lane = Lane()
    await lane.tell(ended)
    await lane.tell(following)
    assert len(lane.channel.roots()) == 2
    await lane.tell(RECOVERED)
    assert len(lane.channel.roots()) == 2


async def test_a_digest_is_a_message_of_its_own() -> None:
    lane = Lane()
    await lane.tell(notification(alert(), alert("Digest", fact=True), reason=NotifyReason.DIGEST))
    await lane.tell(notification(resolved(), reason=NotifyReason.DIGEST))
    assert len(lane.channel.roots()) == 2
    await lane.tell(FAILED_NEXT)
    assert len(lane.channel.roots()) == 3


async def test_where_ends_are_not_told_what_is_first_begins_a_new_card() -> None:
    lane = Lane({"send_resolved": False})
    await lane.tell(FAILED_FIRST)
    await lane.tell(FAILED_FIRST)
    assert len(lane.channel.roots()) == 2


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        (FAILED_NEXT, True),
        (FAILED_AGAIN, True),
        (REMINDER, True),
        (notification(alert(labels={"severity": ""}), reason=NotifyReason.NEW_ALERTS), True),
        (DEPLOYING, False),
        (notification(alert(fresh=False, acknowledged_by="@ada"), reason=NotifyReason.REPEAT), False),
        (notification(alert(silenced=True), DEPLOYING.alerts[0], reason=NotifyReason.NEW_ALERTS), False),
        (notification(alert(fresh=False), resolved("b"), reason=NotifyReason.NEW_RESOLVED), False),
        (notification(alert(fresh=False), DEPLOYING.alerts[0], reason=NotifyReason.NEW_ALERTS), False),
        (RECOVERED, False),
    ],
)
async def test_failures_are_heard_and_all_is_in_the_thread(told: Notification, heard: bool) -> None:
    loud, quiet, alone = Lane(), Lane({"broadcast": False}), Lane({"threads": False})
    for lane in (loud, quiet, alone):
        await lane.tell(QUEUED)
        await lane.tell(told)
    (shown,) = loud.channel.thread(loud.channel.roots()[0].ts)
    assert shown.broadcast is heard
    (hidden,) = quiet.channel.thread(quiet.channel.roots()[0].ts)
    assert hidden.broadcast is False
    assert len(alone.channel.roots()) == 1 + heard
    assert {header(post) for post in alone.channel.roots()} == {header(alone.channel.roots()[0])}


async def test_without_edits_each_notification_is_a_message_in_the_thread_and_the_end_is_heard() -> None:
    lane = Lane({"update_message": False})
    for told in (FAILED_FIRST, DEPLOYING, RECOVERED):
        await lane.tell(told)
    assert outline(lane.channel) == [("🔴 FIRING", ["🔵 FIRING", "! ✅ RESOLVED"])]
    assert "update" not in methods(lane)


async def test_without_edits_and_threads_each_notification_is_a_message() -> None:
    lane = Lane({"update_message": False, "threads": False})
    for told in (FAILED_FIRST, DEPLOYING, RECOVERED):
        await lane.tell(told)
    assert outline(lane.channel) == [("🔴 FIRING", []), ("🔵 FIRING", []), ("✅ RESOLVED", [])]
    assert lane.memo == ""


async def test_people_are_called_in_what_is_posted_and_not_in_what_is_edited() -> None:
    lane = Lane({"mention": "<!here>"})
    await lane.tell(FAILED_FIRST)
    (card,) = lane.channel.roots()
    assert card.text.startswith("<!here> ")
    await lane.tell(FAILED_AGAIN)
    (again,) = lane.channel.thread(card.ts)
    assert again.text.startswith("<!here> ")
    assert "<!here>" not in json.dumps(card.content)


# ── what waits, what is late, what is gone ───────────────────────────────────


async def test_pending_edits_collapse_to_the_newest_and_nothing_of_the_thread_is_lost() -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    for _ in range(9):
        lane.put(FAILED_AGAIN)
    await lane.drain()
    (card,) = lane.channel.roots()
    assert len(lane.channel.thread(card.ts)) == 9
    assert len(card.earlier) == 1
    assert header(card).startswith("🔴 FIRING again")


async def test_an_end_is_shown_on_its_card_though_a_new_failure_waits() -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    lane.put(RECOVERED)
    lane.put(FAILED_FIRST)
    await lane.drain()
    assert [name for name, _ in outline(lane.channel)] == ["✅ RESOLVED", "🔴 FIRING"]


async def test_what_is_replayed_late_is_told_and_leaves_the_card_alone() -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    lane.put(FAILED_AGAIN)
    dead = lane.rows.pop()
    await lane.tell(RECOVERED)
    lane.rows.append(dead)
    await lane.drain()
    assert outline(lane.channel) == [("✅ RESOLVED", ["✅ RESOLVED", "! 🔴 FIRING again"])]


async def test_what_is_late_for_a_card_that_was_deleted_stands_alone_and_the_card_is_remembered() -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    lane.put(FAILED_AGAIN)
    dead = lane.rows.pop()
    await lane.tell(RECOVERED)
    known = lane.memo
    lane.rows.append(dead)
    lane.wire.faults = ["delete root"]
    await lane.drain()
    assert (outline(lane.channel), lane.memo) == ([("🔴 FIRING again", [])], known)


@pytest.mark.parametrize("threads", [True, False])
async def test_a_deleted_card_is_posted_afresh_once(threads: bool) -> None:
    lane = Lane({"threads": threads})
    await lane.tell(FAILED_FIRST)
    await lane.tell(DEPLOYING, "delete root")
    assert [name for name, _ in outline(lane.channel)] == ["🔵 FIRING"]
    assert len(lane.wire.posted) == 2
    await lane.tell(RECOVERED)
    assert [name for name, _ in outline(lane.channel)] == ["✅ RESOLVED"]


@pytest.mark.parametrize("code", ["message_not_found", "cant_update_message", "edit_window_closed"])
async def test_what_can_not_be_edited_any_more_is_posted_afresh(code: str) -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    await lane.tell(FAILED_AGAIN, f"code {code}")
    assert [name for name, _ in outline(lane.channel)] == ["🔴 FIRING", "🔴 FIRING again"]


async def test_a_card_survives_a_restart_and_a_memo_that_cannot_be_read_begins_another() -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    lane.sink = lane.start()
    await lane.tell(FAILED_AGAIN)
    assert len(lane.channel.roots()) == 1
    lane.memo = '{"ts": 5'
    await lane.tell(RECOVERED)
    assert len(lane.channel.roots()) == 2


# ── half a success ───────────────────────────────────────────────────────────


async def test_an_edit_that_was_made_is_not_made_again_for_the_sake_of_the_reply() -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    await lane.tell(FAILED_AGAIN, "", "503", "")
    assert methods(lane) == ["postMessage", "update", "postMessage", "postMessage"]
    assert [error.outcome for error in lane.errors] == [Outcome.REJECTED]


@pytest.mark.parametrize("fault", ["limited", "503", "lost request", "lost answer", "code internal_error"])
async def test_people_are_told_though_the_card_cannot_be_edited_and_hear_it_once(fault: str) -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    await lane.tell(FAILED_AGAIN, fault, "", "")
    assert methods(lane) == ["postMessage", "update", "postMessage", "update"]
    assert outline(lane.channel) == [("🔴 FIRING again", ["! 🔴 FIRING again"])]
    assert not any(marked for *_, marked in lane.wire.posted)
    assert [error.outcome for error in lane.errors] == [Outcome.REJECTED]
    assert json.dumps(lane.channel.roots()[0].content, ensure_ascii=False).count("FIRING again") == 2  # header and text


async def test_an_edit_that_is_owed_is_left_to_what_came_after() -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    lane.put(FAILED_AGAIN)
    lane.wire.faults = ["503"]
    await lane.attempt()
    lane.put(RECOVERED)
    await lane.drain()
    assert methods(lane) == ["postMessage", "update", "postMessage", "update", "postMessage"]
    assert outline(lane.channel) == [("✅ RESOLVED", ["! 🔴 FIRING again", "✅ RESOLVED"])]


@pytest.mark.parametrize("fault", ["lost request", "lost answer", "doubtful", "die"])
async def test_what_may_have_been_posted_says_so(fault: str) -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST, fault)
    assert [marked for *_, marked in lane.wire.posted] == [False, True][fault == "lost request" :]
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    await lane.tell(FAILED_AGAIN, "", fault)
    assert [marked for *_, marked in lane.wire.posted][1:] == [False, True][fault == "lost request" :]


async def test_nothing_is_called_where_everything_is_refused() -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST)
    lane.put(FAILED_AGAIN)
    lane.team.refusing = "token_revoked"
    await lane.attempt()
    assert methods(lane)[1:] == ["update"]
    assert (lane.errors[0].outcome, lane.errors[0].reason) == (Outcome.REFUSED, "token_revoked")


async def test_what_slack_cannot_read_is_told_as_its_text_alone() -> None:
    lane = Lane()
    await lane.tell(FAILED_FIRST, "code invalid_blocks", "")
    await lane.tell(FAILED_AGAIN, "code msg_blocks_too_long", "", "code invalid_attachments", "")
    (card,) = lane.channel.roots()
    (told,) = lane.channel.thread(card.ts)
    for post in (card, told):
        assert set(post.content) == {"text"}
        assert post.text.startswith("🔴 FIRING again")
    assert lane.errors == []


async def test_what_slack_cannot_read_even_as_text_is_malformed() -> None:
    lane = Lane()
    lane.put(FAILED_FIRST)
    lane.wire.faults = ["code invalid_blocks", "code no_text"]
    await lane.attempt()
    assert (lane.errors[0].outcome, lane.errors[0].reason) == (Outcome.MALFORMED, "no_text")


@pytest.mark.parametrize(
    ("code", "outcome", "reason"),
    [
        ("channel_not_found", Outcome.REFUSED, "channel_not_found"),
        ("is_archived", Outcome.REFUSED, "is_archived"),
        ("not_in_channel", Outcome.REFUSED, "not_in_channel"),
        ("invalid_auth", Outcome.REFUSED, "invalid_auth"),
        ("token_revoked", Outcome.REFUSED, "token_revoked"),
        ("account_inactive", Outcome.REFUSED, "account_inactive"),
        ("missing_scope", Outcome.REFUSED, "missing_scope"),
        ("restricted_action", Outcome.REFUSED, "restricted_action"),
        ("ratelimited", Outcome.REJECTED, "rate_limited"),
        ("rate_limited", Outcome.REJECTED, "rate_limited"),
        ("service_unavailable", Outcome.REJECTED, "service_unavailable"),
        ("team_added_to_org", Outcome.REJECTED, "team_added_to_org"),
        ("message_not_found", Outcome.REJECTED, "message_not_found"),
        ("internal_error", Outcome.UNKNOWN, "internal_error"),
        ("fatal_error", Outcome.UNKNOWN, "fatal_error"),
        ("something_new", Outcome.REJECTED, "bad_answer"),
        (f"<{TOKEN}>", Outcome.REJECTED, "bad_answer"),
    ],
)
async def test_a_code_has_one_meaning_and_a_status_of_200_none(code: str, outcome: Outcome, reason: str) -> None:
    lane = Lane()
    lane.put(FAILED_FIRST)
    lane.wire.faults = [f"code {code}"]
    await lane.attempt()
    (error,) = lane.errors
    assert (error.outcome, error.reason) == (outcome, reason)
    assert TOKEN not in str(error)


async def test_who_asks_to_be_left_alone_is() -> None:
    lane = Lane()
    lane.put(FAILED_FIRST)
    lane.wire.faults = ["limited"]
    await lane.attempt()
    assert (lane.errors[0].outcome, lane.errors[0].retry_after) == (Outcome.REJECTED, 3_000)


# ── whatever happens ─────────────────────────────────────────────────────────

FAULTS = (
    *("", "", "", "unsent", "lost request", "lost answer", "limited", "503", "doubtful", "die", "delete root"),
    *("code internal_error", "code message_not_found"),
)
LOSING = {"delete root", "code message_not_found"}
TOLD = (QUEUED, DEPLOYING, FAILED_FIRST, FAILED_NEXT, FAILED_AGAIN, REMINDER, RECOVERED, FACT)
moves = st.lists(
    st.tuples(
        st.sampled_from(TOLD),
        st.lists(st.sampled_from(FAULTS), max_size=4),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(moves=moves, last=st.sampled_from(TOLD), threads=st.booleans())
async def test_the_newest_truth_is_on_the_card_and_nothing_is_told_twice_unmarked(
    moves: list[tuple[Notification, list[str], bool]], last: Notification, threads: bool
) -> None:
    """Faults in any order, and rows that wait behind each other or do not. The last is told without any."""
    lane = Lane({"threads": threads})
    rows: list[Row] = []
    for told, faults, waits in moves:
        lane.put(told)
        rows.append(lane.rows[-1])
        lane.wire.faults += faults
        if not waits:
            await lane.drain()
    lane.wire.faults.clear()
    await lane.drain()
    await lane.tell(last)
    card = card_in(lane.memo)
    assert card is not None
    newest = sheet(last, Manner(channel="#deploys")).message
    assert lane.channel.posts[card.ts].content["attachments"][0]["color"] == newest["attachments"][0]["color"]
    assert header(lane.channel.posts[card.ts]) == newest["blocks"][0]["text"]["text"]
    assert lane.team.hammered == 0
    losses = sum(fault in LOSING for _, faults, _ in moves for fault in faults)
    for row in rows:
        posts = [(thread, marked) for about, thread, marked in lane.wire.posted if about == row.id]
        unmarked = [thread for thread, marked in posts if not marked]
        assert len(posts) <= 1 + row.unknown + losses
        assert len([thread for thread in unmarked if thread]) <= 1
        assert len(unmarked) <= 1 + losses
        assert posts or not threads


# ── beside the news, and what must not be lost ───────────────────────────────

COUNTING = notification(alert("Queued", labels={"severity": "info"}), reason=NotifyReason.NEW_ALERTS, held_back=3)
COUNTED = "3 held back by a silence"


def all_of(lane: Lane) -> list[str]:
    """What stands in the channel and its threads."""
    roots = lane.channel.roots()
    posts = [*roots, *(reply for each in roots for reply in lane.channel.thread(each.ts))]
    return [json.dumps(each.content, ensure_ascii=False) for each in posts]


@pytest.mark.parametrize("threads", [True, False])
@pytest.mark.parametrize("skipped", [True, False])
async def test_what_silences_held_back_is_shown_though_the_edit_is_left_to_what_follows(
    threads: bool, skipped: bool
) -> None:
    lane = Lane({"threads": threads})
    await lane.tell(FAILED_FIRST)
    lane.put(COUNTING)
    if skipped:
        lane.put(DEPLOYING)
    await lane.drain()
    assert any(COUNTED in each for each in all_of(lane))


async def test_an_acknowledgement_is_on_the_card_and_calls_nobody() -> None:
    lane = Lane({"mention": "<!here>"})
    await lane.tell(FAILED_FIRST)
    known = alert(fresh=False, acknowledged_by="ada")
    await lane.tell(notification(known, reason=NotifyReason.ACKNOWLEDGED))
    (card,) = lane.channel.roots()
    assert lane.channel.thread(card.ts) == []
    assert "acknowledged by ada" in json.dumps(card.content)
    assert header(card).startswith("🔴 acknowledged · FIRING")
    assert methods(lane) == ["postMessage", "update"]


async def test_a_group_that_moved_ends_its_card_and_its_heir_begins_one_in_silence() -> None:
    old, heir = Lane({"actions": True, "mention": "<!here>"}), Lane({"actions": True, "mention": "<!here>"})
    await old.tell(FAILED_FIRST)
    known = alert(fresh=False)
    await old.tell(notification(known, reason=NotifyReason.MOVED))
    await heir.tell(notification(known, reason=NotifyReason.REFRESH))
    (card,), (other,) = old.channel.roots(), heir.channel.roots()
    assert header(card).startswith("⚪ goes on in another message, since routes have changed")
    assert [block["type"] for block in other.content["attachments"][0]["blocks"]].count("actions") == 1
    assert [block["type"] for block in card.content["attachments"][0]["blocks"]].count("actions") == 0
    assert "<!here>" not in json.dumps(other.content)
    await old.tell(FAILED_NEXT)
    assert len(old.channel.roots()) == 2
