"""Whole numbers as clients write them."""

LONGEST = 15
"""Digits that any number of the API needs; Python itself refuses to read one of more than 4,300."""


def whole(text: str) -> int | None:
    """The number that a text is, or `None` where it is none, or one that nothing here could count to."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST else None
