"""What a failure is explained with: the decisive line, those around it, and nothing that is secret."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.fakes import START, deployment
from watcher.core.event import Event, EventType
from watcher.core.logrecord import LogRecord
from watcher.core.recent import Recent
from watcher.errors import Blindness, SourceError
from watcher.pipeline.explain import Explainer
from watcher.redact import Redactor

PROJECT = "my-shop"
ERROR = "TypeError: cannot read the key"
FAILED = Event(type=EventType.STATUS, project=PROJECT, at=START, deployment=deployment("shop", "Failed"))


def written(*messages: str) -> list[LogRecord]:
    return [
        LogRecord("id-shop", "service", "APPLICATION_TEXT", "DEFAULT", "DEFAULT", START + at, message)
        for at, message in enumerate(messages)
    ]


async def explained(*messages: str, event: Event = FAILED) -> dict[str, str]:
    recent = Recent()
    recent.add(PROJECT, written(*messages))
    (found,) = await Explainer(PROJECT, recent, Redactor().clean).explain([event], lambda _: START)
    return dict(found.fields)


async def test_the_decisive_line_is_shown_with_those_around_it() -> None:
    before, after = [f"step {each}" for each in range(5)], [f"note {each}" for each in range(10)]

    found = await explained(*before, ERROR, *after)

    assert (found["log_error"], found["log_application"]) == (ERROR, "service")
    shown = [*(f"  {each}" for each in before[-3:]), f"> {ERROR}", *(f"  {each}" for each in after[:8])]
    assert found["log_lines"].split("\n") == shown


@pytest.mark.parametrize("where", ["before", "after"])
async def test_a_key_that_is_printed_line_by_line_is_masked_wherever_its_first_line_stands(where: str) -> None:
    body = [f"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8c{each}" for each in range(9)]
    key = ["-----BEGIN PRIVATE KEY-----", *body, "-----END PRIVATE KEY-----"]

    found = await explained(*([*key, ERROR] if where == "before" else [ERROR, *key]))

    assert found["log_error"] == ERROR
    assert not any(line in found["log_lines"] for line in body)


async def test_what_has_not_failed_needs_no_explanation() -> None:
    running = Event(type=EventType.STATUS, project=PROJECT, at=START, deployment=deployment("shop"))
    assert await explained(ERROR, event=running) == {}


async def test_one_that_has_failed_when_it_is_first_listed_is_explained_unless_all_are_new_to_us() -> None:
    created = replace(FAILED, type=EventType.CREATED)
    assert (await explained(ERROR, event=created))["log_error"] == ERROR
    assert await explained(ERROR, event=replace(created, baseline=True)) == {}


async def test_logs_are_asked_for_where_none_are_remembered() -> None:
    async def fetch(deployment_id: str, since: int) -> Sequence[LogRecord]:
        return written("starting", ERROR) if (deployment_id, since) == ("id-shop", START) else ()

    asking = Explainer(PROJECT, Recent(), Redactor().clean, fetch=fetch)
    (found,) = await asking.explain([FAILED], lambda _: START)
    assert found.fields["log_error"] == ERROR


async def test_a_log_that_cannot_be_read_holds_no_failure_up() -> None:
    async def fetch(deployment_id: str, since: int) -> Sequence[LogRecord]:
        raise SourceError("404", Blindness.NOT_FOUND)

    asking = Explainer(PROJECT, Recent(), Redactor().clean, fetch=fetch)
    assert await asking.explain([FAILED], lambda _: START) == [FAILED]
