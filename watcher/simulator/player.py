"""Plays a scenario: each step at its moment, or at once when asked."""

import heapq
from dataclasses import dataclass, field

from watcher.simulator.errors import ApiError
from watcher.simulator.moves import Spread, Stage, Turn, perform
from watcher.simulator.scenario import Scenario
from watcher.simulator.steps import Step


@dataclass(slots=True, kw_only=True)
class Player:
    """A scenario and how far it has been played.

    `failures` are the steps that the world refused, which happens where somebody else has changed it meanwhile.
    """

    scenario: Scenario
    stage: Stage
    done: int = 0
    failures: list[str] = field(default_factory=list)
    _spread: list[tuple[int, int, Turn]] = field(default_factory=list)
    _made: int = 0

    async def play(self) -> None:
        """Play to the end, scenario time running from now on. At speed 0 only `step` and `advance` move it."""
        self.stage.timeline.begin()
        while self.stage.timeline.speed > 0 and (moment := self.next_moment()) is not None:
            ahead = self.stage.timeline.until(moment)
            if ahead > 0:
                await self.stage.clock.rest(ahead)
            else:
                self.catch_up()

    def catch_up(self) -> None:
        """Carry out whatever is due, each thing at its own moment."""
        reached = self.stage.timeline.reached()
        while (moment := self.next_moment()) is not None and moment <= reached:
            self._next()
        with self.stage.timeline.at(reached):
            self.stage.world.catch_up()

    def next_moment(self) -> int | None:
        """When something is to be done again; `None` at the end."""
        step = self.upcoming()
        moments = [at for at, _, _ in self._spread[:1]] + ([] if step is None else [step.at])
        return min(moments, default=None)

    def upcoming(self) -> Step | None:
        """The next step; `None` at the end."""
        return self.scenario.steps[self.done] if self.done < len(self.scenario.steps) else None

    def set_stage(self) -> None:
        """Play the steps of moment 0, so that nobody sees the world before it began."""
        while self.next_moment() == 0:
            self._next()

    def step(self) -> Step | None:
        """Let time jump to the next step and play it; at the end, `None`, and what was spread over time is done."""
        while (moment := self.next_moment()) is not None:
            self.stage.timeline.advance(max(moment - self.stage.timeline.reached(), 0))
            step = self._next()
            if step is not None:
                return step
        return None

    def _next(self) -> Step | None:
        """Do the next thing; the step, where it was one."""
        step, moment = self.upcoming(), self.next_moment()
        if self._spread and self._spread[0][0] == moment:
            at, _, turn = heapq.heappop(self._spread)
            self._at(at, turn)
            return None
        if step is not None:
            self.done += 1
            self._at(step.at, lambda: self._begin(step.at, perform(self.stage, step)))
        return step

    def _begin(self, at: int, spread: Spread) -> None:
        for moment, turn in spread.moments(at):
            if moment == at:
                self._at(at, turn)
            else:
                self._made += 1
                heapq.heappush(self._spread, (moment, self._made, turn))

    def _at(self, moment: int, turn: Turn) -> None:
        with self.stage.timeline.at(moment):
            self.stage.world.catch_up()
            try:
                turn()
            except ApiError as error:
                self.failures.append(f"at {moment} ms: {error}")
