"""A caller of the Connect API that holds every answer against the description."""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.facts.judge import Seen, contradictions, refusal_contradictions
from tests.facts.table import TABLE

PROJECT = "alpha"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `code` is that of the first error, "" for a success."""

    status: int
    body: Any
    code: str = ""


@dataclass(slots=True, kw_only=True)
class Caller:
    """Asks with a token for everything, and fails on the first answer that contradicts the description."""

    session: aiohttp.ClientSession
    token: str
    seen: Seen = field(default_factory=Counter)
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)

    async def ask(
        self,
        endpoint: str,
        body: Any = None,
        *,
        query: Any = None,
        raw: bytes | None = None,
        token: str | None = None,
        **path: str,
    ) -> Answer:
        """Send a request to an endpoint as the table names it; `path` fills its parameters; "" is no token at all."""
        method, template = endpoint.split(" ")
        values = {"projectKey": PROJECT, **path}
        url = re.sub(r"\{(\w+)\}", lambda found: quote(values[found[1]], safe=""), template)
        given = {"data": raw} if raw is not None else {"json": body} if body is not None else {}
        headers = {"Content-Type": "application/json"}
        if token is None or token:
            headers["Authorization"] = f"Bearer {token or self.token}"
        async with self.session.request(method, url, params=query, headers=headers, **given) as response:
            answer = await read(response)
        self.answered[endpoint, answer.status] += 1
        wrong = [*self.judged(endpoint, answer)]
        assert not wrong, (endpoint, path, query, body, answer, wrong)
        return answer

    def judged(self, endpoint: str, answer: Answer) -> list[str]:
        """What of the answer contradicts the description."""
        if answer.status >= 400:
            return [*refusal_contradictions(answer.status, answer.body, self.seen)]
        expected = TABLE.endpoints[endpoint]
        status = [] if answer.status == expected.status else [f"status {answer.status}, documented {expected.status}"]
        return [*status, *contradictions(answer.body, expected.answer, self.seen)]

    async def good(self, endpoint: str, body: Any = None, **rest: Any) -> Any:
        """The body of a success."""
        answer = await self.ask(endpoint, body, **rest)
        assert not answer.code, (endpoint, rest, body, answer)
        return answer.body

    async def token_for(self, scope: str = "") -> str:
        """A fresh token for a scope, or for everything."""
        form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        headers = {"Authorization": aiohttp.encode_basic_auth("id", "secret")}
        async with self.session.post("/oauth/token", data=form, headers=headers) as response:
            granted = await response.json()
            assert response.status == 200, granted
            return str(granted["access_token"])

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """What a tester may do under /_sim."""
        async with self.session.request(method, f"/_sim{path}", json=body) as response:
            assert response.status < 300, (method, path, body, response.status, await response.text())
            return await response.json() if response.content_length else None


async def read(response: aiohttp.ClientResponse) -> Answer:
    """The answer as JSON; the API says everything in JSON, and the code of a refusal stands in its first error."""
    body = await response.json()
    code = "" if response.status < 400 else str(body["errors"][0]["code"])
    return Answer(status=response.status, body=body, code=code)


async def caller_of(session: aiohttp.ClientSession) -> Caller:
    """A caller with a token for everything."""
    caller = Caller(session=session, token="")
    caller.token = await caller.token_for()
    return caller
