"""A list of the Connect API, page by page: a project's Deployments, or the drafts that an API client sees."""

from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Generic
from urllib.parse import quote

from watcher.connect.exchange import Reply, announced, error_code
from watcher.connect.session import Session
from watcher.connect.wire import Clean, Form, Page
from watcher.core.snapshot import Listing, R_co
from watcher.errors import Blindness, SourceError
from watcher.http import Answer

LIMIT = 500
MAX_OFFSET = 10_000
"""The API's own bounds on a page's length and on where one may begin."""
MAX_PAGES = 200
"""Where a server cuts pages shorter than asked, the walk ends here at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen(Generic[R_co]):
    """A page, and the hash and length of the bytes it was read from."""

    mark: tuple[int, int]
    page: Page[R_co]


@dataclass(slots=True, kw_only=True)
class _Walk(Generic[R_co]):
    """One way through the list, page after page. `cut` when it ended before the list did."""

    pages: dict[int, _Seen[R_co]] = field(default_factory=dict)
    found: dict[str, R_co] = field(default_factory=dict)
    quarantined: int = 0
    total: int = 0
    end: int = 0
    cut: bool = False
    notice: str = ""

    def add(self, seen: _Seen[R_co]) -> bool:
        """Take the next page; whether the list goes on after it.

        A short page is not the last where the API counts more: a server may cut pages shorter than asked. A page
        that shows only what was there before is a server that does not move on.
        """
        page = seen.page
        self.pages[self.end] = seen
        known = len(self.found)
        self.found.update((each.id, each) for each in page.records)
        self.quarantined += page.quarantined
        self.end += page.count
        self.total = page.total or 0
        if len(page.records) > 1 and len(self.found) == known:
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
        """Whether it ended with fewer records than the API counts, or the count changed on the way."""
        changed = len({seen.page.total for seen in self.pages.values()}) > 1
        return not self.cut and (changed or len(self.found) + self.quarantined < self.total)

    def listing(self) -> Listing[R_co]:
        """What this walk saw."""
        return Listing(
            records=self.found,
            total=max(self.total, len(self.found)),
            truncated=self.cut,
            quarantined=self.quarantined,
            notice=self.notice,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Generic[R_co]):
    """Where a list stands, what its records look like, and the scope that may read it."""

    url: str
    form: Form[Any, R_co]
    scope: str


class ListClient(Generic[R_co]):
    """Implements `ports.Source`. Not for concurrent `list` calls: one poll at a time.

    A page whose bytes are those of the poll before is not decoded again, and its records are the same objects;
    `pages_read` and `pages_decoded` count what that saves.
    """

    def __init__(self, place: Place[R_co], session: Session, clean: Clean) -> None:
        self._place = place
        self._session = session
        self._clean = clean
        self._pages: dict[int, _Seen[R_co]] = {}
        self._listing: Listing[R_co] | None = None
        self.pages_read = 0
        self.pages_decoded = 0

    async def list(self) -> Listing[R_co]:
        """Read the whole list. Raises SourceError.

        The API documents no order, so a list that changes between two of its pages can hide a record behind the
        seam. Where the API's count shows that, the walk is done once more and both are joined.
        """
        walk = await self._walk()
        if walk.doubtful:
            again = await self._walk()
            if not again.found and again.total:
                text = f"{self._session.project}: the Connect API lists nothing, and counts {again.total}"
                raise SourceError(text, Blindness.UNREADABLE)
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

    async def get(self, record_id: str) -> R_co | None:
        """Read one record; `None` when the API itself says that it does not exist. Raises SourceError."""
        reply = await self._session.call(f"{self._place.url}/{quote(record_id, safe='')}")
        answer = reply.answer
        if answer.status == HTTPStatus.NOT_FOUND and error_code(answer.body) == "ResourceNotFound":
            return None
        self._session.require_ok(reply, self._place.scope)
        try:
            found = self._place.form.record(answer.body, self._session.project, self._clean)
        except ValueError as error:
            raise reply.error(f"answered 200 with {error}", Blindness.UNREADABLE) from None
        if found.id != record_id:
            raise reply.error("answered with another record than the one asked for", Blindness.UNREADABLE)
        return found

    async def _walk(self) -> _Walk[R_co]:
        walk, more = _Walk[R_co](), True
        while more:
            seen, answer = await self._page(walk.end)
            walk.notice = self._clean(announced(answer.headers))
            more = walk.add(seen)
        return walk

    async def _page(self, offset: int) -> tuple[_Seen[R_co], Answer]:
        reply = await self._session.call(f"{self._place.url}?limit={LIMIT}&offset={offset}")
        self._session.require_ok(reply, self._place.scope)
        body = reply.answer.body
        self.pages_read += 1
        mark = (hash(body), len(body))
        seen = self._pages.get(offset)
        if seen is None or seen.mark != mark:
            seen = _Seen(mark=mark, page=self._decoded(reply))
        return seen, reply.answer

    def _decoded(self, reply: Reply) -> Page[R_co]:
        self.pages_decoded += 1
        try:
            return self._place.form.page(reply.answer.body, self._session.project, self._clean)
        except ValueError as error:
            raise reply.error(f"answered 200 with {error}", Blindness.UNREADABLE) from None


def _marks(pages: dict[int, _Seen[R_co]]) -> dict[int, tuple[int, int]]:
    return {offset: seen.mark for offset, seen in pages.items()}
