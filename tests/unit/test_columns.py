"""Records by column: some of them, in order, counted."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from watcher.core.columns import Columns, Listed, columns, in_order, picked
from watcher.core.logrecord import MINUTE, LogRecord

made = st.lists(
    st.builds(
        LogRecord,
        deployment_id=st.sampled_from("dD"),
        application=st.sampled_from("ab"),
        type=st.just("T"),
        severity=st.just("DEFAULT"),
        level=st.sampled_from(["INFO", "ERROR"]),
        at=st.integers(0, 3 * MINUTE),
        message=st.text("xyz", max_size=3),
        latency=st.integers(0, 9),
        key=st.integers(0, 3),
        details=st.just(b""),
    ),
    max_size=8,
)


def same(found: Columns, wanted: list[LogRecord]) -> None:
    assert list(found) == wanted
    assert len(found) == len(wanted)
    assert [found[at] for at in range(len(found))] == wanted
    assert list(found.times()) == [each.at for each in wanted]
    assert list(found.messages) == [each.message for each in wanted]
    assert [found.latency(at) for at in range(len(found))] == [each.latency for each in wanted]
    assert [found.checksum(at) for at in range(len(found))] == [each.key for each in wanted]
    counts = Counter((each.application, each.at // MINUTE) for each in wanted)
    by_name: Counter[tuple[str, int]] = Counter()
    for (key, minute), count in found.counts().items():
        by_name[key[1], minute] += count
    assert by_name == counts


@given(made)
def test_records_that_are_there_already(records: list[LogRecord]) -> None:
    same(columns(records), records)
    assert columns(columns(records)) is not None


@given(made, st.data())
def test_some_of_them(records: list[LogRecord], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, max(len(records) - 1, 0)), max_size=6)) if records else []
    same(picked(Listed(records), places), [records[at] for at in places])
    same(picked(picked(Listed(records), places), range(len(places))), [records[at] for at in places])
    same(Listed(records)[1:5:2], records[1:5:2])


def test_all_of_them_in_their_order_are_the_same_ones() -> None:
    listed = Listed([LogRecord("d", "a", "T", "", "INFO", at, "x") for at in (1, 2)])
    assert picked(listed, [0, 1]) is listed
    assert picked(listed, [1, 0]) is not listed
    assert in_order([listed]) is listed


@given(st.lists(made, min_size=1, max_size=3))
def test_several_pages_in_order(pages: list[list[LogRecord]]) -> None:
    together = [record for page in pages for record in page]
    found = list(in_order([Listed(page) for page in pages]))
    assert [(each.at, each.key) for each in found] == sorted((each.at, each.key) for each in together)
    assert Counter(found) == Counter(together)
