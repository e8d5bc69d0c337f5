"""What is still to come: the planned moves in order of time, and what the next courses are to come to."""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from watcher.simulator.lifecycle import RESULTS, Move, Outcome
from watcher.simulator.tempo import Tempo

Name: TypeAlias = tuple[str, str]
"""A course under way: what is going on, and the id of the resource it goes on with."""

ANY = "*"


@dataclass(slots=True, kw_only=True)
class Progress:
    """The planned moves. A resource has at most one course of a name; a new one replaces it."""

    tempo: Tempo
    _heap: list[tuple[int, int, Name, int, Move]] = field(default_factory=list)
    _current: dict[Name, int] = field(default_factory=dict)
    _made: int = 0

    def begin(self, name: Name, moves: Sequence[Move], started: int | None = None) -> None:
        """Plan the moves of a course that begins at that moment of scenario time, by default now."""
        begun = self.tempo.elapsed() if started is None else started
        self.cancel(name)
        self._made += 1
        if moves:
            self._current[name] = self._made
        for n, move in enumerate(moves):
            heapq.heappush(self._heap, (begun + move.after, self._made * 1000 + n, name, self._made, move))

    def cancel(self, name: Name) -> None:
        """Forget the moves that are still to come."""
        self._current.pop(name, None)

    def due(self) -> Iterator[tuple[int, Name, Move]]:
        """Take the moves whose time has come, in its order, with the wall-clock moment of each."""
        while self._heap and self._heap[0][0] <= self.tempo.elapsed():
            at, _, name, course, move = heapq.heappop(self._heap)
            if self._current.get(name) == course:
                yield self.tempo.wall(at), name, move

    def upcoming(self) -> list[tuple[int, Name, Move]]:
        """The moves still to come, each with its moment of scenario time."""
        left = sorted(self._heap)
        return [(at, name, move) for at, _, name, course, move in left if self._current.get(name) == course]


@dataclass(slots=True)
class Plans:
    """What the next courses are to come to, where that is not success."""

    _waiting: dict[Name, deque[tuple[Outcome, int | None]]] = field(default_factory=dict)

    def add(self, kind: str, key: str, outcome: Outcome, count: int | None) -> None:
        """Plan the next `count` courses of that kind, or all of them. What had been planned for all is over."""
        queue = self._waiting.setdefault((kind, key), deque())
        if queue and queue[-1][1] is None:
            queue.pop()
        queue.append((outcome, count))

    def take(self, kind: str, keys: Iterable[str | None]) -> Outcome:
        """The outcome of a course that begins now, by the first of `keys` that has a plan."""
        for key in (*keys, ANY):
            queue = self._waiting.get((kind, key or ""))
            if queue:
                return use_up(queue)
        return Outcome(result=RESULTS[kind][0])


def use_up(queue: deque[tuple[Outcome, int | None]]) -> Outcome:
    """The first outcome of a queue, one less of which is left."""
    outcome, count = queue[0]
    if count is not None:
        queue.popleft()
        if count > 1:
            queue.appendleft((outcome, count - 1))
    return outcome
