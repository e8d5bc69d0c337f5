"""Rules about logs that tests judge by, one of each kind."""

from functools import cache

from watcher import config, rules
from watcher.core.rule import Rule

BURST = """
[[rules]]
name = "Burst"
on = "log"
count = 3
within = "10m"
"""
ANY = """
[[rules]]
name = "Any"
on = "log"
within = "10m"
"""
NEW = """
[[rules]]
name = "New"
on = "log"
new = true
learn = "1h"
"""
RATIO = """
[[rules]]
name = "Errors"
on = "log"
of = "errors"
above = 0.5
at_least = 10
within = "5m"
"""
ABSENT = """
[[rules]]
name = "Silent"
on = "log"
absent = "1h"
"""


@cache
def made(text: str) -> tuple[Rule, ...]:
    """The rules that a text asks for."""
    return tuple(rules.make(each.text()) for each in config.parse_rules(text))
