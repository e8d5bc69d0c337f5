"""What the lock says of a platform: which packages the program needs there, and the files that they are installed from."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.markers import Marker, default_environment
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from tests.release import ROOT

NEWEST_GLIBC = 41
"""Debian 13's, which the image has."""
OLDEST_GLIBC = 17

Package = Mapping[str, Any]


def packages(path: Path = ROOT / "uv.lock") -> dict[str, Package]:
    """What is locked, by name."""
    return {each["name"]: each for each in tomllib.loads(path.read_text("utf-8"))["package"]}


def needed(
    locked: Mapping[str, Package], *, python: tuple[int, int], machine: str, extras: Iterable[str] = ()
) -> dict[str, Package]:
    """The packages that the program needs on a Linux machine, itself not among them."""
    version = ".".join(map(str, python))
    environment = {
        **{key: str(value) for key, value in default_environment().items()},
        "python_version": version,
        "python_full_version": f"{version}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": machine,
    }
    waiting = list(_asked(locked["connect-watcher"], tuple(extras), environment))
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        name, asked = waiting.pop()
        if (name, asked) not in seen:
            seen.add((name, asked))
            waiting.extend(_asked(locked[name], asked, environment))
    return {name: locked[name] for name, _ in seen}


def _asked(
    package: Package, extras: Sequence[str], environment: Mapping[str, str]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    optional = package.get("optional-dependencies", {})
    for each in (*package.get("dependencies", ()), *(each for extra in extras for each in optional[extra])):
        if "marker" not in each or Marker(each["marker"]).evaluate({**environment, "extra": ""}):
            yield each["name"], tuple(each.get("extra", ()))


def tags(python: tuple[int, int], machine: str) -> set[Tag]:
    """What a wheel may be tagged with, to be installed by this Python on a Linux machine with Debian 13."""
    glibc = [f"manylinux_2_{minor}_{machine}" for minor in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1)]
    platforms = [*glibc, f"manylinux2014_{machine}"]
    interpreter = f"cp{python[0]}{python[1]}"
    return {*cpython_tags(python, platforms=platforms), *compatible_tags(python, interpreter, platforms)}


def wheels(package: Package, fitting: set[Tag]) -> list[Mapping[str, str]]:
    """The package's wheels that can be installed."""
    return [each for each in package.get("wheels", ()) if parse_wheel_filename(_name(each["url"]))[3] & fitting]


def files(package: Package) -> list[Mapping[str, str]]:
    """All files that a package may be installed from."""
    source = [package["sdist"]] if "sdist" in package else []
    return [*source, *package.get("wheels", ())]


def _name(url: str) -> str:
    return url.rpartition("/")[2].replace("%2B", "+")
