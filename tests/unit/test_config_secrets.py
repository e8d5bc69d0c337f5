import os
import random  # noqa: TID251  seeded, to mutate with
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.configs import ENVIRON, EXAMPLE
from watcher.config import as_read, load, loads, read_secret
from watcher.config.settings import LogsSettings
from watcher.errors import ConfigError


def told(text: str, environ: dict[str, str]) -> str:
    """Everything that loading says, whether it works or not."""
    try:
        return "\n".join(loads(text, environ).warnings)
    except ConfigError as error:
        return str(error)


def leaks(said: str) -> list[str]:
    return [value for value in ENVIRON.values() if value in said]


def test_nothing_that_prints_a_configuration_shows_a_secret() -> None:
    loaded = load(EXAMPLE, ENVIRON)
    assert leaks(repr(loaded) + str(loaded) + loaded.settings.model_dump_json()) == []


@pytest.mark.parametrize("what", ["config.toml", "secret"])
def test_a_pipe_is_refused_instead_of_waited_for(what: str, tmp_path: Path) -> None:
    for each in ("config.toml", "secret"):
        (tmp_path / each).write_text(
            EXAMPLE.read_text() + '\n[[receivers]]\nname = "x"\nwebhook = [{ url_file = "secret" }]\n'
        )
    (tmp_path / what).unlink()
    os.mkfifo(tmp_path / what, 0o600)
    with pytest.raises(ConfigError, match=rf"{what}: is not a regular file"):
        load(tmp_path / "config.toml", ENVIRON)


def test_files_hold_what_they_held_when_they_were_read_and_only_for_as_long(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("canary-new")
    with as_read({path: "canary-old"}):
        assert read_secret(path) == "canary-old"
    assert read_secret(path) == "canary-new"


@dataclass
class Leaf:
    """One value in a tree, and how to replace it."""

    holder: Any
    key: Any

    def put(self, value: object) -> None:
        self.holder[self.key] = value


def leaves(tree: Any) -> Iterator[Leaf]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        yield Leaf(tree, key)
        if isinstance(value, dict | list):
            yield from leaves(value)


def written(value: Any) -> str:
    """TOML for a value, in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key!r} = {written(item)}".replace("'", '"', 2) for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


STRANGE: tuple[Any, ...] = (
    *("", "x", "${NOPE}", "${", "$", "\\u0000", "https://", "-1s", "a=~(", "{{", "../..", "/etc", "team", "é" * 300),
    *(
        "${CTP_CLIENT_SECRET}",
        "x ${ONCALL_WEBHOOK_TOKEN}",
        "${SLACK_WEBHOOK_URL}",
        0,
        -1,
        10**30,
        True,
        [],
        {},
        [[]],
        [{}],
    ),
    *({"x": 1}, ["x"], [1, "x"], {"source": "off"}),
)


@pytest.mark.parametrize("seed", range(250))
def test_no_mutation_crashes_or_shows_a_secret(seed: int) -> None:
    rng = random.Random(seed)
    tree = tomllib.loads(EXAMPLE.read_text())
    for _ in range(rng.randint(1, 4)):
        leaf = rng.choice(list(leaves(tree)))
        action = rng.random()
        if action < 0.2 and isinstance(leaf.holder, dict):
            leaf.holder[leaf.key + rng.choice("xs_")] = leaf.holder.pop(leaf.key)
        elif action < 0.35:
            del leaf.holder[leaf.key]
        elif action < 0.5:
            leaf.put(rng.choice(list(leaves(tree))).key)
        else:
            leaf.put(rng.choice(STRANGE))
    text = "\n".join(f"{key} = {written(value)}" for key, value in tree.items())
    assert leaks(told(text, ENVIRON)) == []


@given(st.integers(0, 7_000), st.integers(0, 40), st.text(max_size=10))
def test_no_torn_file_crashes_or_shows_a_secret(at: int, gone: int, put: str) -> None:
    text = EXAMPLE.read_text()
    assert leaks(told(text[:at] + put + text[at + gone :], ENVIRON)) == []


def test_a_key_from_a_file_is_held_to_what_one_in_place_is_held_to(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("canary\n")
    settings = LogsSettings(source="otlp", key_file=tmp_path / "key")
    with pytest.raises(ConfigError, match=r"logs\.key_file: what it holds must be at least 16 visible") as refused:
        settings.taken_keys()
    assert "canary" not in str(refused.value)
    (tmp_path / "key").write_text("0123456789abcdef\n")
    assert settings.taken_keys() == ("0123456789abcdef",)
