"""What can be said of a release without installing it; `make release-check` does the rest."""

import asyncio
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.fakes import FakeClock
from tests.integration.stores import KNOWN, event, fill, observe
from tests.peers import need
from tests.release import ROOT, TOOLS, Wrong, environment, lock, package, versions
from watcher import __version__
from watcher.errors import StoreError
from watcher.store import check, inline, open_store, upgrade
from watcher.store.place import beside


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("hatchling", TOOLS / "hatchling" if (TOOLS / "hatchling").exists() else None, "run `make peers`")
    return package.build(tmp_path_factory.mktemp("dist"), "--wheel")


def test_the_wheel_is_the_package_and_nothing_else(wheel: Path) -> None:
    assert package.verify_contents(wheel) > 250
    package.verify_metadata(wheel)


@pytest.mark.parametrize("name", ["watcher/cli/demo.toml", "watcher/core/alert.py", "watcher/notes.txt"])
def test_a_wheel_with_a_file_less_or_more_is_noticed(tmp_path: Path, wheel: Path, name: str) -> None:
    with ZipFile(wheel) as archive, ZipFile(tmp_path / "other.whl", "w") as other:
        names = set(archive.namelist())
        for each in names ^ {name}:
            other.writestr(each, "")
    with pytest.raises(Wrong, match=re.escape(name)):
        package.verify_contents(tmp_path / "other.whl")


def test_the_version_has_one_place() -> None:
    assert versions.declared() == ["version"]
    found = list(versions.mentions())
    assert {path for path, _ in found} > {"watcher/__init__.py"}
    assert [each for each in found if each[1] != __version__] == []


@pytest.mark.parametrize(
    "text",
    [
        "image: ghcr.io/connect-watcher/connect-watcher:9.9.9",
        'image: "ghcr.io/connect-watcher/connect-watcher:9.9.9"',
        "pip install 'connect-watcher[speed]==9.9.9'",
        "helm install watcher connect-watcher-9.9.9.tgz",
        'appVersion: "9.9.9"',
        "version: 9.9.9",
        "app.kubernetes.io/version: 9.9.9",
    ],
)
def test_another_version_is_noticed(tmp_path: Path, text: str) -> None:
    for folder in versions.FOLDERS:
        (tmp_path / folder).mkdir()
    for name in versions.FILES:
        (tmp_path / name).write_text("")
    (tmp_path / "deploy" / "some.yaml").write_text(f"some: thing\n{text}\n")
    assert list(versions.mentions(tmp_path)) == [("deploy/some.yaml", "9.9.9")]


def test_the_changelog_begins_with_what_comes_next() -> None:
    assert versions.sections()[0] in {"Unreleased", __version__}


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("MIT License; BSD License", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("UNKNOWN", False),
        ("", False),
    ],
)
def test_a_licence_is_on_the_list_or_it_is_not(licence: str, allowed: bool) -> None:
    assert environment.is_allowed(licence) is allowed


def test_what_is_needed_follows_the_markers() -> None:
    locked = lock.packages()
    old = lock.needed(locked, python=(3, 12), machine="x86_64", extras=["speed"])
    new = lock.needed(locked, python=(3, 13), machine="x86_64", extras=["speed"])
    assert set(old) - set(new) >= {"hyperscan"}
    assert "isal" not in lock.needed(locked, python=(3, 13), machine="x86_64")


# ── docs/releasing.md ────────────────────────────────────────────────────────


def recipe() -> str:
    return (ROOT / "docs" / "releasing.md").read_text("utf-8")


def commands(page: str, program: str) -> list[list[str]]:
    """The lines of a page that begin with a program, those that go on joined, as a shell would take them apart."""
    joined = page.replace("\\\n", " ")
    return [shlex.split(line) for line in joined.splitlines() if line.startswith(f"{program} ")]


def test_the_makefile_can_do_what_the_recipe_says() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = set(re.findall(r"\bmake ([a-z-]+)", recipe()))
    assert asked >= {"test", "release-check", "image", "sbom"}
    assert asked <= targets


def test_twine_takes_what_the_recipe_has(wheel: Path) -> None:
    [said] = commands(recipe(), ".build/deploy/bin/twine")
    assert said[1:3] == ["check", "--strict"]
    subprocess.run([TOOLS / "twine", *said[1:3], wheel], check=True, capture_output=True)


def test_uv_builds_as_the_recipe_has_it() -> None:
    built, published = [each[1:] for each in commands(recipe(), ".build/uv/bin/uv")]
    assert set(built) == {*package.BUILDING, "build", "--python", ".build/deploy/bin/python"}
    assert published == ["publish"]


def test_the_image_of_the_recipe_is_the_dockerfile_s() -> None:
    [build] = commands(recipe(), "docker")
    assert build[1:3] == ["buildx", "build"]
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    arguments = {value.partition("=")[0] for flag, value in pairwise(build) if flag == "--build-arg"}
    assert arguments == set(re.findall(r"^ARG (VERSION|REVISION)=", dockerfile, re.MULTILINE))
    assert build[build.index("--platform") + 1] == "linux/amd64,linux/arm64"
    assert build[build.index("--tag") + 1] == "ghcr.io/connect-watcher/connect-watcher:X.Y.Z"


# ── docs/upgrading.md ────────────────────────────────────────────────────────


def upgrading() -> str:
    return (ROOT / "docs" / "upgrading.md").read_text("utf-8")


def test_the_containers_of_the_page_are_run_as_the_image_wants_it() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    check, stop, remove, run = [each[1:] for each in commands(upgrading(), "docker")]
    image = f"ghcr.io/connect-watcher/connect-watcher:{__version__}"
    assert check[-2:] == [image, "check-config"]
    assert check[-2] == run[-1] == image
    mounted = {value.split(":")[1] for flag, value in pairwise(run) if flag == "-v"}
    assert mounted == {"/etc/connect-watcher/config.toml", "/var/lib/connect-watcher"}
    assert "CONNECT_WATCHER_CONFIG=/etc/connect-watcher/config.toml" in dockerfile
    assert "VOLUME /var/lib/connect-watcher\n" in dockerfile
    assert "--read-only" in run
    assert stop[-1] == remove[-1] == run[run.index("--name") + 1]
    assert int(stop[stop.index("--time") + 1]) >= 60


async def test_the_backup_of_the_page_is_sound_though_the_daemon_writes(tmp_path: Path) -> None:
    database = tmp_path / "connect-watcher.db"
    store = await open_store(f"sqlite:///{database}", clock=FakeClock(), run=inline)
    try:
        await observe(store, event())
        [backup] = commands(upgrading(), "python3")
        program = backup[2].replace("/var/lib/connect-watcher/", f"{tmp_path}/")
        assert str(database) in program
        done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], check=True)
        assert done.returncode == 0
        await observe(store, event())
    finally:
        await store.close()
    report = check(f"sqlite:///{tmp_path / 'backup.db'}")
    assert report.problems == ()
    assert report.schema == report.known
    assert report.rows["events"] == 1


async def test_a_restored_backup_goes_on(tmp_path: Path) -> None:
    database = tmp_path / "connect-watcher.db"
    store = await open_store(f"sqlite:///{database}", clock=FakeClock(), run=inline)
    await observe(store, event())
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reader:
        reader.execute(f"VACUUM INTO '{tmp_path / 'backup.db'}'")
    await observe(store, event(), event())
    await store.close()
    for ending in ("-wal", "-shm"):
        beside(database, ending).unlink(missing_ok=True)
    (tmp_path / "backup.db").replace(database)
    restored = await open_store(f"sqlite:///{database}", clock=FakeClock(), run=inline)
    try:
        await observe(restored, event())
    finally:
        await restored.close()
    assert check(f"sqlite:///{database}").rows["events"] == 2


def test_what_the_page_says_of_newer_and_missing_schemas_is_what_the_program_says(tmp_path: Path) -> None:
    database = tmp_path / "connect-watcher.db"
    fill(database, 1)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE schema_migrations SET version = version + 1 WHERE version = ?", (KNOWN,))
        connection.commit()
    before = database.read_bytes()
    said = check(f"sqlite:///{database}").problems
    written = re.search(
        r"`database … (has schema )\d+(, this version knows )\d+(: use a newer connect-watcher)`", upgrading()
    )
    assert written
    assert f"{written[1]}{KNOWN + 1}{written[2]}{KNOWN}{written[3]}" in said[0]
    with pytest.raises(StoreError, match="use a newer connect-watcher"):
        upgrade(f"sqlite:///{database}", clock=FakeClock())
    assert database.read_bytes() == before
