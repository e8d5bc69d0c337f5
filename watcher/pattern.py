"""Regular expressions that people write: RE2 only, so that none of them can take more than linear time."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2

MAX_PATTERN = 1_000
"""Characters that a pattern may have."""
MAX_PROGRAM = 10_000
"""Instructions that it may compile to; `(a{100}){10}` is 1,000 of them."""
REMEMBERED, LONGEST = 64, 100
"""Answers that are kept of a test for a whole text, and how long such a text may be: labels have few values, most of them."""
_MAX_MEMORY = 4 * 1024 * 1024


def fullmatch(pattern: str) -> Callable[[str], bool]:
    """A test whether a whole text matches, as Alertmanager's `=~` does.

    Raises:
        ValueError: RE2 cannot compile the pattern, or it is too large; the message has RE2's own words.
    """
    compiled = compiled_pattern(pattern)

    def test(text: str) -> bool:
        return compiled.fullmatch(text.encode(errors="replace")) is not None

    known = lru_cache(REMEMBERED)(test)
    return lambda text: known(text) if len(text) <= LONGEST else test(text)


def search(pattern: str) -> Callable[[str], bool]:
    """A test whether a pattern is found anywhere in a text. Raises ValueError as `fullmatch` does."""
    compiled = compiled_pattern(pattern)
    return lambda text: compiled.search(text.encode(errors="replace")) is not None


def compiled_pattern(pattern: str) -> Any:
    """A pattern as RE2 has it, for texts as UTF-8 bytes. Raises ValueError as `fullmatch` does."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern may have {MAX_PATTERN} characters, this one has {len(pattern)}")
    try:
        compiled = re2.compile(pattern, _options())
    except UnicodeEncodeError:
        raise ValueError("a pattern must be valid Unicode") from None
    except re2.error as error:
        raise ValueError(f"not a valid RE2 pattern: {_words(error)}") from None
    if compiled.programsize > MAX_PROGRAM:
        raise ValueError(f"the pattern is too complex: {compiled.programsize} instructions, at most {MAX_PROGRAM}")
    return compiled


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MAX_MEMORY
    return options


def _words(error: re2.error) -> str:
    words = error.args[0] if error.args else ""
    return words.decode(errors="replace") if isinstance(words, bytes) else str(words)
