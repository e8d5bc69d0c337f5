"""The logs of Deployments, page by page, as long as Connect has an endpoint for them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote, urlencode

from watcher.connect import log_page
from watcher.connect.access import ProjectAccess
from watcher.connect.exchange import Reply, announced, error_code
from watcher.connect.log_wire import LogPage, Origin
from watcher.connect.session import Session
from watcher.connect.wire import Clean
from watcher.core.duration import Millis
from watcher.core.reading import Query
from watcher.errors import Blindness, SourceError
from watcher.http import http_date

SCOPE = "view_connectors_deployments"


class Refusal(StrEnum):
    """What the API has against a request for logs, where that is no blindness of its own."""

    TOKEN = "token"  # noqa: S105  a page token
    DATE = "date"
    UNNAMED = "unnamed"
    APPLICATION = "application"
    GONE = "gone"


_REFUSALS: Mapping[str, Refusal] = {
    "DeploymentLogInvalidPageToken": Refusal.TOKEN,
    "DeploymentLogInvalidDate": Refusal.DATE,
    "DeploymentLogMissingApplicationName": Refusal.UNNAMED,
    "DeploymentApplicationDoesNotExist": Refusal.APPLICATION,
}
_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class LogError(SourceError):
    """Logs were refused for a reason that has its own answer.

    GONE is a 404 or 410, of which nothing tells whether it is about the Deployment or about logs altogether.
    """

    def __init__(self, error: SourceError, refusal: Refusal) -> None:
        super().__init__(str(error), error.kind, retry_after=error.retry_after)
        self.refusal = refusal


Mark = tuple[int, int]
"""Hash and length of a page's bytes."""


class Answered(NamedTuple):
    """A page, or `None` where its bytes are those of the page with the mark that was given.

    `server` is the server's clock, 0 where it does not say it. `notice` is what the API announces of its own future.
    """

    page: LogPage | None
    mark: Mark
    server: Millis
    notice: str


class LogClient:
    """Asks for logs, one page at a time. `pages_read` and `pages_decoded` count what unchanged pages save."""

    def __init__(self, access: ProjectAccess, session: Session, clean: Clean) -> None:
        self._url = access.deployments_url
        self._session = session
        self._clean = clean
        self.pages_read = 0
        self.pages_decoded = 0

    async def page(self, deployment_id: str, application: str, query: Query, known: Mark | None = None) -> Answered:
        """Read a page. Raises LogError where it is refused for a reason of its own, else SourceError."""
        # a token is worth something only together with the query that it was given for
        asked = {"startDate": _iso(query.start), "endDate": _iso(query.end)}
        asked |= {"applicationName": application} if application else {}
        asked |= {"pageToken": query.token} if query.token else {}
        reply = await self._session.call(f"{self._url}/{quote(deployment_id, safe='')}/logs?{urlencode(asked)}")
        self._require_ok(reply)
        answer = reply.answer
        self.pages_read += 1
        mark = (hash(answer.body), len(answer.body))
        server, notice = http_date(answer.headers.get("Date", "")) or 0, self._clean(announced(answer.headers))
        if mark == known:
            return Answered(None, mark, server, notice)
        origin = Origin(self._session.project, deployment_id, application)
        return Answered(self._decoded(reply, origin), mark, server, notice)

    def _decoded(self, reply: Reply, origin: Origin) -> LogPage:
        self.pages_decoded += 1
        try:
            return log_page.read(reply.answer.body, origin)
        except ValueError as error:
            text = f"answered 200 with {error}"
        raise reply.error(text, Blindness.UNREADABLE)

    def _require_ok(self, reply: Reply) -> None:
        """Raise what a refusal means."""
        try:
            self._session.require_ok(reply, SCOPE)
        except SourceError as error:
            answer = reply.answer
            refusal = _REFUSALS.get(error_code(answer.body))
            if refusal is None and answer.status in _GONE:
                refusal = Refusal.GONE
            if refusal is None:
                raise
            raise LogError(error, refusal) from None


def _iso(at: Millis) -> str:
    """A time as Connect writes it."""
    seconds, millis = divmod(at, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{millis:03}Z"
