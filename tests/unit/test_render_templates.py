import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.render import MAX_FAULT, MAX_OUTPUT, MAX_SOURCE, compile_template, render

VALUES: dict[str, Any] = {
    "alertname": "DeploymentFailed",
    "project": "my-shop",
    "deployment": "stripe-prod",
    "error": "e" * 50,
    "resolved": False,
    "again": True,
    "starts_at": 1_800_000_000_000,
    "ends_at": None,
    "wait": 5_400_000,
    "now": 1_800_000_090_000,
    "labels": {"team": "payments"},
}
BUILT_IN = "DeploymentFailed: my-shop / stripe-prod"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ deployment }} failed in {{ project }}", "stripe-prod failed in my-shop"),
        ("{% if resolved %}over{% elif again %}again{% else %}first{% endif %}", "again"),
        ("{{ 'yes' if project in ['my-shop', 'other'] else 'no' }}", "yes"),
        ("{{ wait | duration }}", "1h30m"),
        ("{{ starts_at | ago }}", "1m30s"),
        ("{{ starts_at | time }}", "2027-01-15T08:00:00Z"),
        ("{{ (now - starts_at) | duration }}", "1m30s"),
        ("{{ error | truncate(20) }}", "eeeeeeeee… +41 chars"),
        ("{{ error[:3] ~ '!' }}", "eee!"),
        ("{{ labels.team }} {{ labels['team'] }}", "payments payments"),
        ("{{ nothing | default('none') }} {{ nothing is defined }}", "none False"),
        ("{{ project | upper }} {{ project | length }}", "MY-SHOP 7"),
        ("{{ ends_at }}", ""),
        ("\n  spaced {# unseen #}\n", "spaced"),
        ("{{ '<b>' }} & co", "<b> & co"),
    ],
)
def test_a_template_says(source: str, text: str) -> None:
    made = render(compile_template(source), VALUES)
    assert (made.text, made.fault) == (text, "")


@pytest.mark.parametrize(
    "source",
    [
        "{{ unknown }}",
        "{{ range }}",
        "{{ project.unknown }}",
        "{{ project.format }}",
        "{{ project.__class__.__mro__ }}",
        "{{ labels.items }}",
        "{{ labels['__class__'] }}",
        "{{ wait / 0 }}",
        "{{ project + 1 }}",
        "{{ project | duration }}",
        "{{ project | truncate('x') }}",
        "{% if unknown %}x{% endif %}",
    ],
)
def test_a_template_that_fails_says_the_built_in_text(source: str) -> None:
    made = render(compile_template(source), VALUES)
    assert made.text == BUILT_IN
    assert 0 < len(made.fault) <= MAX_FAULT


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\n\n{{ }", "line 3: unexpected '}'"),
        ("{% if a %}", "line 1: Unexpected end of template"),
        ("a\n{{ x | nope }}", "line 2: unknown filter: nope; there are ago, default"),
        ("{% if a %}{{ x | replace('', 'xx') }}{% endif %}", "unknown filter: replace"),
        ("{{ x is divisibleby 3 }}", "unknown test: divisibleby"),
        ("{{ 'a' * 1000000000 }}", "not allowed in a template: mul"),
        ("{{ 9 ** 9 ** 9 }}", "not allowed in a template: pow"),
        ("{{ '%1000000000d' % 1 }}", "not allowed in a template: mod"),
        ("{{ range(1000000000) }}", "not allowed in a template: call"),
        ("{{ project.ljust(1000000000) }}", "not allowed in a template: call"),
        ("{% for a in project %}{% endfor %}", "not allowed in a template: for"),
        ("{% set a = project ~ project %}", "not allowed in a template: assign"),
        ("{% macro a() %}{{ a() }}{% endmacro %}", "not allowed in a template: macro"),
        ("{% include '/etc/passwd' %}", "not allowed in a template: include"),
        ("{% import 'os' as os %}", "not allowed in a template: import"),
        ("{{" + "(" * 2_000 + "1" + ")" * 2_000 + "}}", "line 1: nested too deeply"),
        ("{{ " + "not " * 1_500 + "a }}", "line 1: nested too deeply"),
        ("{{ " + "9" * 5_000 + " }}", "a number too large"),
        ("x" * (MAX_SOURCE + 1), "line 1: a template may have"),
    ],
)
def test_a_template_that_cannot_be_allowed_is_refused_with_its_line(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^line ") as caught:
        compile_template(source)
    assert message in str(caught.value)


def test_a_template_tells_which_values_it_asks_for() -> None:
    names = compile_template("{{ a }}{% if b %}{{ c.d | default(e) }}{% endif %}{{ 'f' }}").names
    assert names == {"a", "b", "c", "e"}


@pytest.mark.parametrize("source", ["{{ big }}" * 400, "{{ missing }}"])
def test_what_a_template_makes_is_capped(source: str) -> None:
    made = render(compile_template(source), {"big": "x" * 10_000, "alertname": "y" * 10_000})
    assert MAX_OUTPUT - 5 < len(made.text) <= MAX_OUTPUT
    assert made.text.endswith("chars")


def test_the_dearest_template_costs_next_to_nothing() -> None:
    source = "{{ " + " ~ ".join(["(big|upper|lower|title)"] * 300) + " }}"
    begin = time.process_time()
    assert not render(compile_template(source), {"big": "x" * 4_096}).fault
    assert time.process_time() - begin < 2


_pieces = st.sampled_from(
    (
        "{{ ",
        " }}",
        "{% if ",
        " %}",
        "{% else %}",
        "{% endif %}",
        " | ",
        "duration",
        "time",
        "default",
        "truncate",
        "(",
        ")",
        "[",
        "]",
        ".",
        "'",
        "1",
        "0",
        "-",
        "/",
        "~",
        "+",
        "*",
        "%",
        "project",
        "labels",
        "unknown",
        "__class__",
        "not ",
        " in ",
        " is defined",
        "\n",
    )
)


@given(st.lists(_pieces | st.text(max_size=5), max_size=12).map("".join))
def test_a_template_is_refused_or_says_something(source: str) -> None:
    made, refused = None, ""
    try:
        made = render(compile_template(source), VALUES)
    except ValueError as error:
        refused = str(error)
    if made is None:
        assert refused.startswith("line ")
    else:
        assert len(made.text) <= MAX_OUTPUT
        assert made.text == BUILT_IN or not made.fault
