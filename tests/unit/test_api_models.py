"""What the API lets in."""

from typing import Any

import pytest
from pydantic import ValidationError

from watcher.web.api import OPERATIONS

GOOD: dict[str, Any] = {"id": "a", "ids": ["a"], "comment": "x", "duration": "1h", "groupKey": "g", "matchers": ["a=b"]}
INPUTS = sorted({each.takes for each in OPERATIONS}, key=lambda each: each.__name__)


@pytest.mark.parametrize("takes", INPUTS, ids=lambda each: each.__name__)
def test_every_text_is_bounded_and_valid_unicode(takes: Any) -> None:
    """What is not could be neither kept nor shown."""
    fields = {each.alias: each for each in takes.model_fields.values()}
    good = {name: value for name, value in GOOD.items() if name in fields}
    takes.model_validate(good)
    for name, field in fields.items():
        if "str" not in str(field.annotation):
            continue
        for bad in ("\udcff", "x" * 30_000):
            value = [bad] if "tuple" in str(field.annotation) else bad
            with pytest.raises(ValidationError):
                takes.model_validate({**good, name: value})
