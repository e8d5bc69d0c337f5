"""What the chart refuses: at the installation, and with one message that says what to set."""

import asyncio
import copy
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tests.loopback import web_server
from tests.peers.helm import CHART, SECRETS, helm, start
from watcher.config import json_schema

PROJECT = ("config", "projects", 0)
SINK = ("config", "receivers", 0)
INGRESS = {"enabled": True, "host": "logs.example.com", "tlsSecret": "logs"}

# What is changed in values that are good, and what is said. `None` takes a key away.
REFUSED: Mapping[str, tuple[Mapping[tuple[str | int, ...], Any], str]] = {
    "nothing": (
        {("config",): {}, ("secrets",): {}},
        "at '/config': missing properties 'projects', 'receivers'",
    ),
    "no secret": (
        {("secrets", "existingSecret"): ""},
        (
            "secrets.existingSecret: set it to the name of a Secret with the keys that config names, made with: "
            "kubectl -n watch create secret generic connect-watcher --from-file=ctp-client-id "
            "--from-file=ctp-client-secret --from-file=slack-webhook-url"
        ),
    ),
    "a key too few": (
        {("secrets",): {"values": {"ctp-client-id": "id", "ctp-client-secret": "secret"}}},
        "secrets.values.slack-webhook-url: set it, as config.receivers[0].slack[0].url_file names it",
    ),
    "an empty key": (
        {("secrets",): {"values": {"ctp-client-id": ""}}},
        "at '/secrets/values/ctp-client-id': minLength: got 0, want 1",
    ),
    "both kinds of secrets": (
        {("secrets", "values"): {"a": "b"}},
        "secrets: set either existingSecret or values",
    ),
    "a region in words": (
        {(*PROJECT, "region"): "Europe West"},
        "config.projects[0].region: must be a region like europe-west1.gcp",
    ),
    "no region": ({(*PROJECT, "region"): None}, "at '/config/projects/0': missing property 'region'"),
    "a region that is none": ({(*PROJECT, "region"): 1}, "at '/config/projects/0/region': got number, want string"),
    "no credentials": (
        {(*PROJECT, "client_secret_file"): None},
        f"config.projects[0].client_secret_file: set it to {SECRETS}/ and a key of the Secret",
    ),
    "a secret in place": (
        {(*SINK, "slack", 0): {"url": "https://hooks.slack.com/services/T0/B0/x"}},
        (
            "config.receivers[0].slack[0].url: is a secret, which would be readable in a ConfigMap: put it into the Secret, "
            f"and set config.receivers[0].slack[0].url_file to {SECRETS}/ and its key"
        ),
    ),
    "a header in place": (
        {(*SINK, "webhook"): [{"url_file": f"{SECRETS}/url", "headers": {"Authorization": "Bearer x"}}]},
        (
            "config.receivers[0].webhook[0].headers.Authorization: is a secret, which would be readable in a ConfigMap: put it "
            f"into the Secret, and set config.receivers[0].webhook[0].headers_file.Authorization to {SECRETS}/ and its key"
        ),
    ),
    "a file elsewhere": (
        {("config", "http"): {"ca_file": "/etc/ssl/own.pem"}},
        f"config.http.ca_file: names no file in the container: set it to {SECRETS}/ and a key of the Secret",
    ),
    "where to listen": (
        {("config", "web"): {"listen": "127.0.0.1:8080"}},
        "config.web.listen: is set by the chart, so leave it out",
    ),
    "where to keep": (
        {("config", "store"): {"url": "sqlite:///a"}},
        "config.store.url: is set by the chart, so leave it out",
    ),
    "a key that is none": (
        {(*PROJECT, "poll"): "1m"},
        "at '/config/projects/0': additional properties 'poll' not allowed",
    ),
    "a duration that is none": (
        {(*PROJECT, "poll_interval"): 30},
        "at '/config/projects/0/poll_interval': got number, want string",
    ),
    "a count of none": (
        {("config", "rules"): [{"name": "A", "on": "log", "count": 0}]},
        "at '/config/rules/0/count': minimum: got 0, want 1",
    ),
    "a value that is none": ({("replicas",): 2}, "at '': additional properties 'replicas' not allowed"),
    "a size in words": (
        {("persistence",): {"size": "large"}},
        "at '/persistence/size': 'large' does not match pattern",
    ),
    "a shared volume": (
        {("persistence",): {"accessMode": "ReadWriteMany"}},
        "at '/persistence/accessMode': value must be one of",
    ),
    "an ingress for nothing": (
        {("ingress",): INGRESS},
        "ingress.enabled: there is nothing to reach: set logs.source of a project to otlp",
    ),
    "an ingress without TLS": (
        {
            ("ingress",): {**INGRESS, "tlsSecret": ""},
            (*PROJECT, "logs"): {"source": "otlp", "key_file": f"{SECRETS}/key"},
        },
        "ingress.tlsSecret: set it to the Secret with the host's certificate: keys must not cross the network readable",
    ),
    "an ingress without a host": (
        {("ingress",): {**INGRESS, "host": ""}, (*PROJECT, "logs"): {"source": "otlp", "key_file": f"{SECRETS}/key"}},
        "ingress.host: set it to the name that logs are pushed to, like logs.example.com",
    ),
}


def changed(changes: Mapping[tuple[str | int, ...], Any]) -> dict[str, Any]:
    values = copy.deepcopy(start(logs="off"))
    for (*way, last), value in changes.items():
        table: Any = values
        for each in way:
            table = table[each]
        if value is None:
            del table[last]
        else:
            table[last] = value
    return values


@cache
def answers() -> Mapping[str, dict[str, Any]]:
    return dict(zip(REFUSED, helm(*({"values": changed(each)} for each, _ in REFUSED.values())), strict=True))


def messages(answer: Mapping[str, Any]) -> list[str]:
    """What is said, without the words that Helm puts around it."""
    assert "error" in answer, "it was not refused"
    lines = [line.removeprefix("- ") for line in answer["error"].splitlines() if line.strip()]
    return [line for line in lines if not re.match(r"connect-watcher:$|execution error at ", line)]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_with_one_message(name: str) -> None:
    (message,) = messages(answers()[name])
    if name in {"a size in words", "a shared volume"}:
        assert message.startswith(REFUSED[name][1])
    else:
        assert message == REFUSED[name][1]


def test_all_that_is_missing_is_said_at_once() -> None:
    values = changed({(*PROJECT, "region"): "EU", ("config", "web"): {"listen": "127.0.0.1:8080"}, ("secrets",): {}})
    (answer,) = helm({"values": values})
    assert [each.partition(": ")[0] for each in messages(answer)] == [
        "config.web.listen",
        "config.projects[0].region",
        "secrets.existingSecret",
    ]


def test_no_message_shows_a_secret() -> None:
    values = changed(
        {(*SINK, "slack", 0): {"token": "xoxb-not-to-be-seen"}, (*PROJECT, "client_secret"): "not-to-be-seen"}
    )
    (answer,) = helm({"values": values})
    assert len(messages(answer)) == 2
    assert "not-to-be-seen" not in answer["error"]


def test_what_stands_for_a_variable_is_no_secret() -> None:
    values = changed({(*SINK, "slack", 0): {"url": "${SLACK_URL}"}, (*PROJECT, "client_id"): "an-id"})
    del values["config"]["projects"][0]["client_id_file"]
    (answer,) = helm({"values": values})
    assert "error" not in answer


def test_regions_are_what_the_daemon_takes() -> None:
    pattern = json_schema()["$defs"]["ProjectSettings"]["properties"]["region"]["pattern"]
    assert f'"{pattern}"' in (CHART / "templates" / "_checks.tpl").read_text()


# ── where there is a cluster to ask ──────────────────────────────────────────


async def installed(secrets: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """What comes of an installation in a cluster that has these Secrets."""

    async def cluster(request: web.Request) -> web.Response:
        match request.path.split("/")[3:]:
            case []:
                resource = {"name": "secrets", "namespaced": True, "kind": "Secret", "verbs": ["get", "list"]}
                return web.json_response({"kind": "APIResourceList", "groupVersion": "v1", "resources": [resource]})
            case ["namespaces", "watch", "secrets"]:
                return web.json_response({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": []})
            case ["namespaces", "watch", "secrets", name] if name in secrets:
                found = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name}, "data": secrets[name]}
                return web.json_response(found)
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        return web.json_response(status, status=404)

    async with web_server(cluster) as url:
        access = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": {"server": url}}],
            "users": [{"name": "it", "user": {}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }
        case = {"server": yaml.safe_dump(access), "values": start(logs="off")}
        (answer,) = await asyncio.to_thread(helm, case)
        return answer


async def test_a_secret_that_is_not_in_the_cluster_is_missed() -> None:
    assert messages(await installed({"another": {}})) == [
        (
            "secrets.existingSecret: there is no Secret connect-watcher in the namespace watch: make it, with: kubectl -n watch "
            "create secret generic connect-watcher --from-file=ctp-client-id --from-file=ctp-client-secret "
            "--from-file=slack-webhook-url"
        )
    ]


async def test_a_key_that_is_not_in_the_secret_of_the_cluster_is_missed() -> None:
    there = {"ctp-client-id": "eA==", "ctp-client-secret": "eA=="}
    assert messages(await installed({"connect-watcher": there})) == [
        (
            "secrets.existingSecret: connect-watcher has no key slack-webhook-url, which "
            "config.receivers[0].slack[0].url_file names: add it"
        )
    ]


async def test_a_secret_with_all_keys_is_enough() -> None:
    there = dict.fromkeys(("ctp-client-id", "ctp-client-secret", "slack-webhook-url"), "eA==")
    assert "error" not in await installed({"connect-watcher": there})


def test_the_values_that_are_described_are_those_that_there_are(tmp_path: Path) -> None:
    """Every key of values.yaml is in the schema with its type, and the other way round, and has a comment."""
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert set(schema["properties"]) - {"global"} == set(values)
    for name, below in schema["properties"].items():
        if name not in {"config", "global", "resources"} and "properties" in below:
            assert below["additionalProperties"] is False
            assert set(below["properties"]) == set(values[name]), name
    assert schema["additionalProperties"] is False
    undescribed = re.findall(r"\A(\w+):|\n\n(\w+):", text)
    assert undescribed == [], "a key without a comment above it"
