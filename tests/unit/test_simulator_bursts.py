"""What writes into the logbook: bursts and deploys; and its end."""

from typing import Any

import pytest

from tests.unit.logbooks import ID, NOW, PAYLOAD, answer, book, code, messages, pages
from tests.unit.simulated import HandClock
from watcher.simulator import ApiError
from watcher.simulator.logbook import Logbook, Manners


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def logbook(clock: HandClock) -> Logbook:
    return book(clock)


# ── bursts ───────────────────────────────────────────────────────────────────


def test_a_burst_is_spread_over_its_time(logbook: Logbook, clock: HandClock) -> None:
    assert logbook.burst(PAYLOAD, "listener", "ansi-error", 4, NOW, 1000) == 4
    clock.at += 1000
    page = answer(logbook)
    assert [one["timestamp"][-7:] for one in page["data"]] == ["20.000Z", "20.250Z", "20.500Z", "20.750Z"]
    assert {one["applicationName"] for one in page["data"]} == {"listener"}


def test_a_burst_has_defaults(logbook: Logbook) -> None:
    assert logbook.burst(PAYLOAD) == 1
    assert logbook.burst(PAYLOAD, count=0) == 0
    (one,) = answer(logbook)["data"]
    assert (one["applicationName"], one["timestamp"]) == ("service", "2023-11-14T22:13:20.000Z")


def test_a_burst_can_be_late_and_repeat_itself(logbook: Logbook, clock: HandClock) -> None:
    assert logbook.burst(PAYLOAD, shape="text", count=5, over_ms=50, late_ms=3000, duplicates=2) == 7
    clock.at += 2999
    assert messages(logbook) == []
    clock.at += 1
    assert len(messages(logbook)) == 1
    clock.at += 50
    written = [(one["timestamp"], one["details"]["message"]) for one in answer(logbook)["data"]]
    assert [written.count(one) for one in dict.fromkeys(written)] == [1, 2, 1, 2, 1]


def test_a_burst_of_traces_counts_every_record(logbook: Logbook, clock: HandClock) -> None:
    assert logbook.burst(PAYLOAD, shape="split-stack-trace", count=3) == 18
    clock.at += 10
    assert len(messages(logbook)) == 18


def test_requests_are_made_to_the_url_of_the_application(logbook: Logbook) -> None:
    logbook.burst(PAYLOAD, "service", "http-5xx")
    logbook.burst(PAYLOAD, "listener", "http-5xx")
    urls = [one["details"]["requestUrl"] for one in answer(logbook)["data"]]
    assert urls == ["https://service-1.example/service", "https://listener.a.run.app/service"]


def test_a_burst_that_cannot_be_is_refused_and_writes_nothing(logbook: Logbook) -> None:
    for payload, application, shape, expected in (
        (PAYLOAD, "nobody", "info", "DeploymentApplicationDoesNotExist"),
        (PAYLOAD, "service", "nothing", "InvalidJsonInput"),
        ({"id": ID}, None, "info", "DeploymentApplicationDoesNotExist"),
        (
            {"id": ID, "applications": [5, {"id": "1", "applicationName": [6]}]},
            "x",
            "info",
            "DeploymentApplicationDoesNotExist",
        ),
    ):
        with pytest.raises(ApiError) as refused:
            logbook.burst(payload, application, shape)
        assert code(refused) == expected
    assert messages(logbook) == []


def test_the_same_seed_writes_and_pages_the_same() -> None:
    def everything(seed: int) -> list[dict[str, Any]]:
        clock = HandClock()
        logbook = book(clock, seed, page_size=7)
        for shape in ("pino-error", "http-ok", "split-stack-trace"):
            logbook.burst(PAYLOAD, None, shape, 9, NOW - 900, 90)
        return list(pages(logbook))

    assert everything(3) == everything(3) != everything(4)


# ── deploys and removal ──────────────────────────────────────────────────────


def test_a_deploy_leaves_start_marks_of_all_that_runs(logbook: Logbook) -> None:
    declared = [{"applicationName": "files", "applicationType": "assets"}]
    files = {"id": "3", "applicationName": "files", "url": "https://files.example"}
    applications = [*PAYLOAD["applications"], files]
    logbook.deployed({**PAYLOAD, "applications": applications, "connector": {"configurations": declared}}, NOW - 5)
    found = answer(logbook)["data"]
    assert [one["applicationName"] for one in found] == ["service", "listener"]
    assert all("port" in one["details"]["message"] for one in found)
    assert {one["timestamp"] for one in found} == {"2023-11-14T22:13:19.995Z"}


@pytest.mark.parametrize(("named", "expected"), [("listener", ["listener"]), (None, ["service"]), ("nobody", [])])
def test_a_failed_post_deploy_script_says_why(logbook: Logbook, named: str | None, expected: list[str]) -> None:
    title = "Failed during the execution of 'postDeploy' script"
    entries = [{"type": "Warning", "title": title, "application": named}, {"type": "Information", "title": "fine"}]
    logbook.deployed({**PAYLOAD, "details": {"build": {"id": "b", "report": {"entries": entries}}}}, NOW)
    said = [one for one in answer(logbook)["data"] if "Post-deploy failed: " in one["details"]["message"]]
    assert [one["applicationName"] for one in said] == expected


@pytest.mark.parametrize("details", [None, 5, {"build": None}, {"build": {"report": {"entries": [5]}}}])
def test_a_deploy_of_anything_leaves_something(logbook: Logbook, details: object) -> None:
    logbook.deployed({**PAYLOAD, "details": details}, NOW)
    assert len(messages(logbook)) == 2


@pytest.mark.parametrize("status", [404, 410])
def test_the_endpoint_goes_away_at_its_moment(logbook: Logbook, clock: HandClock, status: Any) -> None:
    assert logbook.notices() == {}
    logbook.removed, logbook.removed_status = NOW + 1000, status
    logbook.refuse_removed()
    assert logbook.notices() == {"Deprecation": "@1793923200", "Sunset": "Tue, 14 Nov 2023 22:13:21 GMT"}
    clock.at += 1000
    with pytest.raises(ApiError) as refused:
        logbook.refuse_removed()
    assert (refused.value.status, refused.value.body["statusCode"], code(refused)) == (
        status,
        status,
        "ResourceNotFound",
    )
    logbook.manners = Manners(announces=False)
    assert logbook.notices() == {}
