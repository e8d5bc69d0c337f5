"""What is published: the source archive and the wheel, what is in them, and what the wheel says of itself."""

from email.message import Message
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

from tests.release import BUILD, ROOT, TOOLS, call, require
from watcher import __version__

WHEEL = f"connect_watcher-{__version__}-py3-none-any.whl"
SOURCES = f"connect_watcher-{__version__}.tar.gz"
INFO = f"connect_watcher-{__version__}.dist-info"
SUMMARIES = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
UV = BUILD / "uv" / "bin" / "uv"
BUILDING = ("--no-build-isolation",)
"""With the backend that is there, the lock's, not with the newest."""


def build(folder: Path, *only: str) -> Path:
    """Both, the wheel from the source archive, with the backend of the lock; returns the wheel."""
    call(UV, "build", "--quiet", *BUILDING, "--python", TOOLS / "python", "--out-dir", folder, *only)
    return folder / WHEEL


def verify_contents(wheel: Path) -> int:
    """Hold the wheel to the tree: all of the package, and nothing else. Returns how many files there are."""
    package = {str(each.relative_to(ROOT)) for each in (ROOT / "watcher").rglob("*") if each.is_file()}
    expected = {each for each in package if "__pycache__" not in each} | {f"{INFO}/{each}" for each in SUMMARIES}
    with ZipFile(wheel) as archive:
        found = set(archive.namelist())
    require(not found - expected, f"in the wheel, and not of the package: {sorted(found - expected)}")
    require(not expected - found, f"missing in the wheel: {sorted(expected - found)}")
    return len(found)


def verify_metadata(wheel: Path) -> None:
    """Hold what the wheel says of itself to what a reader of a package index needs."""
    with ZipFile(wheel) as archive:
        found = Parser().parsestr(archive.read(f"{INFO}/METADATA").decode())
        points = archive.read(f"{INFO}/entry_points.txt").decode()
    require("connect-watcher = watcher.cli:main" in points, f"no command: {points}")
    for name, value in {
        "Name": "connect-watcher",
        "Version": __version__,
        "Requires-Python": ">=3.11",
        "License-Expression": "Apache-2.0",
        "License-File": "LICENSE",
        "Description-Content-Type": "text/markdown",
    }.items():
        require(found[name] == value, f"{name} is {found[name]!r}, not {value!r}")
    _verify_prose(found)


def _verify_prose(found: Message) -> None:
    require(found["Summary"] and len(str(found.get_payload())) > 1000, "no summary, or no README in the metadata")
    require(set(found.get_all("Provides-Extra", [])) >= {"speed", "apprise"}, "an extra is missing")
    require(found.get_all("Project-URL"), "no links")
