"""The wire forms, field by field: what is kept, and that a field of another form costs nothing but itself."""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.connect_records import connector_record, draft_record, record
from tests.unit.builders import PROJECT, quick
from watcher.connect.connector_wire import CONNECTOR, DRAFT
from watcher.connect.deployment_wire import DEPLOYMENT
from watcher.connect.wire import Form
from watcher.core.snapshot import Record

Path = tuple[str | int, ...]

FORMS: dict[str, tuple[Form[Any, Any], dict[str, Any]]] = {
    "deployment": (DEPLOYMENT, record("a")),
    "draft": (DRAFT, draft_record("a")),
    "draft of an odd client": (DRAFT, draft_record("a", isPreviewable=True)),
    "connector": (CONNECTOR, connector_record("a")),
}
KEPT = {
    "deployment": {
        "key",
        "type",
        "status",
        "deployedRegion",
        "connector.key",
        "connector.name",
        "applications.0.id",
        "applications.0.applicationName",
        "applications.0.url",
        "applications.0.topic",
        "details.build.id",
        *(
            f"details.build.report.entries.0.{each}"
            for each in ("type", "title", "message", "application", "createdAt")
        ),
    },
    "draft": {
        "key",
        "name",
        "status",
        "isPreviewable",
        "repository.tag",
        *(f"publishingReport.entries.0.{each}" for each in ("type", "title", "message", "createdAt")),
        *(f"previewableReport.entries.0.{each}" for each in ("type", "title", "message", "createdAt")),
        "certificationInfo.comments.0.datetime",
        "certificationInfo.comments.0.comment",
    },
    "connector": {"key", "name", "repository.tag"},
}
"""Every text that is kept of a record beside identifiers, and no other."""
OTHERS = {
    "version": "version",
    "connector_version": "connector",
    "listed": "alreadyListed",
    "changed": "hasChanges",
    "previewable": "isPreviewable",
}
"""What is kept that need not be a text, and where it stands."""
NEEDED: set[Path] = {("id",), ("status",)}
IDENTIFIERS: set[Path] = {("id",), ("connector", "id")}
JUNK: tuple[Any, ...] = (None, 5, 2.5, "odd", True, [], {}, [None], ["odd"], {"odd": {}}, 10**30)

for_every_form = pytest.mark.parametrize("name", FORMS)


def walk(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a record, from the outside in."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield from walk(each, (*path, key))


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def put(value: Any, path: Path, new: Any) -> None:
    at(value, path[:-1])[path[-1]] = new


def marked(found: dict[str, Any]) -> dict[str, Any]:
    """The record with every text but identifiers replaced by the name of its place."""
    found = deepcopy(found)
    for path in list(walk(found)):
        if isinstance(at(found, path), str) and path not in IDENTIFIERS:
            put(found, path, f"<{'.'.join(map(str, path))}>")
    return found


def read(form: Form[Any, Any], raw: Any) -> tuple[Record | None, Record | None]:
    """The record as a list has it and as it is alone, each `None` where it is left out."""
    body = json.dumps(raw)
    page = form.page(f'{{"results": [{body}]}}'.encode(), PROJECT, str)
    try:
        alone = form.record(body.encode(), PROJECT, str)
    except ValueError:
        alone = None
    assert (page.count, page.quarantined) == (1, 1 - len(page.records))
    return (page.records[0] if page.records else None), alone


def texts(form: Form[Any, Any], raw: Any) -> set[str]:
    """The places whose texts are kept."""
    return places(read(form, raw)[0])


def places(found: Record | None) -> set[str]:
    """The marks that a record has kept."""
    return set(re.findall("<([^<>]+)>", str(found)))


@pytest.mark.parametrize("name", KEPT)
def test_these_texts_are_kept_and_no_others(name: str) -> None:
    form, found = FORMS[name]
    assert texts(form, marked(found)) == KEPT[name]


@for_every_form
def test_a_field_of_another_form_costs_that_field_only(name: str) -> None:
    form, found = FORMS[name]
    raw = marked(found)
    kept, whole = texts(form, raw), read(form, raw)[0]
    for path in walk(raw):
        for junk in JUNK:
            changed = deepcopy(raw)
            put(changed, path, junk)
            left, alone = read(form, changed)
            assert left == alone, (path, junk)
            if path in NEEDED and left is None:
                continue
            assert left is not None, (path, junk)
            lost = {each for each in kept if f"{each}.".startswith(f"{_costs(path)}.")}
            assert kept - lost <= places(left) <= kept, (path, junk)
            for attribute, place in OTHERS.items():
                if path[0] != place:
                    assert getattr(left, attribute, None) == getattr(whole, attribute, None), (path, junk)


def _costs(path: Path) -> str:
    """A remark without its words is none."""
    return ".".join(map(str, path[:-1] if path[-1] == "comment" else path))


@for_every_form
def test_a_field_that_is_missing_or_renamed_costs_that_field_only(name: str) -> None:
    form, found = FORMS[name]
    raw = marked(found)
    kept = texts(form, raw)
    for path in (each for each in walk(raw) if isinstance(each[-1], str) and each not in NEEDED):
        for renamed in (False, True):
            changed = deepcopy(raw)
            value = at(changed, path[:-1]).pop(path[-1])
            if renamed:
                put(changed, (*path[:-1], f"{path[-1]}V2"), value)
            lost = {each for each in kept if f"{each}.".startswith(f"{_costs(path)}.")}
            assert texts(form, changed) == kept - lost, path


@for_every_form
def test_half_an_answer_is_none_wherever_it_was_cut(name: str) -> None:
    form, found = FORMS[name]
    alone = json.dumps(found).encode()
    page = b'{"results": [' + alone + b'], "total": 1}'
    for cut in range(len(page)):
        with pytest.raises(ValueError, match=r"body|JSON"):
            form.page(page[:cut], PROJECT, str)
    for cut in range(len(alone)):
        with pytest.raises(ValueError, match=r"body|JSON"):
            form.record(alone[:cut], PROJECT, str)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@quick
@given(st.data(), st.sampled_from(sorted(FORMS)))
def test_whatever_stands_in_a_record_the_others_are_read(data: st.DataObject, name: str) -> None:
    form, found = FORMS[name]
    odd = deepcopy(found) | {"id": "id-odd"}
    for path in data.draw(st.lists(st.sampled_from(list(walk(found))), max_size=4)):
        try:
            put(odd, path, data.draw(json_values))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier one has replaced what it stood in
    page = form.page(json.dumps({"results": [found, odd, found], "total": 3}).encode(), PROJECT, str)
    assert page.count == 3
    assert page.quarantined == 3 - len(page.records)
    assert page.records[0] == page.records[-1] == read(form, found)[0]


def refusal(read_as: Callable[..., object], body: bytes) -> ValueError | None:
    try:
        read_as(body, PROJECT, str)
    except ValueError as error:
        return error
    return None


@quick
@given(st.binary(max_size=300))
def test_bytes_are_a_page_or_a_value_error(body: bytes) -> None:
    for form, _ in FORMS.values():
        for attempt in (form.page, form.record):
            error = refusal(attempt, body)
            if error:
                assert (error.__cause__, error.__context__) == (None, None)
                assert len(str(error)) < 60
