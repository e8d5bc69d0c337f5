"""The update actions of a ConnectorStaged: a payload and an action in, the new payload or a refusal out. Pure.

Those that begin a course, `publish` and `updatePreviewable`, change nothing here; they are decided in the lifecycle.
`unlist` of what is not listed changes nothing; whether the API refuses that is not documented. `setConfigurations` is in
the official examples only, without a type.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from watcher.simulator.catalogue import AppType
from watcher.simulator.errors import invalid_json
from watcher.simulator.facts import IntegrationType
from watcher.simulator.lifecycle import Refusal, new_repository
from watcher.simulator.payload import apps_of, items
from watcher.simulator.repository import specification, unreadable
from watcher.simulator.wanted import ApplicationName, Body, ProjectIdentifier, Text

Payload: TypeAlias = dict[str, Any]
Arguments: TypeAlias = Mapping[str, Any]
Change: TypeAlias = Callable[[Payload, Arguments], Payload | Refusal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What an action carries, by name and type, and what it does. What is `optional` may be left out, or be null."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    change: Change = lambda payload, _arguments: payload


class ConfigurationKey(Body, frozen=True, kw_only=True):
    """One configuration key."""

    key: Text
    description: str
    required: bool | UnsetType = UNSET
    default: str | UnsetType | None = UNSET


class ApplicationKeys(Body, frozen=True, kw_only=True):
    """The configuration keys of one application."""

    application_name: ApplicationName
    standard_configuration: list[ConfigurationKey] = msgspec.field(default_factory=list)
    secured_configuration: list[ConfigurationKey] = msgspec.field(default_factory=list)


def read_action(raw: Mapping[str, Any], at: str) -> tuple[str, Arguments]:
    """An action's name and arguments. Raises ApiError 400 InvalidJsonInput that says what is wrong where."""
    name = raw.get("action")
    action = ACTIONS.get(name) if isinstance(name, str) else None
    if action is None or not isinstance(name, str):
        raise invalid_json(f"Unknown action {name!r}; there are {', '.join(ACTIONS)} - at `{at}.action`")
    given = [one for one in action.parameters if one not in action.optional or raw.get(one) is not None]
    return name, {one: read_argument(raw, one, action.parameters[one], at) for one in given}


def read_argument(raw: Mapping[str, Any], name: str, kind: Any, at: str) -> Any:
    """One argument, converted to its type."""
    if name not in raw:
        raise invalid_json(f"Object missing required field `{name}` - at `{at}`")
    try:
        return msgspec.to_builtins(msgspec.convert(raw[name], kind))
    except msgspec.ValidationError as error:
        raise invalid_json(f"{error} - in `{at}.{name}`") from None


def apply(payload: Payload, name: str, arguments: Arguments) -> Payload | Refusal:
    """What an action makes of a ConnectorStaged."""
    return ACTIONS[name].change(payload, arguments)


def sets(name: str, kind: Any, parameter: str = "") -> Action:
    """An action that sets one field to its one argument."""
    given = parameter or name
    return Action(parameters={given: kind}, change=lambda payload, arguments: {**payload, name: arguments[given]})


def sets_creator(name: str, kind: Any, parameter: str) -> Action:
    """An action that sets one field of the creator."""
    return Action(parameters={parameter: kind}, change=partial(change_creator, name, parameter))


def change_creator(name: str, parameter: str, payload: Payload, arguments: Arguments) -> Payload:
    """Set one field of the creator."""
    creator = payload.get("creator")
    known = creator if isinstance(creator, Mapping) else {}
    return {**payload, "creator": {**known, name: arguments[parameter]}}


def change_repository(payload: Payload, arguments: Arguments) -> Payload | Refusal:
    """Another repository or tag: back to Draft, and connect.yaml is read again.

    The official client sends the tag there is, without a URL, whatever is to be updated. So a URL may be left out, though
    the description says that it is required, and the same repository and tag change nothing.
    """
    known = payload.get("repository")
    url = arguments.get("url") or str(known.get("url") if isinstance(known, Mapping) else "")
    tag = arguments["tag"]
    refusal = unreadable(url, tag)
    if refusal is not None:
        return refusal
    if known == {"url": url, "tag": tag}:
        return payload
    read = {"globalConfiguration": None, "apiClient": None, **specification(url, payload.get("key"))}
    return {**payload, "repository": {"url": url, "tag": tag}, **read, **new_repository().at_once}


def change_configurations(payload: Payload, arguments: Arguments) -> Payload:
    """Other configuration keys; an application stays of the type it was."""
    types = dict(apps_of(payload))
    made = [
        {"applicationType": types.get(one["applicationName"], AppType.SERVICE.value), **one}
        for one in arguments["configurations"]
    ]
    return {**payload, "configurations": made}


def add_project(payload: Payload, arguments: Arguments) -> Payload | Refusal:
    """Let a Project have a private Connector."""
    projects, project = items(payload.get("privateProjects")), arguments["privateProject"]
    if not payload.get("private"):
        return Refusal(code="ConnectorStagedNotPrivate")
    if project in projects:
        return Refusal(code="DuplicateField", words={"field": "privateProjects", "duplicateValue": project})
    return {**payload, "privateProjects": [*projects, project]}


def remove_project(payload: Payload, arguments: Arguments) -> Payload | Refusal:
    """Let a Project have a private Connector no longer."""
    projects, project = items(payload.get("privateProjects")), arguments["privateProject"]
    if not payload.get("private"):
        return Refusal(code="ConnectorStagedNotPrivate")
    if project not in projects:
        return Refusal(code="FieldValueNotFound", words={"field": "privateProjects", "value": project})
    return {**payload, "privateProjects": [one for one in projects if one != project]}


def add_comment(payload: Payload, arguments: Arguments) -> Payload:
    """A comment on the certification; whoever keeps the payload dates it."""
    comment = {"userId": arguments.get("author") or "unknown", "comment": arguments["comment"]}
    return {**payload, "certificationInfo": {"comments": [*comments_of(payload), comment]}}


def comments_of(payload: Mapping[str, Any]) -> list[Any]:
    """The comments made so far."""
    found = payload.get("certificationInfo")
    return items(found.get("comments")) if isinstance(found, Mapping) else []


ACTIONS: Mapping[str, Action] = {
    "setName": sets("name", Text),
    "setDescription": sets("description", str),
    "setDocumentationUrl": sets("documentationUrl", str),
    "setIntegrationTypes": sets("integrationTypes", list[IntegrationType]),
    "setSupportedRegions": sets("supportedRegions", Annotated[list[Text], Meta(min_length=1)], "regions"),
    "setCreatorName": sets_creator("name", str, "creatorName"),
    "setCreatorTitle": sets_creator("title", str, "creatorTitle"),
    "setCreatorEmail": sets_creator("email", Text, "creatorEmail"),
    "setCreatorCompany": sets_creator("company", str, "creatorCompany"),
    "setCreatorLogo": sets_creator("logoUrl", str, "logoUrl"),
    "setCreatorSupportUrl": sets_creator("supportUrl", str, "creatorSupportUrl"),
    "setCreatorNoOfContributors": sets_creator(
        "noOfContributors", Annotated[int, Meta(ge=1)], "creatorNoOfContributors"
    ),
    "setRepository": Action(
        parameters={"url": Text, "tag": Text}, optional=frozenset({"url"}), change=change_repository
    ),
    "setConfigurations": Action(parameters={"configurations": list[ApplicationKeys]}, change=change_configurations),
    "addPrivateProject": Action(parameters={"privateProject": ProjectIdentifier}, change=add_project),
    "removePrivateProject": Action(parameters={"privateProject": ProjectIdentifier}, change=remove_project),
    "addCertificationComment": Action(parameters={"comment": Text}, change=add_comment),
    "updatePreviewable": Action(),
    "publish": Action(parameters={"certification": bool}),
    "unlist": Action(change=lambda payload, _arguments: {**payload, "alreadyListed": False}),
}
