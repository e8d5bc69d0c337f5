"""The unit of systemd is held to systemd itself: what it says of it is read, as its exit code says little."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import debian
from watcher import config
from watcher.cli import EX_CONFIG
from watcher.errors import ConfigError

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "connect-watcher.service"
EXPOSURE = 1.2
"""Of 10; what is left is the network, and that it is no container."""
PROGRAM = "/opt/connect-watcher/bin/connect-watcher"


def analyze(*arguments: str) -> str:
    """What systemd-analyze says, all of it."""
    program = debian.program("systemd-analyze")
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **debian.surroundings("systemd-analyze")}
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, env=environ, timeout=60)
    # where systemd is only unpacked, its own units stand elsewhere than they think
    return "".join(each for each in (done.stdout + done.stderr).splitlines(True) if "Suspicious symlink" not in each)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is here."""
    made = tmp_path / UNIT.name
    made.write_text(UNIT.read_text().replace(PROGRAM, sys.executable))
    return made


def test_systemd_finds_nothing_wrong_with_it(unit: Path) -> None:
    assert analyze("verify", "--man=no", str(unit)) == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ProtectSystem=strict", "ProtectSystem=very"),
        ("WatchdogSec=60s", "WatchdogSeconds=60s"),
        ("SystemCallFilter=@system-service", "SystemCallFilter=@no-such-group"),
        (PROGRAM, "/nowhere/connect-watcher"),
    ],
)
def test_systemd_would_say_so_if_there_were_something(unit: Path, old: str, new: str) -> None:
    unit.write_text(UNIT.read_text().replace(old, new))
    assert analyze("verify", "--man=no", str(unit)) != ""


def test_little_is_exposed(unit: Path) -> None:
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", analyze("security", "--offline=true", str(unit)))
    assert found
    assert float(found[1]) <= EXPOSURE


def test_what_the_unit_says_of_us_is_so() -> None:
    text = UNIT.read_text()
    assert f"RestartPreventExitStatus={EX_CONFIG}\n" in text
    assert "\nType=notify\n" in text
    assert "\nExecReload=/bin/kill -HUP $MAINPID\n" in text


@pytest.mark.parametrize("folder", ["{0}", "${{CREDENTIALS_DIRECTORY}}"])
def test_credentials_are_read_by_their_path_or_through_the_environment(tmp_path: Path, folder: str) -> None:
    credential = tmp_path / "ctp-client-secret"
    credential.write_text("canary-secret\n")
    credential.chmod(0o400)
    text = f"""
[[projects]]
key = "shop"
region = "europe-west1.gcp"
client_id = "id"
client_secret_file = "{folder.format(tmp_path)}/ctp-client-secret"
[[receivers]]
name = "team"
console = [{{}}]
"""
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    (project,) = config.loads(text, environ).settings.projects
    assert project.access().client_secret == "canary-secret"
    credential.unlink()
    with pytest.raises(ConfigError, match="client_secret_file"):
        config.loads(text, environ)
