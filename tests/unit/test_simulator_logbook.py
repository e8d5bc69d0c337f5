"""The logbook: which records are read, in which order, on which page."""

from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.logbooks import DAY, ID, NOW, answer, book, code, messages, pages, record
from tests.unit.simulated import HandClock
from watcher.simulator import ApiError
from watcher.simulator.logbook import Logbook, Manners, Query, Record


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def logbook(clock: HandClock) -> Logbook:
    return book(clock)


# ── records and order ────────────────────────────────────────────────────────


def test_a_record_has_the_documented_fields(logbook: Logbook) -> None:
    details = {"level": 50, "nested": [None, {"a": "ü"}]}
    logbook.append(
        ID, "service", [Record(timestamp=NOW - 88, type="APPLICATION_JSON", details=details, severity="ERROR")]
    )
    assert answer(logbook) == {
        "data": [
            {
                "type": "APPLICATION_JSON",
                "deploymentId": ID,
                "applicationName": "service",
                "severity": "ERROR",
                "timestamp": "2023-11-14T22:13:19.912Z",
                "details": details,
            }
        ],
        "next": "",
    }


def test_a_deployment_without_records_is_an_empty_last_page(logbook: Logbook) -> None:
    assert answer(logbook) == {"data": [], "next": ""}


def test_pages_hold_fifty_records_oldest_first(logbook: Logbook) -> None:
    for at in (40, 20, 60, 0):
        logbook.append(ID, "service", [record(NOW - at - n) for n in range(20)])
    sizes = [len(page["data"]) for page in pages(logbook)]
    assert sizes == [50, 30]
    assert messages(logbook) == sorted(messages(logbook))
    assert len(set(messages(logbook))) == 80


def test_exactly_one_page_of_records_is_the_last_page(logbook: Logbook) -> None:
    logbook.append(ID, "service", [record(NOW - n) for n in range(50)])
    assert [len(page["data"]) for page in pages(logbook)] == [50]


def test_records_of_the_same_millisecond_keep_the_order_they_were_written_in(clock: HandClock) -> None:
    logbook = book(clock, page_size=3)
    logbook.append(ID, "service", [record(NOW, str(n)) for n in range(10)])
    assert messages(logbook) == [str(n) for n in range(10)]


def test_pages_are_about_one_deployment_and_application(logbook: Logbook) -> None:
    logbook.append(ID, "service", [record(NOW, "mine")])
    logbook.append(ID, "listener", [record(NOW, "other application")])
    logbook.append("another", "service", [record(NOW, "other deployment")])
    assert messages(logbook, application="service") == ["mine"]
    assert messages(logbook) == ["mine", "other application"]
    logbook.forget(ID)
    assert messages(logbook) == []


def test_the_oldest_records_beyond_the_bound_are_lost(clock: HandClock) -> None:
    logbook = book(clock, keep=5)
    logbook.append(ID, "service", [record(NOW - 100 + n) for n in range(5)])
    logbook.append(ID, "service", [record(NOW - 200), record(NOW - 1), record(NOW - 2)])
    assert messages(logbook) == [str(NOW - back) for back in (98, 97, 96, 2, 1)]


def test_many_late_records_at_once_are_put_in_their_places(logbook: Logbook) -> None:
    for odd in (0, 1):
        logbook.append(ID, "service", [record(NOW - 800 + 2 * n + odd) for n in range(400)])
    assert messages(logbook) == [str(NOW - 800 + n) for n in range(800)]


def test_records_can_be_turned_round_within_a_page(clock: HandClock) -> None:
    logbook = book(clock, page_size=2, reverse=True)
    logbook.append(ID, "service", [record(NOW - 9 + n, str(n)) for n in range(5)])
    assert messages(logbook) == ["1", "0", "3", "2", "4"]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 20)), max_size=60), st.integers(1, 7), st.integers(0, 45))
def test_one_walk_sees_all_that_have_arrived_once_and_in_order(
    written: list[tuple[int, int]], size: int, waited: int
) -> None:
    clock = HandClock()
    logbook = book(clock, page_size=size)
    for number, (at, late) in enumerate(written):
        logbook.append(ID, "service", [record(NOW + at, f"{at:02}/{number:02}", arrival=NOW + at + late)])
    clock.at += waited
    expected = [f"{at:02}/{number:02}" for number, (at, late) in enumerate(written) if at + late <= waited]
    assert messages(logbook) == sorted(expected)


# ── arrival ──────────────────────────────────────────────────────────────────


def test_a_record_is_there_from_the_moment_it_arrives(logbook: Logbook, clock: HandClock) -> None:
    logbook.append(ID, "service", [record(NOW + 10, "future"), record(NOW - 10, "late", arrival=NOW + 20)])
    assert messages(logbook) == []
    clock.at = NOW + 10
    assert messages(logbook) == ["future"]
    clock.at = NOW + 20
    assert messages(logbook) == ["late", "future"]


def test_an_application_whose_clock_is_ahead_writes_into_the_future(logbook: Logbook) -> None:
    logbook.append(ID, "service", [record(NOW + DAY, arrival=NOW)])
    assert messages(logbook) == [str(NOW + DAY)]
    assert messages(logbook, end=NOW + DAY - 1) == []


def test_a_late_record_turns_up_behind_a_walk_and_before_the_next(clock: HandClock) -> None:
    logbook = book(clock, page_size=2)
    logbook.append(ID, "service", [record(NOW - 9 + n, str(n)) for n in range(4)])
    logbook.append(ID, "service", [record(NOW - 9, "late 0", NOW + 5), record(NOW - 7, "late 2", NOW + 5)])
    first = answer(logbook)
    clock.at += 5
    second = answer(logbook, token=first["next"])
    assert [one["details"]["message"] for page in (first, second) for one in page["data"]] == ["0", "1", "2", "late 2"]
    assert messages(logbook) == ["0", "late 0", "1", "2", "late 2", "3"]


# ── the window ───────────────────────────────────────────────────────────────


def test_both_ends_of_a_window_are_in_it(logbook: Logbook) -> None:
    logbook.append(ID, "service", [record(NOW - n, str(n)) for n in range(6)])
    assert messages(logbook, start=NOW - 3, end=NOW - 2) == ["3", "2"]
    assert messages(logbook, start=NOW - 3, end=NOW + DAY) == ["3", "2", "1", "0"]
    assert messages(logbook, start=NOW - 3) == ["3", "2", "1", "0"]
    assert messages(logbook, start=NOW + 1) == []


def test_without_a_start_it_is_the_last_day_and_with_an_end_alone_all_before(clock: HandClock) -> None:
    for window, seen in ((DAY, ["day", "now"]), (2 * DAY, ["days", "day", "now"])):
        logbook = book(clock, default_window=window)
        logbook.append(ID, "service", [record(NOW - 2 * DAY, "days"), record(NOW - DAY, "day"), record(NOW, "now")])
        assert messages(logbook) == seen
        assert messages(logbook, end=NOW - 1) == ["days", "day"]


def test_a_walk_without_dates_does_not_lose_what_the_day_leaves_behind(clock: HandClock) -> None:
    logbook = book(clock, page_size=1)
    logbook.append(ID, "service", [record(NOW - DAY + n, str(n)) for n in range(2)])
    first = answer(logbook)
    clock.at += 60_000
    assert answer(logbook, token=first["next"])["data"][0]["details"]["message"] == "1"


def test_records_are_readable_for_thirty_days(logbook: Logbook, clock: HandClock) -> None:
    logbook.append(ID, "service", [record(NOW - 30 * DAY - 1, "older"), record(NOW - 30 * DAY, "oldest")])
    assert messages(logbook, start=NOW - 30 * DAY) == ["oldest"]
    assert messages(logbook, end=NOW) == ["oldest"]
    clock.at += 1
    assert messages(logbook, end=NOW) == []


def test_a_walk_under_way_does_not_see_what_grows_too_old(clock: HandClock) -> None:
    logbook = book(clock, page_size=1)
    logbook.append(ID, "service", [record(NOW - 30 * DAY + n, str(n)) for n in range(3)])
    first = answer(logbook, end=NOW)
    clock.at += 2
    assert answer(logbook, end=NOW, token=first["next"])["data"][0]["details"]["message"] == "2"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOW - 30 * DAY - 1, None),
        (NOW - 30 * DAY - 1, NOW),
        (NOW, NOW - 1),
        (None, NOW - 30 * DAY - 1),
        (NOW + 2, NOW + 1),
    ],
)
def test_dates_out_of_range_are_refused(logbook: Logbook, start: int | None, end: int | None) -> None:
    with pytest.raises(ApiError) as refused:
        answer(logbook, start=start, end=end)
    assert (refused.value.status, code(refused)) == (400, "DeploymentLogInvalidDate")
    assert refused.value.body["message"] == "Invalid start/end date"


# ── tokens ───────────────────────────────────────────────────────────────────


@pytest.fixture
def token(logbook: Logbook) -> str:
    logbook.append(ID, "service", [record(NOW - n) for n in range(120)])
    return str(answer(logbook, start=NOW - 200)["next"])


def refused_token(logbook: Logbook, query: Query) -> None:
    with pytest.raises(ApiError) as refused:
        logbook.page(query)
    assert (refused.value.status, code(refused)) == (400, "DeploymentLogInvalidPageToken")
    assert refused.value.body["message"] == f"Invalid page token: {query.token}"


def test_a_token_says_nothing_and_can_be_used_again(logbook: Logbook, token: str) -> None:
    assert b64encode(b64decode(token, validate=True)).decode() == token
    assert answer(logbook, start=NOW - 200, token=token) == answer(logbook, start=NOW - 200, token=token)


def test_a_token_belongs_to_its_query(logbook: Logbook, token: str) -> None:
    good = Query(deployment_id=ID, start=NOW - 200, token=token)
    logbook.page(good)
    for other in (
        replace(good, start=None),
        replace(good, start=NOW - 199),
        replace(good, end=NOW),
        replace(good, application="service"),
        replace(good, deployment_id="another"),
    ):
        refused_token(logbook, other)


@pytest.mark.parametrize("text", ["x", "!", "ü", "====", "AAAA", b64encode(bytes(36)).decode()])
def test_what_was_never_issued_is_no_token(logbook: Logbook, text: str) -> None:
    refused_token(logbook, Query(deployment_id=ID, token=text))


def test_a_token_with_one_character_changed_is_none(logbook: Logbook, token: str) -> None:
    for at in range(len(token)):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        refused_token(logbook, Query(deployment_id=ID, start=NOW - 200, token=changed))


def test_a_token_of_another_simulation_is_none(clock: HandClock, token: str) -> None:
    refused_token(book(clock, seed=8), Query(deployment_id=ID, start=NOW - 200, token=token))


def test_tokens_live_for_their_time_or_until_they_are_ended(logbook: Logbook, clock: HandClock, token: str) -> None:
    query = Query(deployment_id=ID, start=NOW - 200, token=token)
    clock.at += logbook.manners.cursor_lifetime
    logbook.page(query)
    clock.at += 1
    refused_token(logbook, query)
    fresh = Query(deployment_id=ID, start=NOW - 200, token=answer(logbook, start=NOW - 200)["next"])
    logbook.page(fresh)
    logbook.expire_cursors()
    refused_token(logbook, fresh)


# ── manners ──────────────────────────────────────────────────────────────────


def test_the_last_page_ends_as_was_chosen(clock: HandClock) -> None:
    assert answer(book(clock, ending="null")) == {"data": [], "next": None}
    assert answer(book(clock, ending="absent")) == {"data": []}


def test_empty_pages_lose_nothing(clock: HandClock) -> None:
    logbook = book(clock, page_size=2, empty_every=2)
    logbook.append(ID, "service", [record(NOW - 9 + n, str(n)) for n in range(5)])
    seen = [[one["details"]["message"] for one in page["data"]] for page in pages(logbook)]
    assert seen == [["0", "1"], [], ["2", "3"], [], ["4"]]


def test_an_empty_page_with_a_token_can_be_the_first(clock: HandClock) -> None:
    logbook = book(clock, empty_every=1)
    page = answer(logbook)
    assert page["data"] == []
    assert answer(logbook, token=page["next"])["next"]


@pytest.mark.parametrize("wrong", [{"page_size": 0}, {"ending": "x"}, {"empty_every": -1}, {"keep": 0}, {"other": 1}])
def test_manners_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Manners)
