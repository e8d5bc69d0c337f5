"""The API over a real server and a real database."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.api_stage import (
    GROUP,
    LOST,
    SINK,
    Stage,
    stage,
    with_alerts,
    with_dead_letters,
    with_deployments,
)
from watcher.web.api import OPERATIONS

HOUR = 3_600_000


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as made:
        yield made


# ── alerts ───────────────────────────────────────────────────────────────────


async def names(world: Stage, query: str = "") -> list[str]:
    found = await world.get(f"/alerts{query}")
    assert found["total"] == len(found["alerts"])
    return [each["labels"]["alertname"] for each in found["alerts"]]


async def test_alerts_are_shown_newest_first_with_those_that_have_still_to_be_told(world: Stage) -> None:
    assert await names(world) == []
    await with_alerts(world.store)
    assert await names(world) == ["Waiting", "Over", "Failed", "Known"]
    found = {each["labels"]["alertname"]: each for each in (await world.get("/alerts"))["alerts"]}
    assert found["Failed"]["groups"] == [{"receiver": "team", "groupKey": GROUP, "told": True, "acknowledgedBy": ""}]
    assert found["Over"]["groups"][0]["told"] is False
    assert found["Over"]["endsAt"] == "2027-01-15T08:00:00Z"
    assert (found["Waiting"]["startsAt"], found["Waiting"]["since"]) == (None, "2027-01-15T08:00:00Z")
    assert [found[each]["known"] for each in ("Known", "Failed")] == [True, False]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?state=firing", ["Failed", "Known"]),
        ("?state=pending", ["Waiting"]),
        ("?state=resolved", ["Over"]),
        ("?filter=alertname%3D%22Failed%22", ["Failed"]),
        ("?filter=severity%3D~%22crit.*%22&filter=alertname!%3DFailed", ["Over", "Known"]),
        ("?filter=nothing%3D%22%22", ["Waiting", "Over", "Failed", "Known"]),
        ("?silenced=true", []),
        ("?acknowledged=false&state=pending", ["Waiting"]),
    ],
)
async def test_alerts_can_be_chosen(world: Stage, query: str, expected: list[str]) -> None:
    await with_alerts(world.store)
    assert await names(world, query) == expected


async def test_a_page_says_how_much_there_is_in_all(world: Stage) -> None:
    await with_alerts(world.store)
    found = await world.get("/alerts?limit=2&offset=1")
    assert (found["total"], [each["labels"]["alertname"] for each in found["alerts"]]) == (4, ["Over", "Failed"])
    assert (await world.get("/alerts?offset=9"))["alerts"] == []


async def test_silenced_alerts_name_their_silences_while_those_are_active(world: Stage) -> None:
    await with_alerts(world.store)
    _, made = await world.ask(
        "POST", "/silences", {"matchers": ["alertname=Failed"], "comment": "known", "duration": "1h"}
    )
    found = (await world.get("/alerts?silenced=true"))["alerts"]
    assert [(each["labels"]["alertname"], each["silencedBy"]) for each in found] == [("Failed", [made["id"]])]
    world.clock.at += HOUR
    assert await names(world, "?silenced=true") == []


# ── deployments ──────────────────────────────────────────────────────────────


async def test_deployments_are_shown_with_their_sources_sight_and_no_secret(world: Stage) -> None:
    await with_deployments(world.store)
    found = await world.get("/deployments")
    assert [(each["project"], each["key"], each["status"]) for each in found["deployments"]] == [
        ("my-shop", "other", "Failed"),
        ("my-shop", "shop", "Deployed"),
        ("second", "third", "Deployed"),
    ]
    assert [each["since"] for each in found["deployments"]] == ["2027-01-15T07:59:00Z"] * 2 + [None]
    sights = {each["project"]: each for each in found["sources"]}
    assert (sights["second"]["blind"], sights["second"]["lastRead"], sights["second"]["failures"]) == (True, None, 7)
    assert sights["my-shop"]["lastRead"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize(
    ("query", "keys", "sources"),
    [
        ("?project=my-shop", ["other", "shop"], ["my-shop"]),
        ("?status=Failed", ["other"], ["my-shop", "second"]),
        ("?type=production&limit=1", ["shop"], ["my-shop", "second"]),
        ("?project=nobody", [], []),
    ],
)
async def test_deployments_can_be_chosen(world: Stage, query: str, keys: list[str], sources: list[str]) -> None:
    await with_deployments(world.store)
    found = await world.get(f"/deployments{query}")
    assert [each["key"] for each in found["deployments"]] == keys
    assert [each["project"] for each in found["sources"]] == sources


# ── dead letters ─────────────────────────────────────────────────────────────


async def test_dead_letters_are_listed_in_pages_newest_first(world: Stage) -> None:
    await with_dead_letters(world.store, "a", "b", "c")
    first = await world.get("/deadletters?limit=2")
    assert [each["id"] for each in first["deadLetters"]] == ["c", "b"]
    rest = await world.get(f"/deadletters?limit=2&before={first['next']}")
    assert ([each["id"] for each in rest["deadLetters"]], rest["next"]) == (["a"], 0)
    assert (await world.get("/deadletters?sink=other"))["deadLetters"] == []


async def test_a_dead_letter_is_shown_whole_without_secrets(world: Stage) -> None:
    await with_dead_letters(world.store, "a")
    found = await world.get("/deadletters/a")
    assert found["title"]
    assert found["notification"]["id"] == "a"
    assert found["body"].startswith("body of a <secret>")
    assert "status 400" in found["lastError"]
    status, problem = await world.ask("GET", "/deadletters/nobody")
    assert (status, problem["title"], problem["detail"]) == (
        404,
        "Not Found",
        "there is no dead letter with this id",
    )


async def test_dead_letters_are_replayed_by_id_in_their_order_and_the_sender_is_woken(world: Stage) -> None:
    await with_dead_letters(world.store, "a", "b", "c")
    body = {"ids": ["c", "a", "nobody"], "author": "ann"}
    assert await world.ask("POST", "/deadletters/replay", body) == (
        200,
        {"replayed": ["a", "c"], "notDead": ["nobody"]},
    )
    assert world.woken == 1
    (act,) = (await world.get("/audit"))["audit"]
    assert (act["actor"], act["action"], act["subject"], act["detail"]) == (
        "ann",
        "deadletters.replayed",
        "c, a, nobody",
        "2",
    )
    due = await world.store.due_deliveries(SINK, world.clock.now(), 9)
    assert [each.id for each in due] == ["a"]  # one lane, in order
    assert await world.ask("POST", "/deadletters/replay", body) == (
        200,
        {"replayed": [], "notDead": ["c", "a", "nobody"]},
    )
    assert world.woken == 1


async def test_all_dead_letters_of_a_sink_are_replayed(world: Stage) -> None:
    """However many pages that are."""
    known = [f"n{each:03}" for each in range(45)]
    await with_dead_letters(world.store, *known)
    status, found = await world.ask("POST", "/deadletters/replay", {"sink": SINK})
    assert (status, found) == (200, {"replayed": known, "notDead": []})
    assert (await world.get("/deadletters"))["deadLetters"] == []


@pytest.mark.parametrize("body", [{"sink": LOST}, {"ids": ["lost"]}])
async def test_nothing_is_replayed_for_a_sink_that_is_no_more(world: Stage, body: dict[str, Any]) -> None:
    await with_dead_letters(world.store, "lost", sink=LOST)
    status, problem = await world.ask("POST", "/deadletters/replay", body)
    assert (status, problem["errors"]) == (409, [{"at": "sink", "problem": LOST}])
    assert len((await world.get("/deadletters"))["deadLetters"]) == 1


# ── silences, acknowledgements, audit ────────────────────────────────────────


async def test_a_silence_is_made_shown_and_ended_and_all_of_it_is_on_record(world: Stage) -> None:
    wanted = {"matchers": ['a=~"b|c"', "d!=e"], "comment": "deploying", "author": "ann", "duration": "2h"}
    status, made = await world.ask("POST", "/silences", wanted)
    assert status == 201
    assert (made["matchers"], made["author"], made["state"], made["endsAt"]) == (
        ['a=~"b|c"', 'd!="e"'],
        "ann",
        "active",
        "2027-01-15T10:00:00Z",
    )
    assert [each["id"] for each in (await world.get("/silences"))["silences"]] == [made["id"]]
    status, ended = await world.ask("DELETE", f"/silences/{made['id']}?author=bob")
    assert (status, ended["state"], ended["endsAt"]) == (200, "ended", "2027-01-15T08:00:00Z")
    assert (await world.get("/silences"))["silences"] == []
    assert len((await world.get("/silences?ended=true"))["silences"]) == 1
    audit = (await world.get("/audit"))["audit"]
    assert [(each["actor"], each["action"]) for each in audit] == [
        ("bob", "silence.expired"),
        ("ann", "silence.added"),
    ]
    assert len((await world.get("/audit?limit=1"))["audit"]) == 1
    assert (await world.ask("DELETE", "/silences/nobody"))[0] == 404


@pytest.mark.parametrize(
    ("change", "at", "problem"),
    [
        ({"matchers": []}, "matchers", "Tuple should have at least 1 item after validation, not 0"),
        ({"matchers": ["a=~("]}, "matchers.0", "at position 4: not a valid RE2 pattern: missing ): ("),
        ({"matchers": ["a"]}, "matchers.0", "at position 2: expected one of = != =~ !~; quote the value"),
        ({"comment": ""}, "comment", "String should have at least 1 character"),
        ({"comment": " \u200b\x1b[0m"}, "comment", "must say something that can be seen"),
        ({"duration": None}, "", "say when it ends: duration, endsAt or untilDeployment"),
        ({"duration": "2 hours"}, "duration", "not a duration: '2 hours'"),
        ({"duration": "0s"}, "duration", 'write a duration like "30m", "2h" or "1d12h"'),
        ({"endsAt": "2027-01-15T10:00:00Z"}, "", "give either endsAt or duration"),
        ({"duration": None, "endsAt": "2027-01-15T10:00:00"}, "endsAt", "Input should have timezone info"),
        ({"nonsense": 1}, "nonsense", "Extra inputs are not permitted"),
        ({"matchers": ["\ud800=b"]}, "", ""),
    ],
)
async def test_what_is_wrong_with_a_silence_is_said(
    world: Stage, change: dict[str, Any], at: str, problem: str
) -> None:
    wanted = {"matchers": ["a=b"], "comment": "x", "duration": "1h", **change}
    status, found = await world.ask("POST", "/silences", wanted)
    if not problem:
        assert status == 400
        return
    assert (status, found["status"], found["errors"][0]["at"]) == (422, 422, at)
    assert found["errors"][0]["problem"].startswith(problem)
    assert (await world.get("/silences?ended=true"))["silences"] == []


async def test_what_operating_refuses_is_a_problem_too(world: Stage) -> None:
    wanted = {"matchers": ["a=b"], "comment": "x", "duration": "2y"}
    status, found = await world.ask("POST", "/silences", wanted)
    assert status == 422
    assert "366d" in found["detail"]


async def test_a_group_is_acknowledged_by_its_key(world: Stage) -> None:
    await with_alerts(world.store)
    assert await world.ask("POST", "/acknowledge", {"groupKey": GROUP, "author": "ann"}) == (200, {"alerts": 1})
    (act,) = (await world.get("/audit"))["audit"]
    assert (act["actor"], act["action"], act["subject"]) == ("ann", "alert.acknowledged", GROUP)
    status, problem = await world.ask("POST", "/acknowledge", {"groupKey": "nobody's"})
    assert (status, problem["detail"].split(":")[0]) == (404, "nothing fires in a group with this key")


# ── who may ask, and how ─────────────────────────────────────────────────────


async def test_the_door_stands_before_everything(world: Stage) -> None:
    for path in ("/alerts", "/openapi.json", "/nowhere"):
        status, problem = await world.ask("GET", path, headers={"Host": "evil.example"})
        assert (status, problem["title"]) == (403, "Forbidden")
    assert (await world.ask("POST", "/silences", b"{}", {"Content-Type": "text/plain"}))[0] == 415
    assert (await world.ask("GET", "/alerts", headers={"X-Forwarded-For": "10.0.0.1"}))[0] == 403
    world.token = "a-token-of-the-right-length"
    assert (await world.ask("GET", "/alerts", headers={"Via": "1.1 proxy"}))[0] == 401
    allowed = {"Via": "1.1 proxy", "Authorization": f"Bearer {world.token}", "Host": "watcher.example.com"}
    assert (await world.ask("GET", "/alerts", headers=allowed))[0] == 200
    assert (await world.ask("GET", "/alerts", headers={"Authorization": "Bearer no"}))[0] == 401


async def test_answers_tell_browsers_to_keep_out_and_allow_no_other_origin(world: Stage) -> None:
    for path in ("/api/v1/alerts", "/api/v1/nowhere"):
        async with world.session.get(world.url + path) as response:
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert not [name for name in response.headers if name.startswith("Access-Control")]
    async with world.session.options(f"{world.url}/api/v1/silences") as response:
        assert response.status == 405


async def test_probes_and_metrics_do_not_ask_who_comes(world: Stage) -> None:
    for path in ("/-/healthy", "/-/ready", "/metrics"):
        async with world.session.get(world.url + path, headers={"Host": "evil.example", "Via": "x"}) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nowhere", None, 404),
        ("PUT", "/silences", {}, 405),
        ("POST", "/silences", b"{", 400),
        ("POST", "/silences", b"\xff\xfe", 400),
        ("POST", "/silences", b"[" * 10_000, 400),
        ("POST", "/silences", b"[]", 422),
        ("POST", "/silences", b'"' + b"x" * 100_000 + b'"', 413),
        ("POST", "/silences?x=1", {}, 400),
        ("GET", "/alerts?limit=0", None, 422),
        ("GET", "/alerts?limit=1001", None, 422),
        ("GET", "/alerts?limit=1&limit=2", None, 400),
        ("GET", "/alerts?state=Firing", None, 422),
        ("GET", "/alerts?nonsense=1", None, 422),
        ("GET", "/alerts?offset=" + "9" * 50, None, 422),
        ("GET", "/alerts?filter=a%3D~(", None, 422),
        ("GET", "/deadletters?before=" + "9" * 30, None, 422),
        ("GET", "/deadletters/" + "x" * 300, None, 422),
    ],
)
async def test_what_cannot_be_done_is_a_problem_object(
    world: Stage, method: str, path: str, body: object, status: int
) -> None:
    found, problem = await world.ask(method, path, body)
    assert (found, problem["status"]) == (status, status)
    assert problem["detail"]


async def test_a_database_that_is_gone_is_no_fault_of_the_client(world: Stage) -> None:
    await world.store.close()
    status, problem = await world.ask("GET", "/alerts")
    assert (status, problem["title"]) == (503, "Service Unavailable")


async def raw(url: str, request: bytes) -> bytes:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(10):
        found = await reader.read()
    writer.close()
    return found


@pytest.mark.parametrize(
    "target",
    [
        b"/api/v1/alerts?filter=a%3D\xff",
        b"/api/v1/alerts?filter=a%3D%FF",
        b"/api/v1/deadletters?sink=\xed\xa0\x80",
        b"/api/v1/deadletters/\xff\xfe",
        b"/api/v1/deadletters/%00",
        b"/api/v1/deadletters/%2e%2e",
        b"/api/v1/silences/%ed%a0%80",
        b"/api/v1//alerts",
    ],
)
async def test_what_is_no_text_is_refused_or_nowhere(world: Stage, target: bytes) -> None:
    answer = await raw(world.url, b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert int(answer.split(b" ", 2)[1]) < 500, answer


async def test_a_proxy_that_says_nothing_of_itself_is_known_by_its_protocol(world: Stage) -> None:
    """As nginx passes on what it gets, unless told otherwise."""
    asked = b"GET /api/v1/alerts HTTP/1.0\r\nHost: 127.0.0.1:8080\r\nConnection: close\r\n"
    assert b" 403 " in (await raw(world.url, asked + b"\r\n")).split(b"\r\n")[0]
    world.token = "a-token-of-the-right-length"
    asked += f"Authorization: Bearer {world.token}\r\n".encode()
    assert b" 200 " in (await raw(world.url, asked + b"\r\n")).split(b"\r\n")[0]


PATHS = sorted({each.path for each in OPERATIONS})
anything = st.binary(max_size=200) | st.text(max_size=80).map(lambda text: text.encode(errors="replace"))
jsonish = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["matchers", "ids", "sink", "comment", "a"]), inner)
    ),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())


def test_no_bytes_at_all_give_a_500(tmp_path: Path) -> None:
    """One server for all examples: a loop of its own, asked from inside it."""
    loop = asyncio.new_event_loop()
    context = stage(tmp_path)
    made = loop.run_until_complete(context.__aenter__())
    loop.run_until_complete(with_alerts(made.store))

    @given(
        method=st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PATCH"]),
        path=st.sampled_from(PATHS),
        piece=anything,
        names=st.sampled_from(["", "?filter=", "?limit=", "?sink=", "?before=", "?project=", "?"]),
        body=anything | jsonish,
        head=st.sampled_from(["application/json", "text/plain", "application/json; charset=\udc80"]),
    )
    def ask(method: str, path: str, piece: bytes, names: str, body: bytes, head: str) -> None:
        inserted = quote(piece).encode()
        target = b"/api/v1" + path.encode().replace(b"{id}", inserted or b"x") + names.encode() + inserted
        lines = [
            method.encode() + b" " + target + b" HTTP/1.1",
            b"Host: localhost",
            b"Connection: close",
            b"Content-Type: " + head.encode(errors="surrogateescape"),
            b"Content-Length: " + str(len(body)).encode(),
        ]
        answer = loop.run_until_complete(raw(made.url, b"\r\n".join(lines) + b"\r\n\r\n" + body))
        assert answer.startswith(b"HTTP/1."), answer
        assert int(answer.split(b" ", 2)[1]) < 500, answer

    try:
        ask()
    finally:
        loop.run_until_complete(context.__aexit__(None, None, None))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
