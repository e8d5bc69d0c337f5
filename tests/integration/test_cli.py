import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from watcher import __version__
from watcher.cli import VERBS, main

ROOT = Path(__file__).parents[2]
SMALL = """
[[projects]]
key = "my-shop"
region = "europe-west1.gcp"
client_id = "${ID:-id}"
client_secret = "canary-secret"
[[receivers]]
name = "team"
console = [{}]
"""


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The program as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "watcher", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        timeout=60,
    )


def invoke(*arguments: str, **environ: str) -> Result:
    """The program in this process."""
    return CliRunner().invoke(main, arguments, env=environ, catch_exceptions=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(SMALL)
    return path


def test_version_is_told_without_loading_the_daemon() -> None:
    found = run("--version")
    assert (found.returncode, found.stdout) == (0, f"connect-watcher, version {__version__}\n")
    loaded = (
        "import sys, watcher.cli; print(sorted({'aiohttp', 'pydantic', 'structlog', 'sqlite3'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", loaded], cwd=ROOT, text=True) == "[]\n"


def test_every_verb_is_listed_and_has_help() -> None:
    listed = invoke("--help").stdout
    for verb in VERBS:
        assert f"\n  {verb} " in listed
        assert invoke(verb, "--help").exit_code == 0


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["run", "--nonsense"], ["check-config", "--output", "xml"], ["db"]]
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == 2


# ── check-config ─────────────────────────────────────────────────────────────


def test_a_good_configuration_is_summed_up(config: Path) -> None:
    found = invoke("check-config", "-c", str(config))
    assert (found.exit_code, found.stderr) == (0, "")
    assert f"{config} can be used\n" in found.stdout
    assert (
        "\n  my-shop (europe-west1.gcp): every 30s, every 5s while something is deployed, blind after 2m30s; logs off\n"
        in found.stdout
    )
    assert "\n  DeploymentFailed: state on deployment, from builtin\n" in found.stdout
    assert "\n  {} -> team (grouped by project, deployment; wait 10s, interval 5m, repeat 4h)\n" in found.stdout
    assert "\n  team: team/console/0\n" in found.stdout
    assert "canary" not in found.stdout


def test_a_good_configuration_is_data_for_programs(config: Path) -> None:
    found = json.loads(invoke("check-config", "-c", str(config), "--output", "json").stdout)
    assert found["ok"] is True
    assert found["projects"][0]["key"] == "my-shop"
    assert {"name": "NowWatching", "origin": "builtin", "on": "source", "kind": "fact"} in found["rules"]
    assert found["route"]["receiver"] == "team"
    assert found["receivers"] == [{"name": "team", "sinks": ["team/console/0"]}]
    assert found["warnings"] == []


def test_a_bad_configuration_is_78_with_every_problem_on_standard_error(config: Path) -> None:
    config.write_text(SMALL.replace("region", "regoin") + "slack = [{ url = 'canary-secret' }]\n[log]\nlevel = 1\n")
    found = invoke("check-config", "-c", str(config))
    assert (found.exit_code, found.stdout) == (78, "")
    assert [line.partition(": ")[0] for line in found.stderr.splitlines()] == [
        "log.level",
        "projects[0].region",
        "projects[0].regoin",
        "receivers[0].slack[0].url",
    ]
    assert "canary" not in found.stderr


def test_a_bad_configuration_is_data_for_programs_too(config: Path) -> None:
    config.write_text("")
    found = invoke("check-config", "-c", str(config), "--output", "json")
    assert found.exit_code == 78
    assert json.loads(found.stdout) == {"ok": False, "problems": ["projects: is required", "receivers: is required"]}
    assert found.stderr == "projects: is required\nreceivers: is required\n"


def test_a_sink_whose_secret_cannot_be_used_is_found_before_it_is_needed(config: Path, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("ftp://canary-host/x")
    (tmp_path / "url").chmod(0o600)
    config.write_text(SMALL + 'slack = [{ url_file = "url" }]\n')
    found = invoke("check-config", "-c", str(config))
    assert found.exit_code == 78
    assert found.stderr == "receivers[0].slack[0].url: is not a URL that begins with https:// or http://\n"


def test_the_configuration_is_found_through_the_environment(config: Path) -> None:
    assert invoke("check-config", CONNECT_WATCHER_CONFIG=str(config)).exit_code == 0
    found = invoke("check-config", CONNECT_WATCHER_CONFIG="/nowhere/config.toml")
    assert (found.exit_code, found.stderr) == (78, "/nowhere/config.toml: No such file or directory\n")


def test_warnings_are_shown(config: Path) -> None:
    config.write_text(SMALL.replace("console = [{}]", ""))
    found = invoke("check-config", "-c", str(config))
    assert found.exit_code == 0
    assert f"{config} can be used; 1 warning at the end\n" in found.stdout
    assert "\nwarnings\n  receivers[0]: has no sinks: what is routed to it is told to nobody\n" in found.stdout


def test_the_schema_is_printed() -> None:
    found = invoke("schema")
    assert found.exit_code == 0
    assert "projects" in json.loads(found.stdout)["properties"]


# ── db ───────────────────────────────────────────────────────────────────────


def test_a_database_is_made_and_looked_over(config: Path, tmp_path: Path) -> None:
    config.write_text(SMALL + f'[store]\nurl = "sqlite:///{tmp_path}/state/watcher.db"\n')
    assert invoke("db", "upgrade", "-c", str(config)).stdout.startswith("schema 0 -> ")
    assert invoke("db", "upgrade", "-c", str(config)).stdout.endswith("up to date\n")
    found = invoke("db", "check", "-c", str(config), "--output", "json")
    assert found.exit_code == 0
    assert json.loads(found.stdout)["problems"] == []
    assert invoke("db", "check", "--url", f"sqlite:///{tmp_path}/state/watcher.db").exit_code == 0


def test_a_database_that_cannot_be_used_is_1_and_says_why(tmp_path: Path) -> None:
    found = invoke("db", "check", "--url", f"sqlite:///{tmp_path}/none.db")
    assert found.exit_code == 1
    assert found.stderr.startswith(f"{tmp_path}/none.db")
    (tmp_path / "damaged.db").write_bytes(b"not a database at all" * 500)
    found = invoke("db", "check", "--url", f"sqlite:///{tmp_path}/damaged.db")
    assert found.exit_code == 1
    assert "damaged.db" in found.stderr


# ── run and simulate ─────────────────────────────────────────────────────────


def test_the_daemon_does_not_start_on_a_bad_configuration(config: Path) -> None:
    config.write_text(SMALL.replace('"${ID:-id}"', '"${UNSET}"'))
    found = run("run", "-c", str(config))
    assert (found.returncode, found.stdout) == (78, "")
    assert found.stderr == "projects[0].client_id: environment variable UNSET is not set\n"


def test_the_daemon_does_not_start_without_its_database(config: Path, tmp_path: Path) -> None:
    config.write_text(SMALL + f'[store]\nurl = "sqlite:///{tmp_path}/no/such/place/x.db"\n')
    found = run("run", "-c", str(config))
    assert found.returncode == 1
    assert f"{tmp_path}/no/such/place" in found.stderr
    assert "Traceback" not in found.stderr


def test_the_simulator_says_where_it_listens_and_ends_when_asked() -> None:
    arguments = [sys.executable, "-m", "watcher", "simulate", "--listen", "127.0.0.1:0", "--seed", "3", "--speed", "10"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--listen", "nowhere"], 2, "not an address to listen on"),
        (["--listen", "127.0.0.1:0", "--speed", "0"], 2, "--speed"),
        (["--listen", "127.0.0.1:0", "--scenario", "/nowhere.toml"], 1, "/nowhere.toml"),
        (["--listen", "192.0.2.1:0"], 1, "cannot listen on 192.0.2.1:0"),
    ],
)
def test_a_simulator_that_cannot_start_says_why(arguments: list[str], code: int, words: str) -> None:
    found = invoke("simulate", *arguments)
    assert found.exit_code == code
    assert words in found.stderr
