"""Requests that make no sense, as rules of a state machine: whatever they are, they are refused in the API's words."""

from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.facts.caller import Answer
from tests.facts.stage import NOBODY
from tests.facts.table import TABLE
from tests.integration.connect_model import Deployed, Draft, Model
from tests.integration.connect_wishes import JSON, POSTS, QUERIES, RAW, WHICH

ENDPOINTS = sorted(TABLE.endpoints)
READS = [one for one in ENDPOINTS if one.startswith("GET")]
DELETIONS = [one for one in ENDPOINTS if one.startswith("DELETE")]
ABOUT_QUERIES = {
    "",
    "InvalidQueryParam",
    "ResourceNotFound",
    "DeploymentApplicationDoesNotExist",
    "DeploymentLogInvalidDate",
    "DeploymentLogInvalidPageToken",
    "DeploymentLogMissingApplicationName",
}
"""What a question with odd parameters may come to."""


class Machine(Protocol):
    """What the rules need of the machine that they are part of."""

    model: Model

    def ask(self, endpoint: str, body: Any = None, **rest: Any) -> Answer: ...

    def draft(self, which: int) -> Draft: ...

    def deployment(self, which: int) -> Deployed: ...


class Nonsense:
    """The rules; none of them changes anything."""

    @rule(endpoint=st.sampled_from(POSTS), body=JSON | RAW)
    def send_nonsense(self: Machine, endpoint: str, body: Any) -> None:
        given = {"raw": body} if isinstance(body, bytes) else {"body": body if body is not None else 0}
        draft = next(iter(self.model.staged().values()), None)
        target = draft.id if draft and "drafts" in endpoint else NOBODY
        answer = self.ask(endpoint, **given, ID=target, key=draft.key if draft and "drafts" in endpoint else "nobody")
        assert answer.code in {"InvalidJsonInput", "ResourceNotFound"}

    @rule(
        endpoint=st.sampled_from(ENDPOINTS),
        name=st.text(min_size=1, max_size=12).filter(lambda x: x.strip(".")),  # dots alone are resolved within the URL
    )
    def ask_for_nobody(self: Machine, endpoint: str, name: str) -> None:
        if "{ID}" not in endpoint and "{key}" not in endpoint:
            return
        body = {"version": 1, "actions": []} if endpoint.startswith("POST") else None
        answer = self.ask(endpoint, body, ID=name, key=f"nobody{name}")
        assert answer.code in {"ResourceNotFound", "InvalidPathParam", "InvalidJsonInput"}

    @rule(endpoint=st.sampled_from(READS), query=QUERIES, which=WHICH)
    def ask_oddly(self: Machine, endpoint: str, query: list[tuple[str, str]], which: int) -> None:
        one = self.deployment(which) if "deployments" in endpoint else None
        draft = self.draft(which)
        where = {"ID": draft.id, "key": draft.key, "projectKey": "alpha"}
        if one is not None:
            where = {"ID": one.id, "key": one.key, "projectKey": one.project}
        assert self.ask(endpoint, query=query, **where).code in ABOUT_QUERIES

    @rule(endpoint=st.sampled_from(DELETIONS), query=QUERIES)
    def delete_nobody_oddly(self: Machine, endpoint: str, query: list[tuple[str, str]]) -> None:
        answer = self.ask(endpoint, query=query, ID=NOBODY, key="nobody")
        assert answer.code in {"InvalidQueryParam", "ResourceNotFound"}
