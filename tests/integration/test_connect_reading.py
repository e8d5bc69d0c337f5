"""What is read of the Connect API's answers: what is kept, what is left out, and what is no answer."""

import hashlib
import json
from typing import Any

import pytest

from tests.connect_api import (
    ENDPOINTS,
    HTML,
    PROJECT,
    ConnectApi,
    Endpoint,
    answer,
    blind,
    for_every_endpoint,
    reading,
)
from tests.connect_records import CANARY, connector_record, draft_record, record
from watcher.core.snapshot import Application, Comment, Connector, ConnectorStaged, Deployment, Record, ReportEntry
from watcher.errors import Blindness

AT = "2026-11-23T10:00:00.822Z"


def entry(title: str, **fields: str) -> ReportEntry:
    return ReportEntry(type="Warning", title=title, message="exit 1", created_at=AT, **fields)


KEPT: dict[str, Record] = {
    "deployments": Deployment(
        id="id-a",
        key="a",
        project=PROJECT,
        status="Deployed",
        type="production",
        version=3,
        region="europe-west1.gcp",
        connector_id="c1",
        connector_key="stripe",
        connector_name="Stripe",
        connector_version=7,
        build="b1",
        entries=(entry("postDeploy", application="service"),),
        applications=(
            Application(id="a1", name="service", url="https://service.example", topic="projects/x/topics/y"),
        ),
    ),
    "drafts": ConnectorStaged(
        id="id-a",
        key="a",
        project=PROJECT,
        status="Draft",
        version=361,
        display="The a",
        previewable="none",
        listed=True,
        changed=True,
        tag="v1.0.1",
        repository=hashlib.sha256(f"{CANARY}:x.git".encode()).hexdigest()[:16],
        publishing=(entry("Connector image build check"),),
        preview=(entry("Connector runtime security check skipped"),),
        comments=(Comment(at="2026-11-23T10:00:00Z", text="Please add tests."),),
    ),
    "connectors": Connector(id="id-a", key="a", project=PROJECT, version=8, display="The a", tag="v1.0.1"),
}
"""What is kept of the record `a`."""


@for_every_endpoint
async def test_a_record_is_read_without_what_is_configured_and_who_made_it(endpoint: Endpoint) -> None:
    async with reading(endpoint.api()) as clients:
        found = await endpoint.ask(clients)
    assert found == {"id-a": KEPT[endpoint.stock]}
    assert CANARY not in repr(found)


@for_every_endpoint
async def test_what_is_not_there_is_nothing(endpoint: Endpoint) -> None:
    async with reading(endpoint.api(**{endpoint.stock: []})) as clients:
        assert not await endpoint.ask(clients)


@pytest.mark.parametrize(
    ("made", "stock"),
    [
        (record("a", details={"build": {"id": "b", "report": {"entries": [{"title": CANARY}]}}}), "deployments"),
        (record("a", key=CANARY, type=CANARY, deployedRegion=CANARY, status=CANARY), "deployments"),
        (record("a", connector={"id": "c", "key": CANARY, "name": CANARY}), "deployments"),
        (record("a", applications=[{"applicationName": CANARY, "url": CANARY, "topic": CANARY}]), "deployments"),
        (draft_record("a", key=CANARY, name=CANARY, status=CANARY, isPreviewable=CANARY), "drafts"),
        (draft_record("a", repository={"tag": CANARY}), "drafts"),
        (draft_record("a", publishingReport={"entries": [{"title": CANARY, "message": CANARY}]}), "drafts"),
        (draft_record("a", previewableReport={"entries": [{"title": "t", "application": CANARY}]}), "drafts"),
        (draft_record("a", certificationInfo={"comments": [{"comment": f"it is {CANARY}"}]}), "drafts"),
        (draft_record("a", name="x" * 250 + CANARY, repository={"tag": "x" * 250 + CANARY}), "drafts"),
        (connector_record("a", key=CANARY, name=CANARY, repository={"tag": CANARY}), "connectors"),
        (connector_record("a", name="x" * 250 + CANARY), "connectors"),
    ],
)
async def test_foreign_texts_pass_the_cleaner_before_they_are_cut(made: dict[str, Any], stock: str) -> None:
    for endpoint in (each for each in ENDPOINTS if each.stock == stock):
        api = endpoint.api(**{stock: [made]})
        async with reading(api, clean=lambda text: text.replace(CANARY, "***")) as clients:
            found = await endpoint.ask(clients)
            assert found.keys() == {"id-a"}
            assert CANARY[:4] not in repr(found), "not even the beginning of it"
            assert "**" in repr(found)


async def test_texts_are_cut_to_what_a_message_can_hold() -> None:
    long = {"entries": [{"title": "t" * 9_000, "message": "m" * 9_000, "application": "a" * 9_000}] * 300}
    comments = {"comments": [{"comment": f"{number:03d}" + "c" * 9_000} for number in range(300)]}
    draft = draft_record("a", name="n" * 900, publishingReport=long, certificationInfo=comments)
    async with reading(ConnectApi(drafts=[draft])) as clients:
        found = (await clients.drafts.list()).records["id-a"]
    assert len(found.display) == 256
    assert {(len(each.title), len(each.message), len(each.application)) for each in found.publishing} == {
        (4_096, 4_096, 256)
    }
    assert len(found.publishing) == len(found.comments) == 100
    assert found.comments[-1].text.startswith("299c"), "the last ones stay"
    assert len(found.comments[-1].text) == 4_096


@pytest.mark.parametrize(
    ("value", "kept"),
    [("Hibernating", "Hibernating"), ("x" * 500, "x" * 64), ("Fail\u202eed\x1b[31m", "Fail\ufffded\ufffd[31m")],
)
async def test_an_unknown_status_is_kept_as_it_is_within_bounds(value: str, kept: str) -> None:
    for endpoint in ENDPOINTS[:4]:
        async with reading(endpoint.api(**{endpoint.stock: [endpoint.make("a", value)]})) as clients:
            (found,) = (await endpoint.ask(clients)).values()
        assert found.status == kept


async def test_other_enumerations_are_open_too() -> None:
    odd = record("a", type="staging", deployedRegion="mars-1.gcp")
    odd["details"]["build"]["report"]["entries"][0]["type"] = "Catastrophe"
    api = ConnectApi([odd], [draft_record("a", isPreviewable="perhaps"), draft_record("b", isPreviewable=True)])
    async with reading(api) as clients:
        deployment = (await clients.deployments.list()).records["id-a"]
        drafts = (await clients.drafts.list()).records
    assert (deployment.type, deployment.region, deployment.entries[0].type) == ("staging", "mars-1.gcp", "Catastrophe")
    assert (drafts["id-a"].previewable, drafts["id-b"].previewable) == ("perhaps", "true")


# ── JSON that is hard to read ────────────────────────────────────────────────


BARE = [
    "null",
    "5",
    '"text"',
    "[]",
    "{}",
    '{"id": null, "status": "Failed"}',
    '{"id": 5, "status": "Failed"}',
    '{"id": "", "status": "Failed"}',
    '{"id": "../../admin", "status": "Failed"}',
    '{"id": "a b", "status": "Failed"}',
    '{"id": "\\ud83d", "status": "Failed"}',
    '{"ID": "x", "status": "Failed"}',
    json.dumps({"id": "x" * 200, "status": "Failed"}),
]
"""Records that cannot be understood, of whatever kind."""
WITHOUT_STATUS = [
    '{"id": "x"}',
    '{"id": "x", "status": null}',
    '{"id": "x", "status": 5}',
    '{"id": "x", "status": " "}',
]


@pytest.mark.parametrize("bad", [*BARE, *WITHOUT_STATUS])
async def test_a_record_without_id_or_status_is_left_out_and_counted(bad: str) -> None:
    for endpoint in (each for each in ENDPOINTS if each.whole):
        api = endpoint.api(answer(200, endpoint.body(json.dumps(endpoint.make("a")), bad)))
        async with reading(api) as clients:
            listing = await endpoint.client(clients).list()
        assert list(listing.records) == ["id-a"]
        assert listing.quarantined == 1
        assert api.calls == {endpoint.path: 1}


@pytest.mark.parametrize("bad", BARE)
async def test_a_search_is_not_spoilt_by_one_bad_record(bad: str) -> None:
    endpoint = next(each for each in ENDPOINTS if each.name == "search for connectors")
    async with reading(endpoint.api(answer(200, endpoint.body(json.dumps(endpoint.make("a")), bad)))) as clients:
        assert await endpoint.ask(clients) == {"id-a": KEPT["connectors"]}


@pytest.mark.parametrize("bad", BARE)
async def test_a_single_record_without_id_is_no_record(bad: str) -> None:
    for endpoint in (each for each in ENDPOINTS if not each.is_page):
        async with reading(endpoint.api(answer(200, bad))) as clients:
            assert (await blind(endpoint.ask(clients))).kind is Blindness.UNREADABLE


@for_every_endpoint
async def test_another_record_than_the_one_asked_for_is_no_answer(endpoint: Endpoint) -> None:
    """One that was not asked for is left out of a search, and what is missing there is asked for by itself."""
    other = endpoint.api(answer(200, endpoint.body(json.dumps(endpoint.make("b")))))
    async with reading(other) as clients:
        if endpoint.is_page:
            assert (await endpoint.ask(clients)).keys() == ({"id-b"} if endpoint.whole else {"id-a"})
        else:
            error = await blind(endpoint.ask(clients))
            assert error.kind is Blindness.UNREADABLE
            assert "another record" in str(error)


@for_every_endpoint
@pytest.mark.parametrize("version", ["9" * 5_000, "1e400", "1.5", '"12"', "-1", "null", "[" * 400 + "]" * 400])
async def test_a_number_that_is_none_costs_that_number_only(endpoint: Endpoint, version: str) -> None:
    odd = json.dumps(endpoint.make("a", version="VERSION")).replace('"VERSION"', version)
    async with reading(endpoint.api(answer(200, endpoint.body(odd)))) as clients:
        (found,) = (await endpoint.ask(clients)).values()
    assert found.version == 0
    assert found.name == "a"
    assert found.entries == KEPT[endpoint.stock].entries


@for_every_endpoint
async def test_half_a_surrogate_pair_blinds_nobody(endpoint: Endpoint) -> None:
    """A text that was cut in the middle of an emoji; an escaped backslash before the letters is no escape."""
    odd = json.dumps(endpoint.make("a", key="KEY")).replace("KEY", r"cut \ud83d, whole \ud83d\ude00, C:\\ud83d, \udc00")
    async with reading(endpoint.api(answer(200, endpoint.body(odd)))) as clients:
        (found,) = (await endpoint.ask(clients)).values()
    assert found.name == "cut \ufffd, whole \U0001f600, C:\\ud83d, \ufffd"
    assert str(found).encode()


@for_every_endpoint
async def test_bytes_that_are_no_text_cost_their_characters_only(endpoint: Endpoint) -> None:
    odd = endpoint.body(json.dumps(endpoint.make("a", key="KEY"))).replace(b"KEY", b"sh\xffp")
    async with reading(endpoint.api(answer(200, odd))) as clients:
        (found,) = (await endpoint.ask(clients)).values()
    assert found.name == "sh\ufffdp"


@for_every_endpoint
async def test_of_duplicate_fields_the_last_counts(endpoint: Endpoint) -> None:
    twice = json.dumps(endpoint.make("a")).replace('"version"', '"key": "old", "key": "new", "version"')
    async with reading(endpoint.api(answer(200, endpoint.body(twice)))) as clients:
        (found,) = (await endpoint.ask(clients)).values()
    assert found.name == "new"


@for_every_endpoint
async def test_a_byte_order_mark_is_no_obstacle(endpoint: Endpoint) -> None:
    async with reading(endpoint.api(answer(200, b"\xef\xbb\xbf" + endpoint.body()))) as clients:
        assert await endpoint.ask(clients) == {"id-a": KEPT[endpoint.stock]}


@for_every_endpoint
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"null",
        b"[]",
        b"5",
        b'"text"',
        b"{}",
        b'{"results": null}',
        b'{"results": {}}',
        b'{"results": "none"}',
        b'{"result": [], "data": []}',
        b'{"results": [',
        b'{"results": []} trailing',
        b'{"results": [NaN]}',
        b'{"results": [{"id": "id-a", "status": "Failed", "x": Infinity}]}',
        b'{"id": "id-a", "status": "Failed", "x": NaN}',
        b'{"results": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
        b'{"id": "id-a", "status": "Failed", "x": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
        '{"results": [], "id": "id-a", "status": "Failed"}'.encode("utf-16"),
        HTML.encode(),
        b"\x00\x01\x02\x03",
        json.dumps({"statusCode": 200, "message": CANARY}).encode(),
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
async def test_what_is_no_answer_blinds_and_is_not_repeated(endpoint: Endpoint, body: bytes) -> None:
    async with reading(endpoint.api(answer(200, body))) as clients:
        error = await blind(endpoint.ask(clients))
    assert error.kind is Blindness.UNREADABLE
    assert str(error).startswith(f"{PROJECT}: the Connect API answered 200 with ")


async def test_a_bad_id_of_a_connector_is_not_asked_for() -> None:
    """It stands in a URL, and one that the API refuses would blind to all others."""
    odd = [record(name, connector={"id": name}) for name in ("a b", "..", "x" * 200, "c2")]
    for number, each in enumerate(odd):
        each["id"] = f"id-{number}"
    async with reading(ConnectApi(odd)) as clients:
        found = (await clients.deployments.list()).records
    assert [each.connector_id for each in found.values()] == ["", "", "", "c2"]
