"""Templates: the same for what a person calls the same error, different for what they do not; and traces put together again."""

import string
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from watcher.core.fingerprint import (
    LONGEST,
    LONGEST_JOINED,
    SPAN,
    is_continuation,
    joined,
    template,
    template_id,
    traces,
)
from watcher.core.logrecord import Line

SAME = [
    ("Order 1 failed", "Order 987654321 failed"),
    ("Order 1 failed", "Order b7a1f6de failed"),
    ("Order 12345678 failed", "Order deadbeef failed"),
    ("Order a1b2c3d4 failed", "Order 00000000 failed"),
    ("Order-1 failed", "Order-77 failed"),
    ("order_1 failed", "order_77 failed"),
    ("#1: gone", "#77: gone"),
    ("worker1 died", "worker12 died"),
    ("cart 550e8400-e29b-41d4-a716-446655440000 is gone", "cart abcdefab-cdef-abcd-efab-cdefabcdefab is gone"),
    ("cart=550e8400-e29b-41d4-a716-446655440000", "cart=6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ("2026-11-24T10:00:00.123Z no cart", "2025-01-02 03:04:05,678 no cart"),
    ("2026-11-24T10:00:00+01:00 no cart", "2026-11-24T10:00:00Z no cart"),
    ("at 10:00:00 no cart", "at 23:59:59.999 no cart"),
    ("on Nov 24 2026 no cart", "on Jan 1 2025 no cart"),
    (
        "Tue Nov 24 2026 10:00:00 GMT+0000 (Coordinated Universal Time) no",
        "Wed Jan 1 2025 00:00:00 GMT+0100 (Central European Time) no",
    ),
    ("Tue, 24 Nov 2026 10:00:00 GMT no", "Wed, 01 Jan 2025 00:00:00 GMT no"),
    ("11/24/2026, 10:00:00 AM no", "1/2/2025, 3:04:05 PM no"),
    ("connect ETIMEDOUT 10.24.0.17:443", "connect ETIMEDOUT 192.168.1.1:443"),
    ("read ECONNRESET 10.0.0.1:50412", "read ECONNRESET 10.0.0.2:61001"),
    ("from ::1 refused", "from fe80::1ff:fe23:4567:890a refused"),
    ("from 2001:db8::8a2e:370:7334 refused", "from ::ffff:10.0.0.1 refused"),
    ("took 12 ms", "took 1.5 s"),
    ("took 12ms", "took 1m30s"),
    ("took 1 second", "took 3 seconds"),
    ("used 530 MiB of 512 MiB", "used 1.5GB of 1GiB"),
    ("balance is -5", "balance is 5.25"),
    ("balance is 1,234.50", "balance is 7"),
    ("at 0x1f", "at 0xdeadbeef"),
    ("user bob@example.com is unknown", "user a.b+c1@mail.example.org is unknown"),
    ("user 'bob@example.com' is unknown", "user 'a1@example.org' is unknown"),
    ("key 'SKU-123-A' is in use", "key 'item77' is in use"),
    ('key "abc-1" is in use', 'key "x/2/y" is in use'),
    ("key `deadbeef` is in use", "key `12345678` is in use"),
    (
        "GET https://api.example.com/my-shop/carts/123?expand=a failed",
        "GET https://api.example.com/my-shop/carts/7fa3b2c1 failed",
    ),
    ("GET /carts/123?where=id%3D1&limit=2 failed", "GET /carts/9 failed"),
    (
        "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_d is expired",
        "token eyJhbGciOiJSUzI1NiJ9.eyJhIjoiYiJ9.zzz is expired",
    ),
    ("with Authorization: Bearer abcdefghij", "with Authorization: Bearer 1234567890.-_"),
    ("\x1b[31merror\x1b[39m:    no cart", "error: no cart"),
    ("no   cart\t1", "no cart 2"),
    ("ids [1, 2, 3] are unknown", "ids [7] are unknown"),
    ("ids 'a1', 'b2' are unknown", "ids 'c3' are unknown"),
    ("Expected: 4 - Actual: 7.", "Expected: 12 - Actual: 13."),
    ("Error: no cart\n    at a (/b.js:1:2)", "Error: no cart\n    at c (/d.js:33:44)\n    at e (/f.js:5:6)"),
    ("Error: no cart\n    at a (/b.js:1:2)", "Error: no cart"),
    ("/a/b.js:1\n    throw x;\n    ^\n\nError: no cart\n    at a (/b.js:1:2)", "Error: no cart"),
    (
        'Traceback (most recent call last):\n  File "a.py", line 1\n    x()\nValueError: no cart 1',
        "ValueError: no cart 2",
    ),
    (
        "java.lang.IllegalStateException: no cart\n\tat a.B.c(B.java:1)\nCaused by: d.E: f",
        "java.lang.IllegalStateException: no cart",
    ),
    ("panic: no cart 1\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:3 +0x1d", "panic: no cart 2"),
    ("line 1\r\nline 2", "line 7"),
    ("req-3f2a9c1b7d no", "req-1234567890 no"),
    ("order 01ARZ3NDEKTSV4RRFFQ69G5FAV no", "order 01BX5ZZKBKACTAV9WEVGEMMVRZ no"),
    ("trace 4bf92f3577b34da6a3ce929d0e0e4736 no", "trace 00f067aa0ba902b7 no"),
]
DIFFERENT = [
    ("Order 1 failed", "Cart 1 failed"),
    ("Order 1 failed", "Order 1 exported"),
    ("Request failed with status code 503", "Request failed with status code 404"),
    ("responded with status: 401", "responded with status: 500"),
    ("HTTP/1.1 502 from upstream", "HTTP/1.1 401 from upstream"),
    ("process exited with code 1", "process exited with code 137"),
    ("exit code 1", "exit code 134"),
    ("src/a.ts(1,2): error TS2322: no", "src/a.ts(1,2): error TS2304: no"),
    ("E11000 duplicate key error", "E11001 duplicate key error"),
    ("Prisma P1001", "Prisma P2002"),
    ("ERR_HTTP2_STREAM", "ERR_HTTP_STREAM"),
    ("connect ECONNREFUSED 127.0.0.1:5432", "connect ECONNREFUSED 127.0.0.1:6379"),
    ("connect ECONNREFUSED 127.0.0.1:5432", "connect ETIMEDOUT 127.0.0.1:5432"),
    ("getaddrinfo ENOTFOUND db.internal", "getaddrinfo ENOTFOUND cache.internal"),
    ("Cannot find module 'express'", "Cannot find module 'lodash'"),
    ("Cannot find module 'base64-js'", "Cannot find module 'uuid4'"),
    ("Cannot read properties of undefined (reading 'lineItems')", "Cannot read properties of undefined (reading 'id')"),
    ("Cannot read properties of undefined (reading 'id')", "Cannot read properties of null (reading 'id')"),
    ("Missing CTP_CLIENT_ID", "Missing CTP_CLIENT_SECRET"),
    ("Insufficient scope: manage_subscriptions", "Insufficient scope: manage_extensions"),
    ("Post-deploy failed: no scope", "Pre-undeploy failed: no scope"),
    ("invalid_client", "invalid_scope"),
    ("TypeError: x is not a function", "ReferenceError: x is not defined"),
    ("x is not a function", "y is not a function"),
    ("KeyError: 'CTP_CLIENT_ID'", "KeyError: 'CTP_SCOPE'"),
    ("Error: a\n    at x (/b.js:1:2)", "Error: b\n    at x (/b.js:1:2)"),
    ("error: no cart", "warn: no cart"),
    ("GET /carts/1 failed", "GET /orders/1 failed"),
    ("GET /carts failed", "POST /carts failed"),
    ("Path not found.", "Missing request body."),
    ("Bad request: No Pub/Sub message was received", "Bad request: Wrong No Pub/Sub message format"),
    ("sha256 mismatch", "md5 mismatch"),
]
KINDS = [
    "Order {id} could not be exported: Request failed with status code 503 after {ms} ms",
    "Object '{hex}' has a different version than expected. Expected: {n} - Actual: {m}.",
    "connect ETIMEDOUT 10.24.{a}.{b}:443",
    "\x1b[31merror\x1b[39m:    Cannot read properties of undefined (reading 'lineItems') in req-{hex}",
    "{time} ERROR customer c{n}@example.com: cart {hex} of {id} is gone",
    "Error: Resource key 'item-{n}' is already in use\n    at post (/workspace/build/a.js:{n}:{a})\n    at b (/c.js:{m}:{b})",
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_a_person_calls_the_same_has_one_template(one: str, other: str) -> None:
    assert template(one) == template(other)
    assert template_id(one) == template_id(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_a_person_calls_different_has_two(one: str, other: str) -> None:
    assert template(one) != template(other)
    assert template_id(one) != template_id(other)


@pytest.mark.parametrize("message", [message for pair in (*SAME, *DIFFERENT) for message in pair])
def test_a_template_is_one_short_line_and_its_own_template(message: str) -> None:
    found = template(message)
    assert template(found) == found
    assert "\n" not in found
    assert 0 < len(found) <= LONGEST


def test_a_hundred_thousand_lines_of_six_kinds_have_six_templates() -> None:
    found: Counter[str] = Counter()
    seed = 1
    for number in range(100_000):
        seed = seed * 6_364_136_223_846_793_005 % 2**64 + 1
        digits = f"{seed:016x}"
        uuid = f"{digits[:8]}-{digits[4:8]}-{digits[8:12]}-{digits[6:10]}-{digits[4:]}"
        kind = KINDS[number % 6]
        message = kind.format(
            id=uuid,
            hex=digits[3:11],
            n=seed % 9_973_211,
            m=number,
            ms=seed % 10_007 / 8,
            a=seed % 256,
            b=number % 256,
            time=f"2026-11-{number % 28 + 1:02}T{number % 24:02}:{number % 60:02}:01.{seed % 1000:03}Z",
        )
        found[template(message)] += 1
    assert len(found) == 6, found
    assert template(KINDS[1].format(hex="b7a1f6de", n=1, m=2)) == (
        "Object '<id>' has a different version than expected. Expected: <n> - Actual: <n>."
    )


def test_an_id_is_the_same_in_every_process() -> None:
    assert template_id("Order 1 failed") == template_id("Order <n> failed") == "ab1bed0526cb5e88"
    assert len(template_id("\ud800")) == 16


digits = st.text(string.digits, min_size=1, max_size=12)
VALUES = {
    "number": st.integers(-(10**12), 10**12).map(str) | st.decimals(0, 10**6, places=2).map(str),
    "hex": st.text("0123456789abcdef", min_size=8, max_size=64),
    "HEX": st.text("0123456789ABCDEF", min_size=8, max_size=64),
    "uuid": st.uuids().map(str),
    "UUID": st.uuids().map(lambda uuid: str(uuid).upper()),
    "time": st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z"),
    "clock": st.times().map(lambda at: at.isoformat(timespec="seconds")),
    "ipv4": st.ip_addresses(v=4).map(str),
    "duration": st.tuples(st.integers(0, 99_999), st.sampled_from(["ms", " ms", "s", " s", " seconds"])).map(
        lambda of: f"{of[0]}{of[1]}"
    ),
    "email": st.from_regex(r"[a-z][a-z0-9.]{0,20}[a-z]@[a-z]{1,20}\.(com|org|io)", fullmatch=True),
}
FRAMES = [
    "{}",
    "order {} failed",
    "[{}] no cart",
    "cart={}",
    "no cart ({}), sorry",
    "no cart: {}",
    "{}: no cart",
    "a/{}/b",
]


@given(st.sampled_from(sorted(VALUES)), st.sampled_from(FRAMES), st.data())
def test_the_template_does_not_depend_on_values(kind: str, frame: str, data: st.DataObject) -> None:
    one, other = data.draw(VALUES[kind]), data.draw(VALUES[kind])
    if kind == "number":
        assume(frame != "a/{}/b")
    assert template(frame.format(one)) == template(frame.format(other))


@given(
    st.text(max_size=400)
    | st.lists(
        st.sampled_from(
            [
                *" 0123abcdefTZ:.-/'\"`@?=<>,\n\x1b[](){}xé",
                "status code ",
                "exit ",
                "Nov ",
                "Tue ",
                "::",
                "<n>",
                "<ip>:",
                "eyJ",
                "TS2304",
                "5432",
                "ms",
                "'a1'",
            ]
        ),
        max_size=120,
    ).map("".join)
)
def test_whatever_comes_the_template_is_one_short_line_and_its_own_template(message: str) -> None:
    found = template(message)
    assert len(found) <= LONGEST
    assert len(found.splitlines()) <= 1
    assert template(found) == found


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1",
        " ",
        "'",
        "a1",
        "1:",
        "1.",
        "a@",
        "x-",
        "Jan 1 ",
        "?a=",
        "::",
        "f:",
        "1,",
        "\n",
        "\x1b[1m",
        "eyJ",
        "a b\n",
    ],
)
def test_of_a_monstrous_message_only_a_part_is_looked_at(piece: str) -> None:
    assert template(piece * (16_384 // len(piece))) == template(piece * (8_192 // len(piece)))


# ── traces ───────────────────────────────────────────────────────────────────

NODE = r"""/workspace/build/index.js:12
        throw new Error('no cart');
        ^

Error: no cart
    at post (/workspace/build/cart.js:12:9)
    at async /workspace/build/routes.js:3:5 {
  code: 'ENOCART',
  details: [
    { code: 'X' }
  ],
  [cause]: Error: gone
      at a (/b.js:1:1)
}

Node.js v20.18.0"""
MODULE = """node:internal/modules/cjs/loader:1228
  throw err;
  ^

Error: Cannot find module 'express'
Require stack:
- /workspace/build/index.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15) {
  code: 'MODULE_NOT_FOUND',
  requireStack: [ '/workspace/build/index.js' ]
}"""
JAVA = """Exception in thread "main" java.lang.IllegalStateException: no cart
\tat com.shop.Cart.total(Cart.java:12)
Caused by: java.net.ConnectException: Connection refused
\tat com.shop.Api.get(Api.java:7)
\t... 12 more"""
PYTHON = """Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    os.environ["CTP_CLIENT_ID"]
    ~~~~~~~~~~^^^^^^^^^^^^^^^^^
KeyError: 'CTP_CLIENT_ID'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/main.py", line 5, in <module>
    raise Unset
main.Unset: CTP_CLIENT_ID"""
GO = """panic: no cart

goroutine 1 [running]:
main.total(0xc000012345, 0x1)
\t/app/main.go:10 +0x1d
main.main()
\t/app/main.go:3 +0x1d
exit status 2"""
TRACES = {"node": NODE, "module": MODULE, "java": JAVA, "python": PYTHON, "go": GO}
ERROR_LINES = {
    "node": "Error: no cart",
    "module": "Error: Cannot find module 'express'",
    "java": 'Exception in thread "main" java.lang.IllegalStateException: no cart',
    "python": "main.Unset: CTP_CLIENT_ID",
    "go": "panic: no cart",
}


def split(trace: str, application: str = "service", at: int = 1_000) -> list[Line]:
    """A record for every line, three of them in each millisecond."""
    return [Line(at + number // 3, application, "DEFAULT", message) for number, message in enumerate(trace.split("\n"))]


@pytest.mark.parametrize("kind", TRACES)
def test_a_trace_that_was_split_is_put_together(kind: str) -> None:
    before, after = (
        Line(999, "service", "INFO", "Order exported"),
        Line(2_000, "service", "INFO", "Order exported again"),
    )
    found = joined([before, *split(TRACES[kind]), after])
    assert found == [before, Line(1_000, "service", "DEFAULT", TRACES[kind]), after]
    assert template(found[1].message) == template(ERROR_LINES[kind])


@pytest.mark.parametrize("kind", TRACES)
@pytest.mark.parametrize("other", TRACES)
def test_two_applications_at_once_do_not_mix(kind: str, other: str) -> None:
    lines = sorted([*split(TRACES[kind], "a"), *split(TRACES[other], "b")], key=lambda line: line.at)
    assert joined(lines) == [Line(1_000, "a", "DEFAULT", TRACES[kind]), Line(1_000, "b", "DEFAULT", TRACES[other])]


@pytest.mark.parametrize("kind", TRACES)
def test_two_traces_in_a_row_stay_two(kind: str) -> None:
    assert [line.message for line in joined([*split(TRACES[kind]), *split(TRACES[kind], at=1_100)])] == [
        TRACES[kind]
    ] * 2


def test_the_gravest_level_of_a_trace_is_its_level() -> None:
    lines = [
        Line(1, "a", "DEFAULT", "/a/b.js:1"),
        Line(1, "a", "DEFAULT", "  ^"),
        Line(1, "a", "ERROR", "Error: no cart"),
    ]
    assert joined(lines) == [Line(1, "a", "ERROR", "/a/b.js:1\n  ^\nError: no cart")]


def test_a_line_long_after_continues_nothing() -> None:
    head, frame = Line(1, "a", "ERROR", "Error: no cart"), Line(2 + SPAN, "a", "DEFAULT", "    at a (/b.js:1:1)")
    assert joined([head, frame]) == [head, frame]
    assert len(joined([head, frame._replace(at=1 + SPAN)])) == 1


def test_a_frame_without_a_head_stays_by_itself() -> None:
    frame = Line(1, "a", "DEFAULT", "    at a (/b.js:1:1)")
    assert joined([frame]) == [frame]


def test_a_trace_without_end_is_cut() -> None:
    lines = [Line(1, "a", "ERROR", "Error: x"), *[Line(1, "a", "DEFAULT", "    at " + "x" * 1_000)] * 40]
    assert [len(line.message) for line in joined(lines)] == [LONGEST_JOINED]


@pytest.mark.parametrize(
    "message",
    [
        "    at post (/workspace/build/cart.js:12:9)",
        "    at async post (/workspace/build/cart.js:12:9)",
        "at Object.<anonymous> (/workspace/build/cart.js:12:9)",
        "\tat com.shop.Cart.total(Cart.java:12)",
        "\tat java.base/java.lang.Thread.run(Unknown Source)",
        '  File "/app/main.py", line 3, in <module>',
        "    os.environ['X']",
        "    ^^^^",
        "        ^",
        "Caused by: java.net.ConnectException: Connection refused",
        "\t... 12 more",
        "  code: 'ECONNREFUSED',",
        "  errno: -111,",
        "{ code: 'X' }",
        "  { code: 'X' }",
        "  [cause]: Error: gone",
        "}",
        "  ]",
        "});",
        "Require stack:",
        "- /workspace/build/index.js",
        "Node.js v20.18.0",
        "goroutine 1 [running]:",
        "main.main()",
        "\t/app/main.go:3 +0x1d",
        "During handling of the above exception, another exception occurred:",
    ],
)
def test_what_continues_a_record(message: str) -> None:
    assert is_continuation(message)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Error: no cart",
        "Order exported",
        "at 10 o'clock all orders were exported",
        "   ERROR no cart",
        "  INFO done",
        "Traceback (most recent call last):",
        "KeyError: 'X'",
        "{}x",
        '{"level":"error"}',
        "- done",
        "main.run",
        "\x1b[31merror\x1b[39m: no cart",
        "[1] exit",
    ],
)
def test_what_does_not(message: str) -> None:
    assert not is_continuation(message)


LINES = st.builds(
    Line,
    st.integers(0, 20_000),
    st.sampled_from("ab"),
    st.sampled_from(["DEFAULT", "ERROR", "NOVEL"]),
    st.sampled_from([line for trace in TRACES.values() for line in trace.split("\n")]) | st.text(max_size=30),
)


@given(st.lists(LINES, max_size=40).map(lambda lines: sorted(lines, key=lambda line: line.at)))
def test_every_line_is_in_exactly_one_trace_of_its_application_and_order_stays(lines: list[Line]) -> None:
    groups = traces(lines)
    assert sorted(position for group in groups for position in group) == list(range(len(lines)))
    assert all(first[0] < second[0] for first, second in pairwise(groups))
    assert all(len({lines[position].application for position in group}) == 1 for group in groups)
    assert len(joined(lines)) == len(groups)
