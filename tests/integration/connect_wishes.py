"""What clients of the Connect API may ask for, as strategies: a third of it is wrong in one way or another."""

from typing import Any, Final, TypeVar

from hypothesis import strategies as st

from tests.facts.stage import GCP, fitting
from tests.facts.table import TABLE
from tests.integration.connect_model import Draft

ELSEWHERE: Final = "australia-southeast1.gcp"
"""A region that no draft here is for."""
UNKNOWN: Final = ("unknown application", "unknown key")

Thing = TypeVar("Thing")

WHICH = st.integers(0, 7)
KEYS = st.sampled_from(["published", "unused", "one", "two", "three"])
BY = st.sampled_from(["{ID}", "key={key}"])
VERSIONS = st.sampled_from([0, 0, 0, 0, -1, 1])
"""How far the version that is sent is off."""
PASSING = st.sampled_from(["1s", "6s", "31s", "61s", "3m", "1h"])
PLANS = st.sampled_from(
    [
        *(("deploy", result) for result in ("Failed", "Warning", "stuck")),
        *(("undeploy", result) for result in ("UndeployFailed", "stuck")),
        *(("preview", result) for result in ("false", "none", "stuck")),
        *(
            ("publish", result)
            for result in ("Failed", "stuck", "ReadyForCertification", "InCertification", "Rejected")
        ),
    ]
)
CHANGES = st.sampled_from(
    [
        {"action": "setName", "name": "Another"},
        {"action": "setDescription", "description": "Other words"},
        {"action": "setRepository", "url": "https://github.com/acme/another", "tag": "2.0.0"},
        {"action": "setSupportedRegions", "regions": [GCP]},
        {"action": "setIntegrationTypes", "integrationTypes": ["tax", "psp"]},
        {"action": "setCreatorEmail", "creatorEmail": "new@example.com"},
        {"action": "setCreatorNoOfContributors", "creatorNoOfContributors": 3},
        {"action": "setDocumentationUrl", "documentationUrl": "https://example.com/docs"},
        {"action": "addPrivateProject", "privateProject": f"{GCP}:gamma"},
        {"action": "removePrivateProject", "privateProject": f"{GCP}:gamma"},
        {"action": "addCertificationComment", "comment": "Please look at this"},
        {"action": "unlist"},
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["version", "actions", "action", "connector", "key", "name", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
RAW = st.binary(max_size=20) | st.sampled_from(
    [
        b"",
        b"[" * 5_000 + b"]" * 5_000,
        b'{"actions": ' * 2_000 + b"1" + b"}" * 2_000,
        b'{"x": ' + b"[" * 600 + b"]" * 600 + b"}",
        b'{"version": ' + b"9" * 5_000 + b', "actions": []}',
        b'{"version": 18446744073709551616, "actions": [{}]}',
        b'{"version": 1e308, "actions": [{"action": "redeploy"}]}',
        b'{"version": 1e999}',
        b'{"name": "\\ud800"}',
        b'{"key": "\xff"}',
        b"\xef\xbb\xbf{}",
    ]
)
"""Bodies that are hardly JSON, or more of it than anybody needs."""
ODD = (
    "",
    " ",
    "0",
    "-1",
    "1.5",
    "1e9",
    "9" * 16,
    "9" * 5_000,
    "\u0663",
    "\x00",
    "\ud7ff",
    "%",
    "a b",
    "true",
    "null",
    "createdAt",
)
MOMENTS = (
    "now", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30", "2026-01-01T00:00:00Z", "1e18",
)  # fmt: skip
TOKENS = ("", "=", "AAAA", "A" * 48, "\u00e9" * 48, "+/" * 24, "9" * 5_000)
PARAMETERS = [
    *("limit", "offset", "sort", "version", "deploymentType", "integrationTypes", "isPrivate", "private", "text", "id"),
    *("key", "creator.company", "applicationName", "nobody knows"),
]
QUERIES = st.lists(
    st.tuples(st.sampled_from(PARAMETERS), st.sampled_from(ODD))
    | st.tuples(st.sampled_from(["startDate", "endDate"]), st.sampled_from(MOMENTS))
    | st.tuples(st.just("pageToken"), st.sampled_from(TOKENS)),
    max_size=4,
).filter(lambda query: sum(len(value) for _, value in query) < 6_000)  # what is longer is no line of HTTP to the server
"""Query parameters, known and not, with values that fit few of them."""
POSTS = [endpoint for endpoint in TABLE.endpoints if endpoint.startswith("POST")]


def picked(alive: list[Thing], gone: list[Thing], which: int) -> Thing:
    """One of those that are there and of the last that is not."""
    among = [*alive, *gone[-1:]]
    return among[which % len(among)]


def deployment_body(draft: Draft, key: str, *, staged: bool, kind: str | None, flaw: str) -> dict[str, Any]:
    """A DeploymentDraft for a draft or its Connector, with one thing wrong where there is a flaw."""
    source = draft.payload if staged else draft.connector or draft.payload
    reference = {
        **({"id": source["id"]} if draft.gone else {"key": draft.key}),
        **({"staged": True} if staged else {}),
        "version": source["version"] + 7000 * (flaw == "version"),
    }
    return {
        "key": key,
        **({"type": kind} if kind else {}),
        "connector": reference,
        "region": ELSEWHERE if flaw == "region" else GCP,
        "configurations": configured(source, flaw),
    }


def configured(source: dict[str, Any], flaw: str) -> list[dict[str, Any]]:
    """Configurations for a Connector, with one thing wrong where the flaw is about them."""
    fit = [] if flaw == "no application" else fitting(source)
    if flaw == "unknown application":
        fit.append({"applicationName": "nobody", "standardConfiguration": [], "securedConfiguration": []})
    if flaw == "unknown key":
        fit[0]["standardConfiguration"].append({"key": "NOBODY_ASKED", "value": "x"})
    return fit
