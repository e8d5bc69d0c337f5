"""The configuration that the chart writes: it loads, nothing in it is changed on the way, and the daemon starts with it."""

import asyncio
import json
import os
import re
import socket
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.chart_stage import ALL, CONFIG, SETS, config_text, in_folder, pod, rendered
from tests.peers.helm import ROOT, documents, helm, one, start
from tests.peers.shop import hurried
from watcher.cli import VERBS
from watcher.config import Loaded, loads


def loaded(name: str, folder: Path) -> Loaded:
    return loads(in_folder(config_text(rendered()[name]), folder), {"TEAM": "shop"}, base=folder)


@pytest.mark.parametrize("name", SETS)
def test_the_configuration_loads_without_a_warning(name: str, tmp_path: Path) -> None:
    found = loaded(name, tmp_path)
    host = "::" if name == "bare" else "0.0.0.0"
    assert found.warnings == ()
    assert (found.settings.web.listen, found.settings.otlp.listen) == ((host, 8080), (host, 4318))
    assert found.settings.store.url == f"sqlite:///{tmp_path}/connect-watcher.db"


def test_what_the_chart_adds_takes_nothing_away(tmp_path: Path) -> None:
    settings = loaded("all", tmp_path).settings
    assert settings.web.external_url == "https://watcher.example.com"
    assert settings.otlp.header == "x-key"
    assert settings.store.retention == 90 * 86_400_000


def everything() -> dict[str, Any]:
    """The example that has every key, less what the chart sets and has no place for."""
    tree = tomllib.loads((ROOT / "config.example.toml").read_text())
    del tree["web"]["listen"], tree["otlp"]["listen"], tree["store"]["url"]
    return tree


def test_every_key_of_the_configuration_goes_through_the_chart_as_it_is() -> None:
    (answer,) = helm({"values": {"config": everything()}})
    found = tomllib.loads(config_text(documents(answer)))
    for table, key in (("web", "listen"), ("otlp", "listen"), ("store", "url")):
        del found[table][key]
    assert json.dumps(found, sort_keys=True) == json.dumps(everything(), sort_keys=True)


@pytest.mark.parametrize(
    "text",
    [
        "{{ connector }} failed",
        'it\'s "quoted"',
        "two\nlines\n",
        "back\\slash \\d+",
        "# no comment",
        "ünï ⚡ \t\x07",
        "$$",
        "'''",
        '"""',
        " x ",
        "a\u2028b: c\u2029d\u0085e\u009b\x7f\ufeff",
    ],
)
def test_every_text_goes_through_the_chart_as_it_is(text: str) -> None:
    values = start(logs="off")
    numbers = {"count": 3, "above": 0.25, "at_least": 1_000_000}
    values["config"]["rules"] = [{"name": "Own", "on": "deployment", "annotations": {"summary": text}, **numbers}]
    (answer,) = helm({"values": values})
    (rule,) = tomllib.loads(config_text(documents(answer)))["rules"]
    assert rule == values["config"]["rules"][0]
    assert [type(rule[key]) for key in numbers] == [int, float, int]


def checksums(values: Mapping[str, Any]) -> dict[str, str]:
    (answer,) = helm({"values": values})
    found = one(documents(answer), "StatefulSet")["spec"]["template"]["metadata"]["annotations"]
    return {key: value for key, value in found.items() if key.startswith("checksum/")}


def test_the_pod_starts_anew_when_what_it_reads_changes_and_only_then() -> None:
    before = checksums(ALL)
    config = {**ALL["config"], "rule_packs": ["builtin"]}
    secret = {"values": {**ALL["secrets"]["values"], "otlp-key": "another-key-of-ours"}}
    assert before.keys() == {"checksum/config", "checksum/secrets"}
    assert checksums({**ALL, "podLabels": {}}) == before
    by_config, by_secret = checksums({**ALL, "config": config}), checksums({**ALL, "secrets": secret})
    assert [by_config[each] == before[each] for each in sorted(before)] == [False, True]
    assert [by_secret[each] == before[each] for each in sorted(before)] == [True, False]


def mapped(name: str, folder: Path, url: str, port: int) -> Iterator[str]:
    """The pod's command line, with its folders in ours, its port on loopback, and Connect at `url`."""
    text = in_folder(config_text(rendered()[name]), folder).replace("0.0.0.0:8080", f"127.0.0.1:{port}")
    text = text.replace("0.0.0.0:4318", "127.0.0.1:0").replace(
        "[[projects]]", f'[[projects]]\napi_url = "{url}"\nauth_url = "{url}"'
    )
    (folder / "config.toml").write_text(text)
    for argument in pod(name)["containers"][0]["args"]:
        yield argument.replace(CONFIG, str(folder))


async def test_the_daemon_starts_and_the_probes_find_it(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (container,) = pod("pushed")["containers"]
    probes = [container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")]
    assert [each["port"] for each in probes] == ["http"] * 3
    async with hurried() as simulator, aiohttp.ClientSession() as session:
        daemon = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "watcher", *mapped("pushed", tmp_path, simulator.url, port)),
            cwd=ROOT,
            env={"PATH": os.environ["PATH"]},
            stderr=asyncio.subprocess.PIPE,
        )
        reading = asyncio.create_task(daemon.communicate())
        try:
            for probe in probes:
                await answered(session, f"http://127.0.0.1:{port}{probe['path']}", daemon)
        finally:
            if daemon.returncode is None:
                daemon.terminate()
            _, said = await reading
    assert daemon.returncode == 0, said.decode()
    assert (tmp_path / "connect-watcher.db").exists()


async def answered(session: aiohttp.ClientSession, url: str, daemon: asyncio.subprocess.Process) -> None:
    """Ask until the answer is 200, as the kubelet does."""
    while daemon.returncode is None:
        try:
            async with session.get(url) as answer:
                if answer.status == 200:
                    return
                assert answer.status == 503, "nothing is there to be asked"
        except aiohttp.ClientConnectionError:
            pass
    raise AssertionError("the daemon has ended")


def test_the_notes_say_what_to_do_next() -> None:
    notes = {
        name: next(text for template, text in answer["manifests"].items() if template.endswith("NOTES.txt"))
        for name, answer in zip(SETS, helm(*({"values": each} for each in SETS.values())), strict=True)
    }
    assert "kubectl -n watch rollout status statefulset/connect-watcher" in notes["first"]
    assert "exec connect-watcher-0 -- connect-watcher send-test 'team'" in notes["first"]
    assert "https://logs.example.com/v1/logs" in notes["all"]
    assert "x-key" in notes["all"]
    assert "http://connect-watcher.watch:4318/v1/logs" in notes["pushed"]
    assert "rollout restart statefulset/watcher" in notes["bare"]
    assert "ATTENTION: persistence.enabled is false" in notes["bare"]
    assert not re.search(r"ATTENTION|rollout restart|Nobody watches", notes["all"])
    for verb in re.findall(r"-- connect-watcher ([a-z-]+)", "".join(notes.values())):
        assert verb in VERBS
