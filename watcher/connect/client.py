"""One project's Deployments, read from the Connect API."""

from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.parse import quote

from watcher.connect.access import ProjectAccess
from watcher.connect.auth import Tokens
from watcher.connect.exchange import Reply, announced, ask, error_code, refusal
from watcher.connect.wire import Clean, Page, decode_deployment, decode_page
from watcher.core.snapshot import Deployment, Listing
from watcher.errors import Blindness, SourceError
from watcher.http import Answer, Http, Request
from watcher.ports import Env

LIMIT = 500
MAX_OFFSET = 10_000
"""The API's own bounds on a page's length and on where one may begin."""
MAX_PAGES = 200
"""Where a server cuts pages shorter than asked, the walk ends here at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A page, and the hash and length of the bytes it was read from."""

    mark: tuple[int, int]
    page: Page


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One way through the list, page after page. `cut` when it ended before the list did."""

    pages: dict[int, _Seen] = field(default_factory=dict)
    found: dict[str, Deployment] = field(default_factory=dict)
    quarantined: int = 0
    total: int = 0
    end: int = 0
    cut: bool = False
    notice: str = ""

    def add(self, seen: _Seen) -> bool:
        """Take the next page; whether the list goes on after it.

        A short page is not the last where the API counts more: a server may cut pages shorter than asked. A page
        that shows only what was there before is a server that does not move on.
        """
        page = seen.page
        self.pages[self.end] = seen
        known = len(self.found)
        self.found.update((each.id, each) for each in page.deployments)
        self.quarantined += page.quarantined
        self.end += page.count
        self.total = page.total or 0
        if len(page.deployments) > 1 and len(self.found) == known:
            self.cut = True
            return False
        if not page.count or self.end == page.total:
            return False
        if page.count < LIMIT and (page.total is None or self.end > page.total):
            return False
        self.cut = self.end > MAX_OFFSET or len(self.pages) >= MAX_PAGES
        return not self.cut

    @property
    def doubtful(self) -> bool:
        """Whether it ended with fewer Deployments than the API counts, or the count changed on the way."""
        changed = len({seen.page.total for seen in self.pages.values()}) > 1
        return not self.cut and (changed or len(self.found) + self.quarantined < self.total)

    def listing(self) -> Listing:
        """What this walk saw."""
        return Listing(
            deployments=self.found,
            total=max(self.total, len(self.found)),
            truncated=self.cut,
            quarantined=self.quarantined,
            notice=self.notice,
        )


class DeploymentsClient:
    """Implements `ports.DeploymentSource`. Not for concurrent `list` calls: one poll at a time.

    A page whose bytes are those of the poll before is not decoded again, and its Deployment objects are the same ones;
    `pages_read` and `pages_decoded` count what that saves.
    """

    def __init__(self, project: ProjectAccess, *, http: Http, env: Env, clean: Clean) -> None:
        self._project = project
        self._http = http
        self._env = env
        self._clean = clean
        self._tokens = Tokens(project, http, env)
        self._pages: dict[int, _Seen] = {}
        self._listing: Listing | None = None
        self.pages_read = 0
        self.pages_decoded = 0

    async def list(self) -> Listing:
        """Read the whole list. Raises SourceError.

        The API documents no order, so a list that changes between two of its pages can hide a Deployment behind the
        seam. Where the API's count shows that, the walk is done once more and both are joined.
        """
        walk = await self._walk()
        if walk.doubtful:
            again = await self._walk()
            again.found = walk.found | again.found
            # a joined listing is no walk's own: the next one must not be taken for unchanged against it
            self._listing, self._pages = None, again.pages
            return again.listing()
        if self._listing is not None and _marks(walk.pages) == _marks(self._pages):
            self._listing = replace(self._listing, unchanged=True, notice=walk.notice)
        else:
            self._listing = walk.listing()
        # remembered only now: a walk that failed half-way must not look like the last one
        self._pages = walk.pages
        return self._listing

    async def get(self, deployment_id: str) -> Deployment | None:
        """Read one Deployment; `None` when the API itself says that it does not exist. Raises SourceError."""
        reply = await self._call(f"{self._project.deployments_url}/{quote(deployment_id, safe='')}")
        answer = reply.answer
        if answer.status == HTTPStatus.NOT_FOUND and error_code(answer.body) == "ResourceNotFound":
            return None
        self._require_ok(reply)
        try:
            found = decode_deployment(answer.body, self._project.key, self._clean)
        except ValueError as error:
            raise reply.error(f"answered 200 with {error}", Blindness.UNREADABLE) from None
        if found.id != deployment_id:
            raise reply.error("answered with another Deployment than the one asked for", Blindness.UNREADABLE)
        return found

    async def _walk(self) -> _Walk:
        walk, more = _Walk(), True
        while more:
            seen, answer = await self._page(walk.end)
            walk.notice = self._clean(announced(answer.headers))
            more = walk.add(seen)
        return walk

    async def _page(self, offset: int) -> tuple[_Seen, Answer]:
        reply = await self._call(f"{self._project.deployments_url}?limit={LIMIT}&offset={offset}")
        self._require_ok(reply)
        body = reply.answer.body
        self.pages_read += 1
        mark = (hash(body), len(body))
        seen = self._pages.get(offset)
        if seen is None or seen.mark != mark:
            seen = _Seen(mark=mark, page=self._decoded(reply))
        return seen, reply.answer

    def _decoded(self, reply: Reply) -> Page:
        self.pages_decoded += 1
        try:
            return decode_page(reply.answer.body, self._project.key, self._clean)
        except ValueError as error:
            raise reply.error(f"answered 200 with {error}", Blindness.UNREADABLE) from None

    async def _call(self, url: str) -> Reply:
        """Ask with a token; where that one is refused, once more with a new one."""
        token = await self._tokens.current()
        reply = await self._ask(url, token)
        if reply.answer.status != HTTPStatus.UNAUTHORIZED:
            return reply
        self._tokens.forget(token)
        return await self._ask(url, await self._tokens.current())

    async def _ask(self, url: str, token: str) -> Reply:
        request = Request(url=url, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
        return await ask(self._http, self._env, request, f"{self._project.key}: the Connect API")

    def _require_ok(self, reply: Reply) -> None:
        if reply.answer.status != HTTPStatus.OK:
            raise self._refusal(reply)

    def _refusal(self, reply: Reply) -> SourceError:
        scope = f"view_connectors_deployments:{self._project.key}"
        hints = {
            401: "a token that was just granted is refused; look at region and api_url",
            403: f"the API client needs the scope {scope}",
            404: "look at the project's key and region, or api_url",
        }
        return refusal(reply, self._env, hints)


def _marks(pages: dict[int, _Seen]) -> dict[int, tuple[int, int]]:
    return {offset: seen.mark for offset, seen in pages.items()}
