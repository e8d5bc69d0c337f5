"""Stand-ins for the images that the Dockerfile begins from, made of the same Debian packages, for where no image can be pulled.

They have the names of the real ones, so that the Dockerfile is built as it is. What Debian's slim image has is bootstrapped; what
the distroless one has is known by the names of its packages. A list of ours that lags behind theirs shows in `make image` as a
library that is missing or as a size that is off, not in a release: that is built from the real ones.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.release import BUILD, call, require

SUITE = "trixie"
DEBIAN = "docker.io/library/debian:trixie-slim"
DISTROLESS = "gcr.io/distroless/python3-debian13:nonroot"
UV = "ghcr.io/astral-sh/uv"

STATIC = ("base-files", "netbase", "tzdata", "tzdata-legacy", "media-types", "ca-certificates")
CC = ("libc6", "libssl3t64", "libzstd1", "zlib1g", "libgomp1", "libstdc++6", "libgcc-s1", "gcc-14-base")
PYTHON = (
    *("libbz2-1.0", "libdb5.3t64", "libexpat1", "liblzma5", "libsqlite3-0", "libuuid1", "libncursesw6", "libtinfo6"),
    *("libcom-err2", "libcrypt1", "libc-bin", "libgssapi-krb5-2", "libk5crypto3", "libkeyutils1", "libkrb5-3"),
    *("libkrb5support0", "libnsl2", "libreadline8t64", "libtirpc3t64", "libffi8"),
    *("libpython3.13-minimal", "libpython3.13-stdlib", "python3.13-minimal", "python3.13-venv"),
)
PACKAGES = (*STATIC, *CC, *PYTHON)
"""What the distroless image of Python is made of (python3/config.bzl and those it builds on)."""

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
SETTINGS: Mapping[str, Sequence[str]] = {
    DEBIAN: ("--env", PATH),
    DISTROLESS: (
        *("--env", PATH, "--env", f"SSL_CERT_FILE=/{CERTIFICATES}", "--env", "LANG=C.UTF-8"),
        *("--user", "65532", "--workingdir", "/home/nonroot", "--entrypoint", '["/usr/bin/python3.13"]'),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where images are kept while the trial lasts."""

    folder: Path

    def options(self) -> tuple[str, ...]:
        """What buildah and podman have to be told of it."""
        return ("--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--storage-driver", "overlay")


def make(storage: Storage, dockerfile: str) -> None:
    """Put the stand-ins into the storage, under the names that the Dockerfile has for them."""
    names = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    uv = next((each for each in names if each.startswith(UV + ":")), "")
    require(set(names) == {uv, DEBIAN, DISTROLESS}, f"no stand-ins for what the Dockerfile begins from: {names}")
    trees = _trees()
    for name, tree in ((DEBIAN, trees / "debian"), (DISTROLESS, trees / "distroless"), (uv, trees / "uv")):
        _keep(storage, name, tree)


def _trees() -> Path:
    """The files of the stand-ins, made once; anew when what they are made of changes."""
    folder = BUILD / "image"
    made_of = "\n".join([SUITE, *PACKAGES])
    stamp = folder / "made-of"
    if not stamp.exists() or stamp.read_text() != made_of:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "debs").mkdir(parents=True)
        _bootstrap(folder)
        _unpack(folder)
        stamp.write_text(made_of)
    (folder / "uv").mkdir(exist_ok=True)
    shutil.copy2(BUILD / "uv" / "bin" / "uv", folder / "uv" / "uv")
    return folder


def _bootstrap(folder: Path) -> None:
    bootstrap = ("debootstrap", f"--cache-dir={folder / 'debs'}", "--variant=minbase")
    wanted = ",".join(("python3", *PACKAGES))
    call(*bootstrap, "--download-only", f"--include={wanted}", SUITE, folder / "fetched")
    shutil.rmtree(folder / "fetched")
    call(*bootstrap, "--include=python3,ca-certificates", SUITE, folder / "debian")


def _unpack(folder: Path) -> None:
    tree = folder / "distroless"
    tree.mkdir()
    for package in PACKAGES:
        for archive in (folder / "debs").glob(f"{package}_*.deb"):
            call("dpkg-deb", "-x", archive, tree)
    for name in ("python", "python3"):
        (tree / "usr" / "bin" / name).symlink_to("python3.13")
    for name, mode in (("tmp", 0o1777), ("root", 0o700), ("home/nonroot", 0o755)):
        (tree / name).mkdir(parents=True, exist_ok=True)
        (tree / name).chmod(mode)
    (tree / "etc" / "passwd").write_text("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:\n")
    authorities = sorted((tree / "usr" / "share" / "ca-certificates" / "mozilla").glob("*.crt"))
    (tree / CERTIFICATES).parent.mkdir(parents=True, exist_ok=True)
    (tree / CERTIFICATES).write_text("".join(each.read_text() for each in authorities))


def _keep(storage: Storage, name: str, tree: Path) -> None:
    buildah = ("buildah", *storage.options())
    container = call(*buildah, "from", "scratch").strip()
    mounted = call(*buildah, "mount", container).strip()
    call("cp", "-a", f"{tree}/.", mounted)
    call(*buildah, "umount", container)
    if settings := SETTINGS.get(name):
        call(*buildah, "config", *settings, container)
    call(*buildah, "commit", "--quiet", "--rm", container, name)
