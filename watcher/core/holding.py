"""What silences hold back of groups: counted once for each group, and freed when nothing holds it back any more."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from watcher.core.alert import Alert, AlertState
from watcher.core.group import Group, Told, is_unheard
from watcher.core.grouping import Groups
from watcher.core.route import Route
from watcher.core.silence import Silence
from watcher.core.silencing import Silences


class Holding(Groups):
    """Groups, and the silences that hold back some of their alerts.

    `_owed` counts, by receiver, what was held back from groups that are no more by silences that have ended.
    """

    def __init__(self, root: Route, silences: Silences) -> None:
        super().__init__(root)
        self.silences = silences
        self.suppressed: Counter[str] = Counter()
        self._owed: Counter[str] = Counter()

    def is_silenced(self, alert: Alert) -> bool:
        """Whether the alert is held back now."""
        return bool(self.silences.over(alert))

    def _silenced(self, group: Group) -> frozenset[str]:
        if not self.silences.active:
            return frozenset()
        over = self.silences.over
        return frozenset([key for key, alert in group.members.items() if over(alert)])

    def _hush(self, begun: Silence) -> None:
        for group in list(self.groups.values()):
            found = [each for each in group.members.values() if begun.matches(each.labels)]
            changed = group
            for alert in found:
                changed = self._hold(changed, alert, begun.id, group.told.get(alert.key))
            if found:
                self._put(self._idle(changed))

    def _hold(self, group: Group, alert: Alert, silence_id: str, told: Told | None) -> Group:
        """Count what is held back of an alert, once; what is over and was never told leaves the group."""
        counted = self._held[group.key]
        if is_unheard(alert, told) and counted.get(alert.key, 0) < alert.episode:
            counted[alert.key] = alert.episode
            self.suppressed["silenced"] += 1
            held_back = {**group.held_back, silence_id: group.held_back.get(silence_id, 0) + 1}
            group = replace(group, held_back=held_back)
        if told is None and (alert.fact or alert.state is AlertState.RESOLVED):
            self._leave(alert.key, group.key)
        return group

    def _freed(self, group: Group, ended: Sequence[Silence]) -> list[Alert]:
        """What silences that have ended held back of a group, and no other one does."""
        over = self.silences.over
        held = [group.members[key] for key in self._held[group.key]]
        return [alert for alert in held if not over(alert) and any(each.matches(alert.labels) for each in ended)]

    def _unfinished(self, group: Group) -> dict[str, int]:
        """What was held back by silences that have not ended."""
        return {name: count for name, count in group.held_back.items() if name in self.silences.active}

    def _has_unheard(self, group: Group) -> bool:
        """Whether the group has still to tell a failure, so that its next message can say what was held back."""
        return any(
            is_unheard(alert, group.told.get(key)) and not self.silences.over(alert)
            for key, alert in group.members.items()
        )

    def _hand_over(self, group: Group) -> None:
        """Keep account of what was held back from a group that is no more."""
        for name, count in group.held_back.items():
            if name in self.silences.active:
                self.silences.hold(name, group.receiver, count)
            else:
                self._owed[group.receiver] += count
