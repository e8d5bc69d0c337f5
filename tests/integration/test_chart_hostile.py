"""Values that mean more than they seem to: nothing in them becomes a part of a manifest, and no secret stands in a ConfigMap."""

import copy
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.peers.helm import documents, helm, one, start

BREAKS = "a\u2028immutable: true\u2029b\u0085---\u2028kind: Pod"


def changed(path: tuple[str | int, ...], value: object) -> Mapping[str, Any]:
    made: dict[str, Any] = copy.deepcopy(dict(start(logs="off")))
    at: Any = made
    for each in path[:-1]:
        at = at.setdefault(each, {}) if isinstance(at, dict) else at[each]
    at[path[-1]] = value
    return made


def refused(path: tuple[str | int, ...], value: object) -> str:
    (answer,) = helm({"values": changed(path, value)})
    assert "error" in answer
    return str(answer["error"])


def test_what_ends_a_line_in_yaml_ends_nothing_here() -> None:
    rule = {"name": "Own", "on": "deployment", "to": "Failed", "annotations": {"summary": BREAKS}}
    (answer,) = helm({"values": changed(("config", "rules"), [rule])})
    for name, text in answer["manifests"].items():
        assert name.endswith("NOTES.txt") or len(list(yaml.safe_load_all(text))) <= 1
    found = one(documents(answer), "ConfigMap")
    assert found.keys() == {"apiVersion", "kind", "metadata", "data"}
    assert tomllib.loads(found["data"]["config.toml"])["rules"][0]["annotations"]["summary"] == BREAKS


SLACK = ("config", "receivers", 0, "slack", 0)


@pytest.mark.parametrize(
    "secret",
    [
        "https://hooks.slack.com/services/T0/B0/CANARY",
        "${NAME:-https://hooks.slack.com/services/T0/B0/CANARY}",
        "https://hooks.slack.com/services/T0/B0/CANARY${NOTHING:-}",
        "${NAME}CANARY",
    ],
)
def test_a_secret_does_not_get_into_the_config_map(secret: str) -> None:
    said = refused(SLACK, {"url": secret})
    assert "config.receivers[0].slack[0].url: is a secret" in said
    assert "CANARY" not in said


@pytest.mark.parametrize("text", ["${HOOK}", "https://hooks.slack.com/services/${HOOK}", "https://${HOST}/${HOOK}"])
def test_what_stands_elsewhere_is_no_secret(text: str) -> None:
    (answer,) = helm({"values": changed(SLACK, {"url": text})})
    assert "error" not in answer


def test_a_secret_in_the_place_of_a_file_is_not_shown() -> None:
    said = refused(SLACK, {"url_file": "https://hooks.slack.com/services/T0/B0/CANARY"})
    assert "config.receivers[0].slack[0].url_file: names no file in the container" in said
    assert "CANARY" not in said


@pytest.mark.parametrize("key", ["api_url", "auth_url"])
def test_an_address_has_no_password(key: str) -> None:
    assert f"config.projects[0].{key}: must not have" in refused(
        ("config", "projects", 0, key), "https://u:CANARY@example.com"
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("priorityClassName",), "high\n      hostNetwork: true"),
        (("persistence", "storageClass"), "a: b"),
        (("ingress", "className"), "a\nb"),
        (("fullnameOverride",), "2nd"),
        (("config", "egress"), {"allow": ["${NET}"]}),
    ],
)
def test_what_is_no_name_and_no_network_is_refused(path: tuple[str | int, ...], value: object) -> None:
    assert "/".join(map(str, path)).split("/")[0] in refused(path, value)


@pytest.mark.parametrize("release", ["true", "null", "on", "no"])
def test_a_release_may_be_called_like_a_value(release: str) -> None:
    (answer,) = helm({"values": start(logs="off"), "release": release})
    for each in documents(answer):
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == release
        assert isinstance(each["metadata"]["name"], str)


@pytest.mark.parametrize("release", ["1234", "0x1f", "a.b"])
def test_a_release_whose_name_no_service_can_have_is_refused(release: str) -> None:
    (answer,) = helm({"values": start(logs="off"), "release": release})
    assert "fullnameOverride: " in answer["error"]
    (named,) = helm({"values": changed(("fullnameOverride",), "watcher"), "release": release})
    assert one(documents(named), "Service")["metadata"]["labels"]["app.kubernetes.io/instance"] == release


def test_an_address_alone_is_a_network_of_one() -> None:
    (answer,) = helm({"values": changed(("config", "egress"), {"allow": ["10.20.30.40", "fd00::1", "10.1.0.0/16"]})})
    rules = one(documents(answer), "NetworkPolicy")["spec"]["egress"]
    cidrs = {to["ipBlock"]["cidr"] for rule in rules for to in rule.get("to", ()) if "ipBlock" in to}
    assert {"10.20.30.40/32", "fd00::1/128", "10.1.0.0/16"} <= cidrs
