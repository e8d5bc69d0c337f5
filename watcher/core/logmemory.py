"""What judging remembers about logs: windows that fill, kinds of errors that were met, builds that were good.

Windows are made again from the stored hits after a restart; memories and histories are written back when they change.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from watcher.core import history, novelty, window
from watcher.core.alert import Alert, fingerprint
from watcher.core.altered import altered
from watcher.core.duration import Millis
from watcher.core.event import Event
from watcher.core.history import Run
from watcher.core.logrecord import Hit
from watcher.core.novelty import Memory, Verdict
from watcher.core.picture import Activity, Spot
from watcher.core.rule import CountRule, NoveltyRule, VerdictRule
from watcher.core.snapshot import FAILED, Deployment
from watcher.core.window import Window

SOURCE = "logs"
OTHERS = "(others)"
MANY, LATELY = 50, 3_600_000
"""New kinds of errors that one application can bring within an hour before all others are told as one."""
CAPACITY = 20_000
"""Windows kept; the ones that saw nothing for longest go first. More groups than that is a `by` of something unbounded."""


class LogMemory:
    """`changed_runs` and `changed_memories` name what is to be written back."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.memories: dict[str, Memory] = {}
        self.changed_runs: set[str] = set()
        self.changed_memories: set[str] = set()
        self._groups: dict[tuple[str, ...], str] = {}
        self._windows: OrderedDict[tuple[str, str], Window] = OrderedDict()
        self._heard: dict[tuple[str, str, str], Millis] = {}

    def load(self, runs: Iterable[Run], memories: Iterable[Memory]) -> None:
        """Take over what is stored."""
        self.runs = {each.key: each for each in runs}
        self.memories = {each.key: each for each in memories}

    def retain(self, projects: Collection[str]) -> None:
        """Forget what is known of projects that are watched no longer."""
        for run in [each for each in self.runs.values() if each.project not in projects]:
            self._forget(run.project, run.deployment_id)

    def introduce(self, rules: Mapping[str, str], at: Millis) -> None:
        """Note since when rules that tell news are there (0: from the first), by what they select; others are forgotten.

        One that selects something else now meets much for the first time that is not new.
        """
        for key in [key for key, each in self.memories.items() if each.rule not in rules]:
            del self.memories[key]
            self.changed_memories.add(key)
        for rule, signature in rules.items():
            memory = Memory(rule=rule, project="", deployment_id="", application="", since=at, signature=signature)
            known = self.memories.get(memory.key)
            if known is None or (known.signature and known.signature != signature):
                self._keep(memory)
            elif not known.signature:
                self._keep(replace(known, signature=signature))

    def hear(self, project: str, activity: Mapping[Spot, Activity]) -> None:
        """Note since when the applications of a project are heard."""
        self._heard |= {(project, *spot): each.first for spot, each in activity.items()}

    def adopt(self, deployments: Iterable[Deployment], at: Millis, *, region: str) -> None:
        """Begin the history of Deployments that were known before histories were kept."""
        for each in deployments:
            run = history.begun(each, at, region=region)
            if run.key not in self.runs:
                self._put(run)

    def follow(self, event: Event) -> Event:
        """Go on with a Deployment's history; returns the event with what the history adds for templates to show."""
        if event.deployment is None:
            return event
        key = f"{event.project}/{event.deployment.id}"
        before = self.runs.get(key)
        run = history.advanced(before, event)
        if run is None:
            self._forget(event.project, event.deployment.id)
        elif run is not before:
            self._put(run)
        last_good = (before or run or _NOBODY).good_since
        if event.deployment.status in FAILED and last_good:
            return altered(event, fields={**event.fields, "last_good": str(last_good)})
        return event

    def run(self, project: str, deployment_id: str) -> Run | None:
        """The history of a Deployment."""
        return self.runs.get(f"{project}/{deployment_id}")

    def is_orphan(self, alert: Alert) -> bool:
        """Whether an alert about what a Deployment wrote is about one that was known, and is there no more."""
        name = alert.labels.get("deployment", "")
        if alert.source != SOURCE or not name or not alert.labels.get("type"):
            return False
        return not any(each.deployment == name and each.project == alert.project for each in self.runs.values())

    def of_project(self, project: str) -> dict[str, Run]:
        """The histories of a project's Deployments, by id."""
        return {each.deployment_id: each for each in self.runs.values() if each.project == project}

    def group(self, rule: CountRule, event: Event) -> str:
        """The fingerprint of the group that an event's hit belongs to. There are few groups, and a hit may come often."""
        name = rule.group(event)
        found = self._groups.get(name)
        if found is None:
            if len(self._groups) >= CAPACITY:
                self._groups.clear()
            found = self._groups[name] = fingerprint(rule.condition(event, 0).labels)
        return found

    def count(self, rule: CountRule, group: str, hit: Hit) -> tuple[int, Millis | None]:
        """Count a hit in; returns how many there are together, and until when that is enough (`None`: it is not)."""
        key = (rule.name, group)
        found = self._windows.get(key)
        if found is None:
            found = self._windows[key] = Window()
            if len(self._windows) > CAPACITY:
                self._windows.popitem(last=False)
        self._windows.move_to_end(key)
        moments = window.spread(hit.at, hit.last, hit.count)
        found.add(moments, within=rule.within)
        reached = [window.reached(found.times, rule.count, rule.within, at=at) for at, _ in moments]
        latest = max(filter(None, reached), default=None)
        return (latest.counted, latest.until) if latest else (0, None)

    def recount(self, rule: CountRule, event: Event) -> None:
        """Count in a hit that was judged before the last restart."""
        if event.hit is not None and not event.baseline:
            self.count(rule, self.group(rule, event), event.hit)

    def meet(self, rule: NoveltyRule, event: Event, hit: Hit) -> Verdict:
        """Meet the kind of error that a hit is."""
        memory = self._memory(rule.name, event.project, hit)
        run = self.run(event.project, hit.deployment_id)
        met, verdict = novelty.met(memory, hit.template, hit.last, learn=rule.learn, run=run, baseline=event.baseline)
        if verdict is Verdict.NEW and novelty.new_since(met, hit.last - LATELY) > MANY:
            # a flood of kinds is one kind more, told once
            met, verdict = novelty.met(memory, OTHERS, hit.last, learn=rule.learn, run=run, baseline=event.baseline)
        if met is not memory:
            self._keep(met)
        return verdict

    def is_unmet(self, rule: NoveltyRule, event: Event) -> bool:
        """Whether a hit is the first of its application that the rule meets."""
        hit = event.hit
        return hit is not None and _key(rule.name, event.project, hit) not in self.memories

    def judged(self, rule: VerdictRule, run: Run) -> None:
        """Remember that the rule has given its verdict on a Deployment's build."""
        known = self.runs[run.key]
        self._put(replace(known, judged=known.judged | {rule.name}))

    def _memory(self, rule: str, project: str, hit: Hit) -> Memory:
        """What a rule knows of an application: at first nothing, since it is heard or, where that came later, the rule is there."""
        found = self.memories.get(_key(rule, project, hit))
        introduced = self.memories.get(novelty.memory_key(rule, "", "", ""))
        if found is not None:
            since = max(found.since, introduced.since if introduced else 0)
            return found if since == found.since else replace(found, since=since)
        heard = self._heard.get((project, hit.deployment_id, hit.application), hit.at)
        return Memory(
            rule=rule,
            project=project,
            deployment_id=hit.deployment_id,
            application=hit.application,
            since=max(heard, introduced.since if introduced else 0),
        )

    def _keep(self, memory: Memory) -> None:
        self.memories[memory.key] = memory
        self.changed_memories.add(memory.key)

    def _put(self, run: Run) -> None:
        self.runs[run.key] = run
        self.changed_runs.add(run.key)

    def _forget(self, project: str, deployment_id: str) -> None:
        self.changed_runs.add(f"{project}/{deployment_id}")
        self.runs.pop(f"{project}/{deployment_id}", None)
        for key, memory in list(self.memories.items()):
            if (memory.project, memory.deployment_id) == (project, deployment_id):
                del self.memories[key]
                self.changed_memories.add(key)


def _key(rule: str, project: str, hit: Hit) -> str:
    return novelty.memory_key(rule, project, hit.deployment_id, hit.application)


_NOBODY = Run(project="", deployment_id="")
