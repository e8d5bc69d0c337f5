"""The silences that judging goes by: which hold now, which are to come, and what they held back that nobody was told."""

from collections import Counter
from collections.abc import Iterable

from watcher.core import silence
from watcher.core.alert import Alert
from watcher.core.duration import Millis
from watcher.core.event import Event
from watcher.core.matcher import Compile, Test
from watcher.core.silence import Fields, Progress, Silence, Stage

REMEMBERED = 250_000
"""Of how many label sets it is kept which silences they fulfil: some 100 bytes each."""


def _no_patterns(_: str) -> Test:
    raise ValueError("patterns are not compiled here")


class Silences:
    """`changed` is what to write back, `unreadable` names silences that hold nothing back since they cannot be read.

    They begin and end in the order of time: `next_due` is when the next one does.
    """

    def __init__(self, compile_pattern: Compile = _no_patterns) -> None:
        self.active: dict[str, Silence] = {}
        self.changed: dict[str, Progress] = {}
        self.unreadable: list[str] = []
        self.next_due: Millis | None = None
        self._waiting: dict[str, Silence] = {}
        self._held: dict[str, Counter[str]] = {}
        self._known: dict[str, tuple[str, ...]] = {}
        self._compile = compile_pattern

    def load(self, rows: Iterable[tuple[Fields, Progress]]) -> None:
        """Take over what is stored."""
        for fields, progress in rows:
            found = self._read(fields)
            if found is not None:
                self._held[found.id] = Counter(progress.held)
                (self.active if progress.stage is Stage.ACTIVE else self._waiting)[found.id] = found
        self._order()
        self._plan()

    def add(self, fields: Fields) -> None:
        """Take in a new one; it begins with the next `starting` that is late enough."""
        found = self._read(fields)
        if found is not None:
            self._waiting[found.id] = found
            self._note(found.id, Stage.WAITING)
            self._plan()

    def over(self, alert: Alert) -> str:
        """The id of a silence that holds back an alert, the oldest; empty where there is none.

        It is asked again and again about the same labels, which never change: the answers are kept until another
        silence begins, and one that has ended since is passed over.
        """
        if not self.active:
            return ""
        names = self._known.get(alert.fingerprint)
        if names is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            names = tuple([each.id for each in self.active.values() if each.matches(alert.labels)])
            self._known[alert.fingerprint] = names
        for name in names:
            if name in self.active:
                return name
        return ""

    def starting(self, at: Millis) -> list[Silence]:
        """Begin those that are to begin by then."""
        found = [each for each in self._waiting.values() if each.starts_at <= at]
        for each in found:
            self.active[each.id] = self._waiting.pop(each.id)
            self._note(each.id, Stage.ACTIVE)
        if found:
            self._order()
        self._plan()
        return found

    def ending(self, at: Millis) -> list[str]:
        """Those that are to end by then."""
        return [each.id for each in self.active.values() if each.is_over(at)]

    def deployed(self, event: Event) -> list[str]:
        """Those that last until the deployment that the event shows."""
        return [each.id for each in self.active.values() if silence.ends_with(each, event)]

    def end(self, silence_id: str, at: Millis, why: str = "") -> tuple[Silence | None, Counter[str]]:
        """End one; returns it, had it begun, and how much of what it held back is in no message yet, by receiver."""
        found = self.active.pop(silence_id, None)
        if found or self._waiting.pop(silence_id, None):
            self.changed[silence_id] = Progress(stage=Stage.OVER, ended_at=at, why=why)
            self._plan()
        return found, self._held.pop(silence_id, Counter())

    def hold(self, silence_id: str, receiver: str, count: int) -> None:
        """Count news that a silence, which is not over, kept from a receiver."""
        self._held.setdefault(silence_id, Counter())[receiver] += count
        self._note(silence_id, Stage.ACTIVE)

    def _note(self, silence_id: str, stage: Stage) -> None:
        self.changed[silence_id] = Progress(stage=stage, held=dict(self._held.get(silence_id, {})))

    def _order(self) -> None:
        """Of several that hold an alert back the same one is named whenever it is asked for."""
        self._known.clear()
        self.active = {
            each.id: each for each in sorted(self.active.values(), key=lambda each: (each.starts_at, each.id))
        }

    def _read(self, fields: Fields) -> Silence | None:
        try:
            return silence.read(fields, self._compile)
        except ValueError as error:
            name = fields.get("silence", "")
            self.unreadable.append(f"{name}: {error}")
            begun = int(fields.get("starts_at", "0"))
            self.changed[name] = Progress(stage=Stage.OVER, ended_at=begun, why=f"it cannot be read: {error}")
            return None

    def _plan(self) -> None:
        dues = [each.starts_at for each in self._waiting.values()]
        dues += [each.ends_at for each in self.active.values() if each.ends_at]
        self.next_due = min(dues, default=None)
