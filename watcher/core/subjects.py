"""Which alerts of a rule are about which subject."""

from watcher.core.alert import Alert
from watcher.core.event import Event
from watcher.core.rule import Rule


class Subjects:
    """Keys of alerts by rule, source and subject. There is nearly always one, which then stands by itself."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, str], dict[str, str | tuple[str, ...]]] = {}

    def of(self, rule: Rule, event: Event) -> tuple[str, ...]:
        """The alerts of a rule about the subject of an event."""
        about = self._keys.get((rule.name, event.project, event.source))
        return _several(about.get(event.subject, ())) if about else ()

    def put(self, alert: Alert, spelled: str) -> None:
        """Note an alert under its subject. `spelled` is the subject as others have it, so that the text is in memory once."""
        about = self._keys.setdefault(_home(alert), {})
        known = _several(about.get(alert.subject, ()))
        if alert.key not in known:
            about[spelled] = (*known, alert.key) if known else alert.key

    def drop(self, alert: Alert) -> None:
        """Forget an alert under its subject."""
        about = self._keys[_home(alert)]
        others = tuple(key for key in _several(about[alert.subject]) if key != alert.key)
        if others:
            about[alert.subject] = others
        else:
            del about[alert.subject]


def _several(found: str | tuple[str, ...]) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else found


def _home(alert: Alert) -> tuple[str, str, str]:
    """Where an alert is looked for. A draft and its published Connector have the same id, but not the same source."""
    return alert.rule, alert.project, alert.source
