"""What the verbs of the store need from an engine, and nothing more."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

Params: TypeAlias = Mapping[str, Any]
Row: TypeAlias = dict[str, Any]


class Transaction(Protocol):
    """Named queries, inside one transaction."""

    def execute(self, name: str, params: Params) -> int:
        """Run a query; returns how many rows it touched."""
        ...

    def executemany(self, name: str, rows: Sequence[Params]) -> None:
        """Run a query once for each set of parameters."""
        ...

    def rows(self, name: str, params: Params | None = None) -> list[Row]:
        """Run a query; returns its rows, columns by name."""
        ...


class Driver(Protocol):
    """One engine and its connection. Synchronous: it belongs to one thread, which may drive a loop of its own."""

    def transact(self, work: Callable[[Transaction], T], *, write: bool) -> T:
        """Run `work` in one transaction and commit it; whatever it raises rolls everything back. Raises StoreError."""
        ...

    def close(self) -> None:
        """Release the connection and what guards it."""
        ...


class Run(Protocol):
    """Where the driver's calls run: in the thread that owns the connection, or in place."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """Run `work` there and wait for its result. Once begun it is never broken off."""
        ...
