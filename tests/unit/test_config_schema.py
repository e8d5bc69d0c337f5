import re
import tomllib
from typing import Any

import pytest

from tests.unit.configs import EXAMPLE
from watcher.config import json_schema

KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def under(key: str, schema: dict[str, Any]) -> Any:
    """The schema of what stands under a key of an object; `False` where the key may not be there."""
    named = schema.get("properties", {}).get(key)
    patterns = schema.get("patternProperties", {}).items()
    return named or next(
        (each for pattern, each in patterns if re.search(pattern, key)), schema.get("additionalProperties", False)
    )


def fits(value: Any, schema: Any, root: dict[str, Any]) -> bool:
    """Whether a value fits the part of JSON Schema that our schema uses."""
    if schema is False:
        return False
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        return any(fits(value, each, root) for each in schema["anyOf"])
    fine = isinstance(value, KINDS[schema["type"]])
    if isinstance(value, str):
        allowed = value in schema.get("enum", [value]) and value == schema.get("const", value)
        fine = fine and allowed and bool(re.search(schema.get("pattern", ""), value))
    elif isinstance(value, list):
        fine = fine and all(fits(each, schema["items"], root) for each in value)
    elif isinstance(value, dict):
        fine = fine and all(key in value for key in schema.get("required", ()))
        fine = fine and all(fits(item, under(key, schema), root) for key, item in value.items())
    return fine


def test_the_schema_is_of_this_draft_and_describes_every_key() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {"projects", "receivers"}
    assert {"for", "from", "to"} <= set(schema["$defs"]["RuleSettings"]["properties"])
    assert schema["$defs"]["ProjectSettings"]["properties"]["poll_interval"]["default"] == "30s"


def test_the_example_fits_the_schema() -> None:
    schema = json_schema()
    assert fits(tomllib.loads(EXAMPLE.read_text()), schema, schema)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"30s"', "30"),
        ("region", "regoin"),
        ('"poll"', '"pull"'),
        ('level = "info"', 'level = "x"'),
        ("key = ", "kye = "),
    ],
)
def test_what_does_not_load_does_not_fit_the_schema_either(old: str, new: str) -> None:
    schema = json_schema()
    text = EXAMPLE.read_text()
    assert old in text
    assert not fits(tomllib.loads(text.replace(old, new, 1)), schema, schema)
