"""Requests in the words of the official SDK: the methods of its request builders, with their arguments."""

from collections.abc import Mapping
from typing import Any

from tests.peers.sdk import Step
from tests.peers.shop import PROJECT

URL = "https://github.com/example/email-campaigns.git"
APPLICATIONS = ("profile-sync", "daily-segments")
GET: Step = ("get", {})
DRAFTS: tuple[Step, ...] = ("connectors", "drafts")
DEPLOYMENTS: tuple[Step, ...] = (("withProjectKey", {"projectKey": PROJECT}), "deployments")
DRAFT = {
    "key": "mailing",
    "name": "Mailing",
    "description": "Feeds the mailing platform.",
    "creator": {"email": "dev@example.com"},
    "repository": {"url": URL, "tag": "v1.0.0"},
    "integrationTypes": ["email"],
    "supportedRegions": ["europe-west1.gcp", "us-central1.gcp"],
    "privateProjects": [f"europe-west1.gcp:{PROJECT}"],
}


def by_id(value: str) -> Step:
    return "withId", {"ID": value}


def by_key(value: str) -> Step:
    return "withKey", {"key": value}


def post(**body: Any) -> Step:
    return "post", {"body": body}


def query(**arguments: Any) -> Step:
    return "get", {"queryArgs": arguments}


def update(resource: Mapping[str, Any], action: str, **arguments: Any) -> Step:
    return post(version=resource["version"], actions=[{"action": action, **arguments}])


def values(application: str, **standard: str) -> dict[str, Any]:
    given = [{"key": key, "value": value} for key, value in standard.items()]
    return {"applicationName": application, "standardConfiguration": given, "securedConfiguration": []}


def deployment(key: str, **fields: Any) -> Step:
    """The request for a Deployment of what `DRAFT` was published as."""
    account = [{"key": "MAILING_ACCOUNT", "value": "acme"}]
    wanted = {
        "key": key,
        "connector": {"key": "mailing", "staged": False},
        "configurations": [values(name) for name in APPLICATIONS],
        "globalConfiguration": {"standardConfiguration": account, "securedConfiguration": []},
        "region": "europe-west1.gcp",
    }
    return post(**{**wanted, **fields})
