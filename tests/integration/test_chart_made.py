"""What is made from the chart and for it is up to date; Kustomize builds it; the page about it can be followed."""

import copy
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT, blocks, lines
from tests.peers.helm import CHART, KUSTOMIZE, base, chart_files, deploy, documents, helm, misfits, one
from watcher import __version__
from watcher.config import loads

PAGE = ROOT / "docs" / "kubernetes.md"
assert PAGE.name == "kubernetes.md"
PROGRAMS = {"helm", "kubectl", "python3"}
"""What the page runs beside our own program."""


def test_what_is_made_for_the_chart_is_up_to_date() -> None:
    stale = [path.name for path, text in chart_files().items() if not path.exists() or path.read_text("utf-8") != text]
    assert not stale, "run `make manifests`"


def test_what_is_made_for_kustomize_is_up_to_date() -> None:
    made = base()
    stale = [path.name for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    assert not stale, "run `make manifests`"
    there = {path for folder in ("base", "monitoring") for path in (KUSTOMIZE / folder).iterdir()}
    assert there == made.keys()


def test_nothing_is_copied_that_is_no_longer_there() -> None:
    assert {path for path in (CHART / "files").rglob("*") if path.is_file()} < chart_files().keys()


def test_the_chart_has_the_version_of_the_program() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


# ── Kustomize ────────────────────────────────────────────────────────────────


def built(folder: Path) -> list[dict[str, Any]]:
    ended = subprocess.run((deploy("kubectl"), "kustomize", folder), capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    return list(yaml.safe_load_all(ended.stdout))


def test_the_base_is_what_the_chart_makes() -> None:
    kinds = {"ConfigMap", "NetworkPolicy", "Service", "ServiceAccount", "StatefulSet"}
    found = built(KUSTOMIZE / "base")
    assert {each["kind"] for each in found} == kinds
    assert not re.search(r"helm|Helm|checksum", yaml.safe_dump(found))


def test_the_example_builds_with_its_own_configuration_and_secrets(tmp_path: Path) -> None:
    found = built(KUSTOMIZE / "example")
    spec = one(found, "StatefulSet")["spec"]
    volumes = {each["name"]: each for each in spec["template"]["spec"]["volumes"]}
    config, secret = one(found, "ConfigMap"), one(found, "Secret")
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"] != "connect-watcher"
    assert volumes["secrets"]["secret"]["secretName"] == secret["metadata"]["name"] != "connect-watcher"
    assert config["data"]["config.toml"] == (KUSTOMIZE / "example" / "config.toml").read_text()
    assert one(found, "Namespace")["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    assert {each["metadata"].get("namespace") for each in found if each["kind"] != "Namespace"} == {"connect-watcher"}
    named = re.findall(r"/etc/connect-watcher/secrets/([\w-]+)", config["data"]["config.toml"])
    assert set(named) == secret["data"].keys()
    assert misfits(found, "1.28", "1.37") == []


def test_both_configurations_of_kustomize_listen_where_the_probes_look_and_load(tmp_path: Path) -> None:
    for line in (KUSTOMIZE / "example" / "secrets.env").read_text().splitlines():
        name, _, value = line.partition("=")
        (tmp_path / name).write_text(value)
        (tmp_path / name).chmod(0o600)
    for folder in ("base", "example"):
        text = (KUSTOMIZE / folder / "config.toml").read_text()
        found = loads(text.replace("/etc/connect-watcher/secrets", str(tmp_path)), {})
        assert found.warnings == ()
        assert (found.settings.web.listen, found.settings.otlp.listen) == (("0.0.0.0", 8080), ("0.0.0.0", 4318))
        assert found.settings.store.url == "sqlite:////var/lib/connect-watcher/connect-watcher.db"


def test_a_changed_secret_or_configuration_starts_the_pod_anew(tmp_path: Path) -> None:
    shutil.copytree(KUSTOMIZE, tmp_path / "kustomize")
    example = tmp_path / "kustomize" / "example"
    pods = [one(built(example), "StatefulSet")["spec"]["template"]]
    for file in ("secrets.env", "config.toml"):
        with (example / file).open("a") as opened:
            opened.write("# more\n" if file.endswith("toml") else "more=1\n")
        pods.append(one(built(example), "StatefulSet")["spec"]["template"])
    assert pods[0] != pods[1] != pods[2]


def test_monitoring_can_be_added_to_the_example(tmp_path: Path) -> None:
    shutil.copytree(KUSTOMIZE, tmp_path / "kustomize")
    file = tmp_path / "kustomize" / "example" / "kustomization.yaml"
    text = file.read_text()
    file.write_text(text.replace("# components:\n#   - ../monitoring\n", "components:\n  - ../monitoring\n"))
    found = built(file.parent)
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "connect-watcher.rules.yml").read_text())
    assert one(found, "PrometheusRule")["spec"] == rules
    selector = one(found, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert selector.items() <= one(found, "Service")["metadata"]["labels"].items()


# ── the page ─────────────────────────────────────────────────────────────────


@cache
def values() -> tuple[dict[str, Any], ...]:
    """The values of the page, first those to begin with."""
    found = [yaml.safe_load(block.text) for block in blocks(PAGE, "yaml")]
    return tuple(each for each in found if "kind" not in each)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Values as Helm merges them."""
    found = dict(copy.deepcopy(below))
    for key, value in above.items():
        old = found.get(key)
        found[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return found


def test_all_values_of_the_page_render_alone_and_together() -> None:
    first, *more = values()
    together = first
    for each in more:
        together = together if "secrets" in each else merged(together, each)
    answers = helm(*({"values": merged(first, each)} for each in (*more, {}, together)))
    assert [answer.get("error") for answer in answers] == [None] * (len(more) + 2)
    assert len(more) == 5
    whole = documents(answers[-1])
    assert {"Ingress", "ServiceMonitor", "PrometheusRule"} <= {each["kind"] for each in whole}


def commands(*programs: str) -> list[list[str]]:
    said = [shlex.split(line.text, comments=True) for block in blocks(PAGE, "sh") for line in lines(block)]
    return [each for each in said if each[0] in programs]


def test_the_secret_of_the_page_has_the_keys_that_its_values_name() -> None:
    (create,) = [each for each in commands("kubectl") if "secret" in each]
    assert "--from-file=secrets/" in create
    keys = set(re.findall(r"^secrets/([\w-]+)$", PAGE.read_text(), re.MULTILINE))
    assert keys == set(re.findall(r"secrets/([\w-]+)", yaml.safe_dump(values()[0])))
    assert create[create.index("generic") + 1] == values()[0]["secrets"]["existingSecret"]


def test_what_the_page_names_in_the_cluster_is_there() -> None:
    (answer,) = helm({"values": values()[0], "namespace": "connect-watcher"})
    stateful = one(documents(answer), "StatefulSet")
    name, claim = stateful["metadata"]["name"], stateful["spec"]["volumeClaimTemplates"][0]["metadata"]["name"]
    text = PAGE.read_text()
    assert set(re.findall(r"statefulset/(\S+?)[\s`]", text)) == {name}
    assert set(re.findall(r"(?:logs|exec) (connect-watcher-\d)", text)) == {f"{name}-0"}
    assert set(re.findall(r"(\w+-connect-watcher-\d)", text)) == {f"{claim}-{name}-0"}
    assert set(re.findall(r" -n (\S+)", text)) == {"connect-watcher"}


def test_helm_is_given_the_chart_and_the_values_of_the_page() -> None:
    for command in commands("helm"):
        assert command[1] in {"install", "upgrade", "uninstall"}
        assert command[2] == "connect-watcher"
        if command[1] != "uninstall":
            assert (ROOT.parent / command[3]).relative_to(ROOT.parent / "connect-watcher") == CHART.relative_to(ROOT)
            assert command[-2:] == ["-f", "values.yaml"]


@pytest.mark.parametrize("at", range(12))
def test_kubectl_knows_what_it_is_told(at: int) -> None:
    """A verb that is misspelt is refused before a cluster is looked for; the others fail for want of one."""
    said = commands("kubectl")
    assert len(said) == 12
    environ = {"KUBECONFIG": "/nowhere", "PATH": "", "HOME": "/nowhere"}
    command = [*said[at], *(() if "kustomize" in said[at] else ("--help",))]
    if "kustomize" in command or "-k" in command:
        folder = command[-1] if "kustomize" in command else said[at][-1]
        assert folder == "connect-watcher-cluster/example"
        return
    separator = command.index("--") if "--" in command else len(command)
    shown = [*command[1:separator], *(["--help"] if separator < len(command) else [])]
    ended = subprocess.run((deploy("kubectl"), *shown), capture_output=True, text=True, check=False, env=environ)
    assert ended.returncode == 0, ended.stderr


def test_a_file_that_there_is_becomes_values(tmp_path: Path) -> None:
    (command,) = commands("python3")
    script = command[command.index("-c") + 1]
    given = (KUSTOMIZE / "example" / "config.toml").read_bytes()
    ended = subprocess.run((deploy("python"), "-c", script), input=given, capture_output=True, check=True)
    config = yaml.safe_load(ended.stdout)
    assert config == {"config": tomllib.loads(given.decode())}
    for table, key in (("web", "listen"), ("otlp", "listen"), ("store", "url")):
        del config["config"][table][key]
    (answer,) = helm({"values": {**config, "secrets": {"existingSecret": "connect-watcher"}}})
    assert "error" not in answer


def test_the_programs_of_the_page_are_those_that_are_looked_at_here() -> None:
    said = {shlex.split(line.text, comments=True)[0] for block in blocks(PAGE, "sh") for line in lines(block)}
    assert said - {"git", "cp"} == PROGRAMS
