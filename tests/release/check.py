"""The package as it would be published: built, read, installed and tried. `python -m tests.release.check [--sbom FOLDER]`.

With `--sbom` it writes the bill of materials and does nothing else. Needs `make peers`, and a way to a package index.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.release import ROOT, TOOLS, Wrong, call, environment, package, passed, require, versions
from watcher import __version__


def main() -> None:
    """Try the package."""
    parser = argparse.ArgumentParser(prog="release-check")
    parser.add_argument("--sbom", type=Path, metavar="FOLDER")
    sbom = parser.parse_args().sbom
    require((TOOLS / "hatchling").exists(), "there are no tools: run `make peers`")
    with TemporaryDirectory() as made:
        folder = Path(made)
        if sbom is not None:
            installed = environment.install(folder / "installed", package.build(folder, "--wheel"))
            environment.write_sbom(installed, ROOT / sbom / f"connect-watcher-{__version__}.cdx.json")
            return
        _say_versions()
        wheel = package.build(folder / "dist")
        _read(wheel)
        installed = environment.install(folder / "installed", wheel)
        environment.try_out(installed)
        environment.verify_licences(installed)
        environment.write_sbom(installed, folder / "sbom.cdx.json")
        environment.tell_import_time(installed)
    print(f"connect-watcher {__version__} can be released as it is here")


def _say_versions() -> None:
    others = {f"{path}: {version}" for path, version in versions.mentions() if version != __version__}
    require(not others, f"other versions than {__version__}: {sorted(others)}")
    require(versions.sections()[:1] in (["Unreleased"], [__version__]), f"changelog begins {versions.sections()[:1]}")
    passed(f"version {__version__} wherever one is named")


def _read(wheel: Path) -> None:
    call(TOOLS / "twine", "check", "--strict", wheel, wheel.with_name(package.SOURCES))
    call(TOOLS / "check-wheel-contents", wheel)
    count = package.verify_contents(wheel)
    package.verify_metadata(wheel)
    passed(f"{wheel.name}: {count} files, those of the package and no others; its metadata is complete")


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        sys.exit(str(wrong))
