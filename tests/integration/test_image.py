"""The Dockerfile, as far as it can be judged without building it; `make image` builds it and runs what comes out."""

import asyncio
import os
import re
import shlex
import subprocess
import sys
import tomllib

import pytest
from aiohttp import web

from tests.loopback import Handler, free_port, web_server
from tests.peers import INSTALLED, need
from tests.release import ROOT, lock

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
INSTRUCTION = re.compile(r"^([A-Z]+)\s+(.*)$")
PYTHON = (3, 13)
"""The one of the base image, Debian 13's."""
MACHINES = ("x86_64", "aarch64")
HASH = re.compile(r"sha256:[0-9a-f]{64}")


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction with its arguments, lines that go on joined, without comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    found = [INSTRUCTION.match(line) for line in joined.splitlines()]
    return [(each[1], each[2]) for each in found if each]


ALL = instructions(DOCKERFILE)
LAST = ALL[max(number for number, (name, _) in enumerate(ALL) if name == "FROM") :]


def last(name: str) -> str:
    """What the last stage says last."""
    return next(arguments for found, arguments in reversed(LAST) if found == name)


def settings() -> dict[str, str]:
    pairs = [pair.partition("=") for name, arguments in LAST if name == "ENV" for pair in shlex.split(arguments)]
    return {name: value for name, _, value in pairs}


def test_hadolint_has_nothing_to_say() -> None:
    program = INSTALLED.with_name("deploy") / "bin" / "hadolint"
    found = need("hadolint", program if program.exists() else None, "run `make peers`")
    done = subprocess.run([found, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_it_runs_as_nobody_who_has_a_name_and_writes_to_one_place() -> None:
    uid, gid = last("USER").split(":")
    assert int(uid) >= 10_000
    assert int(gid) >= 10_000
    assert last("VOLUME") == last("WORKDIR") == "/var/lib/connect-watcher"
    assert settings()["PYTHONDONTWRITEBYTECODE"] == "1"
    assert settings()["CONNECT_WATCHER_CONFIG"] == "/etc/connect-watcher/config.toml"


@pytest.mark.parametrize("name", ["ENTRYPOINT", "CMD", "RUN"])
def test_its_last_stage_needs_no_shell(name: str) -> None:
    assert all(arguments.startswith("[") for found, arguments in LAST if found == name)


def test_it_ends_on_sigterm_and_says_where_it_listens() -> None:
    assert last("STOPSIGNAL") == "SIGTERM"
    assert last("EXPOSE").split() == ["8080", "4318"]


def test_it_says_what_it_is() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]+)"', last("LABEL")))
    assert labels["version"] == "${VERSION}"
    assert labels["revision"] == "${REVISION}"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert labels["licenses"] == project["license"]
    assert project["urls"]["Changelog"].startswith(labels["source"])


def test_nothing_is_installed_but_by_the_lock() -> None:
    runs = [arguments for name, arguments in ALL if name == "RUN"]
    syncs = re.findall(r"uv sync[^&]*", " && ".join(runs))
    assert syncs
    assert all("--frozen" in each for each in syncs)
    installs = re.findall(r"(?:uv )?pip install[^&]*", " && ".join(runs))
    assert installs
    assert all("--offline" in each and "--no-deps" in each for each in installs)


def test_uv_is_the_one_of_the_makefile() -> None:
    version = re.search(r"^UV_VERSION := (\S+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert version
    assert ("FROM", f"ghcr.io/astral-sh/uv:{version[1]} AS uv") in ALL


def test_only_what_is_copied_is_sent_to_the_builder() -> None:
    copies = [arguments.split() for name, arguments in ALL if name == "COPY" and "--from" not in arguments]
    copied = {each for sources in copies for each in sources[:-1]}
    rules = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    assert {each.removeprefix("!") for each in rules if each.startswith("!")} == copied
    assert not any(name == "ADD" for name, _ in ALL)


def locked(machine: str) -> dict[str, lock.Package]:
    found = lock.needed(lock.packages(), python=PYTHON, machine=machine, extras=["speed"])
    assert {"aiohttp", "pydantic-core", "google-re2", "protobuf", "isal"} <= set(found)
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_all_that_it_needs_is_there_as_a_wheel_for(machine: str) -> None:
    fitting = lock.tags(PYTHON, machine)
    assert [name for name, package in locked(machine).items() if not lock.wheels(package, fitting)] == []


def test_a_wheel_of_another_machine_or_python_does_not_fit() -> None:
    package = lock.packages()["pydantic-core"]
    [arm] = lock.wheels(package, lock.tags(PYTHON, "aarch64"))
    assert "cp313-cp313-manylinux" in arm["url"]
    assert "aarch64" in arm["url"]
    assert lock.wheels(package, lock.tags((3, 8), "aarch64")) == []


def test_each_file_of_the_lock_has_its_hash() -> None:
    found = lock.packages()
    assert len(found) > 100
    bare = [file["url"] for each in found.values() for file in lock.files(each) if not HASH.fullmatch(file["hash"])]
    assert bare == []


def test_what_makes_the_wheel_is_locked_too() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert wanted["dependency-groups"]["build"] == wanted["build-system"]["requires"]
    assert "hatchling" in lock.packages()


# ── the health check ─────────────────────────────────────────────────────────


def health_check() -> list[str]:
    command: list[str] = tomllib.loads(f"it = {last('HEALTHCHECK').partition(' CMD ')[2]}")["it"]
    return command


async def probed(url: str, **environ: str) -> int:
    _, *arguments = health_check()
    environ |= {"CONNECT_WATCHER_URL": url, "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environ, stderr=subprocess.DEVNULL)
    return await process.wait()


def answering(status: int, asked: list[str]) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response(status=status)

    return answer


def test_the_health_check_is_a_program_of_the_image() -> None:
    assert health_check()[0] == "/usr/bin/python3"
    assert settings()["CONNECT_WATCHER_URL"] == "http://127.0.0.1:8080"


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
async def test_the_health_check_passes_on_what_the_daemon_says(status: int, code: int) -> None:
    asked: list[str] = []
    async with web_server(answering(status, asked)) as url:
        assert await probed(url + "/") == code
    assert asked == ["/-/healthy"]


async def test_the_health_check_fails_where_nobody_answers() -> None:
    assert await probed(f"http://127.0.0.1:{free_port()}") == 1


async def test_the_health_check_goes_by_no_proxy() -> None:
    asked: list[str] = []
    async with web_server(answering(200, asked)) as url, web_server(answering(502, [])) as proxy:
        assert await probed(url, http_proxy=proxy, HTTP_PROXY=proxy) == 0
    assert asked == ["/-/healthy"]
