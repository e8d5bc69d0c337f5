"""Sets of values for the chart, and what it makes of them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.peers.helm import SECRETS, documents, helm, one, start

CONFIG = "/etc/connect-watcher"
STATE = "/var/lib/connect-watcher"
SECRET = {
    "slack-webhook-url": "https://hooks.slack.com/services/T0/B0/x",
    "webhook-secret": "whsec_YSBzaWduaW5nIGtleSBvZiAzMiBieXRlcywgcmVhZHk=",
    "webhook-url": "https://example.com/hook",
    "smtp-password": "hello",
    "otlp-key": "0123456789abcdef",
    "web-token": "fedcba9876543210",
}

ALL: Mapping[str, Any] = {
    "config": {
        **start(logs="otlp")["config"],
        "receivers": [
            {
                "name": "team",
                "webhook": [
                    {
                        "url_file": f"{SECRETS}/webhook-url",
                        "secret_file": "secrets/webhook-secret",
                        "headers_file": {"Authorization": f"{SECRETS}/web-token"},
                        "headers": {"X-Team": "${TEAM}"},
                        "max_alerts": 50,
                    }
                ],
                "email": [
                    {
                        "host": "smtp.example.com",
                        "username": "${TEAM}",
                        "password_file": f"{SECRETS}/smtp-password",
                        "from": "watcher@example.com",
                        "to": ["team@example.com"],
                    },
                    {"host": "mx.example.com", "port": 2525, "from": "a@example.com", "to": ["b@example.com"]},
                ],
            }
        ],
        "web": {"token_file": f"{SECRETS}/web-token", "external_url": "https://watcher.example.com"},
        "store": {"retention": "90d"},
        "otlp": {"header": "x-key"},
        "egress": {"allow": ["10.1.0.0/16", "fd00::/8"]},
    },
    "secrets": {"values": {**SECRET, "ctp-client-id": "an-id", "ctp-client-secret": "a-secret"}},
    "image": {"digest": "sha256:" + "0" * 64, "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "registry"}],
    "persistence": {"storageClass": "fast", "accessMode": "ReadWriteOncePod", "size": "8Gi"},
    "service": {"annotations": {"a": "b"}},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "host": "logs.example.com",
        "tlsSecret": "logs",
        "annotations": {"a": "b"},
    },
    "networkPolicy": {
        "otlpFrom": [{"namespaceSelector": {}}],
        "extraEgress": [{"ports": [{"port": 9093, "protocol": "TCP"}]}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "1m"},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Connect"}},
    "serviceAccount": {"annotations": {"a": "b"}},
    "extraEnv": [{"name": "TEAM", "value": "shop"}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "shop"},
    "priorityClassName": "high",
    "nodeSelector": {"disk": "local"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}
BARE: Mapping[str, Any] = {
    **start(logs="off"),
    "persistence": {"enabled": False},
    "networkPolicy": {"enabled": False},
    "serviceAccount": {"create": False},
    "bindAddress": "::",
    "fullnameOverride": "watcher",
}
SETS: Mapping[str, Any] = {
    "first": start(logs="off"),
    "polled": start(logs="poll"),
    "pushed": start(logs="otlp"),
    "all": ALL,
    "bare": BARE,
}


@cache
def rendered() -> Mapping[str, list[dict[str, Any]]]:
    return dict(zip(SETS, map(documents, helm(*({"values": each} for each in SETS.values()))), strict=True))


def pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = one(rendered()[name], "StatefulSet")["spec"]["template"]["spec"]
    return spec


def config_text(manifests: list[dict[str, Any]]) -> str:
    (text,) = [each["data"]["config.toml"] for each in manifests if "config.toml" in each.get("data", {})]
    assert isinstance(text, str)
    return text


def in_folder(text: str, folder: Path) -> str:
    """A configuration as in the pod, with the pod's files in a folder."""
    (folder / "secrets").mkdir()
    for name, value in {**SECRET, "ctp-client-id": "an-id", "ctp-client-secret": "a-secret"}.items():
        file = folder / "secrets" / name
        file.write_text(value)
        file.chmod(0o600)
    return text.replace(CONFIG, str(folder)).replace(STATE, str(folder))
