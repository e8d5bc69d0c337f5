"""The README is held to what the program does. What every page must hold is in test_docs.py."""

import re
import shlex
from pathlib import Path

import yaml

from tests.docs import known
from tests.docs.pages import PAGES, ROOT, blocks, lines, spans
from watcher import __version__
from watcher.cli import VERBS
from watcher.cli.demo import run_demo

PAGE = ROOT / "README.md"
README = PAGE.read_text("utf-8")
CHART = ROOT / "deploy" / "helm" / "connect-watcher"
LONGEST = 210


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= LONGEST


def test_the_two_commands_of_a_newcomer_come_first() -> None:
    first, second = [line.text for line in lines(blocks(PAGE, "sh")[0])]
    assert first.startswith("make demo")
    assert second.startswith("make test")


def test_every_verb_is_explained_somewhere() -> None:
    said = [each.text for page in PAGES for each in [*spans(page), *blocks(page, "sh")]]
    named = set(re.findall(r"\bconnect-watcher ([a-z][a-z-]*)", "\n".join(said)))
    assert VERBS.keys() <= named, f"no page shows {sorted(VERBS.keys() - named)}"


def test_every_tier_and_target_that_is_for_people_is_named() -> None:
    named = set(re.findall(r"(?:`|^    )make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test", "check", "unit", "peers", "soak", "fuzz", "bench"} <= named
    assert named <= known.targets()


def test_the_account_of_the_demo_has_the_names_that_the_demo_prints() -> None:
    text = blocks(PAGE, "text")[0].text
    said = re.findall(r"^  ([a-z_]+) +\d+$", text, re.MULTILINE)
    source = Path(run_demo.__code__.co_filename).parent.parent
    printed = "\n".join(path.read_text("utf-8") for path in source.rglob("*.py"))
    assert {"delivered", "lost", "duplicates"} <= set(said)
    assert [name for name in said if not re.search(rf"\b{name}\b", printed)] == []


def test_the_container_is_the_one_that_the_dockerfile_makes() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    (run,) = [line.text for block in blocks(PAGE, "sh") for line in lines(block) if line.text.startswith("docker run")]
    mounted = re.findall(r"-v \S+?:(/[\w./-]+)", run)
    assert mounted == ["/etc/connect-watcher/config.toml", "/var/lib/connect-watcher"]
    for path in mounted:
        assert path in dockerfile
    assert "65532" in dockerfile
    assert "65532" in README


def test_the_chart_takes_what_it_is_given() -> None:
    (install,) = [
        line.text for block in blocks(PAGE, "sh") for line in lines(block) if line.text.startswith("helm install")
    ]
    words = shlex.split(install)
    assert ROOT / words[3] == CHART
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    for setting in (words[at + 1] for at, word in enumerate(words) if word == "--set"):
        found = values
        for key in setting.partition("=")[0].split("."):
            assert key in found, setting
            found = found[key]


def test_a_version_that_is_named_is_this_one() -> None:
    named = re.findall(r"connect-watcher/connect-watcher:(\d[\w.]*)", README)
    assert set(named) <= {__version__}
