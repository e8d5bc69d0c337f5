"""The update actions of a ConnectorStaged, one by one."""

from typing import Any

import pytest

from tests.unit.simulated import codes
from watcher.simulator import ApiError
from watcher.simulator.actions import ACTIONS, apply, read_action
from watcher.simulator.lifecycle import Refusal
from watcher.simulator.repository import specification

DRAFT: dict[str, Any] = {
    "id": "i",
    "key": "mine",
    "name": "n",
    "creator": {"email": "a@example.com", "name": "A"},
    "repository": {"url": "git@github.com:example/mine.git", "tag": "1"},
    "configurations": [{"applicationName": "app", "applicationType": "job"}],
    "globalConfiguration": {"standardConfiguration": []},
    "private": True,
    "privateProjects": ["eu:one"],
    "status": "ReadyForCertification",
    "isPreviewable": "true",
    "publishingReport": {"entries": []},
    "previewableReport": {"entries": []},
    "alreadyListed": True,
    "certificationInfo": {"comments": [{"userId": "u", "datetime": "d", "comment": "first"}]},
}


def creator(**fields: Any) -> dict[str, Any]:
    return {"creator": {**DRAFT["creator"], **fields}}


AFRESH = {
    "status": "Draft",
    "isPreviewable": "none",
    "publishingReport": None,
    "previewableReport": None,
    "globalConfiguration": None,
    "apiClient": None,
}

EFFECTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"action": "setName", "name": "m"}, {"name": "m"}),
    ({"action": "setDescription", "description": ""}, {"description": ""}),
    ({"action": "setDocumentationUrl", "documentationUrl": "u"}, {"documentationUrl": "u"}),
    ({"action": "setIntegrationTypes", "integrationTypes": ["tax", "psp"]}, {"integrationTypes": ["tax", "psp"]}),
    ({"action": "setSupportedRegions", "regions": ["mars.gcp"]}, {"supportedRegions": ["mars.gcp"]}),
    ({"action": "setCreatorName", "creatorName": "B"}, creator(name="B")),
    ({"action": "setCreatorTitle", "creatorTitle": "Dr"}, creator(title="Dr")),
    ({"action": "setCreatorEmail", "creatorEmail": "b@example.com"}, creator(email="b@example.com")),
    ({"action": "setCreatorCompany", "creatorCompany": "C"}, creator(company="C")),
    ({"action": "setCreatorLogo", "logoUrl": "l"}, creator(logoUrl="l")),
    ({"action": "setCreatorSupportUrl", "creatorSupportUrl": "s"}, creator(supportUrl="s")),
    ({"action": "setCreatorNoOfContributors", "creatorNoOfContributors": 3}, creator(noOfContributors=3)),
    (
        {"action": "setRepository", "url": "https://github.com/example/gift-cards", "tag": "2"},
        {
            **AFRESH,
            **specification("gift-cards", None),
            "repository": {"url": "https://github.com/example/gift-cards", "tag": "2"},
        },
    ),
    (
        {"action": "setRepository", "tag": "2"},  # as the official client sends it
        {**AFRESH, **specification("", None), "repository": {"url": "git@github.com:example/mine.git", "tag": "2"}},
    ),
    ({"action": "setRepository", "tag": "1"}, {}),
    (
        {
            "action": "setConfigurations",
            "configurations": [
                {"applicationName": "app", "standardConfiguration": [{"key": "K", "description": "d"}]},
                {
                    "applicationName": "new",
                    "securedConfiguration": [{"key": "S", "description": "d", "required": True}],
                },
            ],
        },
        {
            "configurations": [
                {
                    "applicationName": "app",
                    "applicationType": "job",
                    "standardConfiguration": [{"key": "K", "description": "d"}],
                    "securedConfiguration": [],
                },
                {
                    "applicationName": "new",
                    "applicationType": "service",
                    "standardConfiguration": [],
                    "securedConfiguration": [{"key": "S", "description": "d", "required": True}],
                },
            ]
        },
    ),
    ({"action": "addPrivateProject", "privateProject": "eu:two"}, {"privateProjects": ["eu:one", "eu:two"]}),
    ({"action": "removePrivateProject", "privateProject": "eu:one"}, {"privateProjects": []}),
    (
        {"action": "addCertificationComment", "comment": "second"},
        {
            "certificationInfo": {
                "comments": [
                    {"userId": "u", "datetime": "d", "comment": "first"},
                    {"userId": "shop", "comment": "second"},
                ]
            }
        },
    ),
    ({"action": "unlist"}, {"alreadyListed": False}),
    ({"action": "updatePreviewable"}, {}),
    ({"action": "publish", "certification": True}, {}),
]


def test_the_table_has_every_action() -> None:
    assert {action["action"] for action, _ in EFFECTS} == set(ACTIONS)


@pytest.mark.parametrize(("action", "effect"), EFFECTS)
def test_an_action_changes_what_it_is_for_and_nothing_else(action: dict[str, Any], effect: dict[str, Any]) -> None:
    name, arguments = read_action(action, "$")
    assert apply(DRAFT, name, {**arguments, "author": "shop"}) == {**DRAFT, **effect}


REFUSED: list[tuple[dict[str, Any], dict[str, Any], Refusal]] = [
    (
        {"action": "addPrivateProject", "privateProject": "eu:one"},
        {},
        Refusal(code="DuplicateField", words={"field": "privateProjects", "duplicateValue": "eu:one"}),
    ),
    (
        {"action": "removePrivateProject", "privateProject": "eu:two"},
        {},
        Refusal(code="FieldValueNotFound", words={"field": "privateProjects", "value": "eu:two"}),
    ),
    *(
        ({"action": name, "privateProject": "eu:one"}, {"private": False}, Refusal(code="ConnectorStagedNotPrivate"))
        for name in ("addPrivateProject", "removePrivateProject")
    ),
    *(
        ({"action": "setRepository", "url": url, "tag": "2"}, {}, Refusal(code="GitRepositoryNotReachable"))
        for url in ("https://github.com/x/unreachable", "ftp://example.com/x", "x")
    ),
    *(
        (
            {"action": "setRepository", "url": "https://x/y", "tag": tag},
            {},
            Refusal(code=f"ConnectorSpecificationFile{code}", words={"url": "https://x/y", "tag": tag}),
        )
        for tag, code in (("v1-no-spec", "NotFound"), ("bad-spec", "NotValid"))
    ),
]


@pytest.mark.parametrize(("action", "draft", "refusal"), REFUSED)
def test_an_action_is_refused(action: dict[str, Any], draft: dict[str, Any], refusal: Refusal) -> None:
    assert apply({**DRAFT, **draft}, *read_action(action, "$")) == refusal


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ({}, "Unknown action None"),
        ({"action": "setNome"}, "Unknown action 'setNome'"),
        ({"action": ["setName"]}, "Unknown action ['setName']"),
        ({"action": "setName"}, "missing required field `name` - at `$.actions[0]`"),
        ({"action": "setName", "name": 5}, "Expected `str`, got `int` - in `$.actions[0].name`"),
        ({"action": "setName", "name": ""}, "length >= 1"),
        ({"action": "setIntegrationTypes", "integrationTypes": ["blockchain"]}, "'blockchain' - at `$[0]`"),
        ({"action": "setSupportedRegions", "regions": []}, "length >= 1"),
        ({"action": "setCreatorNoOfContributors", "creatorNoOfContributors": 0}, ">= 1"),
        ({"action": "addPrivateProject", "privateProject": "no-colon"}, "regex"),
        ({"action": "publish"}, "missing required field `certification`"),
        ({"action": "publish", "certification": "yes"}, "Expected `bool`"),
        ({"action": "setRepository", "url": "https://x/y"}, "missing required field `tag`"),
        ({"action": "setConfigurations", "configurations": [{}]}, "applicationName"),
    ],
)
def test_what_is_no_action_is_told_with_its_place(action: dict[str, Any], why: str) -> None:
    with pytest.raises(ApiError) as refused:
        read_action(action, "$.actions[0]")
    assert codes(refused) == ["InvalidJsonInput"]
    assert why in refused.value.body["errors"][0]["detailedErrorMessage"]
