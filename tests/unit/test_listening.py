"""What becomes of the records of a Deployment that no list has shown, as a table of times."""

import pytest

from watcher.core.duration import Millis
from watcher.core.listening import FEW_STRANGERS, STRANGE_FOR, Stranger, stranger

SINCE = 1_000_000


@pytest.mark.parametrize(
    ("age", "listed_at", "pending", "expected"),
    [
        (0, [SINCE - 1], 0, Stranger.AWAITED),
        (STRANGE_FOR - 1, [SINCE], 0, Stranger.AWAITED),
        (STRANGE_FOR, [SINCE], 0, Stranger.BELIEVED),
        (1, [SINCE + 1], 0, Stranger.UNKNOWN),
        (1, [SINCE + 1, SINCE - 1], 0, Stranger.AWAITED),
        (0, [SINCE - 1], FEW_STRANGERS, Stranger.AWAITED),
        (0, [SINCE - 1], FEW_STRANGERS + 1, Stranger.UNKNOWN),
    ],
)
def test_a_stranger(age: Millis, listed_at: list[Millis], pending: int, expected: Stranger) -> None:
    assert stranger(SINCE, SINCE + age, listed_at, pending=pending) is expected
