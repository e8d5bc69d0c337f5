"""The description of the API in OpenAPI 3.1, made of the same table and models that serve it."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from watcher import __version__
from watcher.web.api_models import ProblemModel
from watcher.web.api_problem import CONTENT_TYPE
from watcher.web.api_table import Operation

_REF = "#/components/schemas/{model}"
_IN_PATH = re.compile(r"\{(\w+)\}")


def document(operations: Iterable[Operation[Any]], base: str) -> dict[str, Any]:
    """The whole document."""
    table = tuple(operations)
    asked = [(each.takes, "validation") for each in table if each.has_body]
    answered = [(each, "serialization") for each in (*(each.answers for each in table), ProblemModel)]
    names, schemas = models_json_schema([*asked, *answered], ref_template=_REF)  # type: ignore[list-item]  # the modes are literals
    paths: dict[str, dict[str, Any]] = {}
    for each in table:
        paths.setdefault(base + each.path, {})[each.method.lower()] = _operation(each, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "connect-watcher",
            "version": __version__,
            "description": "Alerts, Deployments, silences and dead letters of a running daemon. Points in time are RFC 3339.",
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of [web]; requests from the daemon's own machine need none.",
                }
            },
        },
    }


def _operation(each: Operation[Any], names: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": each.verb.__name__,
        "summary": each.summary,
        "responses": {
            str(each.status.value): {
                "description": each.status.phrase,
                "content": {"application/json": {"schema": names[each.answers, "serialization"]}},
            },
            **{str(status.value): _problem(why, names) for status, why in each.refuses.items()},
            "default": _problem("A problem, and what to do about it.", names),
        },
    }
    if each.has_body:
        schema = names[each.takes, "validation"]
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    elif parameters := list(_parameters(each)):
        found["parameters"] = parameters
    return found


def _problem(why: str, names: Any) -> dict[str, Any]:
    return {"description": why, "content": {CONTENT_TYPE: {"schema": names[ProblemModel, "serialization"]}}}


def _parameters(each: Operation[Any]) -> Iterator[dict[str, Any]]:
    schema = each.takes.model_json_schema()
    in_path = set(_IN_PATH.findall(each.path))
    for name, described in schema.get("properties", {}).items():
        shown = {key: value for key, value in described.items() if key not in {"title", "description"}}
        yield {
            "name": name,
            "in": "path" if name in in_path else "query",
            "required": name in in_path,
            **({"description": described["description"]} if "description" in described else {}),
            "schema": shown,
        }
