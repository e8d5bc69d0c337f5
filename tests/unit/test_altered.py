"""A quick copy is the copy that the standard library makes."""

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import deployment
from tests.unit.office import alert
from watcher.core.alert import Alert
from watcher.core.altered import altered
from watcher.core.event import Event, EventType
from watcher.core.group import Group
from watcher.core.history import begun

RECORDS: tuple[Any, ...] = (
    alert("a"),
    Event(type=EventType.STATUS, project="my-shop", at=1),
    Group(key="k", receiver="team", route="r", labels={}, created_at=1),
    begun(deployment("shop"), 1, region="here"),
)


@given(st.sampled_from(RECORDS), st.data())
def test_it_is_what_replace_makes(record: Any, data: st.DataObject) -> None:
    names = data.draw(st.sets(st.sampled_from([each.name for each in fields(record)])))
    changes = {name: data.draw(st.integers() | st.text()) for name in names}

    made = altered(record, **changes)

    assert made == replace(record, **changes)
    assert type(made) is type(record)


def test_the_original_stays_and_the_copy_cannot_be_changed_either() -> None:
    before = alert("a")

    made = altered(before, episode=7)

    assert (before.episode, made.episode) == (1, 7)
    with pytest.raises(FrozenInstanceError):
        made.episode = 8  # type: ignore[misc]  # that it is refused is the point


def test_what_is_no_field_is_refused() -> None:
    with pytest.raises(TypeError, match="Alert has no colour"):
        altered(Alert(key="k", fingerprint="k", rule="r", project="p", subject="s", labels={}), colour="red")
