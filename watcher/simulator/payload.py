"""What a Deployment looks like on the wire: every documented field, built from chance.

Field names and their order follow the official Deployment type. Configuration values are present, secured ones
included, because answers of the API can carry them and a client has to keep them out of everything it stores or says.
"""

from collections.abc import Mapping
from typing import Any

from watcher.simulator.catalogue import AppType, Connector
from watcher.simulator.chance import Chance
from watcher.simulator.clock import iso

DEFAULT_REGION = "europe-west1.gcp"
SCHEDULE = "0 3 * * *"

DEPLOYMENT_TYPES = ("preview", "sandbox", "production")
INTEGRATION_TYPES = (
    "tax",
    "marketplace",
    "oms",
    "psp",
    "pim",
    "promotion",
    "search",
    "erp",
    "crm",
    "email",
    "analytics",
    "shipping",
    "giftcard",
    "other",
)


def deployment_payload(
    chance: Chance, connector: Connector, connector_id: str, fields: Mapping[str, Any], now: int
) -> dict[str, Any]:
    """A whole Deployment; `fields` replace top-level fields of it, a `None` among them removes one."""
    region = fields.get("deployedRegion", DEFAULT_REGION)
    kind = fields.get("type", "production")
    status = fields.get("status", "Deployed")
    made = {
        "id": chance.uuid(),
        "key": connector.key,
        "version": 1,
        "type": kind,
        "connector": connector_payload(connector, connector_id),
        "deployedRegion": region,
        "applications": [application_payload(chance, name, app, region) for name, app in connector.apps],
        "preview": kind == "preview",
        "status": status,
        "details": {"build": {"id": chance.uuid(), "report": {"entries": first_entries(connector, status, now)}}},
    }
    return merged(made, fields, now)


def merged(payload: Mapping[str, Any], fields: Mapping[str, Any], now: int) -> dict[str, Any]:
    """`payload` with top-level fields replaced, or removed where the new value is `None`."""
    result = {name: value for name, value in {**payload, **fields}.items() if value is not None}
    if "details" in fields and "details" in result:
        result["details"] = stamped(result["details"], now)
    return result


def stamped(details: Any, now: int) -> Any:
    """`details` whose report entries all have `createdAt`, as the server would have set it. Odd shapes stay as given."""
    try:
        entries = details["build"]["report"]["entries"]
        dated = [{**entry, "createdAt": entry.get("createdAt", iso(now))} for entry in entries]
    except (KeyError, TypeError, AttributeError):
        return details
    build = details["build"]
    return {**details, "build": {**build, "report": {**build["report"], "entries": dated}}}


def first_entries(connector: Connector, status: str, now: int) -> list[dict[str, Any]]:
    """The report a Deployment starts with: only one that is Failed has something to say."""
    if status != "Failed":
        return []
    entry = {
        "type": "Error",
        "title": "Failed during the build of the application",
        "message": "npm ci exited with code 1",
        "application": connector.apps[0][0],
        "createdAt": iso(now),
    }
    return [entry]


def connector_payload(connector: Connector, connector_id: str) -> dict[str, Any]:
    """The copy of the Connector that each of its Deployments carries."""
    return {
        "id": connector_id,
        "key": connector.key,
        "version": connector.version,
        "name": connector.name,
        "description": connector.description,
        "integrationTypes": [connector.integration_type],
        "creator": {"name": "Integrations Team", "email": "integrations@example.com", "company": "Example Partner"},
        "repository": {"url": f"git@github.com:example-partner/{connector.key}.git", "tag": connector.tag},
        "certified": connector.certified,
        "supportedRegions": [],
    }


def application_payload(chance: Chance, name: str, kind: AppType, region: str) -> dict[str, Any]:
    """One application with its configuration and, by kind, its URL, topic or schedule."""
    app_id = chance.uuid()
    payload: dict[str, Any] = {
        "id": app_id,
        "applicationName": name,
        "standardConfiguration": [{"key": "LOG_LEVEL", "value": "info"}],
        "securedConfiguration": [{"key": "API_KEY", "value": f"secret-value-{chance.letters(24)}"}],
    }
    if kind is AppType.SERVICE:
        payload["url"] = f"https://service-{app_id}.{region}.commercetools.app"
    elif kind is AppType.EVENT:
        payload["topic"] = f"projects/connect-{region.partition('.')[0]}/topics/{name}-{app_id[:8]}"
    elif kind is AppType.JOB:
        payload["schedule"] = SCHEDULE
    else:
        payload["url"] = f"https://assets-{app_id}.assets.{region}.commercetools.app"
    return payload
