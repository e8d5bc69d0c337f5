"""What the chart makes: manifests that every version of Kubernetes takes, and a pod that may run anywhere."""

import base64
import json
from typing import Any

import pytest
import yaml

from tests.integration.chart_stage import ALL, CONFIG, SETS, STATE, pod, rendered
from tests.peers.helm import ROOT, SECRETS, crd_misfits, documents, helm, misfits, one, start
from watcher import __version__

VERSIONS = [f"1.{minor}" for minor in range(28, 38)]
OPERATORS = {"ServiceMonitor", "PrometheusRule"}


def every() -> list[dict[str, Any]]:
    return [each for manifests in rendered().values() for each in manifests]


# ── manifests ────────────────────────────────────────────────────────────────


def test_lint_has_nothing_against_it() -> None:
    for answer in helm(*({"values": each, "lint": True} for each in SETS.values())):
        assert [each["error"] for each in answer["messages"]] == ["icon is recommended"]


def test_every_manifest_is_one_in_every_version_of_kubernetes() -> None:
    manifests = [each for each in every() if each["kind"] not in OPERATORS]
    assert {each["kind"] for each in manifests} == {
        *("ConfigMap", "Secret", "Service", "ServiceAccount", "StatefulSet", "NetworkPolicy", "Ingress")
    }
    broken = {**one(rendered()["first"], "Service"), "speck": 1}
    found = misfits([*manifests, broken], *VERSIONS)
    assert [each.partition(":")[0] for each in found] == VERSIONS
    assert all("'speck' was unexpected" in each for each in found)


def test_what_is_for_the_prometheus_operator_is_as_it_defines_it() -> None:
    resources = [each for each in every() if each["kind"] in OPERATORS]
    assert {each["kind"] for each in resources} == OPERATORS
    assert crd_misfits(resources) == [""] * len(resources)
    monitor = next(each for each in resources if each["kind"] == "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert (
        "must match pattern"
        in crd_misfits([{**monitor, "spec": {**monitor["spec"], "endpoints": [{**endpoint, "interval": "soon"}]}}])[0]
    )
    assert (monitor["spec"].keys(), endpoint) == (
        {"selector", "endpoints"},
        {"port": "http", "path": "/metrics", "interval": "1m"},
    )


def test_the_rules_are_those_of_the_file_to_the_letter() -> None:
    file = yaml.safe_load((ROOT / "deploy" / "prometheus" / "connect-watcher.rules.yml").read_text())
    assert one(rendered()["all"], "PrometheusRule")["spec"] == file
    assert "{{ $labels.instance }}" in json.dumps(file)


def test_the_dashboards_are_those_of_the_folder_to_the_letter() -> None:
    maps = [each for each in rendered()["all"] if "grafana_dashboard" in each["metadata"]["labels"]]
    shown = {name: json.loads(text) for each in maps for name, text in each["data"].items()}
    files = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
    assert shown == {f"connect-watcher-{each.name}": json.loads(each.read_text()) for each in files}
    assert {each["metadata"]["labels"]["grafana_dashboard"] for each in maps} == {"1"}


def test_what_is_selected_is_the_pod_and_nothing_by_two_names() -> None:
    for name, manifests in rendered().items():
        labels = one(manifests, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
        selectors = [one(manifests, "Service")["spec"]["selector"]]
        selectors += [one(manifests, "StatefulSet")["spec"]["selector"]["matchLabels"]]
        selectors += [
            each["spec"]["podSelector"]["matchLabels"] for each in manifests if each["kind"] == "NetworkPolicy"
        ]
        for selector in selectors:
            assert selector.items() <= labels.items(), name
        names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
        assert len(set(names)) == len(names), name


def test_two_releases_in_a_namespace_have_nothing_in_common() -> None:
    first, second = (documents(each) for each in helm(*({"values": ALL, "release": name} for name in ("one", "two"))))
    names = [{(each["kind"], each["metadata"]["name"]) for each in each_of} for each_of in (first, second)]
    assert not names[0] & names[1]
    assert one(first, "Service")["spec"]["selector"] != one(second, "Service")["spec"]["selector"]


# ── the pod ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", SETS)
def test_the_pod_is_one_that_the_standard_restricted_lets_in(name: str) -> None:
    spec = pod(name)
    (container,) = spec["containers"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers", "initContainers", "ephemeralContainers"} & spec.keys()
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not [each for each in container["ports"] if "hostPort" in each]
    kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"configMap", "secret", "emptyDir"}


@pytest.mark.parametrize("name", SETS)
def test_the_pod_has_no_token_of_the_cluster(name: str) -> None:
    assert pod(name)["automountServiceAccountToken"] is False
    accounts = [each for each in rendered()[name] if each["kind"] == "ServiceAccount"]
    assert [each["automountServiceAccountToken"] for each in accounts] == ([] if name == "bare" else [False])
    assert pod(name)["serviceAccountName"] == ("default" if name == "bare" else accounts[0]["metadata"]["name"])


def test_there_is_one_pod_with_time_to_leave_and_a_volume_that_stays() -> None:
    spec = one(rendered()["first"], "StatefulSet")["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert (spec["replicas"], pod("first")["terminationGracePeriodSeconds"]) == (1, 60)
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "5Gi"}}}
    mounts = {each["mountPath"]: each["name"] for each in pod("first")["containers"][0]["volumeMounts"]}
    assert mounts[STATE] == claim["metadata"]["name"]
    assert "volumeClaimTemplates" not in one(rendered()["bare"], "StatefulSet")["spec"]
    assert {"name": "state", "emptyDir": {"sizeLimit": "5Gi"}} in pod("bare")["volumes"]


def test_configuration_and_secrets_are_folders_so_that_their_changes_arrive() -> None:
    mounts = pod("all")["containers"][0]["volumeMounts"]
    assert {CONFIG, SECRETS, STATE, "/tmp", "/etc/ca"} == {each["mountPath"] for each in mounts}
    assert not [each for each in mounts if "subPath" in each]
    assert {each["mountPath"] for each in mounts if each.get("readOnly")} == {CONFIG, SECRETS, "/etc/ca"}
    (secret,) = [each["secret"] for each in pod("all")["volumes"] if "secret" in each]
    assert secret == {"secretName": "connect-watcher", "defaultMode": 0o440}
    assert one(rendered()["all"], "Secret")["metadata"]["name"] == "connect-watcher"


def test_a_secret_that_the_chart_makes_holds_what_was_given() -> None:
    given = {"one": "a: b # c", "two": "lines\nof text\n", "three": "ünï {{ }}", "four": "0123"}
    values = start(logs="off")
    values["secrets"] = {"values": {**ALL["secrets"]["values"], **given}}
    (answer,) = helm({"values": values})
    data = one(documents(answer), "Secret")["data"]
    assert {name: base64.b64decode(data[name], validate=True).decode() for name in given} == given


def test_the_image_is_that_of_the_version_or_of_a_digest() -> None:
    assert pod("first")["containers"][0]["image"] == f"ghcr.io/connect-watcher/connect-watcher:{__version__}"
    assert pod("all")["containers"][0]["image"].endswith("connect-watcher@sha256:" + "0" * 64)


def test_memory_is_given_whole_and_the_processor_is_not_limited() -> None:
    resources = pod("first")["containers"][0]["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"] == "256Mi"
    assert (set(resources["requests"]), set(resources["limits"])) == ({"cpu", "memory"}, {"memory"})


# ── the network ──────────────────────────────────────────────────────────────


def test_nothing_but_the_probes_port_is_there_without_pushed_logs() -> None:
    for name, ports in {"first": ["http"], "polled": ["http"], "pushed": ["http", "otlp"]}.items():
        manifests = rendered()[name]
        assert [each["name"] for each in one(manifests, "Service")["spec"]["ports"]] == ports
        assert [each["name"] for each in pod(name)["containers"][0]["ports"]] == ports
        assert [each["ports"][0]["port"] for each in one(manifests, "NetworkPolicy")["spec"]["ingress"]] == ports


def test_a_port_has_one_number_wherever_it_is_named() -> None:
    numbers = {"http": 8080, "otlp": 4318}
    ports = one(rendered()["pushed"], "Service")["spec"]["ports"]
    assert {each["name"]: each["port"] for each in ports} == numbers
    assert {each["name"]: each["targetPort"] for each in ports} == {each: each for each in numbers}
    assert {each["name"]: each["containerPort"] for each in pod("pushed")["containers"][0]["ports"]} == numbers


def test_the_pod_reaches_public_addresses_and_what_is_named() -> None:
    first, whole = (one(rendered()[name], "NetworkPolicy")["spec"] for name in ("first", "all"))
    assert first["policyTypes"] == ["Ingress", "Egress"]
    names, outside = first["egress"]
    assert [(each["port"], each["protocol"]) for each in names["ports"]] == [(53, "UDP"), (53, "TCP")]
    assert [each["port"] for each in outside["ports"]] == [443]
    v4, v6 = (each["ipBlock"] for each in outside["to"])
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= set(v4["except"])
    assert {"fc00::/7", "fe80::/10"} <= set(v6["except"])
    _, mail, allowed, extra = whole["egress"]
    assert [each["port"] for each in mail["ports"]] == [443, 587, 2525]
    assert [each["ipBlock"]["cidr"] for each in allowed["to"]] == ["10.1.0.0/16", "fd00::/8"]
    assert extra == {"ports": [{"port": 9093, "protocol": "TCP"}]}


def test_metrics_are_for_the_monitoring_namespace_and_logs_for_whom_they_are_opened() -> None:
    http, otlp = one(rendered()["pushed"], "NetworkPolicy")["spec"]["ingress"]
    assert http["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert "from" not in otlp
    assert one(rendered()["all"], "NetworkPolicy")["spec"]["ingress"][1]["from"] == [{"namespaceSelector": {}}]


def test_only_pushed_logs_come_in_from_outside_and_only_with_tls() -> None:
    spec = one(rendered()["all"], "Ingress")["spec"]
    (rule,) = spec["rules"]
    (path,) = rule["http"]["paths"]
    assert spec["tls"] == [{"hosts": ["logs.example.com"], "secretName": "logs"}]
    assert (path["path"], path["pathType"]) == ("/v1/logs", "Exact")
    assert path["backend"]["service"] == {"name": "connect-watcher", "port": {"name": "otlp"}}
