"""What the API finds where a ConnectorStaged says that its source is. Pure; there is no git.

The last part of the repository's URL names a Connector of the catalogue, else the key of the ConnectorStaged does, and
its connect.yaml declares the applications and configuration keys of that one. Any other repository declares one
application called `service`.

Three errors are asked for by name:
- GitRepositoryNotReachable: the URL is neither HTTPS nor SSH, or it holds `unreachable`;
- ConnectorSpecificationFileNotFound: the tag holds `no-spec`;
- ConnectorSpecificationFileNotValid: the tag holds `bad-spec`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from watcher.simulator.catalogue import APPLICATION_KEYS, BY_KEY, AppType, Key
from watcher.simulator.lifecycle import Refusal

SCHEMES = ("https://", "ssh://", "git@")


def unreadable(url: str, tag: str) -> Refusal | None:
    """Why connect.yaml cannot be read from there."""
    if not url.startswith(SCHEMES) or "unreachable" in url:
        return Refusal(code="GitRepositoryNotReachable")
    if "no-spec" in tag:
        return Refusal(code="ConnectorSpecificationFileNotFound", words={"url": url, "tag": tag})
    if "bad-spec" in tag:
        return Refusal(code="ConnectorSpecificationFileNotValid", words={"url": url, "tag": tag})
    return None


def specification(url: str, key: str | None) -> dict[str, Any]:
    """The fields that a ConnectorStaged has from its connect.yaml."""
    found = BY_KEY.get(repository_name(url)) or BY_KEY.get(key or "")
    if found is None:
        return {"configurations": [application_keys("service", AppType.SERVICE)]}
    spec: dict[str, Any] = {"configurations": [application_keys(name, kind) for name, kind in found.apps]}
    if found.global_keys:
        spec["globalConfiguration"] = by_secrecy(found.global_keys)
    if found.scopes:
        spec["apiClient"] = {"scopes": list(found.scopes)}
    return spec


def repository_name(url: str) -> str:
    """The last part of a repository's URL."""
    return url.rstrip("/").removesuffix(".git").rpartition("/")[2]


def application_keys(name: str, kind: AppType) -> dict[str, Any]:
    """What one application can be configured with; static files read no environment."""
    keys: Sequence[Key] = () if kind is AppType.ASSETS else APPLICATION_KEYS
    return {"applicationName": name, "applicationType": kind.value, **by_secrecy(keys)}


def by_secrecy(keys: Iterable[Key]) -> dict[str, list[dict[str, Any]]]:
    """The keys as the official types have them."""
    made: dict[str, list[dict[str, Any]]] = {"standardConfiguration": [], "securedConfiguration": []}
    for key in keys:
        part = "securedConfiguration" if key.secured else "standardConfiguration"
        default = {} if key.default is None else {"default": key.default}
        made[part].append({"key": key.name, "description": key.description, "required": key.required, **default})
    return made
