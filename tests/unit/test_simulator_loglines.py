import json
import re
from collections.abc import Callable, Sequence

import pytest

from watcher.simulator.chance import Chance
from watcher.simulator.loglines import SHAPES, Line, Scene, between, picked

AT = 1_700_000_000_000
SEVERITIES = {"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}
NAMED = {
    "json-error", "pino-error", "ansi-error", "text", "stack-trace", "split-stack-trace", "http-ok", "http-5xx", "start",
    "post-deploy-failed", "info", "known-error", "new-error",
}  # fmt: skip


def lines(shape: str, seed: int = 1, url: str | None = "https://service-1.example") -> Sequence[Line]:
    return SHAPES[shape](Scene(chance=Chance(seed), at=AT, application="order-listener", url=url))


def many(shape: str, count: int = 40) -> list[Line]:
    return [line for seed in range(count) for line in lines(shape, seed)]


def message(line: Line) -> str:
    return str(line.details["message"])


def test_the_names_that_scenarios_use_are_there() -> None:
    assert set(SHAPES) >= NAMED


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_of_the_documented_form(shape: str) -> None:
    for line in many(shape, 8):
        assert line.type in {"HTTP_REQUEST", "APPLICATION_TEXT", "APPLICATION_JSON"}
        assert line.severity in SEVERITIES
        assert line.after >= 0
        assert json.loads(json.dumps(line.details)) == line.details
        if line.type == "APPLICATION_TEXT":
            assert list(line.details) == ["message"]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_seed_writes_the_same_lines_and_another_one_others(shape: str) -> None:
    assert lines(shape, 5) == lines(shape, 5)
    assert len({repr(lines(shape, seed)) for seed in range(30)}) > 1


@pytest.mark.parametrize("shape", [each for each in SHAPES if not each.startswith(("http-", "severity-"))])
def test_what_applications_write_has_no_severity_of_its_own(shape: str) -> None:
    for line in many(shape, 8):
        assert line.severity == "DEFAULT"
        assert "severity" not in line.details


@pytest.mark.parametrize(
    ("shape", "is_so"),
    [
        ("json-error", lambda line: line.details["level"] == "error" and line.details["message"]),
        ("json-bare-error", lambda line: line.details["level"] == "error" and "message" not in line.details),
        ("pino-error", lambda line: line.details["level"] == 50 and "\n    at " in line.details["err"]["stack"]),
        ("pino-warning", lambda line: line.details["level"] == 40 and line.details["time"] == AT),
        ("ansi-error", lambda line: message(line).startswith("\x1b[31merror\x1b[39m:    ")),
        ("ansi-warning", lambda line: message(line).startswith("\x1b[33mwarn\x1b[39m:     ")),
        ("text-error", lambda line: re.match(r"Error: \S", message(line))),
        ("text", lambda line: "\x1b" not in message(line) and "rror" not in message(line)),
        ("info", lambda line: "info" in (line.details.get("level"), message(line)[5:9])),
        ("start", lambda line: re.search(r"istening on port:? 8080$", message(line))),
        ("post-deploy-failed", lambda line: message(line).startswith("Post-deploy failed: ")),
        ("secret", lambda line: re.fullmatch(r"Bearer [0-9a-f]{32}", line.details["request"]["Authorization"])),
    ],
)
def test_each_shape_looks_like_its_logger(shape: str, is_so: Callable[[Line], object]) -> None:
    assert all(is_so(line) for line in many(shape))


def test_some_templates_write_start_and_info_as_json_and_some_as_text() -> None:
    for shape in ("start", "info"):
        assert {line.type for line in many(shape)} == {"APPLICATION_TEXT", "APPLICATION_JSON"}


def test_a_stack_trace_is_one_record_or_one_for_every_line() -> None:
    (whole,), split = lines("stack-trace"), lines("split-stack-trace")
    assert message(whole) == "\n".join(message(line) for line in split)
    assert message(split[0]).startswith("Error: ")
    assert all(message(line).startswith("    at ") for line in split[1:])
    moments = [line.after for line in split]
    assert moments == sorted(moments)
    assert 1 < len(set(moments)) < len(moments)


@pytest.mark.parametrize(
    ("shape", "classes", "severity"),
    [("http-ok", "2", "INFO"), ("http-4xx", "4", "WARNING"), ("http-5xx", "5", "ERROR")],
)
def test_requests_are_in_the_words_of_the_platform(shape: str, classes: str, severity: str) -> None:
    for line in many(shape):
        assert (line.type, line.severity, str(line.details["status"])[0]) == ("HTTP_REQUEST", severity, classes)
        assert re.fullmatch(r"\d+\.\d{3}s", line.details["latency"])
        assert line.details["requestSize"].isdigit()
        assert line.details["responseSize"].isdigit()
        assert line.details["requestUrl"] == "https://service-1.example/service"
        assert {"requestMethod", "userAgent", "remoteIp", "serverIp", "protocol"} <= line.details.keys()


def test_an_application_without_a_url_is_called_by_the_broker() -> None:
    (pushed,) = lines("http-ok", url=None)
    assert pushed.details["userAgent"].startswith("APIs-Google")
    assert pushed.details["requestUrl"].startswith("https://order-listener.")


def test_both_ends_of_a_choice_are_reached() -> None:
    chance = Chance(3)
    assert {between(chance, 2, 4) for _ in range(60)} == {2, 3, 4}
    assert {picked(chance, "abc") for _ in range(60)} == {"a", "b", "c"}


def masked(text: str) -> str:
    """A message without what differs from record to record."""
    return re.sub(r"[0-9a-f-]{36}|\d{4}-[\d-]+T[\d:.]+Z|\d+", "#", text)


def test_known_errors_are_of_few_templates_and_the_new_one_of_another() -> None:
    known, new = many("known-error", 200), many("new-error", 200)
    assert len({message(line) for line in known}) > 150
    assert len({masked(message(line)) for line in known}) == 5
    assert len({message(line) for line in new}) == 200
    assert len({masked(message(line)) for line in new}) == 1
    assert {masked(message(line)) for line in known}.isdisjoint(masked(message(line)) for line in new)
    assert {line.details["level"] for line in [*known, *new]} == {"error"}
