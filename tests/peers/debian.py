"""Servers of Debian that the tests hold ours against: fetched as packages, and unpacked where nobody has to be root.

`python -m tests.peers.debian FOLDER` fetches them. One that is installed is used as it is.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.peers import INSTALLED, need

FOLDER = "debian"
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "prometheus-alertmanager": ("prometheus-alertmanager", "amtool"),
    "prometheus": ("prometheus", "promtool"),
    "systemd": ("systemd-analyze",),
}
"""The programs that are wanted, by package."""
LIBRARIES: Mapping[str, tuple[str, ...]] = {
    "systemd": ("libsystemd-shared", "libapparmor1", "libip4tc2", "libkmod2", "libseccomp2"),
}
"""What they need that not every system has."""
ELSEWHERE = b"/usr/share/prometheus/alertmanager"
"""Where Debian's Alertmanager looks for its templates, whatever it is told."""
HERE = ELSEWHERE[1:] + b"/"
"""The same, from the folder that it is started in; of the same length, so that nothing in the program moves."""
QUIETLY = ("-qq", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=30", "-o", "APT::Sandbox::User=root")


def program(name: str) -> Path:
    """A program of one of the packages."""
    return need(name, _program(name), "run `make peers`, or install it")


def unpacked() -> Path:
    """The folder that a fetched program is started in."""
    return INSTALLED / FOLDER


def surroundings(name: str) -> dict[str, str]:
    """What a fetched program must be told of where its own libraries and units are; nothing for one that is installed."""
    if shutil.which(name):
        return {}
    libraries = [each for top in ("usr/lib", "lib") for each in sorted(unpacked().glob(f"{top}/*-linux-*"))]
    units = [str(unpacked() / each) for each in ("usr/lib/systemd/system", "lib/systemd/system")]
    paths = [str(path) for each in libraries for path in (each / "systemd", each)]
    return {"LD_LIBRARY_PATH": ":".join(paths), "SYSTEMD_UNIT_PATH": ":".join(units)}


def _program(name: str) -> Path | None:
    fetched = unpacked() / "usr" / "bin" / name
    installed = shutil.which(name)
    return Path(installed) if installed else fetched if fetched.exists() else None


def fetch(folder: Path) -> None:
    """Fetch and unpack what is not installed. Raises CalledProcessError, OSError."""
    missing = [package for package, names in PACKAGES.items() if not all(map(shutil.which, names))]
    target = folder / FOLDER
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    if not missing:
        return
    with TemporaryDirectory() as scratch:
        wanted = [*missing, *(each for package in missing for each in LIBRARIES.get(package, ()))]
        for archive in _archives(wanted, Path(scratch)):
            subprocess.run(["dpkg-deb", "-x", archive, target], check=True)
    alertmanager = target / "usr" / "bin" / "prometheus-alertmanager"
    if alertmanager.exists():
        alertmanager.write_bytes(alertmanager.read_bytes().replace(ELSEWHERE, HERE))


def _archives(packages: Sequence[str], scratch: Path) -> list[Path]:
    """Download packages; where the system's lists of them are missing or old, with lists of our own."""
    download = ["apt-get", *QUIETLY, "download", *packages]
    if subprocess.run(download, cwd=scratch, check=False, stderr=subprocess.DEVNULL).returncode:
        own = [f"-oDir::State::lists={scratch / 'lists'}", f"-oDir::Cache={scratch / 'cache'}"]
        (scratch / "lists" / "partial").mkdir(parents=True)
        (scratch / "cache" / "archives" / "partial").mkdir(parents=True)
        subprocess.run(["apt-get", *QUIETLY, *own, "update"], check=True)
        subprocess.run([*download[:1], *own, *download[1:]], cwd=scratch, check=True)
    return sorted(scratch.glob("*.deb"))


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
