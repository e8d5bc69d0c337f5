import gzip
import re

import msgspec
import pytest

from watcher.simulator.bodies import SMALLEST_PAGE, first, gzip_bomb, huge_page, noise, single
from watcher.simulator.chance import Chance
from watcher.simulator.faults import Fault, Faults, matches, meet


@pytest.mark.parametrize(
    ("pattern", "path", "met"),
    [
        ("/shop/deployments", "/shop/deployments", True),
        ("/shop/deployments", "/shop/deployments/1", False),
        ("/shop/*", "/shop/deployments/1", True),
        ("*", "/oauth/token", True),
        ("/*/deployments", "/shop/deployments", True),
        ("/SHOP/deployments", "/shop/deployments", False),
        ("/shop/deployments/key=[a]", "/shop/deployments/key=[a]", True),
    ],
)
def test_path_is_exact_or_a_pattern(pattern: str, path: str, met: bool) -> None:
    assert matches(Fault(path=pattern), path, "GET") is met


@pytest.mark.parametrize(("method", "met"), [(None, True), ("GET", True), ("POST", False)])
def test_a_method_narrows_it(method: str | None, met: bool) -> None:
    assert matches(Fault(path="*", method=method), "/a", "GET") is met


def test_the_oldest_matching_fault_is_met_and_its_count_used_up() -> None:
    faults = {3: Fault(path="/a", count=2), 5: Fault(path="*", status=500)}
    first, left = meet(faults, "/a", "GET")
    second, rest = meet(left, "/a", "GET")
    third, last = meet(rest, "/a", "GET")
    assert (first, second, third) == (3, 3, 5)
    assert left[3].count == 1
    assert 3 not in rest
    assert last == {5: Fault(path="*", status=500)}


def test_nothing_is_met_on_another_path() -> None:
    assert meet({1: Fault(path="/a", count=1)}, "/b", "GET") == (None, {1: Fault(path="/a", count=1)})


def test_dropped_and_cleared_faults_are_gone_and_ids_are_not_reused() -> None:
    faults = Faults()
    one, two = faults.add(Fault(path="/a")), faults.add(Fault(path="/a"))
    assert faults.drop(one)
    assert not faults.drop(one)
    assert faults.meet("/a", "GET")[0] == two
    faults.clear()
    assert faults.meet("/a", "GET") == (None, None)
    assert faults.add(Fault(path="/a")) not in {one, two}


@pytest.mark.parametrize(
    ("fault", "answers"),
    [
        ({}, False),
        ({"delay": 1}, False),
        ({"drip": 1}, False),
        ({"clock_jump": 5}, False),
        ({"status": 200}, True),
        ({"body": None}, True),
        ({"body": ""}, True),
        ({"body": {}}, True),
        ({"body_base64": ""}, True),
        ({"garbage": 5}, True),
    ],
)
def test_a_body_of_null_is_a_body(fault: dict[str, object], answers: bool) -> None:
    assert msgspec.convert({"path": "/a", **fault}, Fault).answers is answers


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({}, "missing required field `path`"),
        ({"path": ""}, "length >= 1"),
        ({"path": "/a", "method": "get"}, "regex"),
        ({"path": "/a", "status": 42}, ">= 100"),
        ({"path": "/a", "count": 0}, ">= 1"),
        ({"path": "/a", "delay": -1}, ">= 0"),
        ({"path": "/a", "truncate": -1}, ">= 0"),
        ({"path": "/a", "drip": 0}, "> 0"),
        ({"path": "/a", "garbage": 0}, ">= 1"),
        ({"path": "/a", "huge_page": 10}, ">= "),
        ({"path": "/a", "statsu": 503}, "statsu"),
        ({"path": "/a", "body_base64": "?"}, "body_base64 is not base64"),
        ({"path": "/a", "clock_jump": "soon"}, "write a length of time"),
        ({"path": "/a", "clock_jump": "200000d"}, "up to a hundred years"),
        ({"path": "/a", "body": None, "garbage": 5}, "one body at a time, not body and garbage"),
        ({"path": "/a", "reset": True, "status": 500}, "after a reset nothing is sent: take out status"),
        ({"path": "/a", "reset": True, "headers": {"a": "b"}}, "take out headers"),
        ({"path": "/a", "status": 204, "garbage": 5}, "an answer with status 204 has no body"),
        ({"path": "/a", "gzip_bomb": 5, "truncate": 5}, "the length of a gzip_bomb is not announced"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: dict[str, object], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(why)):
        msgspec.convert(fault, Fault)


@pytest.mark.parametrize(("jump", "length"), [("-2h", -7_200_000), ("1m30s", 90_000), (-1.5, -1500), (3, 3000)])
def test_a_clock_jumps_by_a_duration_or_by_seconds(jump: str | float, length: int) -> None:
    assert Fault(path="/a", clock_jump=jump).jump == length


# ── bodies ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("length", [1, 65_535, 65_536, 200_001])
def test_noise_has_its_length_and_repeats_with_its_seed(length: int) -> None:
    one, two, other = (b"".join(noise(length, Chance(seed).letters).pieces) for seed in (1, 1, 2))
    assert one == two != other
    assert len(one) == length


@pytest.mark.parametrize("length", [SMALLEST_PAGE, 80, 500, 1000, 65_536, 1_000_000])
def test_a_huge_page_is_a_page_of_exactly_its_length(length: int) -> None:
    made = huge_page(length)
    encoded = b"".join(made.pieces)
    page = msgspec.json.decode(encoded)
    assert len(encoded) == length == made.length
    assert page["count"] == page["total"] == len(page["results"]) == len({one["id"] for one in page["results"]})
    assert (len(page["results"]) > 0) is (length >= 500)


def test_a_bomb_unpacks_to_its_length_and_weighs_little() -> None:
    pieces = [piece for piece in gzip_bomb(3_000_000).pieces if piece]
    assert len(gzip.decompress(b"".join(pieces))) == 3_000_000
    assert sum(map(len, pieces)) < 4000


def test_pieces_are_cut_where_asked() -> None:
    assert list(first(iter([b"abc", b"def", b"ghi"]), 4)) == [b"abc", b"d"]
    assert b"".join(first(iter([b"abc"]), 0)) == b""
    assert list(single(iter([b"ab", b"c"]))) == [b"a", b"b", b"c"]
