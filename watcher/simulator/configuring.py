"""Configuration values against the keys that a connect.yaml declares, and values laid over earlier ones. Pure.

Every mistake of a request is listed, in the order of the request. Of a key whose value is left out, which only the type
of a redeployment allows, the earlier value stays, and without one the key's default.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from watcher.simulator.lifecycle import Refusal
from watcher.simulator.payload import Payload, configurations_of, items
from watcher.simulator.wanted import ApplicationValues, Value, Values

PARTS: Mapping[str, str] = {"standardConfiguration": "standard", "securedConfiguration": "secret"}
"""The two halves of a configuration, and what error messages call them."""


def application_problems(connector: Mapping[str, Any], given: Sequence[ApplicationValues]) -> Iterator[Refusal]:
    """What is wrong with the values for a Connector's applications."""
    known = {one["applicationName"]: one for one in configurations_of(connector)}
    if not given:
        yield Refusal(code="DeploymentApplicationRequired")
    for one in given:
        name = one.application_name
        if name not in known:
            yield Refusal(code="DeploymentUnknownApplicationConfiguration", words={"application": name})
            continue
        for kind, key in unknown_keys(known[name], one):
            words = {"kind": kind, "key": key, "application": name}
            yield Refusal(code="DeploymentUnknownApplicationConfigurationKey", words=words)


def global_problems(connector: Mapping[str, Any], given: Values | None, earlier: Any = None) -> Iterator[Refusal]:
    """What is wrong with the values for all applications, where `earlier` ones may be there already."""
    declared = connector.get("globalConfiguration")
    declared = declared if isinstance(declared, Mapping) else {}
    for kind, key in unknown_keys(declared, given or Values()):
        yield Refusal(code="DeploymentUnknownGlobalConfigurationKey", words={"kind": kind, "key": key})
    values = laid_over(earlier, given, declared)
    for part, kind in PARTS.items():
        found = {one["key"]: one["value"] for one in values[part]}
        for key in (one["key"] for one in keys_of(declared, part) if one.get("required")):
            words = {"kind": kind, "key": key}
            if key not in found:
                yield Refusal(code="DeploymentMissingGlobalConfigurationKey", words=words)
            elif not found[key]:
                yield Refusal(code="DeploymentEmptyRequiredGlobalConfigurationKey", words=words)


def unknown_keys(declared: Mapping[str, Any], given: Values) -> Iterator[tuple[str, str]]:
    """The keys that are not declared, each after what its half is called."""
    for part, kind in PARTS.items():
        known = {one["key"] for one in keys_of(declared, part)}
        yield from ((kind, one.key) for one in values_of(given, part) if one.key not in known)


def laid_over(earlier: Any, given: Values | None, declared: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """The values after a request, in the form that Deployments show them."""
    made = {}
    for part in PARTS:
        values = {one["key"]: one["value"] for one in shown_values(earlier, part)}
        defaults = {one["key"]: one.get("default") for one in keys_of(declared, part)}
        for one in values_of(given, part):
            value = values.get(one.key, defaults.get(one.key)) if one.value is None else one.value
            if value is not None:
                values[one.key] = value
        made[part] = [{"key": key, "value": value} for key, value in values.items()]
    return made


def values_of(given: Values | None, part: str) -> Iterable[Value]:
    """One half of what a request gives."""
    if given is None:
        return ()
    return (given.standard_configuration if part == "standardConfiguration" else given.secured_configuration) or ()


def keys_of(declared: Mapping[str, Any], part: str) -> list[Payload]:
    """One half of what is declared, as far as it is whole."""
    return whole(declared.get(part), {"key"})


def shown_values(shown: Any, part: str) -> list[Payload]:
    """One half of what a Deployment or one of its applications shows."""
    return whole(shown.get(part) if isinstance(shown, Mapping) else None, {"key", "value"})


def whole(found: Any, names: set[str]) -> list[Payload]:
    """The objects of a list that have those fields. Any field may have been set to anything."""
    return [one for one in items(found) if isinstance(one, dict) and names <= one.keys()]
