"""The description of the API holds together, and says what is served."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from watcher.web.api import BASE, OPERATIONS
from watcher.web.api_openapi import document

DOCUMENT: dict[str, Any] = document(OPERATIONS, BASE)


def below(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document."""
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from below(each)
    elif isinstance(node, list):
        for each in node:
            yield from below(each)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, each in methods.items():
            yield path, method, each


def test_the_head_is_what_the_version_of_the_format_wants() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert set(DOCUMENT) == {"openapi", "info", "servers", "security", "paths", "components"}
    assert {"title", "version"} <= set(DOCUMENT["info"])
    assert DOCUMENT["security"] == [{}, {"token": []}]
    assert DOCUMENT["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    used = {each["$ref"] for each in below(DOCUMENT) if "$ref" in each}
    assert used == {f"#/components/schemas/{name}" for name in schemas}


def test_every_operation_is_described_with_its_answers_and_parameters() -> None:
    found = list(operations())
    assert {(method.upper(), path) for path, method, _ in found} == {
        (each.method, BASE + each.path) for each in OPERATIONS
    }
    ids = [each["operationId"] for _, _, each in found]
    assert len(ids) == len(set(ids))
    for path, method, each in found:
        in_path = {name["name"] for name in each.get("parameters", ()) if name["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path))
        assert all(name["required"] for name in each.get("parameters", ()) if name["in"] == "path")
        assert all(name["schema"] for name in each.get("parameters", ()))
        assert ("requestBody" in each) == (method == "post")
        assert "application/problem+json" in each["responses"]["default"]["content"]
        assert [status for status in each["responses"] if status.startswith("2")]
        assert each["summary"]


@pytest.mark.parametrize(
    ("schema", "field"),
    [("AlertModel", "silencedBy"), ("DeadLetters", "deadLetters"), ("NewSilence", "untilDeployment")],
)
def test_names_are_those_on_the_wire_and_are_explained(schema: str, field: str) -> None:
    found = DOCUMENT["components"]["schemas"][schema]
    assert field in found["properties"]
    assert found["additionalProperties"] is False
    assert found["description"]


def test_a_list_may_be_repeated_and_a_number_is_bounded() -> None:
    parameters = {each["name"]: each for each in DOCUMENT["paths"][f"{BASE}/alerts"]["get"]["parameters"]}
    assert parameters["filter"]["schema"]["type"] == "array"
    assert parameters["limit"]["schema"]["maximum"] == 1_000
    assert parameters["filter"]["description"].startswith("Matchers")
