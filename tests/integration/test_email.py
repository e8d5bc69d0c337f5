"""Mail, handed in to a real server that answers as it likes."""

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import fake_env
from tests.loopback import free_port, raw_server, saying, silent
from tests.mailserver import PASSWORD, TLS, USER, Mailroom, mail_server
from tests.notifications import DELIVERY_ID, FAILED, MIXED, alert, delivery, notification
from watcher.core.delivery import Delivery, Outcome
from watcher.core.notification import Notification, NotifyReason
from watcher.errors import ConfigError, DeliveryError
from watcher.http import Http
from watcher.sinks import Wiring
from watcher.sinks.email import PATIENCE, Email, EmailConfig

LOOPBACK = (ip_network("127.0.0.0/8"),)
HTTP = Http()
TEAM = ("team@example.com", "oncall@example.com", "boss@example.com")
LOGIN = {"username": USER, "password": PASSWORD}


def email(port: int, *, trusted: str | None = "good", allow: Any = LOOPBACK, **config: Any) -> Email:
    ca_file = TLS / f"{trusted}.pem" if trusted else None
    wiring = Wiring(http=HTTP, env=fake_env(), read=Path.read_text, stream=StringIO(), allow=allow, ca_file=ca_file)
    given = {"host": "127.0.0.1", "port": port, "from": "Watcher <watcher@example.com>", "to": list(TEAM), **config}
    return EmailConfig.model_validate(given).build("team/email/0", wiring)


def row(sink: Email, told: Notification = FAILED, **fields: Any) -> Delivery:
    return delivery(sink.render(told), **fields)


async def failure(sink: Email, **fields: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await sink.send(row(sink, **fields))
    error = caught.value
    assert PASSWORD not in f"{error!s}{error!r}{vars(error)}"
    assert error.__context__ is None or error.__suppress_context__
    return error


def known(error: DeliveryError) -> tuple[Outcome, str]:
    return error.outcome, error.reason


# ── what arrives ─────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("tls", "config"), [("starttls", LOGIN), ("implicit", LOGIN), ("none", {}), ("starttls", {})])
async def test_a_mail_arrives_as_it_was_frozen(tls: str, config: Mapping[str, str]) -> None:
    async with mail_server(Mailroom(), tls=tls) as room:
        sink = email(room.port, tls=tls, **config)
        assert await sink.send(row(sink)) == f"<{DELIVERY_ID}@example.com>"
        assert room.mails == [(TEAM, sink.render(FAILED))]
        assert room.logins == ([f"PLAIN {USER}"] if config else [])
    (mail,) = room.messages
    assert mail["Message-ID"] == f"<{DELIVERY_ID}@example.com>"
    assert str(mail["Subject"]) == "FIRING · DeploymentFailed · my-shop / stripe-prod"
    assert (mail["To"], mail["From"]) == (", ".join(TEAM), "Watcher <watcher@example.com>")
    text = mail.get_body(("plain",))
    assert text is not None
    assert "<Error> cannot reach `db` & gave up" in text.get_content()


async def test_the_password_is_read_for_each_mail(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("wrong")
    async with mail_server(Mailroom()) as room:
        sink = email(room.port, username=USER, password_file=file)
        assert known(await failure(sink)) == (Outcome.REFUSED, "auth_error")
        file.write_text(PASSWORD)
        assert await sink.send(row(sink))
        file.unlink()
        assert known(await failure(sink)) == (Outcome.UNSENT, "credentials")
        assert len(room.mails) == 1


# ── threads ──────────────────────────────────────────────────────────────────


async def test_a_group_is_one_thread_until_it_begins_anew() -> None:
    lane = (
        ("cw_1", NotifyReason.FIRST),
        ("cw_2", NotifyReason.NEW_ALERTS),
        ("cw_3", NotifyReason.ALL_RESOLVED),
        ("cw_4", NotifyReason.FIRST),
        ("cw_5", NotifyReason.REPEAT),
    )
    memo = ""
    async with mail_server(Mailroom(), tls="none") as room:
        sink = email(room.port, tls="none")
        for name, reason in lane:
            told = replace(FAILED, id=name, reason=reason)
            memo = await sink.send(row(sink, told, id=name, memo=memo)) or memo
    roots = [str(each["References"] or "") for each in room.messages]
    assert roots == ["", "<cw_1@example.com>", "<cw_1@example.com>", "", "<cw_4@example.com>"]
    assert [str(each["In-Reply-To"] or "") for each in room.messages] == roots
    assert [each["Message-ID"] for each in room.messages] == [f"<{name}@example.com>" for name, _ in lane]


@pytest.mark.parametrize("memo", ["", "1700000000.000100", "<a@b>\r\nBcc: x@y", "<a b@c>", "<a@b", "x" * 9_000])
async def test_a_memo_that_is_no_message_id_is_replaced(memo: str) -> None:
    async with mail_server(Mailroom(), tls="none") as room:
        sink = email(room.port, tls="none")
        assert await sink.send(row(sink, MIXED, memo=memo)) == f"<{DELIVERY_ID}@example.com>"
    assert room.mails == [(TEAM, sink.render(MIXED))]


async def test_a_mail_that_may_be_a_copy_says_so_and_has_the_same_id() -> None:
    async with mail_server(Mailroom(), tls="none") as room:
        sink = email(room.port, tls="none")
        await sink.send(row(sink))
        await sink.send(row(sink, unknown_outcomes=1))
    first, second = room.messages
    assert first["Message-ID"] == second["Message-ID"]
    for kind in ("plain", "html"):
        before, after = first.get_body((kind,)), second.get_body((kind,))
        assert before is not None
        assert after is not None
        assert "possible duplicate" not in before.get_content()
        assert f"possible duplicate · id {DELIVERY_ID}" in after.get_content()


# ── what the server says ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ({"MAIL": "451 4.3.0 later"}, (Outcome.REJECTED, "server_error")),
        ({"MAIL": "530 5.7.0 who are you"}, (Outcome.REFUSED, "auth_error")),
        ({"MAIL": "550 5.7.1 not from you"}, (Outcome.REFUSED, "client_error")),
        ({"MAIL": "552 5.3.4 too large"}, (Outcome.MALFORMED, "too_large")),
        ({"RCPT": "450 4.2.0 greylisted"}, (Outcome.REJECTED, "server_error")),
        ({"RCPT": "452 4.5.3 too many"}, (Outcome.REJECTED, "server_error")),
        ({"RCPT": "552 5.2.2 mailbox full"}, (Outcome.REJECTED, "server_error")),
        ({"RCPT": "550 5.1.1 nobody"}, (Outcome.REFUSED, "client_error")),
        ({"RCPT": "554 5.7.1 relay access denied"}, (Outcome.REFUSED, "client_error")),
        ({"DATA": "421 4.3.2 going down"}, (Outcome.REJECTED, "server_error")),
        ({"DATA": "452 4.3.1 no room"}, (Outcome.REJECTED, "server_error")),
        ({"DATA": "552 5.3.4 too large"}, (Outcome.MALFORMED, "too_large")),
        ({"DATA": "554 5.6.0 will not have this"}, (Outcome.MALFORMED, "client_error")),
        ({"DATA": "550 5.7.1 looks like spam"}, (Outcome.MALFORMED, "client_error")),
        ({"DATA": "354 what"}, (Outcome.UNKNOWN, "bad_answer")),
        ({"MAIL": "354 what"}, (Outcome.REJECTED, "bad_answer")),
    ],
)
async def test_a_reply_has_one_meaning(says: dict[str, str], expected: tuple[Outcome, str]) -> None:
    async with mail_server(Mailroom(says=says), tls="none") as room:
        error = await failure(email(room.port, tls="none"))
    assert known(error) == expected
    (reply,) = says.values()
    words = reply.split(" ", 2)[-1]
    assert str(error).startswith(f"127.0.0.1:{room.port}: answered {reply.removesuffix(' ' + words)}")
    assert words not in str(error)


async def test_any_kind_of_success_is_one() -> None:
    async with mail_server(Mailroom(says={"DATA": "251 taken, somehow"}), tls="none") as room:
        sink = email(room.port, tls="none")
        assert await sink.send(row(sink))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (None, (Outcome.REFUSED, "auth_error")),
        ("535 5.7.8 wrong", (Outcome.REFUSED, "auth_error")),
        ("454 4.7.0 cannot look it up", (Outcome.REJECTED, "server_error")),
    ],
)
async def test_who_cannot_log_in_is_refused(reply: str | None, expected: tuple[Outcome, str]) -> None:
    async with mail_server(Mailroom(says={"AUTH": reply} if reply else {})) as room:
        error = await failure(email(room.port, username=USER, password="wr0ng"))
        assert room.mails == []
    assert known(error) == expected
    assert "logging in" in str(error)
    assert "wr0ng" not in str(error)


async def test_a_server_without_logins_is_told_from_a_wrong_password() -> None:
    async with mail_server(Mailroom(), login=False) as room:
        error = await failure(email(room.port, **LOGIN))
    assert known(error) == (Outcome.REFUSED, "auth_error")
    assert "offers no way to log in" in str(error)


async def test_a_mail_beyond_what_the_server_announces_is_not_even_sent() -> None:
    async with mail_server(Mailroom(), tls="none", size=1_000) as room:
        error = await failure(email(room.port, tls="none"))
    assert known(error) == (Outcome.MALFORMED, "too_large")
    assert room.mails == []


# ── several recipients ───────────────────────────────────────────────────────


async def test_one_who_is_refused_keeps_nobody_from_hearing_and_is_named() -> None:
    async with mail_server(Mailroom(says={TEAM[1]: "550 5.1.1 nobody here"}), tls="none") as room:
        sink = email(room.port, tls="none")
        assert await sink.send(row(sink))
    assert [to for to, _ in room.mails] == [(TEAM[0], TEAM[2])]
    for kind in ("plain", "html"):
        body = room.messages[0].get_body((kind,))
        assert body is not None
        assert f"not taken for {TEAM[1]} (550 5.1.1)" in body.get_content()


async def test_who_is_asked_to_come_later_is_tried_alone() -> None:
    async with mail_server(Mailroom(says={TEAM[1]: "450 4.2.0 patience"}), tls="none") as room:
        error = await failure(email(room.port, tls="none"), attempts=1)
        assert known(error) == (Outcome.REJECTED, "rate_limited")
        assert "taken for 2 of 3 recipients" in str(error)
        assert error.memo
        assert not [each for each in TEAM if each in error.memo]
        after = await failure(email(room.port, tls="none"), attempts=2, memo=error.memo)
        assert (after.outcome, after.memo) == (Outcome.REJECTED, None)
        room.says.clear()
        sink = email(room.port, tls="none")
        assert await sink.send(row(sink, attempts=3, memo=error.memo)) == f"<{DELIVERY_ID}@example.com>"
    assert [to for to, _ in room.mails] == [(TEAM[0], TEAM[2]), (TEAM[1],)]


@pytest.mark.parametrize("then", ["450 4.2.2 full", "550 5.1.1 nobody"])
async def test_patience_ends_so_that_the_others_hear_the_rest(then: str) -> None:
    async with mail_server(Mailroom(says={TEAM[1]: "450 4.2.2 full"}), tls="none") as room:
        sink = email(room.port, tls="none")
        memo = (await failure(sink, attempts=1)).memo
        room.says[TEAM[1]] = then
        attempts = PATIENCE if then.startswith("4") else 2
        assert await sink.send(row(sink, attempts=attempts, memo=memo)) == f"<{DELIVERY_ID}@example.com>"
        assert len(room.mails) == 1


async def test_nobody_is_told_twice_because_of_another_mail() -> None:
    """What is known of one mail says nothing about the next one."""
    async with mail_server(Mailroom(says={TEAM[1]: "450 4.2.0 patience"}), tls="none") as room:
        sink = email(room.port, tls="none")
        memo = (await failure(sink, attempts=1)).memo
        await failure(sink, attempts=1, memo=memo, id="cw_other")
    assert [to for to, _ in room.mails] == [(TEAM[0], TEAM[2])] * 2


# ── lines that break ─────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("MAIL", (Outcome.UNSENT, "network")),
        ("RCPT", (Outcome.UNSENT, "network")),
        ("DATA", (Outcome.UNKNOWN, "network")),
    ],
)
async def test_a_lost_connection_is_worth_what_had_left(at: str, expected: tuple[Outcome, str]) -> None:
    async with mail_server(Mailroom(drops={at}), tls="none") as room:
        error = await failure(email(room.port, tls="none"))
    assert known(error) == expected
    assert "closed by the other side" in str(error)


@pytest.mark.parametrize(
    ("at", "expected"), [("MAIL", Outcome.UNSENT), ("RCPT", Outcome.UNSENT), ("DATA", Outcome.UNKNOWN)]
)
async def test_an_attempt_ends_by_its_deadline(at: str, expected: Outcome) -> None:
    async with mail_server(Mailroom(hangs={at}), tls="none") as room:
        error = await failure(email(room.port, tls="none", timeout="200ms"))
    assert known(error) == (expected, "timeout")
    assert "timed out after 200ms while" in str(error)


async def test_a_server_that_says_nothing_is_left() -> None:
    async with raw_server(silent) as url:
        for tls in ("none", "starttls", "implicit"):
            error = await failure(email(int(url.rpartition(":")[2]), tls=tls, timeout="100ms"))
            assert known(error) == (Outcome.UNSENT, "timeout")


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        (b"554 5.7.1 go away\r\n", (Outcome.REFUSED, "client_error")),
        (b"421 4.7.0 too busy\r\n", (Outcome.REJECTED, "server_error")),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", (Outcome.REJECTED, "bad_answer")),
        (b"220-" + b"x" * 100_000, (Outcome.REJECTED, "bad_answer")),
        (b"", (Outcome.UNSENT, "network")),
    ],
)
async def test_a_greeting_that_is_none(greeting: bytes, expected: tuple[Outcome, str]) -> None:
    async with raw_server(saying(greeting, at_once=True)) as url:
        error = await failure(email(int(url.rpartition(":")[2]), tls="none", timeout="2s"))
    assert known(error) == expected


async def test_nobody_there_and_no_such_name_are_unsent() -> None:
    assert known(await failure(email(free_port(), tls="none"))) == (Outcome.UNSENT, "network")
    error = await failure(email(25, host="nowhere.invalid"))
    assert known(error) == (Outcome.UNSENT, "dns")
    assert str(error).startswith("nowhere.invalid:25: the name cannot be resolved")


@pytest.mark.parametrize(
    "room", [Mailroom(says={"QUIT": "500 no"}), Mailroom(drops={"QUIT"}), Mailroom(hangs={"QUIT"})]
)
async def test_a_bad_goodbye_is_not_worth_a_second_mail(room: Mailroom) -> None:
    """The server took the mail; how it parts is its own affair."""
    async with mail_server(room, tls="none"):
        sink = email(room.port, tls="none")
        assert await sink.send(row(sink))
        assert room.heard[-1] == "QUIT"


# ── TLS ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("served", "trusted", "said"),
    [
        ("good", None, "self-signed certificate"),
        ("expired", "expired", "certificate has expired"),
        ("elsewhere", "elsewhere", "IP address mismatch"),
    ],
)
async def test_a_certificate_that_is_not_good_gets_neither_mail_nor_password(
    tls: str, served: str, trusted: str | None, said: str
) -> None:
    async with mail_server(Mailroom(), tls=tls, served=served) as room:
        error = await failure(email(room.port, tls=tls, trusted=trusted, **LOGIN))
        assert (room.mails, room.logins, room.heard) == ([], [], [])
    assert known(error) == (Outcome.UNSENT, "tls")
    assert said in str(error)


async def test_a_server_without_starttls_gets_neither_mail_nor_password() -> None:
    async with mail_server(Mailroom(), tls="none") as room:
        error = await failure(email(room.port, **LOGIN))
        assert (room.mails, room.logins) == ([], [])
    assert known(error) == (Outcome.REFUSED, "tls")
    assert str(error).endswith("the server does not offer STARTTLS")


def test_an_authority_that_cannot_be_read_is_found_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"http\.ca_file: "):
        email(25, trusted="missing")


# ── the egress policy ────────────────────────────────────────────────────────


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("tls", ["starttls", "implicit", "none"])
async def test_a_server_on_this_side_is_reached_only_where_that_is_allowed(host: str, tls: str) -> None:
    async with mail_server(Mailroom(), tls="none") as room:
        error = await failure(email(room.port, host=host, tls=tls, allow=()))
        assert room.connections == 0
    assert known(error) == (Outcome.REFUSED, "blocked")
    assert "is a loopback address" in str(error)


async def test_mail_in_the_open_stays_within_what_is_allowed() -> None:
    error = await failure(email(25, host="8.8.8.8", tls="none", timeout="5s"))
    assert known(error) == (Outcome.REFUSED, "blocked")
    assert "without TLS" in str(error)


async def test_cancelling_closes_the_connection() -> None:
    async with mail_server(Mailroom(hangs={"DATA"}), tls="none") as room:
        sink = email(room.port, tls="none")
        sending = asyncio.create_task(sink.send(row(sink)))
        while "DATA" not in room.heard:
            await asyncio.wait([sending], timeout=0.01)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


async def test_foreign_text_cannot_end_the_mail_or_add_to_it() -> None:
    evil = "x\r\n.\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<evil@example.com>\r\nDATA\r\n"
    told = notification(alert(labels={"deployment": evil}, annotations={"error": evil, "description": f".\n{evil}"}))
    async with mail_server(Mailroom(), tls="none") as room:
        sink = email(room.port, tls="none")
        await sink.send(row(sink, told))
    assert room.mails == [(TEAM, sink.render(told))]


async def test_we_introduce_ourselves_by_our_address_or_the_name_we_are_given() -> None:
    heard: list[bytes] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        heard.append(await reader.readline())
        writer.write(b"421 bye\r\n")
        await writer.drain()

    async with raw_server(speak) as url:
        port = int(url.rpartition(":")[2])
        for hello in ("", "watcher.example.com"):
            await failure(email(port, tls="none", hello=hello, timeout="2s"))
    assert heard == [b"EHLO [127.0.0.1]\r\n", b"EHLO watcher.example.com\r\n"]
    assert socket.gethostname().encode() not in heard[0]
