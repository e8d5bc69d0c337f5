"""What has to fit together between tables. It reads the tree as written, so that it has its say beside every other error.

Each function yields problems or warnings with their paths, and passes over what is not of the expected shape: that has
been said elsewhere.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from watcher.config import buttons, log_rules
from watcher.config import labels as label_names
from watcher.config.problem import Path, suggestion
from watcher.core import duration
from watcher.core.alert import IDENTITY
from watcher.core.duration import Millis
from watcher.core.egress import literal, refusal
from watcher.core.route import ALL_LABELS, GROUP_INTERVAL, REPEAT_INTERVAL
from watcher.core.snapshot import KNOWN_REGIONS

Said: TypeAlias = Iterator[tuple[Path, str]]
Tree: TypeAlias = Mapping[str, Any]

MAX_DEPTH = 20
SEVERITIES = ("critical", "warning", "info")
_FACT_KEYS = ("from", "to", "events", "added")
_RESERVED = frozenset({"alertname", *IDENTITY})
_OF_LOGS = frozenset({"hit", "tally"})
_ABOUT_STATUS = re.compile(r"""(?:^|[{,])\s*"?status"?\s*(?:=~|!=|!~|=)""")


def listed(tree: Tree, key: str) -> list[tuple[int, Tree]]:
    """The tables in a list of tables, with their positions."""
    value = tree.get(key)
    items = enumerate(value) if isinstance(value, list) else ()
    return [(at, item) for at, item in items if isinstance(item, dict)]


def problems(tree: Tree, pack_rules: Iterable[str]) -> Said:
    """Everything that keeps the tables from fitting together."""
    yield from _twice(tree, "projects", "key", "is watched by {first} already; one daemon watches a project once")
    yield from _twice(tree, "receivers", "name", "is the name of {first} already")
    yield from rule_problems(tree)
    for at, project in listed(tree, "projects"):
        yield from log_rules.project_problems(("projects", at), project)
        blind, poll = _length(project.get("blind_after"), -1), _length(project.get("poll_interval"), 30_000)
        if 0 <= blind <= poll:
            yield ("projects", at, "blind_after"), f"must be longer than poll_interval, which is {duration.text(poll)}"
    names = {str(rule.get("name")) for _, rule in listed(tree, "rules")} | set(pack_rules)
    for at, name in enumerate(_strings(tree.get("disable_rules"))):
        if name not in names:
            yield ("disable_rules", at), "no rule has this name" + suggestion(name, names)
    yield from _route_problems(tree)
    yield from buttons.problems(tree)


def rule_problems(tree: Tree) -> Said:
    """What is wrong within rules, between their fields."""
    yield from _twice(tree, "rules", "name", "is the name of {first} already")
    for at, rule in listed(tree, "rules"):
        path = ("rules", at)
        yield from log_rules.problems(path, rule)
        if rule.get("on") != "log":
            yield from (
                _fact_problems(path, rule) if any(rule.get(key) for key in _FACT_KEYS) else _state_problems(path, rule)
            )
        labels = rule.get("labels")
        for name in labels if isinstance(labels, dict) else ():
            if name in _RESERVED:
                yield (*path, "labels", name), "is given by what the rule is about and cannot be set"


def _fact_problems(path: Path, rule: Tree) -> Said:
    for key in ("for", "resolve"):
        if key in rule:
            yield (*path, key), "has no meaning here: a rule with from, to, events or added tells facts, once"
    if "events" in rule and ("from" in rule or "to" in rule):
        yield (*path, "events"), "give either events, or from and to"
    for at, name in enumerate(_strings(rule.get("events"))):
        if name in _OF_LOGS:
            yield (*path, "events", at), 'is what rules with on = "log" look at, and no event of its own'
    if rule.get("added") and rule.get("on") != "report":
        yield (*path, "added"), 'is about report entries: it needs on = "report"'


def _state_problems(path: Path, rule: Tree) -> Said:
    if rule.get("on") in ("deployment", "connector") and "resolve" not in rule and not _is_about_status(rule):
        yield (*path, "resolve"), _MISSING_RESOLVE


def warnings(tree: Tree, pack_rules: Iterable[str] = ()) -> Said:
    """What is allowed and looks like a mistake."""
    yield from _receiver_warnings(tree)
    yield from buttons.warnings(tree)
    beat = tree.get("heartbeat")
    if isinstance(beat, dict) and (reason := _out_of_reach(beat.get("url"), tree)):
        yield ("heartbeat", "url"), f"{reason}; it will not be pinged unless [egress] allow names it"
    for at, rule in listed(tree, "rules"):
        yield from label_names.warnings(("rules", at), rule)
        labels = rule.get("labels")
        severity = labels.get("severity", "info") if isinstance(labels, dict) else "info"
        if severity not in SEVERITIES:
            yield (
                ("rules", at, "labels", "severity"),
                f"is none of {', '.join(SEVERITIES)}; only critical is never given up",
            )
    yield from _project_warnings(tree)
    rules = [rule for _, rule in listed(tree, "rules")]
    for path, route in _routes(tree):
        yield from _route_warnings(path, route)
        yield from label_names.route_warnings(path, route, rules, pack_rules)


def _project_warnings(tree: Tree) -> Said:
    for at, project in listed(tree, "projects"):
        poll = _length(project.get("poll_interval"), 30_000)
        if _length(project.get("fast_poll_interval"), poll) > poll:
            yield (
                ("projects", at, "fast_poll_interval"),
                f"is longer than poll_interval, which is {duration.text(poll)}",
            )
        region = str(project.get("region"))
        if region not in KNOWN_REGIONS and get_close_matches(region, KNOWN_REGIONS, 1):
            yield ("projects", at, "region"), "is no region that is documented" + suggestion(region, KNOWN_REGIONS)
        for key in ("api_url", "auth_url"):
            if _is_bare(str(project.get(key, ""))):
                yield ("projects", at, key), "is plain http: credentials would cross the network readable"


def _receiver_warnings(tree: Tree) -> Said:
    used = {str(route.get(key)) for _, route in _routes(tree) for key in ("receiver", "fallback")}
    for at, receiver in listed(tree, "receivers"):
        if "route" in tree and receiver.get("name") not in used:
            yield ("receivers", at), "no route leads to this receiver"
        if not any(value for key, value in receiver.items() if key != "name"):
            yield ("receivers", at), "has no sinks: what is routed to it is told to nobody"
        for kind in (key for key in receiver if key != "name"):
            for position, sink in listed(receiver, kind):
                for name, url in _addresses(sink):
                    if reason := _out_of_reach(url, tree):
                        path = ("receivers", at, kind, position, *name)
                        yield path, f"{reason}; nothing will be delivered unless [egress] allow names it"


def _addresses(sink: Tree) -> Iterator[tuple[Path, object]]:
    """Every URL that a sink is told, and its mail server, with its path within the sink."""
    yield from (((name,), sink[name]) for name in ("url", "api_url") if name in sink)
    if host := sink.get("host"):
        yield ("host",), f"https://[{host}]" if ":" in str(host) else f"https://{host}"
    urls = sink.get("urls")
    yield from ((("urls", at), url) for at, url in enumerate(urls if isinstance(urls, list) else ()))


def _out_of_reach(url: object, tree: Tree) -> str | None:
    """Why the egress guard will refuse a URL that spells an address. Names are judged when they are resolved."""
    egress = tree.get("egress")
    named = egress.get("allow") if isinstance(egress, dict) else ()
    try:
        parts = urlsplit(str(url or ""))
        address = literal(parts.hostname or "name")
        allow = [ip_network(str(each)) for each in named or ()]
    except (ValueError, TypeError):
        return None
    return None if address is None else refusal(address, allow, tls=parts.scheme == "https")


_MISSING_RESOLVE = (
    "is required, because the matchers are not about the status: say what ends it, "
    """like resolve = ['status="Deployed"'] (of a connector: "Published"), or resolve = [] for as soon as the matchers """
    "no longer match"
)


def _is_about_status(rule: Tree) -> bool:
    return any(_ABOUT_STATUS.search(text) for text in _strings(rule.get("matchers")))


def _strings(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _twice(tree: Tree, key: str, name: str, words: str) -> Said:
    first: dict[str, int] = {}
    for at, table in listed(tree, key):
        value = table.get(name)
        if isinstance(value, str) and first.setdefault(value, at) != at:
            yield (key, at, name), words.format(first=f"{key}[{first[value]}]")


# ── routes ───────────────────────────────────────────────────────────────────


def _routes(tree: Tree) -> Iterator[tuple[Path, Tree]]:
    """Every node of the route tree with its path, as deep as one may be."""
    root = tree.get("route")
    waiting: list[tuple[Path, Tree]] = [(("route",), root)] if isinstance(root, dict) else []
    while waiting:
        path, route = waiting.pop()
        yield path, route
        if len(path) <= 2 * MAX_DEPTH:
            waiting += [((*path, "routes", at), child) for at, child in reversed(listed(route, "routes"))]


def _route_problems(tree: Tree) -> Said:
    names = list(dict.fromkeys(str(receiver.get("name")) for _, receiver in listed(tree, "receivers")))
    root = tree.get("route")
    if root is None:
        if len(names) > 1:
            yield ("route",), "is required where there is more than one receiver"
        return
    if isinstance(root, dict):
        yield from _root_problems(root)
    for path, route in _routes(tree):
        yield from _name_problems(path, route, names)
        if len(path) > 2 * MAX_DEPTH:
            yield path, f"routes may be nested {MAX_DEPTH} deep"
        yield from _group_by_problems(path, _strings(route.get("group_by")))


def _name_problems(path: Path, route: Tree, names: list[str]) -> Said:
    for key in ("receiver", "fallback"):
        receiver = route.get(key)
        if isinstance(receiver, str) and receiver not in names:
            yield (*path, key), "no receiver has this name" + suggestion(receiver, names)
    if "fallback" in route and len(path) > 1:
        yield (*path, "fallback"), "has a meaning at the top only"


def _root_problems(root: Tree) -> Said:
    if "receiver" not in root:
        yield ("route", "receiver"), "is required: it gets whatever no other route takes"
    if root.get("matchers"):
        yield ("route", "matchers"), "must not stand at the top: that route takes everything; put them on a route below"
    if root.get("continue"):
        yield ("route", "continue"), "has no meaning at the top"


def _group_by_problems(path: Path, names: list[str]) -> Said:
    if ALL_LABELS in names and len(names) > 1:
        yield (*path, "group_by"), 'has "..." and other labels; "..." alone means every label'
    elif len(set(names)) < len(names):
        yield (*path, "group_by"), "has a label twice"


def _route_warnings(path: Path, route: Tree) -> Said:
    taken = False
    for at, child in listed(route, "routes"):
        if taken:
            yield (*path, "routes", at), "is never reached: the route before it takes everything"
        taken = taken or not (child.get("matchers") or child.get("continue"))
    if "repeat_interval" in route:
        interval = _length(route.get("group_interval"), GROUP_INTERVAL)
        if _length(route["repeat_interval"], REPEAT_INTERVAL) < interval:
            yield (*path, "repeat_interval"), "is shorter than group_interval, which is what reminders then wait for"


def _length(value: object, instead: Millis) -> Millis:
    try:
        return duration.parse(value) if isinstance(value, str) else instead
    except ValueError:
        return instead


def _is_bare(url: str) -> bool:
    """Whether a URL is plain http towards something else than this machine."""
    try:
        parts = urlsplit(url)
        address = literal(parts.hostname or "")
    except ValueError:
        return False
    return parts.scheme == "http" and parts.hostname != "localhost" and not (address and address.is_loopback)
