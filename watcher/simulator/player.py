"""Plays a scenario: each step at its moment, or at once when asked."""

from dataclasses import dataclass, field

from watcher.simulator.clock import Clock
from watcher.simulator.errors import ApiError
from watcher.simulator.faults import Faults
from watcher.simulator.scenario import Scenario, Step, Target
from watcher.simulator.state import Resource, World


@dataclass(slots=True, kw_only=True)
class Player:
    """A scenario and how far it has been played.

    `speed` is scenario time over real time; at 0 only `step` moves it. `failures` are the steps that the world refused,
    which happens where somebody else has changed it meanwhile.
    """

    scenario: Scenario
    speed: float
    world: World
    faults: Faults
    clock: Clock
    done: int = 0
    failures: list[str] = field(default_factory=list)

    async def play(self) -> None:
        """Play to the end, counting scenario time from now. Steps asked for meanwhile are not played again."""
        started = self.clock.now()
        while self.speed > 0 and (step := self.upcoming()) is not None:
            ahead = started + round(step.at / self.speed) - self.clock.now()
            if ahead > 0:
                await self.clock.sleep(ahead)
            else:
                self.step()

    def upcoming(self) -> Step | None:
        """The next step; `None` at the end."""
        return self.scenario.steps[self.done] if self.done < len(self.scenario.steps) else None

    def set_stage(self) -> None:
        """Play the steps of moment 0, so that nobody sees the world before it began."""
        while (step := self.upcoming()) is not None and step.at == 0:
            self.step()

    def step(self) -> Step | None:
        """Play the next step at once; `None` at the end."""
        step = self.upcoming()
        if step is not None:
            self.done += 1
            self._apply(step)
        return step

    def _apply(self, step: Step) -> None:
        try:
            self._change(step)
        except ApiError as error:
            self.failures.append(f"at {step.at} ms: {error}")

    def _change(self, step: Step) -> None:
        if step.create is not None:
            fields = {"key": step.create.key, **step.create.fields}
            self.world.create([self.scenario.project_of(step.create)], 1, fields)
        elif step.set is not None:
            self.world.update(self._find(step.set).id, step.set.fields)
        elif step.delete is not None:
            self.world.delete(self._find(step.delete).id)
        elif step.fault is not None:
            self.faults.add(step.fault)
        else:
            self.faults.clear()

    def _find(self, target: Target) -> Resource:
        return self.world.by_key(self.scenario.project_of(target), target.key)
