"""Published Connectors by their ids."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlencode

from watcher.connect.client import ListClient, Place
from watcher.connect.connector_wire import CONNECTOR
from watcher.connect.session import Session
from watcher.connect.wire import Clean
from watcher.core.snapshot import Connector
from watcher.errors import Blindness, SourceError

BATCH = 50
"""Ids in one search; their UUIDs make a query of about 2 KB."""
LIMIT = 500
SCOPE = "view_connectors"
_OF_ONE_RECORD = frozenset({Blindness.FORBIDDEN, Blindness.UNREADABLE})


class PublishedConnectors:
    """Looks Connectors up: many by one search, and those that a search leaves out, such as unlisted ones, each alone."""

    def __init__(self, url: str, session: Session, clean: Clean) -> None:
        self._url = url
        self._session = session
        self._clean = clean
        self._alone = ListClient(Place(url=url, form=CONNECTOR, scope=SCOPE), session, clean)
        self._last: dict[str, Connector] = {}

    async def find(self, ids: Sequence[str]) -> dict[str, Connector]:
        """Those of `ids` that exist. Raises SourceError; never a part of them as if it were all.

        It asks even where there is nothing to ask for, so that a missing permission shows. Where others can be read, a
        single read that is refused concerns that Connector only, and what was found before is believed.
        """
        found: dict[str, Connector] = {}
        for batch in _batches(ids) if ids else [()]:
            found |= await self._search(batch)
        for missing in (each for each in ids if each not in found):
            if one := await self._read(missing, others=bool(found)):
                found[missing] = one
        self._last = found
        return found

    async def _read(self, connector_id: str, *, others: bool) -> Connector | None:
        before = self._last.get(connector_id)
        try:
            return await self._alone.get(connector_id)
        except SourceError as error:
            if error.kind in _OF_ONE_RECORD and (others or before):
                return before
            raise

    async def _search(self, ids: Sequence[str]) -> dict[str, Connector]:
        query = urlencode([("limit", LIMIT if ids else 1), *(("id", each) for each in ids)])
        reply = await self._session.call(f"{self._url}/search?{query}")
        self._session.require_ok(reply, SCOPE)
        try:
            page = CONNECTOR.page(reply.answer.body, self._session.project, self._clean)
        except ValueError as error:
            raise reply.error(f"answered 200 with {error}", Blindness.UNREADABLE) from None
        return {each.id: each for each in page.records if each.id in ids}


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[at : at + BATCH] for at in range(0, len(ids), BATCH))
