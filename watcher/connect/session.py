"""Reading as one API client: requests with its token, and what their refusals mean."""

from http import HTTPStatus

from watcher.connect.access import ProjectAccess
from watcher.connect.auth import Tokens
from watcher.connect.exchange import Reply, ask, refusal
from watcher.http import Http, Request
from watcher.ports import Env


class Session:
    """One API client's way to the API; everything that is read with its token shares one."""

    def __init__(self, access: ProjectAccess, *, http: Http, env: Env) -> None:
        self.project = access.key
        self._http = http
        self._env = env
        self._tokens = Tokens(access, http, env)

    async def call(self, url: str) -> Reply:
        """Ask with a token; where that one is refused, once more with a new one. Raises SourceError."""
        token = await self._tokens.current()
        reply = await self._ask(url, token)
        if reply.answer.status != HTTPStatus.UNAUTHORIZED:
            return reply
        self._tokens.forget(token)
        return await self._ask(url, await self._tokens.current())

    def require_ok(self, reply: Reply, scope: str) -> None:
        """Raise SourceError for anything but a 200; `scope` is what the API client needs."""
        if reply.answer.status == HTTPStatus.OK:
            return
        hints = {
            401: "a token that was just granted is refused; look at region and api_url",
            403: f"the API client needs the scope {scope}:{self.project}",
            404: "look at the project's key and region, or api_url",  # the key is in every path but those of Connectors
        }
        raise refusal(reply, self._env, hints)

    async def _ask(self, url: str, token: str) -> Reply:
        request = Request(url=url, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
        return await ask(self._http, self._env, request, f"{self.project}: the Connect API")
