from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core import route
from watcher.core.matcher import parse
from watcher.core.route import Node, Route, build, group_key, group_labels, match, walk
from watcher.pattern import fullmatch


def node(
    receiver: str | None = None, matchers: str = "{}", *routes: Node, then: bool = False, **fields: object
) -> Node:
    return Node(
        receiver=receiver,
        matchers=parse(matchers, fullmatch),
        continue_=then,
        routes=routes,
        **fields,  # type: ignore[arg-type]  # the pacing fields, given by name
    )


TREE = build(
    node(
        "root",
        "{}",
        node("critical", "severity=critical", node("prod", "type=production"), then=True),
        node("audit", "severity=~critical|info", then=True),
        node("info", "severity=info", node("nobody", "type=preview")),
        node("never", "severity=critical"),
    )
)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({}, ["root"]),
        ({"severity": "warning"}, ["root"]),
        ({"severity": "critical"}, ["critical", "audit", "never"]),
        ({"severity": "critical", "type": "production"}, ["prod", "audit", "never"]),
        ({"severity": "info"}, ["audit", "info"]),
        ({"severity": "info", "type": "preview"}, ["audit", "nobody"]),
    ],
)
def test_first_match_wins_and_continue_goes_on(labels: dict[str, str], receivers: list[str]) -> None:
    assert [each.receiver for each in match(TREE, labels)] == receivers


def test_a_root_that_does_not_match_takes_nothing() -> None:
    assert match(build(node("root", "a=b")), {}) == ()


def test_children_inherit_what_they_do_not_say() -> None:
    tree = build(
        node(
            "root",
            "{}",
            node(None, "a=b", node("leaf", "c=d", group_by=(), repeat_interval=9), group_wait=7),
            group_by=("project",),
            group_interval=5,
        )
    )
    middle = tree.routes[0]
    leaf = middle.routes[0]
    assert (tree.group_wait, tree.group_interval, tree.repeat_interval) == (route.GROUP_WAIT, 5, route.REPEAT_INTERVAL)
    assert (middle.receiver, middle.group_by, middle.group_wait, middle.group_interval) == ("root", ("project",), 7, 5)
    assert (leaf.receiver, leaf.group_by, leaf.group_wait, leaf.repeat_interval) == ("leaf", (), 7, 9)
    assert not middle.continue_


def test_a_root_that_says_nothing_tells_the_story_of_each_deployment() -> None:
    tree = build(node("root"))
    assert tree.group_by == ("project", "deployment")
    assert (tree.group_wait, tree.group_interval, tree.repeat_interval) == (10_000, 300_000, 14_400_000)


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        ((), {}),
        (("project",), {"project": "shop"}),
        (("type", "project"), {"project": "shop", "type": "preview"}),
        (("missing", "empty"), {}),
        (("...",), {"project": "shop", "type": "preview"}),
    ],
)
def test_group_labels(group_by: tuple[str, ...], expected: dict[str, str]) -> None:
    tree = build(node("root", group_by=group_by))
    found = group_labels(tree, {"type": "preview", "project": "shop", "empty": ""})
    assert found == expected
    assert list(found) == sorted(found)


def test_ids_name_the_way_and_the_receiver() -> None:
    assert [each.id for each in walk(TREE)] == [
        "{} -> root",
        '{}/{severity="critical"} -> critical',
        '{}/{severity="critical"}/{type="production"} -> prod',
        '{}/{severity=~"critical|info"} -> audit',
        '{}/{severity="info"} -> info',
        '{}/{severity="info"}/{type="preview"} -> nobody',
        '{}/{severity="critical"}#2 -> never',
    ]


def test_a_route_put_before_others_leaves_their_ids_alone() -> None:
    before = build(node("root", "{}", node("a", "x=1"), node("b", "y=1")))
    after = build(node("root", "{}", node("new", "z=1"), node("a", "x=1"), node("b", "y=1")))
    assert {each.id for each in walk(before)} < {each.id for each in walk(after)}


# ── against a naive model ────────────────────────────────────────────────────

NAMES, VALUES = "abc", "xyz"
MATCHER_TEXT = st.builds(
    lambda name, op, value: f'{name}{op}"{value}"',
    st.sampled_from(NAMES),
    st.sampled_from(["=", "!=", "=~", "!~"]),
    st.sampled_from([*VALUES, "", "x|y"]),
)
LABEL_SETS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*VALUES, ""]))
LEAVES = st.builds(
    lambda matchers, then, receiver, group_by: node(receiver, ",".join(matchers) or "{}", then=then, group_by=group_by),
    st.lists(MATCHER_TEXT, max_size=2),
    st.booleans(),
    st.sampled_from(["p", "q", None]),
    st.none() | st.lists(st.sampled_from([*NAMES, "..."]), unique=True, max_size=3).map(tuple),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda own, children: Node(
            receiver=own.receiver,
            matchers=own.matchers,
            continue_=own.continue_,
            group_by=own.group_by,
            routes=tuple(children),
        ),
        LEAVES,
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=12,
)


def rooted(children: list[Node]) -> Route:
    return build(Node(receiver="root", routes=tuple(children)))


def model(tree: Route, labels: Mapping[str, str]) -> list[str]:
    """Every leaf of the search, found by asking for each node whether the search comes there."""
    if not all(each.matches(labels) for each in tree.matchers):
        return []
    reached: list[str] = []
    stopped = False
    for child in tree.routes:
        found = [] if stopped else model(child, labels)
        reached += found
        stopped = stopped or (bool(found) and not child.continue_)
    return reached or [tree.id]


@given(st.lists(TREES, max_size=4).map(rooted), LABEL_SETS)
def test_matching_agrees_with_the_model(tree: Route, labels: dict[str, str]) -> None:
    assert [each.id for each in match(tree, labels)] == model(tree, labels)


@given(st.lists(TREES, max_size=4).map(rooted), LABEL_SETS)
def test_every_alert_goes_somewhere_and_ids_are_unique(tree: Route, labels: dict[str, str]) -> None:
    assert match(tree, labels)
    ids = [each.id for each in walk(tree)]
    assert len(set(ids)) == len(ids)


@given(st.lists(TREES, max_size=3).map(rooted), LABEL_SETS, LABEL_SETS)
def test_group_keys_are_equal_exactly_for_the_same_route_and_group(
    tree: Route, one: dict[str, str], other: dict[str, str]
) -> None:
    for first in match(tree, one):
        for second in match(tree, other):
            same = first.id == second.id and group_labels(first, one) == group_labels(second, other)
            assert (group_key(first, one) == group_key(second, other)) is same


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(min_size=1, max_size=8), max_size=3))
def test_group_keys_cannot_be_confused_by_what_labels_contain(labels: dict[str, str]) -> None:
    tree = build(node("root", group_by=(route.ALL_LABELS,)))
    key = group_key(tree, labels)
    again = parse(key.removeprefix(f"{tree.id}: "), fullmatch)
    assert {each.name: each.value for each in again} == labels
