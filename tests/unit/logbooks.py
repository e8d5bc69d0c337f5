"""A logbook of one Deployment, written and read by a test."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.unit.simulated import START, HandClock
from watcher.simulator import ApiError
from watcher.simulator.chance import Chance
from watcher.simulator.logbook import Logbook, Manners, Query, Record

NOW = START
DAY = 86_400_000
ID = "ae4b0e53-c6b0-4d5d-9ba7-3e60496c17a1"
PAYLOAD: dict[str, Any] = {
    "id": ID,
    "applications": [
        {"id": "1", "applicationName": "service", "url": "https://service-1.example"},
        {"id": "2", "applicationName": "listener", "topic": "projects/x/topics/y"},
    ],
}


def book(clock: HandClock, seed: int = 7, **manners: Any) -> Logbook:
    return Logbook(chance=Chance(seed), clock=clock, manners=Manners(**manners))


def record(at: int, message: str = "", arrival: int | None = None) -> Record:
    return Record(timestamp=at, type="APPLICATION_TEXT", details={"message": message or str(at)}, arrival=arrival)


def answer(logbook: Logbook, **query: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(logbook.page(Query(deployment_id=ID, **query))))
    return decoded


def pages(logbook: Logbook, **query: Any) -> Iterator[dict[str, Any]]:
    token = None
    while token != "":
        page = answer(logbook, **query, token=token)
        token = page["next"]
        yield page


def messages(logbook: Logbook, **query: Any) -> list[str]:
    return [one["details"]["message"] for page in pages(logbook, **query) for one in page["data"]]


def code(error: pytest.ExceptionInfo[ApiError]) -> str:
    assert error.value.body["message"] == error.value.body["errors"][0]["message"]
    return str(error.value.body["errors"][0]["code"])
