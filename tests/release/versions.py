"""Where the program's version is written down. Its place is `watcher/__init__.py`; what else has to name it, has to agree."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.release import ROOT

NUMBER = r"v?(\d+\.\d+\.\d+(?:(?:[-+]|\.?(?:dev|post|a|b|rc))\w+)?)"
NAMED = (
    rf"connect-watcher/connect-watcher:{NUMBER}",  # the image
    rf"connect-watcher(?:\[[\w,]+\])?(?:==|@|-){NUMBER}",  # the package, its files, the chart's archive
    rf"app\.kubernetes\.io/version: *\"?{NUMBER}",
    rf"helm\.sh/chart: *\"?connect-watcher-{NUMBER}",
    rf"^(?:version|appVersion): *\"?{NUMBER}",  # of the chart
    rf"^__version__ = \"{NUMBER}\"",
)
FOLDERS = ("deploy", "docs", "watcher")
FILES = ("README.md", "Dockerfile", "Makefile", "config.example.toml", "SECURITY.md")
TEXT = {"", ".md", ".toml", ".yaml", ".yml", ".txt", ".json", ".service", ".tpl", ".py", ".sh", ".conf", ".env"}
SECTION = re.compile(r"^## \[?(Unreleased|\d[^\]\s]*)", re.MULTILINE)


def mentions(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Files and the versions of the program that they name."""
    patterns = re.compile("|".join(NAMED), re.MULTILINE)
    for path in _texts(root):
        for found in patterns.finditer(path.read_text("utf-8")):
            yield str(path.relative_to(root)), next(filter(None, found.groups()))


def _texts(root: Path) -> Iterator[Path]:
    yield from (root / each for each in FILES)
    for folder in FOLDERS:
        yield from sorted(each for each in (root / folder).rglob("*") if each.is_file() and each.suffix in TEXT)


def declared(root: Path = ROOT) -> object:
    """What pyproject.toml says of the version."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    return project["project"].get("version", project["project"]["dynamic"])


def sections(root: Path = ROOT) -> list[str]:
    """The versions that the changelog has a section for, as they come."""
    return SECTION.findall((root / "CHANGELOG.md").read_text("utf-8"))
