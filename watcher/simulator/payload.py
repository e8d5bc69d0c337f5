"""What a Deployment looks like on the wire: every documented field, built from chance.

Field names and their order follow the official Deployment type. Configuration values are present, secured ones
included, because answers of the API can carry them and a client has to keep them out of everything it stores or says.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias

from watcher.simulator.catalogue import SCHEDULES, AppType
from watcher.simulator.chance import Chance
from watcher.simulator.clock import iso
from watcher.simulator.facts import DEFAULT_REGION, is_aws

Payload: TypeAlias = dict[str, Any]
Apps: TypeAlias = Sequence[tuple[str, str]]
"""The applications of a Connector: name and type, in the order of its connect.yaml."""

SCHEDULE = "0 3 * * *"
"""When a job runs of which nobody says it."""


class Null(Enum):
    """What a field is set to that is to be there and null. `None` removes a field, which is what most want."""

    NULL = "null"


NULL = Null.NULL


def deployment_payload(chance: Chance, connector: Payload, apps: Apps, fields: Mapping[str, Any], now: int) -> Payload:
    """A whole Deployment; `fields` replace top-level fields of it, a `None` among them removes one."""
    region = str(fields.get("deployedRegion", DEFAULT_REGION))
    kind = fields.get("type", "production")
    status = fields.get("status", "Deployed")
    entries = first_entries(apps, status, now)
    made = {
        "id": chance.uuid(),
        "key": None,
        "version": 1,
        "type": kind,
        "connector": connector,
        "deployedRegion": region,
        "applications": [application_payload(chance, name, app, region) for name, app in apps],
        "preview": kind == "preview",
        "status": status,
        "details": {"build": {"id": chance.uuid(), "report": {"entries": entries}}},
    }
    return merged(made, fields, now)


def merged(payload: Mapping[str, Any], fields: Mapping[str, Any], now: int) -> Payload:
    """`payload` with top-level fields replaced, or removed where the new value is `None`, and what is new dated.

    A new value that is `NULL` becomes the null of JSON.
    """
    kept = {name: value for name, value in {**payload, **fields}.items() if name not in fields or value is not None}
    result = {name: None if value is NULL else value for name, value in kept.items()}
    for name in DATED.keys() & fields.keys() & result.keys():
        result[name] = dated(result[name], DATED[name], now)
    return result


DATED: Mapping[str, tuple[str, ...]] = {
    "details": ("build", "report", "entries", "createdAt"),
    "publishingReport": ("entries", "createdAt"),
    "previewableReport": ("entries", "createdAt"),
    "certificationInfo": ("comments", "datetime"),
}
"""The fields that hold things with a date: the way to their list, then the name of the date."""


def dated(value: Any, way: Sequence[str], now: int) -> Any:
    """`value` in whose list everything has a date, as the server would have set it. Odd shapes stay as given."""
    here, *further = way
    if not further:
        return value
    if not isinstance(value, Mapping) or here not in value:
        return value
    inside = value[here]
    if len(further) == 1 and isinstance(inside, list) and all(isinstance(one, Mapping) for one in inside):
        return {**value, here: [{**one, further[0]: one.get(further[0], iso(now))} for one in inside]}
    return {**value, here: dated(inside, further, now)}


def first_entries(apps: Apps, status: str, now: int) -> list[Payload]:
    """The report a Deployment starts with: only one that is Failed has something to say."""
    if status != "Failed":
        return []
    entry = {
        "type": "Error",
        "title": "Failed during the build of the application",
        "message": "npm ci exited with code 1",
        "application": apps[0][0] if apps else None,
        "createdAt": iso(now),
    }
    return [entry]


def application_payload(chance: Chance, name: str, kind: str, region: str) -> Payload:
    """One deployed application with its configuration and, by kind, its URL, topic or schedule."""
    app_id = chance.uuid()
    return {
        "id": app_id,
        "applicationName": name,
        "standardConfiguration": [{"key": "LOG_LEVEL", "value": "info"}],
        "securedConfiguration": [{"key": "API_KEY", "value": f"secret-value-{chance.letters(24)}"}],
        **address(app_id, name, kind, region),
    }


def address(app_id: str, name: str, kind: str, region: str) -> dict[str, str]:
    """What the platform gives an application once it is deployed, or, for a job, when it runs."""
    if kind == AppType.SERVICE:
        return {"url": f"https://service-{app_id}.{region}.commercetools.app"}
    if kind == AppType.EVENT and is_aws(str(region)):
        return {"topic": f"arn:aws:sns:{region.partition('.')[0]}:000000000000:{name}-{app_id[:8]}"}
    if kind == AppType.EVENT:
        return {"topic": f"projects/connect-{region.partition('.')[0]}/topics/{name}-{app_id[:8]}"}
    if kind == AppType.JOB:
        return {"schedule": SCHEDULES.get(name, SCHEDULE)}
    return {"url": f"https://assets-{app_id}.assets.{region}.commercetools.app"}


def addressed(payload: Payload) -> list[Payload]:
    """The applications of a Deployment that has just been deployed. Those that had an address keep it."""
    kinds = dict(apps_of(payload.get("connector")))
    region = str(payload.get("deployedRegion"))
    return [
        {**address(one["id"], one["applicationName"], kinds.get(one["applicationName"], ""), region), **one}
        for one in applications_of(payload)
    ]


def applications_of(payload: Mapping[str, Any]) -> list[Payload]:
    """A Deployment's applications. Any field may have been set to anything, so only whole ones count."""
    return [
        one
        for one in items(payload.get("applications"))
        if isinstance(one, dict) and {"id", "applicationName"} <= one.keys()
    ]


def apps_of(connector: Any) -> list[tuple[str, str]]:
    """The applications that a Connector declares, as far as its configurations say."""
    return [(one["applicationName"], str(one.get("applicationType"))) for one in configurations_of(connector)]


def configurations_of(connector: Any) -> list[Payload]:
    """A Connector's configurations, those of them that are whole."""
    found = connector.get("configurations") if isinstance(connector, Mapping) else None
    return [one for one in items(found) if isinstance(one, dict) and isinstance(one.get("applicationName"), str)]


def build_of(payload: Mapping[str, Any]) -> str:
    """The id of the attempt that a Deployment shows."""
    details = payload.get("details")
    build = details.get("build") if isinstance(details, dict) else None
    return str(build.get("id")) if isinstance(build, dict) else ""


def items(value: Any) -> list[Any]:
    """A list, or an empty one where it is none."""
    return value if isinstance(value, list) else []


def text_or_none(value: Any) -> str | None:
    """The value where it is a text."""
    return value if isinstance(value, str) else None


def texts(value: Any) -> Iterable[str]:
    """A list's values as texts."""
    return map(str, items(value))
