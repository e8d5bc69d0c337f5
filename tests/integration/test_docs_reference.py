"""The reference of the configuration is what the schema says, and the schema says something of everything."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.docs.reference import PAGE, Table, page, tables
from watcher.config import json_schema

SCHEMA = json_schema()
TOP = Table("", many=False, schema=SCHEMA)
TEXT = PAGE.read_text()
TABLES = [TOP, *tables(SCHEMA, TOP)]


def keys() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Every key of every table with what the schema says of it."""
    for table in TABLES:
        for key, said in table.schema["properties"].items():
            yield table.path, key, said


def section(table: Table) -> str:
    heading = f"\n## `{table.heading}`\n" if table.path else "\n## The top of the file\n"
    assert TEXT.count(heading) == 1
    return TEXT.partition(heading)[2].partition("\n## ")[0]


def test_the_page_is_what_the_generator_makes() -> None:
    assert page(SCHEMA) == TEXT, "run make docs"


def test_every_key_is_described() -> None:
    found = [f"{path}.{key}" for path, key, said in keys() if not said.get("description", "").strip()]
    assert not found, "describe them at their fields"
    assert [name for name, each in SCHEMA["$defs"].items() if not each.get("description")] == []


@pytest.mark.parametrize("table", TABLES, ids=lambda each: each.path)
def test_every_key_is_on_the_page_with_its_description(table: Table) -> None:
    if table.path == "route.routes":
        assert "The keys are those of [`[route]`](#route)." in section(table)
        return
    told = section(table)
    rows = [line for line in told.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(table.schema["properties"])
    for key, said in table.schema["properties"].items():
        if key.removesuffix("_file") == key:
            assert said["description"].replace("\n", " ") in told


def test_every_link_within_the_page_leads_to_a_heading() -> None:
    headings = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
    linked = set(re.findall(r"\]\(#([^)]*)\)", TEXT))
    assert len(anchors) == len(headings)
    assert linked == anchors - {"the-top-of-the-file"}


def test_a_secret_has_a_twin_and_what_must_be_given_says_so() -> None:
    for table in TABLES:
        for key, said in table.schema["properties"].items():
            given = [said, *said.get("anyOf", ()), said.get("additionalProperties")]
            if any(isinstance(each, dict) and each.get("format") == "password" for each in given):
                assert f"{key}_file" in table.schema["properties"], (table.path, key)
    required = {f"{path}.{key}" for path, key, said in keys() if "Required, here or in" in said["description"]}
    assert required == {
        *("projects.client_id", "projects.client_secret", "receivers.webhook.url", "receivers.teams.url"),
        *("receivers.pagerduty.routing_key", "receivers.apprise.url"),
    }


def test_a_duration_is_told_from_other_text() -> None:
    kinds = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section(TABLES[1]), re.MULTILINE))
    assert kinds["poll_interval"] == "duration"
    assert kinds["region"] == "string"
    assert re.search(r"^\| `resolve_after` \| duration \| `\"3h\"` \|", TEXT, re.MULTILINE)


# ── architecture ─────────────────────────────────────────────────────────────

ROOT = PAGE.parents[1]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
GUARANTEES = [
    line.strip("|").split("|")
    for line in ARCHITECTURE.partition("\n## Guarantees\n")[2].partition("\n## ")[0].splitlines()
    if "::" in line
]


@pytest.mark.parametrize(("guarantee", "modules", "tests"), GUARANTEES)
def test_a_guarantee_has_the_module_and_the_test_that_are_named(guarantee: str, modules: str, tests: str) -> None:
    assert guarantee.strip()
    assert [path for path in re.findall(r"`([^`]+)`", modules) if not (ROOT / path).is_file()] == []
    (path, name) = re.findall(r"`([^`:]+)::(\w+)`", tests)[0]
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


def test_every_path_that_the_architecture_names_exists() -> None:
    assert len(GUARANTEES) >= 20
    named = set(re.findall(r"`((?:watcher|tests)/[\w./]+)", ARCHITECTURE))
    assert len(named) > 40
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_layers_are_those_that_are_checked() -> None:
    told = ARCHITECTURE.partition("\n## Layers\n")[2].partition("```text\n")[2].partition("```")[0]
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    assert [re.split(r" {3,}", line)[0] for line in told.splitlines()] == contract["layers"]
