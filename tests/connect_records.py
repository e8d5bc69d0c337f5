"""Deployments, drafts of Connectors and published Connectors as the API sends them, with a canary wherever it must not be kept."""

from typing import Any

CANARY = "c4n4ry-s3cr3t"
MAIL = f"{CANARY}@agency.example"


def record(name: str, status: str = "Deployed", /, **fields: Any) -> dict[str, Any]:
    """A Deployment as the API sends it, configuration values included."""
    return {
        "id": f"id-{name}",
        "key": name,
        "version": 3,
        "type": "production",
        "status": status,
        "preview": False,
        "deployedRegion": "europe-west1.gcp",
        "globalConfiguration": configuration("value"),
        "apiClient": {"name": CANARY, "secret": CANARY, "scopes": [CANARY]},
        "connector": {
            "id": "c1",
            "key": "stripe",
            "name": "Stripe",
            "version": 7,
            "certified": True,
            "description": CANARY,
            "repository": {"url": CANARY, "tag": "v7"},
            **secrets(),
        },
        "applications": [
            {
                "id": "a1",
                "applicationName": "service",
                "url": "https://service.example",
                "topic": "projects/x/topics/y",
                **configuration("value"),
            }
        ],
        "details": {"build": {"id": "b1", "report": report("postDeploy", application="service")}},
        **fields,
    }


def draft_record(name: str, status: str = "Draft", /, **fields: Any) -> dict[str, Any]:
    """A ConnectorStaged as the API sends it, whoever made it and commented on it included."""
    return {
        "id": f"id-{name}",
        "key": name,
        "version": 361,
        "name": f"The {name}",
        "description": CANARY,
        "repository": {"url": f"git@{CANARY}:x.git", "tag": "v1.0.1"},
        "private": True,
        "privateProjects": [f"europe-west1.gcp:{CANARY}"],
        "status": status,
        "isPreviewable": "none",
        "alreadyListed": True,
        "hasChanges": True,
        "publishingReport": report("Connector image build check"),
        "previewableReport": report("Connector runtime security check skipped"),
        "certificationInfo": {
            "comments": [{"userId": CANARY, "datetime": "2026-11-23T10:00:00Z", "comment": "Please add tests."}]
        },
        **secrets(),
        **fields,
    }


def connector_record(name: str, /, **fields: Any) -> dict[str, Any]:
    """A published Connector as the API sends it."""
    return {
        "id": f"id-{name}",
        "key": name,
        "version": 8,
        "name": f"The {name}",
        "description": CANARY,
        "repository": {"url": CANARY, "tag": "v1.0.1"},
        "private": False,
        "privateProjects": [f"europe-west1.gcp:{CANARY}"],
        **secrets(),
        **fields,
    }


def report(title: str, *, kind: str = "Warning", **fields: Any) -> dict[str, Any]:
    entry = {"type": kind, "title": title, "message": "exit 1", "createdAt": "2026-11-23T10:00:00.822Z"}
    return {"entries": [entry | fields]}


def configuration(name: str) -> dict[str, Any]:
    """What is configured, or may be: a value, or its default."""
    return {
        "standardConfiguration": [{"key": "MODE", name: CANARY}],
        "securedConfiguration": [{"key": "API_KEY", name: CANARY}],
    }


def secrets() -> dict[str, Any]:
    """What a Connector and a draft have that nobody needs to know."""
    return {
        "creator": {"name": CANARY, "email": MAIL, "company": CANARY, "supportUrl": f"https://{CANARY}"},
        "configurations": [{"applicationName": "service", "applicationType": "service", **configuration("default")}],
        "globalConfiguration": configuration("default"),
        "apiClient": {"scopes": [CANARY], "clientSecret": CANARY},
        "documentationUrl": f"https://{CANARY}",
        "integrationTypes": ["psp"],
        "supportedRegions": ["europe-west1.gcp"],
    }


def api_error(status: int, code: str) -> dict[str, Any]:
    return {"statusCode": status, "message": CANARY, "errors": [{"code": code, "message": CANARY}]}
