import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watcher import logs
from watcher.redact import Redactor

CANARY = "canary-12345678"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def restored() -> Iterator[None]:
    """Puts the process's logging back as it was."""
    root, config, hook = logging.getLogger(), structlog.get_config(), sys.excepthook
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in ("apscheduler", "asyncio", "aiohttp.access")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(capture=False)
    sys.excepthook = hook
    structlog.configure(**config)


pytestmark = pytest.mark.usefixtures("restored")


def configured(stream: io.StringIO | None = None, **options: Any) -> io.StringIO:
    out = stream or io.StringIO()
    logs.configure(Redactor([CANARY]), stream=out, **options)
    return out


def failing(text: str) -> None:
    hidden = f"local value {len(text)}"
    raise ValueError(text or hidden)


def only(out: io.StringIO) -> dict[str, Any]:
    """The one line there is, as data."""
    line, end = out.getvalue().split("\n")
    assert not end
    found: dict[str, Any] = json.loads(line)
    return found


def test_an_event_is_one_line_of_json_with_its_fields() -> None:
    out = configured()
    structlog.get_logger("watcher.pipeline").info(
        "poll.failed", project="shop", failures=3, ok=False, ratio=0.5, none=None
    )
    line = only(out)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert line == {
        "level": "info",
        "logger": "watcher.pipeline",
        "event": "poll.failed",
        "project": "shop",
        "failures": 3,
        "ok": False,
        "ratio": 0.5,
        "none": None,
    }


def test_the_standard_librarys_records_come_out_the_same_way() -> None:
    out = configured()
    logging.getLogger("somebody.else").warning("ran %s times", 3)
    line = only(out)
    assert (line["level"], line["logger"], line["event"]) == ("warning", "somebody.else", "ran 3 times")


def test_warnings_come_out_the_same_way() -> None:
    out = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"careful with {CANARY}", stacklevel=1)
    assert "careful with <secret>" in only(out)["event"]


@pytest.mark.parametrize("name", ["asyncio", "aiohttp.access"])
def test_chatty_libraries_speak_from_warning_on_unless_debugging(name: str) -> None:
    out = configured()
    logging.getLogger(name).info("chatter")
    assert not out.getvalue()
    out = configured(level="debug")
    logging.getLogger(name).debug("chatter")
    assert only(out)["event"] == "chatter"


@pytest.mark.parametrize("level", logs.LEVELS)
def test_the_level_holds_for_everyone(level: str) -> None:
    out = configured(level=level)
    severities = ("debug", "info", "warning", "error")
    for severity in severities:
        getattr(structlog.get_logger(), severity)("ours")
        getattr(logging.getLogger("theirs"), severity)("theirs")
    assert out.getvalue().count("\n") == 2 * (len(severities) - severities.index(level))


def test_secrets_are_masked_wherever_they_are() -> None:
    out = configured()
    structlog.get_logger().warning(
        f"failed with {CANARY}",
        url="https://user:pw@host/x",
        token="abc",
        nested={"password": "abc", "list": [f"x {CANARY}", {"deep": (CANARY,)}], CANARY: 1},
        error=ValueError(f"bad {CANARY}"),
    )
    text = out.getvalue()
    assert CANARY not in text
    assert "pw@" not in text
    line = only(out)
    assert line["token"] == "<secret>"
    assert line["nested"] == {"password": "<secret>", "list": ["x <secret>", {"deep": ["<secret>"]}], "<secret>": 1}
    assert line["error"] == "bad <secret>"


def test_tracebacks_are_masked_and_show_no_locals() -> None:
    out = configured()
    try:
        failing(f"boom {CANARY}")
    except ValueError:
        structlog.get_logger().exception("step.failed")
    line = only(out)
    assert line["exception"].startswith("Traceback (most recent call last)")
    assert line["exception"].endswith("ValueError: boom <secret>")
    assert CANARY not in out.getvalue()
    assert "local value" not in out.getvalue()


def test_a_long_traceback_keeps_its_end() -> None:
    out = configured()
    try:
        failing("x" * 2 * logs.TRACEBACK_LIMIT + " the end")
    except ValueError:
        structlog.get_logger().exception("step.failed")
    assert only(out)["exception"].endswith("x the end")
    assert len(out.getvalue()) < logs.TRACEBACK_LIMIT + 1_000


def test_an_error_that_nobody_caught_goes_through_the_same_door() -> None:
    out = configured()
    error = RuntimeError(f"bye {CANARY}")
    sys.excepthook(RuntimeError, error, None)
    line = only(out)
    assert (line["level"], line["event"], line["exception"]) == (
        "critical",
        "process.failed",
        "RuntimeError: bye <secret>",
    )


def test_a_record_that_cannot_be_formatted_shows_nothing_of_itself() -> None:
    out = configured()
    text = f"%d {CANARY}"
    logging.getLogger("theirs").error(text, "not a number")
    assert only(out) == {"event": "log.failed", "logger": "test_logs", "error": "TypeError"}


def test_numbers_that_json_does_not_know_become_text() -> None:
    out = configured()
    structlog.get_logger().info("x", nan=float("nan"), inf=float("inf"))
    line = only(out)
    assert (line["nan"], line["inf"]) == ("nan", "inf")


FIELDS = st.recursive(
    st.text(st.characters(), max_size=30) | st.integers() | st.floats() | st.booleans() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(), max_size=50),
    st.dictionaries(st.text("abcxyz", min_size=2, max_size=5), FIELDS, max_size=4),
)
def test_whatever_is_logged_is_one_object_on_one_line_in_plain_ascii(event: str, fields: dict[str, Any]) -> None:
    out = configured()
    structlog.get_logger().info(event, **fields)
    logging.getLogger("theirs").warning(event.replace("%", ""))
    first, second, end = out.getvalue().split("\n")
    assert not end
    assert isinstance(json.loads(first), dict)
    assert isinstance(json.loads(second), dict)
    assert re.fullmatch("[ -~\n]*", out.getvalue())


@pytest.mark.parametrize(
    ("stream", "log_format", "is_json"),
    [
        (io.StringIO, "auto", True),
        (Terminal, "auto", False),
        (io.StringIO, "console", False),
        (Terminal, "json", True),
    ],
)
def test_people_get_text_on_a_terminal_and_programs_get_json(
    stream: type[io.StringIO], log_format: str, is_json: bool
) -> None:
    out = configured(stream(), log_format=log_format)
    structlog.get_logger().info("poll.failed", project="shop")
    assert out.getvalue().startswith("{") is is_json
    assert "poll.failed" in out.getvalue()


@pytest.mark.parametrize(
    ("stream", "color", "escapes"), [(Terminal, True, True), (Terminal, False, False), (io.StringIO, True, False)]
)
def test_colours_need_a_terminal_and_permission(stream: type[io.StringIO], color: bool, escapes: bool) -> None:
    out = configured(stream(), log_format="console", color=color)
    structlog.get_logger().info("poll\x1b[31m.failed", note="a\u202eb")
    assert ("\x1b[" in out.getvalue()) is escapes
    assert "\x1b[31m.failed" not in out.getvalue()
    assert "\u202e" not in out.getvalue()


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm"}, True),
    ],
)
def test_no_color_is_respected(environ: dict[str, str], wanted: bool) -> None:
    assert logs.wants_color(environ) is wanted
