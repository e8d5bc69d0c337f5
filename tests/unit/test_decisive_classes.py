"""Classes of logs that mislead: what passing tests print, trouble that passes, causes in prose, headings above the cause."""

import pytest

from tests.unit.test_decisive import read
from watcher.core.decisive import decisive

TOLD = {
    "jest: what a passing suite prints, then a suite that fails": """
        | > basket@1.0.0 test
        | > jest --ci
        | PASS src/basket.spec.ts
        |   ● Console
        |
        |     console.error
        |       TypeError: Cannot read properties of undefined (reading 'id')
        |           at read (/workspace/src/basket.ts:4:11)
        |       at log (src/log.ts:3:11)
        |
        | {"level":"error","message":"401 invalid_token"}
    >>> | FAIL src/money.spec.ts
        |   ● money › adds up
        |
        |     expect(received).toBe(expected) // Object.is equality
        |
        | Tests:       1 failed, 8 passed, 9 total
        | npm error code 1
    """,
    "jest: what a failing suite prints says less than that it fails": """
    >>> | FAIL src/money.spec.ts
        |   ● Console
        |
        |     console.warn
        |       ECONNREFUSED 127.0.0.1:6379
        |
        |   ● money › adds up
        |     TypeError: total is not a function
        | npm error code 1
    """,
    "mocha: the failure is told after all that was printed": """
        | > mocha --recursive build/test
        |   importer
        | Error: getaddrinfo ENOTFOUND nowhere.invalid
        |     at GetAddrInfoReqWrap.onlookupall [as oncomplete] (node:dns:120:26)
        |     ✔ tells that the host is unknown
        |     1) stops at the first empty page
        |   7 passing (81ms)
        |   1 failing
        |   1) importer
        |        stops at the first empty page:
    >>> |      AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:
        | npm error Lifecycle script `test` failed with error:
    """,
    "node:test: an error printed by a test that passes": """
        | > node --test build/
        | Error: invalid_client
        | ✔ refuses a wrong secret (3.1ms)
    >>> | ✖ keeps the order of the lines (1.2ms)
        | ℹ tests 2
        | ℹ fail 1
        | ✖ failing tests:
        | test at build/lines.test.js:9:1
        | ✖ keeps the order of the lines (1.2ms)
        |   AssertionError [ERR_ASSERTION]: Expected values to be strictly deep-equal:
        | exit status 1
    """,
    "TAP: failures that are expected are marked": """
        | TAP version 13
        | Error: connect ETIMEDOUT 10.0.0.9:443
        | ok 1 - gives up after a second
        | not ok 2 - rounds half up # TODO decide how to round
    >>> | not ok 3 - sums up
        |   ---
        |   message: 'should be strictly equal'
        |   ...
        | 1..3
        | exit status 1
    """,
    "pytest: what was captured of a failing test comes below": """
        | ============================= test session starts ==============================
        | tests/test_cart.py ..F                                                   [100%]
        | =================================== FAILURES ===================================
        | ___________________________________ test_sum ___________________________________
        |     def test_sum():
        | >       assert total([1, 2]) == 4
        | E       AssertionError: assert 3 == 4
        | tests/test_cart.py:9: AssertionError
        | ------------------------------ Captured log call -------------------------------
        | ERROR    cart:cart.py:3 connection refused by 10.0.0.4
        | =========================== short test summary info ============================
    >>> | FAILED tests/test_cart.py::test_sum - AssertionError: assert 3 == 4
        | ========================= 1 failed, 2 passed in 0.12s ==========================
    """,
    "go: a test that logs an error and passes": """
        | === RUN   TestRefusal
        | 2026/11/24 10:00:00 ERROR token refused: 401 unauthorized
        | --- PASS: TestRefusal (0.00s)
        | === RUN   TestSum
        |     sum_test.go:12: got 3, want 4
    >>> | --- FAIL: TestSum (0.00s)
        | FAIL
        | exit status 1
    """,
    "surefire: a class that passes logs its errors": """
        | [INFO] Running com.example.RetryTest
        | 10:00:01.112 [main] ERROR com.example.Client -- connect refused: java.net.ConnectException: Connection refused
        | [INFO] Tests run: 4, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.41 s -- in com.example.RetryTest
        | [INFO] Running com.example.SumTest
        | [ERROR] Tests run: 2, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 0.02 s <<< FAILURE! -- in com.example.SumTest
        | [ERROR] com.example.SumTest.adds -- Time elapsed: 0.004 s <<< FAILURE!
    >>> | org.opentest4j.AssertionFailedError: expected: <4> but was: <3>
        | [INFO] BUILD FAILURE
    """,
    "vitest: all pass, the coverage is too low": """
        | > vitest run --coverage
        |  RUN  v3.0.2 /workspace
        | stderr | src/token.test.ts > token > is renewed
        | Error: 401 Unauthorized
        |
        |  ✓ src/token.test.ts (4 tests) 30ms
        |  Test Files  1 passed (1)
        |       Tests  4 passed (4)
        | All files |   61.1 |
    >>> | ERROR: Coverage for lines (61.1%) does not meet global threshold (75%)
        | npm error code 1
    """,
    "the compiler fails after tests that pass": """
        | > jest
        |   console.error
        |     Error: permission denied
        | PASS src/a.spec.ts
        | Tests:       1 passed, 1 total
        | > basket@1.0.0 build
        | > tsc
    >>> | src/index.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.
        | npm error code 2
    """,
    "a runner that does not come to any test": """
        | > jest --ci
    >>> | Error: Cannot find module 'ts-jest'
        |     at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15)
        | npm error code 1
    """,
    "prose: a script that was stopped": """
        | importing 9000 products
        | 429 Too Many Requests, waiting 30 s
        | imported 2000
    >>> | The script exceeded its time limit of 600 seconds and was terminated.
        | npm error signal SIGTERM
        | npm error command failed
        | npm error command sh -c node build/post-deploy.js
        | exit status 143
    """,
    "prose: what cannot be done, then that not all was done": """
        | channel "store": 409 DuplicateField, exists already, skipped
    >>> | Unable to change field 'colour': the type of a field is fixed
        |     code: InvalidOperation
        | Error: 2 of 7 steps did not succeed
        |     at main (/workspace/build/post-deploy.js:40:9)
        | npm error code 1
    """,
    "prose: a value that must be another": """
        | Reading connect.yaml
    >>> | Property 'endpoint' of application 'feed' must start with a slash
        | Build finished with status FAILURE
        | exit status 1
    """,
    "prose: a destination that refuses": """
        | Creating subscription feed-orders
    >>> | The topic orders-eu refused the test message
        | Rolling back
        | npm error Error: command failed
        | exit status 1
    """,
    "prose: what was expected and what was got": """
        | Validating the configuration
    >>> | CTP_SCOPES: expected a list of scopes separated by blanks but got an empty text
        | Container called exit(1).
        | exit status 1
    """,
    "prose: a plan that does not allow it": """
        | creating index products-eu
    >>> | Indices of this size are not allowed on the plan "starter"
        | npm error Lifecycle script `connector:post-deploy` failed with error:
        | npm error code 1
        | exit status 1
    """,
    "a look-up that finds nothing hurts nothing": """
        | The extension with key 'feed' was not found. Nothing to delete.
        | Type 'feed-order' is not found, creating it
    >>> | Post-deploy failed: Insufficient scope: manage_types
        | npm error code 1
    """,
    "warnings of a service, then its end": """
WARNING | GET /wp-admin/setup.php 404 1 ms
WARNING | 409 ConcurrentModification: Object 'a1' has a different version than expected
INFO    | order a1 updated
ERROR >>> | RangeError: Invalid time value
        | Container called exit(1).
    """,
    "a warning that is the last word": """
INFO    | connecting to the broker
WARNING >>> | Login was refused: access denied for user 'feed'
    """,
    "a conflict that is not got over": """
INFO    | updating extension feed
    >>> | 409 ConcurrentModification: Object 'e1' has a different version than expected. Expected: 3 - Actual: 4.
        | npm error Lifecycle script `connector:post-deploy` failed with error:
        | exit status 1
    """,
    "a heading, and what is missing below": """
        | Missing environment variables:
    >>> |   - CTP_CLIENT_SECRET
        |   - CTP_SCOPE
        | Container called exit(1).
    """,
    "a heading with an exclamation mark, and the compiler's line below": """
        | TSError: ⨯ Unable to compile TypeScript:
    >>> | src/app.ts:7:3 - error TS2304: Cannot find name 'router'.
        |     at createTSError (/workspace/node_modules/ts-node/src/index.ts:859:12)
        | Container called exit(1).
    """,
    "a list of objects below": """
        | ZodError: [
        |   {
        |     "code": "too_small",
        |     "path": [
        |       "CTP_PROJECT_KEY"
        |     ],
    >>> |     "message": "String must contain at least 2 character(s)"
        |   }
        | ]
        | Container called exit(1).
    """,
    "a heading without a colon above a list": """
        | Error: Configuration is invalid
    >>> |   - applications[0].endpoint: must start with a slash
        | exit status 1
    """,
    "a line that says which, and no heading": """
    >>> | Error: Cannot find module './routes/cart':
        |     at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15)
        | exit status 1
    """,
}
SILENT = {
    "jest: all pass": """
        | > jest --ci
        |   console.error
        |     Error: connect ECONNREFUSED 127.0.0.1:9
        |         at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1607:16)
        | PASS src/a.spec.ts
        | error: Post-deploy failed: Insufficient scope
        | PASS src/b.spec.ts
        | Tests:       9 passed, 9 total
        | Build completed successfully
    """,
    "mocha: all pass": """
        | > mocha
        |   client
        | FetchError: 503 Service Unavailable
        |     ✓ waits and tries again
        | Could not reach the host
        |     ✓ tells the host
        |   2 passing (12ms)
        | > client@1.0.0 build
        | Successfully built image
    """,
    "pytest: sections of what passed": """
        | ============================= test session starts ==============================
        | tests/test_cart.py ..                                                    [100%]
        | ==================================== PASSES ====================================
        | ____________________________________ test_a ____________________________________
        | ----------------------------- Captured stderr call -----------------------------
        | ERROR: permission denied
        | =============================== warnings summary ===============================
        | tests/test_cart.py:4: PytestUnknownMarkWarning: Unknown pytest.mark.slow
        | ============================== 2 passed in 0.04s ===============================
    """,
    "strangers at the door": """
        | service listening on port 8080
WARNING | 10.1.2.3 - - [24/Nov/2026:10:00:00 +0000] "GET /phpmyadmin/ HTTP/1.1" 404 12 "-" "scanner"
WARNING | POST /login 401 2 ms
WARNING | "PUT /.git/config HTTP/1.1" 403 Forbidden
WARNING | {"method":"GET","path":"/admin","status":403}
WARNING | No static resource wp-login.php.
WARNING | Invalid HTTP request received.
INFO    | order exported
    """,
    "conflicts and limits that are got over": """
INFO    | reading order a1
WARNING | 409 ConcurrentModification: Object 'a1' has a different version than expected. Expected: 3 - Actual: 4.
INFO    | order a1 updated
WARNING | 429 Too Many Requests, waiting 5 s
INFO    | 200 orders exported
WARNING | deadlock detected, transaction was aborted
INFO    | transaction written
    """,
    "retries of which one is enough": """
INFO    | event application listening on port 8080
WARNING | connect ETIMEDOUT 10.0.0.9:443, retrying in 2s
INFO    | message acknowledged
WARNING | publishing failed, message requeued
INFO    | message acknowledged
    """,
    "warnings of a service that goes on": """
WARNING | CTP_LOCALE is not set
WARNING | Failed to send metrics: connection reset
INFO    | feed application listening on port 8080
INFO    | page 3 of 9 written
    """,
}


@pytest.mark.parametrize("log", TOLD.values(), ids=TOLD.keys())
def test_the_line_that_tells(log: str) -> None:
    lines, marked = read(log)
    found = decisive(lines)
    assert (found, None if found is None else lines[found].message) == (marked, lines[marked or 0].message)


@pytest.mark.parametrize("log", SILENT.values(), ids=SILENT.keys())
def test_where_nothing_failed_nothing_is_told(log: str) -> None:
    lines, _ = read(log)
    found = decisive(lines)
    assert (found, None if found is None else lines[found].message) == (None, None)


@pytest.mark.parametrize("piece", ["console.error ", "✓ ", "not ok 1 ", "GET / ", "PASS a ", "> jest ", "- ", "E: ["])
def test_of_a_monstrous_line_only_the_beginning_is_judged(piece: str) -> None:
    monster = piece * (16_384 // len(piece))
    whole, cut = (read(f"| {text}\n| exit status 1")[0] for text in (monster, monster[:4_096]))
    assert decisive(whole) == decisive(cut)
