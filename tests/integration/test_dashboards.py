"""The dashboards are alike, ask for what there is, and say what they show."""

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.shown import DASHBOARDS, ROOT, SCRAPED, board, exported, grouped, panels, selectors

WIDTH = 24
UNITS = {"short", "none", "s", "bytes", "cps", "percentunit"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
NAMES = ["delivery", "fleet", "health", "logs"]


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def targets(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for panel in panels(path):
        for target in panel["targets"]:
            yield panel, target


def test_there_is_one_for_each_question() -> None:
    assert [each.stem for each in DASHBOARDS] == NAMES
    assert len({board(each)["uid"] for each in DASHBOARDS}) == len(NAMES)
    assert len({board(each)["title"] for each in DASHBOARDS}) == len(NAMES)


def test_what_dashboards_share_is_the_same(path: Path) -> None:
    found, first = board(path), board(DASHBOARDS[0])
    assert found.keys() == first.keys()
    for same in ("schemaVersion", "tags", "refresh", "timezone", "time", "links", "graphTooltip", "editable"):
        assert found[same] == first[same], same
    assert found["uid"] == f"connect-watcher-{path.stem}"
    assert found["schemaVersion"] >= 39, "that of Grafana 10.4"
    assert "id" not in found, "it is the importing Grafana's to give"


def test_everything_is_asked_of_the_data_source_that_was_chosen(path: Path) -> None:
    variables = board(path)["templating"]["list"]
    assert (variables[0]["name"], variables[0]["type"], variables[0]["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    for panel, target in targets(path):
        assert panel["datasource"] == target["datasource"] == SOURCE, panel["title"]
    asked = [each for each in board(path)["annotations"]["list"] if not each.get("builtIn")] + variables[1:]
    assert all(each["datasource"] == SOURCE for each in asked)
    assert all(each["includeAll"] and each["multi"] for each in variables[1:])


def test_every_panel_says_what_it_shows_in_a_unit_and_has_a_place_of_its_own(path: Path) -> None:
    places = [(each["title"], each["gridPos"]) for each in board(path)["panels"]]
    for panel in panels(path):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
    for title, place in places:
        assert place["x"] + place["w"] <= WIDTH, title
    for (one, a), (other, b) in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or apart, (one, other)
    ids = [each["id"] for each in board(path)["panels"]]
    assert sorted(set(ids)) == sorted(ids)


def test_queries_read_what_the_daemon_shows(path: Path) -> None:
    more = [each["expr"] for each in board(path)["annotations"]["list"] if "expr" in each]
    more += [each["definition"] for each in board(path)["templating"]["list"][1:]]
    for expr in [*(target["expr"] for _, target in targets(path)), *more]:
        read = selectors(re.sub(r"label_values\((.*), \w+\)", r"\1", expr))
        assert read, expr
        for each in read:
            assert each.name in exported(), expr
            assert each.labels <= exported()[each.name] | SCRAPED, expr
        assert grouped(expr) <= {"le"} | SCRAPED | frozenset().union(*(exported()[each.name] for each in read)), expr


def test_legends_name_labels_that_are_left(path: Path) -> None:
    for panel, target in targets(path):
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        left = grouped(target["expr"]) or SCRAPED.union(*(exported()[each.name] for each in selectors(target["expr"])))
        assert shown <= left, panel["title"]
        if panel["type"] in {"timeseries", "state-timeline"} and grouped(target["expr"]) - {"le"}:
            assert shown, panel["title"]


def test_variables_are_there_and_used(path: Path) -> None:
    found = board(path)
    names = {each["name"] for each in found["templating"]["list"]}
    text = path.read_text("utf-8")
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval", "__range", "__all"}
    assert used == names


def test_rates_follow_the_scrape_interval(path: Path) -> None:
    for panel, target in targets(path):
        ranges = set(re.findall(r"\[([^]]+)\]", target["expr"]))
        assert ranges <= {"$__rate_interval", "$__range"}, panel["title"]


def test_the_page_on_dashboards_names_every_panel() -> None:
    text = (ROOT / "docs" / "dashboards.md").read_text("utf-8")
    for path in DASHBOARDS:
        assert board(path)["title"].removeprefix("connect-watcher / ") in text
        for panel in panels(path):
            assert f"**{panel['title']}**" in text, (path.stem, panel["title"])
