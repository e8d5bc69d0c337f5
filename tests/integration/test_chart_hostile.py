"""Values that mean more than they seem to: nothing in them becomes a part of a manifest, and no secret stands in a ConfigMap."""

import copy
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.integration.chart_stage import ALL
from tests.peers.helm import SECRETS, documents, helm, one, start

CANARY = "CANARYSECRET123456"
RECEIVER = ("config", "receivers", 0)
PROJECT = ("config", "projects", 0)
SLACK = (*RECEIVER, "slack", 0)
MOUNTED: Mapping[str, Any] = {
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
}


def changed(path: tuple[str | int, ...], value: object, **more: object) -> dict[str, Any]:
    made: dict[str, Any] = copy.deepcopy({**start(logs="off"), **more})
    at: Any = made
    for each in path[:-1]:
        at = at.setdefault(each, {}) if isinstance(at, dict) else at[each]
    at[path[-1]] = value
    return made


def refused(path: tuple[str | int, ...], value: object, **more: object) -> str:
    (answer,) = helm({"values": changed(path, value, **more)})
    assert "error" in answer
    return str(answer["error"])


def taken(path: tuple[str | int, ...], value: object, **more: object) -> list[dict[str, Any]]:
    (answer,) = helm({"values": changed(path, value, **more)})
    return documents(answer)


# ── secrets ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (SLACK, {"url": f"https://hooks.slack.com/services/T0/B0/{CANARY}"}, "slack[0].url"),
        (SLACK, {"url": f"${{NAME:-https://hooks.slack.com/services/T0/B0/{CANARY}}}"}, "slack[0].url"),
        (SLACK, {"url": f"https://hooks.slack.com/services/T0/B0/{CANARY}${{NOTHING:-}}"}, "slack[0].url"),
        (SLACK, {"url": f"${{NAME}}{CANARY}"}, "slack[0].url"),
        (SLACK, {"url": f"$${{{CANARY}}}"}, "slack[0].url"),
        (SLACK, {"url": f"https://u:{CANARY}@${{HOST}}"}, "slack[0].url"),
        ((*RECEIVER, "apprise"), [{"url": f"tgram://{CANARY}${{NAME}}", "unguarded": True}], "apprise[0].url"),
        ((*RECEIVER, "webhook"), [{"url": "${U}", "headers": {"A": f"{CANARY} ${{N}}"}}], "webhook[0].headers.A"),
        ((*RECEIVER, "webhook"), [{"url": "${U}", "headers": {"x_file": CANARY}}], "webhook[0].headers.x_file"),
        ((*RECEIVER, "webhook"), [{"url": "${U}", "headers": {"x_file": f"/{CANARY}"}}], "webhook[0].headers.x_file"),
    ],
)
def test_a_secret_does_not_get_into_the_config_map(path: tuple[str | int, ...], value: object, where: str) -> None:
    said = refused(path, value, **MOUNTED)
    assert f"config.receivers[0].{where}: is a secret" in said
    assert CANARY not in said


@pytest.mark.parametrize(
    "text", [CANARY, f"https://{CANARY}${{A}}", f"Bearer ${{A}}{CANARY}", f"${{A:-{CANARY}}}", " "]
)
def test_a_password_is_nothing_but_variables(text: str) -> None:
    values = changed((*PROJECT, "client_secret"), text)
    del values["config"]["projects"][0]["client_secret_file"]
    (answer,) = helm({"values": values})
    assert "config.projects[0].client_secret: is a secret" in answer["error"]
    assert CANARY not in answer["error"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (SLACK, {"url": "${HOOK}"}),
        (SLACK, {"url": "${HOOK:-}"}),
        (SLACK, {"url": "https://hooks.slack.com/services/${A}/${B}/${C}"}),
        (SLACK, {"url": "https://${HOST}/${HOOK}"}),
        (("config", "http"), {"proxy_url": "http://${USER}:${PASSWORD}@proxy.example.com:3128"}),
        ((*RECEIVER, "webhook"), [{"url": "${U}", "headers": {"Authorization": "Bearer ${TOKEN}", "x_file": "${X}"}}]),
        ((*RECEIVER, "apprise"), [{"url": "tgram://${BOT}/${CHAT}", "unguarded": True}]),
    ],
)
def test_what_stands_elsewhere_is_no_secret(path: tuple[str | int, ...], value: object) -> None:
    assert taken(path, value)


@pytest.mark.parametrize("value", [f"https://hooks.slack.com/services/T0/B0/{CANARY}", CANARY, f"secrets/a/{CANARY}"])
@pytest.mark.parametrize("more", [{}, MOUNTED])
def test_a_secret_in_the_place_of_a_file_is_not_shown(value: str, more: Mapping[str, Any]) -> None:
    said = refused(SLACK, {"url_file": value}, **more)
    assert "config.receivers[0].slack[0].url_file: names no file in the container" in said
    assert CANARY not in said


@pytest.mark.parametrize("name", ["..", ".", "..data", "a/b"])
def test_what_no_key_of_a_secret_can_be_is_no_file(name: str) -> None:
    assert "client_secret_file: names no file" in refused((*PROJECT, "client_secret_file"), f"{SECRETS}/{name}")


def test_a_file_may_be_in_a_volume_of_ones_own() -> None:
    assert taken(("config", "http"), {"ca_file": "/etc/ca/ca.pem"}, **MOUNTED)


def test_a_name_that_somebody_has_made_up_is_no_file() -> None:
    names = {"log_file": "{{ deployment }}", "host": "a@b"}
    rule = {"name": "Own", "on": "deployment", "to": ["Failed"], "labels": names, "annotations": names}
    assert taken(("config", "rules"), [rule])


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ((*PROJECT, "api_url"), "https://u:{}@example.com", "projects[0].api_url"),
        ((*PROJECT, "auth_url"), "https://u:{}@example.com", "projects[0].auth_url"),
        ((*RECEIVER, "alertmanager"), [{"urls": ["https://u:{}@example.com"]}], "receivers[0].alertmanager[0].urls[0]"),
        (
            (*RECEIVER, "email"),
            [{"host": "u:{}@mx.example.com", "from": "a@b.c", "to": ["a@b.c"]}],
            "receivers[0].email[0].host",
        ),
    ],
)
def test_an_address_has_no_password(path: tuple[str | int, ...], value: object, where: str) -> None:
    def filled(each: Any) -> Any:
        if isinstance(each, dict):
            return {key: filled(below) for key, below in each.items()}
        return list(map(filled, each)) if isinstance(each, list) else each.replace("{}", CANARY)

    said = refused(path, filled(value))
    assert f"config.{where}: must have no user and no password in it" in said
    assert CANARY not in said


# ── names ────────────────────────────────────────────────────────────────────

NAMED = {"name", "serviceName", "serviceAccountName", "secretName", "storageClassName", "ingressClassName"} | {
    *("priorityClassName", "storage", "sizeLimit", "interval"),
}


def odd(value: object, key: str = "") -> Iterator[object]:
    """Keys, names, labels and annotations that are no texts, as Kubernetes wants them."""
    if isinstance(value, dict):
        texts = key in {"labels", "matchLabels", "annotations", "nodeSelector"}
        for name, below in value.items():
            if not isinstance(name, str) or ((texts or name in NAMED) and not isinstance(below, str | dict)):
                yield {name: below}
            yield from odd(below, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from odd(each, key)


LIKE_VALUES = ("true", "null", "on", "no")


@pytest.mark.parametrize("text", [*LIKE_VALUES, "123"])
def test_every_name_may_look_like_another_value(text: str) -> None:
    given = copy.deepcopy(dict(ALL))
    given["secrets"]["values"] |= {text: "a", "0123": "b", "1.0": "c"}
    given["persistence"] = {"storageClass": text, "size": "8"}
    given["ingress"] |= {"className": text, "tlsSecret": text}
    given |= {"priorityClassName": text, "serviceAccount": {"name": text}, "podLabels": {text: text}}
    existing = {
        **start(logs="off"),
        "secrets": {"existingSecret": text},
        "serviceAccount": {"create": False, "name": text},
    }
    if text in LIKE_VALUES:
        given["fullnameOverride"] = existing["fullnameOverride"] = text
    for answer in helm(
        {"values": given}, {"values": existing}, {"values": {**given, "persistence": {"enabled": False}}}
    ):
        assert list(odd(documents(answer))) == []
    (answer,) = helm({"values": given})
    assert {text, "0123", "1.0"} <= one(documents(answer), "Secret")["data"].keys()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("priorityClassName",), "high\n      hostNetwork: true"),
        (("persistence", "storageClass"), "a: b"),
        (("ingress", "className"), "a\nb"),
        (("ingress", "tlsSecret"), "a\nb"),
        (("serviceAccount", "name"), "a\nb"),
        (("secrets", "existingSecret"), "a b"),
        (("secrets", "values"), {"..": "a"}),
        (("imagePullSecrets",), [{"name": "a b"}]),
        (("image", "repository"), 'a"b c'),
        (("image", "tag"), "a\nb"),
        (("fullnameOverride",), "2nd"),
    ],
)
def test_what_is_no_name_is_refused(path: tuple[str | int, ...], value: object) -> None:
    assert "does not match pattern" in refused(path, value)


@pytest.mark.parametrize("release", LIKE_VALUES)
def test_a_release_may_be_called_like_a_value(release: str) -> None:
    (answer,) = helm({"values": ALL, "release": release})
    assert list(odd(documents(answer))) == []
    for each in documents(answer):
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == release


@pytest.mark.parametrize("release", ["1234", "0x1f", "a.b"])
def test_a_release_whose_name_no_service_can_have_is_refused(release: str) -> None:
    (answer,) = helm({"values": start(logs="off"), "release": release})
    assert answer["error"].count(": set ") == 1
    assert f"fullnameOverride: {release}-connect-watcher is no name for a Service: set one" in answer["error"]
    (named,) = helm({"values": changed(("fullnameOverride",), "watcher"), "release": release})
    assert one(documents(named), "Service")["metadata"]["labels"]["app.kubernetes.io/instance"] == release


def test_labels_that_are_given_do_not_replace_those_that_are_selected_by() -> None:
    own = {"app.kubernetes.io/name": "x", "app.kubernetes.io/instance": "x", "team": "shop"}
    given = {**ALL, "podLabels": own}
    given |= {key: {"enabled": True, "labels": own} for key in ("serviceMonitor", "prometheusRule", "dashboards")}
    (answer,) = helm({"values": given})
    for text in answer["manifests"].values():
        assert "app.kubernetes.io/name: x" not in text
    labels = one(documents(answer), "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert one(documents(answer), "Service")["spec"]["selector"].items() <= labels.items()
    assert labels["team"] == "shop"
    assert documents(helm({"values": {**given, "podLabels": {"app.kubernetes.io/name": "x"}}})[0])


@pytest.mark.parametrize("name", ["a'; touch x; '", "--help", "ops $(id) `id`"])
def test_a_receiver_is_one_word_of_the_command_in_the_notes(name: str) -> None:
    (answer,) = helm({"values": changed((*RECEIVER, "name"), name)})
    (notes,) = [text for template, text in answer["manifests"].items() if template.endswith("NOTES.txt")]
    (line,) = [each for each in notes.splitlines() if "send-test" in each]
    words = shlex.split(line)
    assert words[words.index("send-test") + 1 :] == (["--", name] if name.startswith("-") else [name])


# ── networks ─────────────────────────────────────────────────────────────────


def test_an_address_alone_is_a_network_of_one() -> None:
    manifests = taken(("config", "egress"), {"allow": ["10.20.30.40", "fd00::1", "10.1.0.0/16", "::/0"]})
    allowed = one(manifests, "NetworkPolicy")["spec"]["egress"][-1]["to"]
    assert [each["ipBlock"]["cidr"] for each in allowed] == ["10.20.30.40/32", "fd00::1/128", "10.1.0.0/16", "::/0"]


@pytest.mark.parametrize(
    "text", ["${NET}", "10.0.0.0/33", "10.0.0.0/255.0.0.0", "300.1.1.1", "abc", "fd00::/129", "1.2.3"]
)
def test_what_is_no_network_is_refused(text: str) -> None:
    assert "config.egress.allow[0]: must be a network" in refused(("config", "egress"), {"allow": [text]})


def test_private_addresses_do_not_hide_behind_translation() -> None:
    egress = one(taken(("config", "egress"), {}), "NetworkPolicy")["spec"]["egress"]
    (v6,) = [to["ipBlock"] for rule in egress for to in rule.get("to", ()) if to["ipBlock"]["cidr"] == "::/0"]
    assert "64:ff9b::/96" in v6["except"]
