"""Which of Connect's fields an attribute is, however its name is spelled and whatever prefix stands before it."""

import re
from functools import lru_cache

TYPE, DEPLOYMENT, APPLICATION, SEVERITY, TIMESTAMP, PROJECT, DETAILS, DETAIL, WASTE, EMPTY = range(10)
"""Places in a list of found fields. `DETAIL` is one field within the details; `WASTE` is nothing of
Connect's, `EMPTY` says nothing."""

_SLOTS = {
    "type": TYPE,
    "deploymentid": DEPLOYMENT,
    "applicationname": APPLICATION,
    "severity": SEVERITY,
    "timestamp": TIMESTAMP,
    "projectkey": PROJECT,
    "details": DETAILS,
}
_SEPARATORS = re.compile(r"[._\- ]")
_PREFIX = re.compile(r"(?:(?:com)?commercetools|ctp|ct)?(?:connect)?(?:logs?)?")
_DETAIL = re.compile(r"(?:(?P<prefix>[A-Za-z._-]{0,60})[._-])?details[._](?P<name>.+)", re.IGNORECASE | re.DOTALL)
_LONGEST = 200
_NONE = (WASTE, "")


@lru_cache(maxsize=4096)
def place(name: str) -> tuple[int, str]:
    """Where a field of this name belongs and, for one within the details, how it is called there.

    `deploymentId`, `deployment_id`, `connect.deploymentId`, `ctp.connect.deployment-id` are one; `details.err.message` is
    a detail. `project` alone could be anything; with a prefix it is the project's key.
    """
    if len(name) > _LONGEST:
        return _NONE
    detail = _DETAIL.fullmatch(name)
    if detail and _PREFIX.fullmatch(_squashed(detail["prefix"] or "")):
        return DETAIL, detail["name"]
    squashed = _squashed(name)
    bare = _PREFIX.sub("", squashed, count=1)
    if bare == "project" and bare != squashed:
        return PROJECT, ""
    return _SLOTS.get(bare, WASTE), ""


def may_have_deployment(raw: bytes) -> bool:
    """Whether there can be a Deployment's id in bytes as they came; far cheaper than looking for it."""
    return b"eployment" in raw or b"EPLOYMENT" in raw


def _squashed(name: str) -> str:
    return _SEPARATORS.sub("", name).lower()
