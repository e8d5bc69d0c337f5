import re
from email import message_from_bytes, policy
from email.header import decode_header
from email.message import EmailMessage
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.fakes import fake_env
from tests.notifications import (
    DELIVERY_ID,
    FAILED,
    MIXED,
    alert,
    delivery,
    notification,
    notifications,
    resolved,
    texts,
)
from watcher.core.notification import Notification
from watcher.errors import ConfigError
from watcher.http import Http
from watcher.sinks import Wiring
from watcher.sinks.email import EmailConfig, remarks
from watcher.sinks.mail import Mailbox, complete, header, rendered, thread

HTTP = Http()
SENDER, TO = Mailbox(address="watcher@example.com", name="Wätcher, Inc."), ["a@example.com", "b@example.com"]
HEADERS = {
    *("Content-Type", "MIME-Version", "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
    *("X-Auto-Response-Suppress", "X-Connect-Watcher-Reason", "X-Connect-Watcher-Status", "X-Connect-Watcher-Severity"),
}
SMUGGLED = [
    "x\r\nBcc: evil@example.com",
    "x\nBcc: evil@example.com",
    "=?utf-8?q?x=0D=0ABcc:_evil=40example.com?=",
    "=?utf-8?b?DQpCY2M6IGV2aWxAZXhhbXBsZS5jb20=?=",
    "x\u2028Bcc: evil@example.com",
    "x\x0bBcc: evil@example.com",
    "x\x85Bcc: evil@example.com",
    "\r\n\r\n<script>alert(1)</script>",
    f"--=_{DELIVERY_ID}--",
    "=?utf-8?q?" + "a" * 300,
    "é" * 5_000,
]


def read(body: bytes) -> EmailMessage:
    return message_from_bytes(body, policy=policy.default)


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


class Tags(HTMLParser):
    """Every tag with its attributes, and the text between."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


# ── nothing foreign has a meaning ────────────────────────────────────────────


def assert_sound(body: bytes) -> EmailMessage:
    mail = read(body)
    assert sorted(mail.keys()) == sorted(HEADERS)
    assert mail["To"] == "a@example.com, b@example.com"
    assert [each.get_content_type() for each in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert all(len(line) <= 998 and line.isascii() for line in body.split(b"\r\n"))
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert b"\r" not in body.replace(b"\r\n", b"")
    return mail


@settings(deadline=None)
@given(notifications())
@example(notification(alert(labels={"deployment": "=?utf-8?q?x=0D=0ABcc:_evil=40example.com?="})))
def test_whatever_is_told_is_a_sound_mail(told: Notification) -> None:
    body = rendered(told, SENDER, TO)
    assert body == rendered(told, SENDER, TO)
    page = Tags(part(assert_sound(body), "html"))
    assert {tag for tag, _ in page.tags} <= {"html", "body", "div", "h3", "p", "br", "pre", "a", "small"}
    assert {name for _, given_ in page.tags for name in given_} <= {"style", "href"}
    assert all(re.match("https?://", str(given_["href"])) for _, given_ in page.tags if "href" in given_)


@pytest.mark.parametrize("evil", SMUGGLED)
def test_no_foreign_text_becomes_a_header_a_part_or_a_tag(evil: str) -> None:
    told = notification(
        alert(
            evil, evil, labels={"project": evil}, annotations=dict.fromkeys(("summary", "error", "description"), evil)
        ),
        group_labels={"project": evil},
    )
    mail = assert_sound(rendered(told, SENDER, TO))
    assert "script" not in {tag for tag, _ in Tags(part(mail, "html")).tags}


@given(texts)
@example("=?utf-8?q?=0A?=")
@example("plain words, nothing else")
def test_a_header_reads_back_as_one_line_of_what_was_said(text: str) -> None:
    value = header(text, "Subject")
    assert value.isascii()
    assert all(line.startswith(" ") for line in value.split("\r\n")[1:])
    shown = "".join(
        each.decode(charset or "ascii") if isinstance(each, bytes) else each for each, charset in decode_header(value)
    )
    assert len(shown) <= 200
    assert not re.search(r"[\r\n]", shown)
    assert shown == header_text(text)


def header_text(text: str) -> str:
    from watcher import render

    return render.clip(render.one_line(text), 200)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", 'https://x/"onclick="', "https://x/<b>", "https://x/ y", "//x", ""]
)
def test_only_a_plain_web_address_becomes_a_link(url: str) -> None:
    page = Tags(part(read(rendered(notification(alert(annotations={"runbook_url": url})), SENDER, TO)), "html"))
    assert "a" not in {tag for tag, _ in page.tags}


def test_both_parts_say_the_same() -> None:
    mail = read(rendered(FAILED, SENDER, TO))
    plain, page = part(mail, "plain"), Tags(part(mail, "html"))
    for each in (
        *("FIRING · DeploymentFailed · my-shop / stripe-prod", "firing: stripe-prod failed in my-shop"),
        *("The build ended with an error.", "<Error> cannot reach `db` & gave up", "build: b-17", f"id {DELIVERY_ID}"),
        *("https://watcher.example.com/groups/1", "https://wiki.example.com/failed?a=1&b=2"),
    ):
        assert each in plain
        assert each in page.text
    assert {given_["href"] for tag, given_ in page.tags if tag == "a"} == {
        "https://watcher.example.com/groups/1",
        "https://wiki.example.com/failed?a=1&b=2",
    }


def test_the_colour_is_not_alone() -> None:
    for told, word, colour in ((FAILED, "FIRING", "#d32f2f"), (notification(resolved()), "RESOLVED", "#2e9e5b")):
        page = part(read(rendered(told, SENDER, TO)), "html")
        assert colour in page
        assert word in Tags(page).text


def test_a_mail_of_many_stays_short_and_counts_the_rest() -> None:
    told = notification(*[alert(deployment=f"d{n}", annotations={"summary": "x" * 9_000}) for n in range(500)])
    body = rendered(told, SENDER, TO)
    assert len(body) < 64 * 1024
    assert "+480 more (480 firing)" in part(read(body), "plain")
    assert "500 firing" in str(read(body)["Subject"])


# ── what is added when it leaves ─────────────────────────────────────────────


def test_what_silences_held_back_is_counted_in_both_parts() -> None:
    mail = message_from_bytes(rendered(notification(alert(), held_back=3), SENDER, TO), policy=policy.default)
    parts = [each for each in mail.walk() if each.get_content_maintype() == "text"]
    assert ["3 held back by a silence" in each.get_content() for each in parts] == [True, True]


@given(st.lists(texts, min_size=1, max_size=3))
def test_a_remark_is_shown_in_both_parts_and_is_no_markup(said: list[str]) -> None:
    body = rendered(MIXED, SENDER, TO)
    of = thread(body, "<first@example.com>")
    mail = read(complete(body, of, [re.sub(r"[\r\n\x00\ud800]", "", each) for each in said]))
    assert sorted(mail.keys()) == sorted({*HEADERS, "In-Reply-To", "References"})
    page = Tags(part(mail, "html"))
    assert {tag for tag, _ in page.tags} <= {"html", "body", "div", "h3", "p", "br", "pre", "a", "small"}
    assert "2 firing (1 again), 1 notice, 1 resolved" in part(mail, "plain")
    assert "2 firing (1 again), 1 notice, 1 resolved" in page.text


def test_there_are_remarks_only_where_there_is_something_to_say() -> None:
    assert remarks(delivery(b""), {}) == []
    assert remarks(delivery(b"", unknown_outcomes=2), {"a@b.c": "550"}) == [
        f"possible duplicate · id {DELIVERY_ID}",
        "not taken for a@b.c (550)",
    ]


# ── what can be configured ───────────────────────────────────────────────────

GOOD: dict[str, Any] = {"host": "smtp.example.com", "from": "watcher@example.com", "to": ["team@example.com"]}


@pytest.mark.parametrize(
    "config",
    [
        {"host": "0x7f.1"},
        {"host": "2130706433"},
        {"host": "smtp.example.com:25"},
        {"host": "a b"},
        {"host": ""},
        {"host": "smtp.example.com\r\n"},
        {"port": 0},
        {"port": 65_536},
        {"tls": "maybe"},
        {"tls": "none", "username": "u", "password": "p"},
        {"username": "u"},
        {"password": "p"},
        {"username": "u", "username_file": "/x", "password": "p"},
        {"username": "u\r\nMAIL", "password": "p"},
        {"username": "u", "password": ""},
        {"from": "nobody"},
        {"from": "a@b.c, d@e.f"},
        {"from": "Evil\r\nBcc: x@y.z <a@b.c>"},
        {"from": 'x" <y@z.w> <a@b.c>'},
        {"from": "ü@example.com"},
        {"from": "a@exämple.com"},
        {"to": []},
        {"to": "team@example.com"},
        {"to": ["a@b.c", "a@b.c"]},
        {"to": ["A <a@b.c>"]},
        {"to": ["a@b.c\r\nDATA"]},
        {"to": ["a@b.c> SIZE=1"]},
        {"to": ["@b.c"]},
        {"to": ["a@b..c"]},
        {"to": [f"{'x' * 250}@b.c"]},
        {"hello": "a b"},
        {"hello": "x\r\n"},
        {"timeout": "0s"},
        {"timeout": "3h"},
        {"subject": "x"},
    ],
)
def test_what_makes_no_sense_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EmailConfig.model_validate({**GOOD, **config})


@pytest.mark.parametrize(
    ("tls", "port", "expected"),
    [("starttls", None, 587), ("implicit", None, 465), ("none", None, 25), ("none", 2525, 2525)],
)
def test_the_port_is_that_of_the_kind_of_tls(tls: str, port: int | None, expected: int) -> None:
    wiring = Wiring(http=HTTP, env=fake_env(), read=Path.read_text, stream=StringIO())
    sink = EmailConfig.model_validate({**GOOD, "tls": tls, "port": port}).build("team/email/0", wiring)
    assert sink._server.port == expected
    assert sink._server.tls == tls


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("watcher@example.com", ""),
        ("Connect Watcher <watcher@example.com>", "Connect Watcher"),
        ("Wätcher, Inc. <watcher@example.com>", "Wätcher, Inc."),
        ("Watcher, Inc. <watcher@example.com>", "Watcher, Inc."),
    ],
)
def test_a_sender_may_have_a_name(written: str, name: str) -> None:
    config = EmailConfig.model_validate({**GOOD, "from": written})
    (sender,) = read(rendered(FAILED, config.sender, config.to))["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, "watcher@example.com")


def test_a_password_in_a_file_is_looked_at_when_the_sink_is_made(tmp_path: Path) -> None:
    wiring = Wiring(http=HTTP, env=fake_env(), read=Path.read_text, stream=StringIO())
    file = tmp_path / "password"
    config = EmailConfig.model_validate({**GOOD, "username": "u", "password_file": file})
    with pytest.raises(ConfigError, match=r"^team/email/0: password: cannot be read: No such file"):
        config.build("team/email/0", wiring)
    file.write_text("hunter2\nhunter2")
    with pytest.raises(ConfigError, match=r"^team/email/0: password: must be on one line") as caught:
        config.build("team/email/0", wiring)
    assert "hunter2" not in str(caught.value)
