import json
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import given

from tests.fakes import fake_env
from tests.notifications import MIXED, alert, delivery, notification, notifications
from watcher.core.delivery import Outcome
from watcher.core.notification import Notification
from watcher.errors import DeliveryError
from watcher.http import Http
from watcher.sinks import ConsoleConfig, Wiring
from watcher.sinks.console import Console

HTTP = Http()


def console(stream: TextIO, style: str = "text") -> Console:
    wiring = Wiring(http=HTTP, env=fake_env(), read=Path.read_text, stream=stream)
    return ConsoleConfig.model_validate({"format": style}).build("team/console/0", wiring)


@pytest.mark.parametrize("style", ["text", "json"])
@given(told=notifications())
def test_a_notification_is_one_line_that_cannot_steer_a_terminal(style: str, told: Notification) -> None:
    line = console(StringIO(), style).render(told).decode()
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


async def test_a_program_reads_what_a_person_would() -> None:
    stream = StringIO()
    sink = console(stream, "json")
    await sink.send(delivery(sink.render(MIXED)))
    read = json.loads(stream.getvalue())
    assert (read["firing"], read["resolved"], read["fresh"], len(read["alerts"])) == (3, 1, 3, 4)
    assert read["title"].startswith("2 firing (1 again), 1 notice, 1 resolved")
    assert read["alerts"][0]["summary"] == "stripe-prod failed in my-shop"


async def test_a_stream_without_the_letters_gets_the_message_all_the_same() -> None:
    raw = BytesIO()
    sink = console(TextIOWrapper(raw, encoding="ascii"))
    await sink.send(delivery(sink.render(notification(alert(annotations={"summary": "größer"})))))
    assert b"gr\\xf6\\xdfer\n" in raw.getvalue()


class Broken(StringIO):
    def write(self, _text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


async def test_a_stream_that_ended_is_an_error_and_nothing_worse() -> None:
    closed = StringIO()
    closed.close()
    for stream, outcome in ((closed, Outcome.UNSENT), (Broken(), Outcome.UNKNOWN)):
        with pytest.raises(DeliveryError) as caught:
            await console(stream).send(delivery(b"line"))
        assert caught.value.outcome is outcome


async def test_what_silences_held_back_is_counted_for_a_program_and_for_a_person() -> None:
    told = notification(alert(), held_back=3)
    assert json.loads(console(StringIO(), "json").render(told))["held_back"] == 3
    assert "3 held back by a silence" in console(StringIO()).render(told).decode()
