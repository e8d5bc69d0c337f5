"""Manifests held against the schemas of Kubernetes. A program for the Python that has them: manifests as JSON on standard input.

`{"versions": [...], "manifests": [...]}`. It answers with what it has against them, a text each; unknown keys count.
"""

import json
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import kubernetes_validate  # type: ignore[import-not-found]  # it is not installed where types are checked
from kubernetes_validate import utils


def misfits(version: str, manifest: dict[str, Any]) -> Iterator[str]:
    """What does not fit one version."""
    name = f"{version}: {manifest['kind']} {manifest['metadata']['name']}"
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{name}: {'.'.join(map(str, error.path))}: {error.message}"
    except utils.SchemaNotFoundError:
        yield f"{name}: no schema for {manifest['apiVersion']}"


if __name__ == "__main__":
    utils.schema_contents = cache(
        utils.schema_contents
    )  # the definitions of a version are megabytes, read for every document
    asked = json.load(sys.stdin)
    found = [text for version in asked["versions"] for each in asked["manifests"] for text in misfits(version, each)]
    json.dump(found, sys.stdout)
