"""The chart as Helm renders it, and everything in the tree that is made from it or for it.

`python -m tests.peers.helm` writes what is made: the schema of the values, the chart's copies of rules and dashboards, and
the base for Kustomize.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.peers import INSTALLED, WANTED, need, node, package
from watcher.config import json_schema

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "connect-watcher"
KUSTOMIZE = ROOT / "deploy" / "kustomize"
RULES = ROOT / "deploy" / "prometheus" / "connect-watcher.rules.yml"
DASHBOARDS = ROOT / "deploy" / "grafana"
SECRETS = "/etc/connect-watcher/secrets"
DEPLOY = ROOT / ".build" / "deploy" / "bin"
BASE = ("serviceaccount", "service", "statefulset", "networkpolicy")
MONITORING = ("servicemonitor", "prometheusrule")
MADE = "# Made from the chart: change that, then `make manifests`.\n"


def deploy(name: str) -> Path:
    """A program of the environment that has Helm, Kustomize and the schemas of Kubernetes."""
    found = DEPLOY / name
    return need(name, found if found.exists() else None, "run `make peers`")


def helm(*cases: Mapping[str, Any], chart: Path = CHART) -> list[dict[str, Any]]:
    """What Helm makes of the cases, in one process; what they are is in `kubernetes_render`."""
    script = Path(__file__).with_name("kubernetes_render.py")
    command = (deploy("python"), "-P", script)
    asked = json.dumps({"chart": str(chart), "cases": cases})
    ended = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    answers: list[dict[str, Any]] = json.loads(ended.stdout)
    return answers


def documents(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The manifests of an answer, in the order of their templates."""
    assert "error" not in answer, answer["error"]
    texts = [text for name, text in sorted(answer["manifests"].items()) if not name.endswith("NOTES.txt")]
    return [each for text in texts for each in yaml.safe_load_all(text) if each]


def misfits(manifests: Sequence[Mapping[str, Any]], *versions: str) -> list[str]:
    """What the schemas of these versions of Kubernetes have against manifests. They are asked once for each that differs."""
    script = Path(__file__).with_name("kubernetes_schemas.py")
    asked = json.dumps(
        {"versions": versions, "manifests": list({json.dumps(each): each for each in manifests}.values())}
    )
    ended = subprocess.run((deploy("python"), "-P", script), input=asked, capture_output=True, text=True, check=True)
    found: list[str] = json.loads(ended.stdout)
    return found


def crd_misfits(resources: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the Prometheus operator's definitions have against resources, each of them."""
    package("@kubernetes-models/prometheus-operator")
    command = (node(), WANTED / "kubernetes_crds.mjs", INSTALLED)
    ended = subprocess.run(command, input=json.dumps(resources), capture_output=True, text=True, check=True)
    found: list[str] = json.loads(ended.stdout)
    return found


def one(manifests: Sequence[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The only manifest of a kind."""
    (found,) = [each for each in manifests if each["kind"] == kind]
    return found


# ── what is made ─────────────────────────────────────────────────────────────


def chart_files() -> dict[Path, str]:
    """What is made for the chart."""
    return {
        CHART / "values.schema.json": values_schema(),
        CHART / "files" / "secrets.txt": "".join(f"{each}\n" for each in secrets()),
        **copies(),
    }


def values_schema() -> str:
    """The schema of the values as it is, with that of `config` put in anew.

    Regions have no pattern in it: templates/_checks.tpl says more helpfully what is wrong with one.
    """
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    config = untitled(json_schema())
    del config["$schema"], config["$defs"]["ProjectSettings"]["properties"]["region"]["pattern"]
    schema["$defs"] = config.pop("$defs")
    schema["properties"]["config"] = config
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def untitled(schema: Any) -> Any:
    """A schema without what only repeats the names of its fields."""
    if isinstance(schema, dict):
        kept = {key: value for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
        return {key: untitled(value) for key, value in kept.items()}
    return [untitled(each) for each in schema] if isinstance(schema, list) else schema


def secrets() -> list[str]:
    """The paths of the configuration's secrets: `receivers[].slack[].url`; `.*` for every key of a table.

    Names of accounts are none here: the daemon masks them, but they open nothing.
    """
    schema = json_schema()
    found = set(_secrets(schema, schema["$defs"], ""))
    return sorted(each for each in found if not each.endswith((".client_id", ".username")))


def _secrets(schema: Mapping[str, Any], models: Mapping[str, Any], path: str) -> Iterator[str]:
    if schema.get("writeOnly"):
        yield path
    for each in schema.get("anyOf", ()):
        yield from _secrets(each, models, path)
    if "items" in schema:
        yield from _secrets(schema["items"], models, f"{path}[]")
    if isinstance(below := schema.get("additionalProperties"), dict):
        yield from _secrets(below, models, f"{path}.*")
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    if name and name != "RouteSettings":  # which has itself within itself, and no secrets
        yield from _secrets(models[name], models, path)
    for key, value in schema.get("properties", {}).items():
        yield from _secrets(value, models, f"{path}.{key}" if path else key)


def copies() -> dict[Path, str]:
    """The chart's own copies, as a chart can only read what is in its folder."""
    files = CHART / "files"
    rules = {files / RULES.name: RULES} if RULES.exists() else {}
    boards = {files / "dashboards" / each.name: each for each in sorted(DASHBOARDS.glob("*.json"))}
    return {copy: file.read_text("utf-8") for copy, file in {**rules, **boards}.items()}


# ── Kustomize ────────────────────────────────────────────────────────────────


def start(*, logs: str) -> dict[str, Any]:
    """Values to begin with: one project, one receiver."""
    project = {"key": "my-shop", "region": "europe-west1.gcp"}
    for name in ("client_id", "client_secret"):
        project[f"{name}_file"] = f"{SECRETS}/ctp-{name.replace('_', '-')}"
    key = {"key_file": f"{SECRETS}/otlp-key"} if logs == "otlp" else {}
    receiver = {"name": "team", "slack": [{"url_file": f"{SECRETS}/slack-webhook-url"}]}
    return {
        "config": {"projects": [{**project, "logs": {"source": logs, **key}}], "receivers": [receiver]},
        "secrets": {"existingSecret": "connect-watcher"},
    }


def base() -> dict[Path, str]:
    """The base for Kustomize and what can be added to it: what the chart renders, less what Kustomize does in its own way.

    Its port for pushed logs is always there, as it cannot know whether they are wanted.
    """
    monitored = {each: {"enabled": True} for each in ("serviceMonitor", "prometheusRule")}
    whole, quiet = helm({"values": {**start(logs="otlp"), **monitored}}, {"values": start(logs="poll")})
    texts = {Path(name).stem: plain(text) for name, text in whole["manifests"].items() if name.endswith(".yaml")}
    (config,) = [each for each in documents(quiet) if each["kind"] == "ConfigMap"]
    files = {f"base/{name}.yaml": texts[name] for name in BASE} | {
        f"monitoring/{name}.yaml": texts[name] for name in MONITORING
    }
    return {
        KUSTOMIZE / "base" / "config.toml": MADE + config["data"]["config.toml"],
        KUSTOMIZE / "base" / "kustomization.yaml": MADE
        + yaml.safe_dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": [f"{name}.yaml" for name in BASE],
                "configMapGenerator": [{"name": "connect-watcher", "files": ["config.toml"]}],
            },
            sort_keys=False,
        ),
        KUSTOMIZE / "monitoring" / "kustomization.yaml": MADE
        + yaml.safe_dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1alpha1",
                "kind": "Component",
                "resources": [f"{name}.yaml" for name in MONITORING],
            },
            sort_keys=False,
        ),
        **{KUSTOMIZE / name: MADE + text for name, text in files.items()},
    }


def plain(text: str) -> str:
    """A manifest without Helm's labels, and without checksums: Kustomize gives what it generates a name of its own."""
    text = re.sub(r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^ *annotations:\n *# .*\n *checksum/config: .*\n", "", text, flags=re.MULTILINE).lstrip("\n")


def write() -> None:
    """Write what is made; the base last, as it is made from the chart."""
    for make in (chart_files, base):
        for path, text in make().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
