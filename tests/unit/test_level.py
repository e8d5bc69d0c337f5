"""The effective level: what a person would say a line is, whichever of a dozen loggers wrote it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.level import ERRORS, LEVELS, effective, rank

RED, YELLOW, GREEN, END = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[39m"
WORDS = [
    # winston, with npm's levels
    ("error", "ERROR"),
    ("warn", "WARNING"),
    ("info", "INFO"),
    ("http", "DEBUG"),
    ("verbose", "DEBUG"),
    ("debug", "DEBUG"),
    ("silly", "DEBUG"),
    (f"{RED}error{END}", "ERROR"),
    # syslog
    ("emerg", "EMERGENCY"),
    ("alert", "ALERT"),
    ("crit", "CRITICAL"),
    ("err", "ERROR"),
    ("warning", "WARNING"),
    ("notice", "NOTICE"),
    (0, "EMERGENCY"),
    (1, "ALERT"),
    (2, "CRITICAL"),
    (3, "ERROR"),
    (4, "WARNING"),
    (5, "NOTICE"),
    (6, "INFO"),
    (7, "DEBUG"),
    # pino and bunyan
    (10, "DEBUG"),
    (20, "DEBUG"),
    (30, "INFO"),
    (40, "WARNING"),
    (50, "ERROR"),
    (60, "CRITICAL"),
    (35, "INFO"),
    (50.0, "ERROR"),
    ("50", "ERROR"),
    ("fatal", "CRITICAL"),
    # Python's logging, log4j, logback, java.util.logging, zap, Serilog
    ("WARNING", "WARNING"),
    ("CRITICAL", "CRITICAL"),
    ("FATAL", "CRITICAL"),
    ("TRACE", "DEBUG"),
    (40_000, "ERROR"),
    (20_000, "INFO"),
    (5_000, "DEBUG"),
    ("SEVERE", "ERROR"),
    ("FINEST", "DEBUG"),
    ("dpanic", "CRITICAL"),
    ("Information", "INFO"),
    # Google's LogSeverity
    (500, "ERROR"),
    (800, "EMERGENCY"),
    (200, "INFO"),
    # spelt oddly
    (" Error ", "ERROR"),
    ("[ERROR]", "ERROR"),
    ("eRRor", "ERROR"),
    # say nothing
    ("", "DEFAULT"),
    ("DEFAULT", "DEFAULT"),
    ("tuesday", "DEFAULT"),
    (-1, "DEFAULT"),
    (99_999, "DEFAULT"),
    (7.5, "DEFAULT"),
    (float("nan"), "DEFAULT"),
    (float("inf"), "DEFAULT"),
    ("9" * 5_000, "DEFAULT"),
    (True, "DEFAULT"),
]
TEXTS = [
    # the official logger, coloured for a terminal that is not there
    (f"{RED}error{END}:    connect ETIMEDOUT 10.24.0.17:443", "ERROR"),
    (f"{YELLOW}warn{END}:     Retrying: connect ETIMEDOUT", "WARNING"),
    (f"{GREEN}info{END}:     ⚡️ Service application listening on port 8080", "INFO"),
    (f"{RED}error{END}", "ERROR"),
    (f"{RED}[ERROR]{END} no cart", "ERROR"),
    (f"\x1b[1m{RED}ERROR\x1b[0m no cart", "ERROR"),
    ("error: no cart", "ERROR"),
    ("info: done", "INFO"),
    ("debug: x", "DEBUG"),
    ("silly: x", "DEBUG"),
    ("Warning: x", "WARNING"),
    # brackets, bars, dashes
    ("[ERROR] no cart", "ERROR"),
    ("[error] no cart", "ERROR"),
    ("[ERROR]: no cart", "ERROR"),
    ("[ WARN ] slow", "WARNING"),
    ("[WARNING] slow", "WARNING"),
    ("(error) no cart", "ERROR"),
    ("<error> no cart", "ERROR"),
    ("ERROR - no cart", "ERROR"),
    ("Error - no cart", "ERROR"),
    ("ERROR | no cart", "ERROR"),
    ("error | no cart", "ERROR"),
    ("ERROR no cart", "ERROR"),
    ("ERROR", "ERROR"),
    ("Error", "ERROR"),
    ("INFO no cart", "INFO"),
    ("WARN slow", "WARNING"),
    ("FATAL: database gone", "CRITICAL"),
    ("CRITICAL database gone", "CRITICAL"),
    ("EMERG x", "EMERGENCY"),
    ("ALERT x", "ALERT"),
    ("NOTICE x", "NOTICE"),
    ("[service] [error] no cart", "ERROR"),
    ("[service] ERROR no cart", "ERROR"),
    ("service - ERROR - no cart", "ERROR"),
    ("service-1  | ERROR no cart", "ERROR"),
    ('"Error: no cart"', "ERROR"),
    # times in front
    ("2026-11-24T10:00:00.123Z ERROR no cart", "ERROR"),
    ("2026-11-24T10:00:00.123Z [error]: no cart", "ERROR"),
    ("2026-11-24 10:00:00,123 - shop - ERROR - no cart", "ERROR"),
    ("2026-11-24 10:00:00,123 ERROR [main] com.shop.Cart: no cart", "ERROR"),
    ("2026-11-24 10:00:00.123 | ERROR    | shop.cart:total:12 - no cart", "ERROR"),
    ("2026-11-24T10:00:00.123Z ERROR 1 --- [main] o.s.b.SpringApplication : Application run failed", "ERROR"),
    ("10:00:00.123 [main] ERROR com.shop.Cart - no cart", "ERROR"),
    ("10:00:00.123 [http-nio-8080 exec 1] WARN com.shop.Cart - slow", "WARNING"),
    ("[2026-11-24 10:00:00 +0000] [1] [ERROR] Worker failed to boot", "ERROR"),
    ("[2026-11-24T10:00:00.123Z] ERROR (1234): no cart", "ERROR"),
    ("2026/11/24 10:00:00 [error] 1#1: *1 open() failed", "ERROR"),
    ("2026/11/24 10:00:00 ERROR no cart", "ERROR"),
    ("[Tue Nov 24 10:00:00 2026] [core:error] [pid 1] no cart", "ERROR"),
    ("Nov 24 10:00:00 shop app[1]: error: no cart", "ERROR"),
    ("Nov 24, 2026 10:00:00 AM com.shop.Cart total", "DEFAULT"),
    (f"{RED}[Nest] 1  - {END}11/24/2026, 10:00:00 AM {RED}  ERROR{END} \x1b[38;5;3m[Exceptions]{END} no cart", "ERROR"),
    (f"{GREEN}[Nest] 1  - {END}11/24/2026, 10:00:00 AM {GREEN}    LOG{END} [Router] mapped", "INFO"),
    ("E1124 10:00:00.123456       1 cart.go:12] no cart", "ERROR"),
    ("W1124 10:00:00.123456       1 cart.go:12] slow", "WARNING"),
    ("I1124 10:00:00.123456       1 cart.go:12] done", "INFO"),
    ("F1124 10:00:00.123456       1 cart.go:12] gone", "CRITICAL"),
    ("<11>1 2026-11-24T10:00:00Z shop app 1 - - no cart", "ERROR"),
    ("<14>1 2026-11-24T10:00:00Z shop app 1 - - done", "INFO"),
    # Python
    ("ERROR:root:no cart", "ERROR"),
    ("WARNING:shop.cart:slow", "WARNING"),
    ("Traceback (most recent call last):", "ERROR"),
    ("KeyError: 'CTP_CLIENT_ID'", "ERROR"),
    ("psycopg2.OperationalError: could not connect to server", "ERROR"),
    ("ERROR:    Exception in ASGI application", "ERROR"),
    ("/app/main.py:3: DeprecationWarning: gone soon", "DEFAULT"),
    ("DeprecationWarning: gone soon", "WARNING"),
    # fields
    ("level=error msg=no-cart", "ERROR"),
    ('time="2026-11-24T10:00:00Z" level=error msg="no cart"', "ERROR"),
    ('time=2026-11-24T10:00:00Z level=WARN msg="slow"', "WARNING"),
    ('ts=1 caller=main.go:1 level=info msg="done"', "INFO"),
    ("severity=CRITICAL gone", "CRITICAL"),
    ("level=tuesday", "DEFAULT"),
    ('{"level":"error","message":"no cart"}', "ERROR"),
    ('{"time":1,"level":50,"msg":"no cart"}', "ERROR"),
    ('{"severity": "WARNING", "message": "slow"}', "WARNING"),
    ('{"message":"done"}', "DEFAULT"),
    # errors that say what they are
    ("Error: no cart", "ERROR"),
    ("TypeError: Cannot read properties of undefined (reading 'lineItems')", "ERROR"),
    ("AxiosError: Request failed with status code 503", "ERROR"),
    ("CustomError: Invalid Environment Variables please check your .env file", "ERROR"),
    ("Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'express'", "ERROR"),
    ("TypeError [ERR_INVALID_ARG_TYPE]: The argument must be a string", "ERROR"),
    ("java.lang.IllegalStateException: no cart", "ERROR"),
    ('Exception in thread "main" java.lang.NullPointerException', "ERROR"),
    ("UnhandledPromiseRejection: no cart", "ERROR"),
    ("[UnhandledPromiseRejection: This error originated either by throwing inside of an async function]", "ERROR"),
    ("(node:1) UnhandledPromiseRejectionWarning: Error: no cart", "ERROR"),
    ("(node:1) [DEP0040] DeprecationWarning: The `punycode` module is deprecated.", "WARNING"),
    ("(node:1) Warning: Accessing non-existent property", "WARNING"),
    ("Unhandled Rejection at: Promise { <rejected> Error: no cart }", "ERROR"),
    ("Unhandled promise rejection. This error originated", "ERROR"),
    ("uncaughtException: no cart", "ERROR"),
    ("Uncaught Error: no cart", "ERROR"),
    ("Uncaught (in promise) no cart", "ERROR"),
    ("Error while fetching the cart", "ERROR"),
    ("Error creating the extension", "ERROR"),
    ("Post-deploy failed: Insufficient scope", "ERROR"),
    ("Assertion failed: no cart", "ERROR"),
    ("npm ERR! code ELIFECYCLE", "ERROR"),
    ("npm error code ELIFECYCLE", "ERROR"),
    ("npm WARN deprecated uuid@3.4.0", "WARNING"),
    ("npm warn deprecated uuid@3.4.0", "WARNING"),
    ("npm notice New major version of npm available!", "NOTICE"),
    ("npm install", "DEFAULT"),
    ("src/index.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.", "ERROR"),
    ("src/index.ts:3:5 - error TS2322: Type 'string' is not assignable to type 'number'.", "ERROR"),
    ("error TS18003: No inputs were found in config file", "ERROR"),
    ("error Command failed with exit code 1.", "ERROR"),
    ("info Visit the documentation", "INFO"),
    ("ERROR in ./src/index.ts", "ERROR"),
    ("panic: runtime error: index out of range", "CRITICAL"),
    ("fatal error: all goroutines are asleep - deadlock!", "CRITICAL"),
    ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "CRITICAL"),
    ("thread 'main' panicked at src/main.rs:2:5:", "CRITICAL"),
    ("Segmentation fault (core dumped)", "CRITICAL"),
    ("❌ Could not create the subscription", "ERROR"),
    ("❌ Error: no cart", "ERROR"),
    ("🚨 ERROR: no cart", "ERROR"),
    ("⚠️ slow", "WARNING"),
    ("⚠️  Warning: slow", "WARNING"),
    ("✅ INFO done", "INFO"),
    ("⚡️ Event application listening on port 8080", "DEFAULT"),
    # a trace in one record
    ("Error: no cart\n    at post (/workspace/build/cart.js:12:9)", "ERROR"),
    ("Could not total\n    at post (/workspace/build/cart.js:12:9)", "ERROR"),
    ("/workspace/build/cart.js:12\n    throw new Error('x');\n    ^\n\nError: x\n    at post (/a.js:1:1)", "ERROR"),
    ('It broke\nTraceback (most recent call last):\n  File "a.py", line 1\nValueError: x', "ERROR"),
    ("It broke\n\tat com.shop.Cart.total(Cart.java:12)", "ERROR"),
    ("warn: slow\n    at post (/workspace/build/cart.js:12:9)", "WARNING"),
    ("two\nlines", "DEFAULT"),
    # a frame alone
    ("    at post (/workspace/build/cart.js:12:9)", "DEFAULT"),
    ("    at a (/a.js:1:1)\n    at b (/b.js:1:1)", "DEFAULT"),
    ("\tat com.shop.Cart.total(Cart.java:12)", "DEFAULT"),
    ('  File "/app/main.py", line 3, in <module>', "DEFAULT"),
    ("Caused by: java.net.ConnectException: Connection refused", "DEFAULT"),
    # words in sentences
    ("0 errors found", "DEFAULT"),
    ("0 error found", "DEFAULT"),
    ("0 ERROR lines", "DEFAULT"),
    ("Found 0 errors. Watching for file changes.", "DEFAULT"),
    ("error handling enabled", "DEFAULT"),
    ("Error handling enabled", "DEFAULT"),
    ("Error reporting is on", "DEFAULT"),
    ("errorCode=0", "DEFAULT"),
    ("error=null", "DEFAULT"),
    ("ERROR=0", "DEFAULT"),
    ("ERROR_CODE: 0", "DEFAULT"),
    ("error_count: 0", "DEFAULT"),
    ("errors: 0", "DEFAULT"),
    ("Errors: 0", "DEFAULT"),
    ("ErrorHandler: registered", "DEFAULT"),
    ("onError: registered", "DEFAULT"),
    ("error(s): 0", "DEFAULT"),
    ("no error: all good", "DEFAULT"),
    ("Order exported without error", "DEFAULT"),
    ("Retrying: Error: no cart", "DEFAULT"),
    ("The log level is error", "DEFAULT"),
    ("Information about the cart", "DEFAULT"),
    ("Alert: stock is low", "DEFAULT"),
    ("information: none", "INFO"),
    ("Warnings are shown", "DEFAULT"),
    ("Fine: all good", "DEFAULT"),
    ("https://shop.example/error: gone", "DEFAULT"),
    ("POST /error HTTP/1.1", "DEFAULT"),
    ("Order exported in 12 ms", "DEFAULT"),
    ("", "DEFAULT"),
    (" ", "DEFAULT"),
    ("\n", "DEFAULT"),
    ("\x1b", "DEFAULT"),
    ("\ud800", "DEFAULT"),
    ("購入エラー", "DEFAULT"),
]
HOSTILE = [
    piece * (16_384 // len(piece))
    for piece in (
        "a",
        " ",
        "'",
        "[",
        "{",
        "1",
        ":",
        "=",
        "a=b ",
        "[a] ",
        "\x1b[1m",
        "\x1b",
        "a - ",
        "1:",
        "-",
        "\n",
        "\n    at",
        "é",
    )
]


def test_the_levels_are_in_order_and_an_unknown_one_ranks_as_a_warning() -> None:
    assert [rank(level) for level in LEVELS] == list(range(9))
    assert rank("NOVEL") == rank("") == rank("WARNING")
    assert {level for level in LEVELS if rank(level) >= rank("ERROR")} == ERRORS


@pytest.mark.parametrize("severity", [level for level in LEVELS if level != "DEFAULT"])
def test_what_the_platform_says_counts_before_anything_else(severity: str) -> None:
    assert effective(severity, "error", "ERROR x") == severity
    assert effective(severity.lower(), "debug", "") == severity


@pytest.mark.parametrize(
    ("severity", "level"), [("NOVEL", "WARNING"), ("TRACE", "WARNING"), ("FATAL", "CRITICAL"), ("err", "ERROR")]
)
def test_a_severity_nobody_knows_is_a_warning_at_least(severity: str, level: str) -> None:
    assert effective(severity, "info", "") == level


@pytest.mark.parametrize("severity", ["", "DEFAULT"])
@pytest.mark.parametrize(("value", "level"), WORDS)
def test_the_level_of_the_record_counts_where_the_platform_says_nothing(
    severity: str, value: str | float, level: str
) -> None:
    assert effective(severity, value, "") == level


def test_the_level_of_the_record_counts_before_its_text_and_an_unknown_one_does_not() -> None:
    assert effective("DEFAULT", "info", "Error: x") == "INFO"
    assert effective("DEFAULT", "tuesday", "Error: x") == "ERROR"


@pytest.mark.parametrize(("text", "level"), TEXTS)
def test_a_text_says_its_level_only_by_how_it_begins(text: str, level: str) -> None:
    assert effective("DEFAULT", None, text) == level
    assert effective("", None, text) == level


@given(
    st.sampled_from(["", "DEFAULT", "INFO"]) | st.text(max_size=20),
    st.none() | st.text(max_size=20) | st.floats() | st.integers() | st.booleans(),
    st.text()
    | st.lists(st.sampled_from([*"[]():-|=<>{} 1aE\x1b\n\"'", "error", "ERROR", "level=", "\x1b[31m", "    at "])).map(
        "".join
    ),
)
def test_whatever_comes_one_of_the_levels_is_returned(severity: str, value: str | float | None, text: str) -> None:
    assert effective(severity, value, text) in LEVELS


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_text_says_is_decided_by_its_first_few_thousand_characters(text: str) -> None:
    assert effective("", None, text) == effective("", None, text[:5_000]) == "DEFAULT"
