"""What people do to alerts: silence, expire, acknowledge. One implementation, whichever way they ask.

Nothing here changes what is told. An act is committed with its record and as an event, and judge, which goes through
events in their order, lets it take effect: so a daemon that is killed says the same after its restart.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import structlog

from watcher.core import group, matcher
from watcher.core import silence as silences
from watcher.core.duration import Millis
from watcher.core.event import Event, EventType
from watcher.core.silence import Audit, Fields, Silence, SilenceText
from watcher.pattern import fullmatch
from watcher.ports import Act, Env, SilenceRow, Store
from watcher.redact import clean as clean_text
from watcher.render import one_line, to_the_second

log = structlog.get_logger(__name__)

MOST = 1_000
"""Silences that may hold or wait at once: each is asked about every alert."""
UNNAMED = "somebody"
"""Who did something, where their name shows nothing: an act without a name would look like none."""


class Operator:
    """The `Operating` port over the store. `changed` wakes judge; `clean` makes text that people wrote fit to be kept."""

    def __init__(
        self,
        *,
        store: Store,
        env: Env,
        changed: Callable[[], None],
        clean: Callable[[str], str] = clean_text,
        most: int = MOST,
    ) -> None:
        self._store = store
        self._env = env
        self._changed = changed
        self._clean = clean
        self._most = most

    async def silence(self, wanted: SilenceText, *, by: str) -> Silence:
        """Begin a silence. Raises ValueError, which says what is wrong with it."""
        now = self._env.clock.now()
        made = silences.drafted(
            replace(wanted, comment=self._clean(wanted.comment)),
            silence_id=f"{self._env.rng.getrandbits(64):016x}",
            by=self._named(by),
            now=now,
            compile_pattern=fullmatch,
        )
        if len(await self._store.load_silences(now)) >= self._most:
            raise ValueError(f"there are {self._most} silences already: end some of them first")
        fields = silences.written(made)
        await self._act(_act(EventType.SILENCED, now, made.creator, fields, subject=made.id, detail=_said(made)))
        return made

    async def expire(self, silence_id: str, *, by: str) -> Silence | None:
        """End a silence now; returns it as it then stands, `None` when there is none."""
        now = self._env.clock.now()
        found = next(_readable([await self._store.load_silence(silence_id)]), None)
        if found is None or found.is_over(now):
            return found
        fields = {"silence": found.id, "by": self._named(by) or UNNAMED}
        if not await self._act(_act(EventType.UNSILENCED, now, fields["by"], fields, subject=found.id)):
            return next(_readable([await self._store.load_silence(silence_id)]), None)
        return replace(found, expired_at=now)

    async def silences(self, *, ended: bool = False) -> Sequence[Silence]:
        """Silences that hold or are to come, newest first; with `ended` also those that are over."""
        return list(_readable(await self._store.load_silences(self._env.clock.now(), ended=ended)))

    async def acknowledge(self, group_key: str, *, by: str) -> int:
        """Stop reminding of a group's alerts until they change; returns how many firing alerts are now acknowledged.

        It is about what the group's receiver was told of, and holds for every receiver that was told of it: the alert
        is taken care of, whoever hears of it. What nobody was told of yet is still told.
        """
        found = await self._store.load_group(group_key)
        count = len(group.standing(found)) if found else 0
        if count:
            who = self._named(by) or UNNAMED
            fields = {"group": group_key, "by": who, "count": str(count)}
            detail = f"{count} firing"
            await self._act(
                _act(EventType.ACKNOWLEDGED, self._env.clock.now(), who, fields, subject=group_key, detail=detail)
            )
        return count

    async def refuse(self, *, by: str, action: str, subject: str) -> None:
        """Put on record that somebody tried what they may not."""
        made = Audit(
            at=self._env.clock.now(),
            actor=self._named(by) or UNNAMED,
            action="act.refused",
            subject=self._clean(subject),
            detail=self._clean(action),
        )
        await self._store.note(made)
        log.warning(made.action, actor=made.actor, subject=made.subject, detail=made.detail)

    async def audit(self, limit: int = 100) -> Sequence[Audit]:
        """What was done, newest first."""
        return await self._store.load_audit(limit)

    def _named(self, by: str) -> str:
        """Who does something, on one line: a name that cannot be seen is none."""
        return one_line(self._clean(by))

    async def _act(self, act: Act) -> bool:
        done = await self._store.commit_act(act)
        if done:
            log.info(act.audit.action, actor=act.audit.actor, subject=act.audit.subject, detail=act.audit.detail)
            self._changed()
        return done


_ACTIONS = {
    EventType.SILENCED: "silence.added",
    EventType.UNSILENCED: "silence.expired",
    EventType.ACKNOWLEDGED: "alert.acknowledged",
}


def _act(kind: EventType, at: Millis, by: str, fields: Fields, *, subject: str, detail: str = "") -> Act:
    return Act(
        event=Event(type=kind, project="", source=silences.SOURCE, at=at, sight=at, fields=fields),
        audit=Audit(at=at, actor=by, action=_ACTIONS[kind], subject=subject, detail=detail),
        silence=fields if kind is EventType.SILENCED else None,
        expires=subject if kind is EventType.UNSILENCED else "",
    )


def _said(made: Silence) -> str:
    begin, end = map(to_the_second, (made.starts_at, made.ends_at))
    until = "the next deployment, at the latest " if made.until_deployment else ""
    return f"{matcher.text(made.matchers)} from {begin} until {until}{end}: {made.comment}"


def _readable(rows: Iterable[SilenceRow | None]) -> Iterator[Silence]:
    """Silences as they are; one whose patterns this version refuses holds nothing back, and is none."""
    for row in rows:
        with suppress(ValueError):
            if row is not None:
                yield silences.read(row.fields, fullmatch, expired_at=row.expired_at)
