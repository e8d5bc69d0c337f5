"""What every rule has, whatever it looks at: the description it was made of, a name, annotations."""

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from watcher.rules.spec import Annotate


class _Description(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def annotate(self) -> Annotate: ...


S = TypeVar("S", bound=_Description)


class Described(Generic[S]):
    """A rule by its description."""

    def __init__(self, spec: S) -> None:
        self.spec = spec

    @property
    def name(self) -> str:
        """The `alertname`."""
        return self.spec.name

    def annotate(self, values: Mapping[str, object]) -> Mapping[str, str]:
        """Render the rule's annotations."""
        return self.spec.annotate(values)
