"""The decisive line: of a failure's log, the line a person would point at. It is marked with `>>>` in these logs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.decisive import decisive, excerpt
from watcher.core.level import LEVELS
from watcher.core.logrecord import Line

MARK = ">>>"
LOGS = {
    "a missing variable, thrown at start": """
        | > order-export@1.0.0 start
        | > node build/index.js
        | /workspace/build/utils/config.utils.js:31
        |         throw new custom_error_1.default('InvalidEnvironmentVariablesError', 'Invalid Environment Variables please check your .env file', validationErrors);
        |         ^
        |
    >>> | CustomError: Invalid Environment Variables please check your .env file
        |     at readConfiguration (/workspace/build/utils/config.utils.js:31:15)
        |     at Object.<anonymous> (/workspace/build/client/create.client.js:9:46) {
        |   statusCode: 'InvalidEnvironmentVariablesError',
        |   errors: [ { code: 'InValidClientId', message: 'Client id should be 24 characters.' } ]
        | }
        |
        | Node.js v20.18.0
        | npm ERR! code ELIFECYCLE
        | npm ERR! errno 1
        | npm ERR! order-export@1.0.0 start: `node build/index.js`
        | npm ERR! Exit status 1
        | npm ERR!
        | npm ERR! Failed at the order-export@1.0.0 start script.
        | npm ERR! This is probably not a problem with npm. There is likely additional logging output above.
        | npm ERR! A complete log of this run can be found in:
        | npm ERR!     /home/cnb/.npm/_logs/2026-11-24T10_00_00_000Z-debug-0.log
ERROR   | The user-provided container failed to start and listen on the port defined provided by the PORT=8080 environment variable.
    """,
    "nothing listens, and nothing else is said": """
        | npm notice New major version of npm available! 10.8.2 -> 11.0.0
INFO    | Starting service application
        | Listening on port: 3000
ERROR >>> | The user-provided container failed to start and listen on the port defined provided by the PORT=8080 environment variable.
ERROR   | Default STARTUP TCP probe failed 1 time consecutively for container "service" on port 8080.
        | Container called exit(1).
    """,
    "a module that is not there": """
        | node:internal/modules/cjs/loader:1228
        |   throw err;
        |   ^
        |
    >>> | Error: Cannot find module '/workspace/build/index.js'
        |     at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15)
        |     at node:internal/main/run_main_module:36:49 {
        |   code: 'MODULE_NOT_FOUND',
        |   requireStack: []
        | }
        |
        | Node.js v20.18.0
        | Container called exit(1).
    """,
    "a wrapper with a reason, and nothing before it": """
INFO    | Creating the subscription
    >>> | Post-deploy failed: Insufficient scope: manage_subscriptions
        | npm ERR! Lifecycle script `connector:post-deploy` failed with error:
        | npm ERR! Error: command failed
        | npm ERR!   in workspace: service@1.0.0
        | npm error Lifecycle script failed with exit code 1
    """,
    "a wrapper whose reason was told before": """
ERROR >>> | Request to /my-shop/extensions failed: 400 DuplicateField: extension key 'ct-connect-tax' exists
        | Post-deploy failed: Request failed with status code 400
        | npm ERR! code 1
    """,
    "a text without a level before a wrapper": """
    >>> | Could not create the extension: the destination is not reachable
        | Post-deploy failed: Request failed
        | exit code 1
    """,
    "a wrapper without a reason, which follows": """
ERROR   | Application failed to start
    >>> | TypeError: Cannot read properties of undefined (reading 'split')
        |     at readConfiguration (/workspace/build/config.js:3:20)
        | process exited with code 1
    """,
    "deprecations, retries that succeed, then the failure": """
        | npm WARN deprecated uuid@3.4.0: Please upgrade
        | (node:1) [DEP0040] DeprecationWarning: The `punycode` module is deprecated.
ERROR   | connect ECONNREFUSED 10.24.0.17:6379
WARNING | Retrying in 2s (attempt 1/5)
INFO    | Connected to redis
        | ⚡️ Service application listening on port 8080
    >>> | Error: Insufficient scope: manage_extensions
        |     at createExtension (/workspace/build/connector/actions.js:12:9)
        | Post-deploy failed: Insufficient scope: manage_extensions
    """,
    "an error it recovered from, long before": """
ERROR   | Request failed with status code 503
INFO    | Order exported in 12 ms
        + 3600
INFO    | Starting
    >>> | Post-deploy failed: Resource key 'ct-connect-extension' is already in use
        | npm error code ELIFECYCLE
    """,
    "an old error and a new one": """
ERROR   | TypeError: Cannot read properties of null
        + 3600
ERROR >>> | invalid_client: Please provide valid client credentials using HTTP Basic Authentication.
        | exit code 1
    """,
    "credentials": """
        | > node build/connector/post-deploy.js
ERROR >>> | {"error":"invalid_client","statusCode":401,"message":"Please provide valid client credentials"}
        | Post-deploy failed: Unauthorized
        | npm ERR! code 1
    """,
    "retried in vain": """
WARNING >>> | connect ECONNREFUSED 10.0.0.1:5432, retrying in 1s
WARNING | connect ECONNREFUSED 10.0.0.1:5432, retrying in 2s
WARNING | connect ECONNREFUSED 10.0.0.1:5432, retrying in 4s
ERROR   | The user-provided container failed to start and listen on the port defined provided by the PORT=8080 environment variable.
    """,
    "given up": """
WARNING | Attempt 1 of 3 failed, retrying
WARNING | Attempt 2 of 3 failed, retrying
ERROR >>> | Giving up after 3 attempts: connect ETIMEDOUT 10.0.0.1:443
        | exited with code 1
    """,
    "the same error at every attempt": """
ERROR >>> | connect ECONNREFUSED 127.0.0.1:5432
INFO    | Retrying in 5 seconds
ERROR   | connect ECONNREFUSED 127.0.0.1:5432
INFO    | Retrying in 5 seconds
ERROR   | connect ECONNREFUSED 127.0.0.1:5432
        | npm ERR! code ELIFECYCLE
    """,
    "a crash that repeats itself": """
        | Service application listening on port 8080
    >>> | TypeError: Cannot read properties of undefined (reading 'id')
        |     at handler (/workspace/build/a.js:1:1)
        | Container called exit(1).
        + 60
        | Service application listening on port 8080
        | TypeError: Cannot read properties of undefined (reading 'id')
        |     at handler (/workspace/build/a.js:1:1)
        | Container called exit(1).
    """,
    "the compiler": """
        | Step #0 - "build": > tsc
    >>> | Step #0 - "build": src/index.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.
        | Step #0 - "build": src/cart.ts(9,1): error TS2304: Cannot find name 'Cart'.
        | Step #0 - "build": Found 2 errors in 2 files.
        | Step #0 - "build": npm ERR! code ELIFECYCLE
        | Step #0 - "build": npm ERR! errno 2
        | ERROR: build step 0 "gcr.io/buildpacks" failed: step exited with non-zero status: 2
    """,
    "a dependency that does not exist": """
        | npm ERR! code E404
    >>> | npm ERR! 404 Not Found - GET https://registry.example/@shop%2fcart - Not found
        | npm ERR! 404
        | npm ERR! 404  '@shop/cart@^1.0.0' is not in this registry.
        | npm ERR! A complete log of this run can be found in: /root/.npm/_logs/x-debug-0.log
    """,
    "a lock file that is out of step": """
        | npm error code EUSAGE
        | npm error
    >>> | npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.
        | npm error Missing: uuid@9.0.0 from lock file
        | npm error A complete log of this run can be found in: /root/.npm/_logs/x-debug-0.log
    """,
    "a script that is missing": """
    >>> | npm error Missing script: "connector:post-deploy"
        | npm error
        | npm error To see a list of scripts, run:
        | npm error   npm run
    """,
    "out of memory": """
        | ⚡️ Job application listening on port 8080
        | <--- Last few GCs --->
        | [1:0x5]    60000 ms: Mark-sweep 250.1 (260.2) -> 249.9 (260.4) MB
    >>> | FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory
        | ----- Native stack trace -----
        | Container called exit(134).
    """,
    "the platform's memory limit": """
INFO    | Exporting 20000 orders
ERROR >>> | Memory limit of 512 MiB exceeded with 530 MiB used. Consider increasing the memory limit.
WARNING | Container terminated on signal 9.
    """,
    "Python": """
        | Traceback (most recent call last):
        |   File "/app/main.py", line 3, in <module>
        |     client_id = os.environ["CTP_CLIENT_ID"]
        |                 ~~~~~~~~~~^^^^^^^^^^^^^^^^^
    >>> | KeyError: 'CTP_CLIENT_ID'
ERROR   | Worker failed to boot.
        | exited with code 3
    """,
    "Java": """
ERROR   | Application run failed
        | org.springframework.beans.factory.BeanCreationException: Error creating bean with name 'dataSource'
        | \tat org.springframework.boot.SpringApplication.run(SpringApplication.java:343)
    >>> | Caused by: java.net.ConnectException: Connection refused
        | \t... 12 more
    """,
    "fetch hides its cause": """
        | TypeError: fetch failed
        |     at node:internal/deps/undici/undici:13185:13
    >>> |   [cause]: Error: getaddrinfo ENOTFOUND auth.europe-west9.gcp.commercetools.com
        |       at GetAddrInfoReqWrap.onlookupall [as oncomplete] (node:dns:120:26) {
        |     errno: -3008,
        |   }
        | }
    """,
    "an unhandled rejection that says what it was": """
        | node:internal/process/promises:394
        |       triggerUncaughtException(err, true /* fromPromise */);
        |       ^
        |
    >>> | AxiosError: Request failed with status code 401
        |     at settle (/workspace/node_modules/axios/dist/node/axios.cjs:2019:12)
        |
        | Node.js v20.18.0
    """,
    "checks that were skipped": """
ERROR   | Connector runtime security check skipped
ERROR   | SAST and SCA analysis check skipped
ERROR >>> | Connector specification file validation failed: endpoint must start with a slash
    """,
    "shutting down": """
ERROR >>> | relation "exports" does not exist
        | Received SIGTERM, shutting down gracefully
ERROR   | Error: Connection terminated unexpectedly
        | Server closed
    """,
    "only the old instance being stopped, then the new one failing": """
        | SIGTERM received
ERROR   | Error: Connection is closed.
        + 20
        | > node build/index.js
    >>> | SyntaxError: Unexpected token '}' in JSON at position 12
        |     at JSON.parse (<anonymous>)
    """,
    "a failure it goes on without": """
ERROR   | Could not load the feature flags
INFO    | Continuing without feature flags
ERROR >>> | EADDRINUSE: address already in use :::8080
    """,
    "an information that speaks of errors": """
INFO    | Error handling middleware registered
INFO    | Failed orders of last run: 0
        | 0 errors found
    >>> | Missing required environment variable: CTP_PROJECT_KEY
        | process exited with code 1
    """,
    "migrations": """
INFO    | Running migrations
ERROR >>> | error: relation "orders" already exists
        | Migration failed: 20261124_init
        | npm ERR! code 1
    """,
    "a record of several lines": """
    >>> | Error: Cannot find module 'express'\\n    at Module._load (node:internal:1:1)\\n    at a (/b.js:1:1)
        | npm ERR! code 1
    """,
    "a token that had to be refreshed": """
ERROR   | 401 invalid_token
INFO    | Token refreshed successfully
ERROR >>> | Object 'abc1' has a different version than expected. Expected: 4 - Actual: 7.
        | Post-deploy failed: 409
    """,
    "an unrelated success in between": """
ERROR >>> | connect ECONNREFUSED 10.0.0.1:6379
INFO    | Configuration read successfully
ERROR   | Post-deploy failed: no connection
    """,
    "a heading above a traceback": """
        | [2026-11-24 10:00:00 +0000] [7] [ERROR] Exception in worker process
        | Traceback (most recent call last):
        |   File "/app/main.py", line 1, in <module>
    >>> | ModuleNotFoundError: No module named 'flask'
        | [2026-11-24 10:00:00 +0000] [1] [ERROR] Worker (pid:7) exited with code 3
    """,
    "tests that fail": """
    >>> | FAIL tests/cart.spec.ts
        |   ● cart › totals
        |     expect(received).toBe(expected)
        | Tests:       1 failed, 12 passed, 13 total
        | npm ERR! code 1
    """,
    "requests that fail because of it": """
INFO    | Service application listening on port 8080
    >>> | TypeError: Cannot read properties of undefined (reading 'resource')
        |     at post (/workspace/build/controllers/event.controller.js:10:2)
ERROR   | POST /service 500
ERROR   | POST /service 500
    """,
    "another application's trouble is told first": """
ERROR   @job | Request failed with status code 503
WARNING @job | Retrying in 3s
INFO    @job | Job application listening on port 8080
        @service | /workspace/build/index.js:1
        @job | Connected
        @service |   throw new Error('x')
        @service |   ^
        @service |
    >>> @service | Error: Missing CTP_CLIENT_SECRET
        @service |     at Object.<anonymous> (/workspace/build/index.js:1:7)
    """,
}
SILENT = {
    "nothing": "",
    "work": """
INFO    | Order exported in 12 ms
        | Message acknowledged
        | 0 errors found
    """,
    "noise only": """
        | npm WARN deprecated uuid@3.4.0: Please upgrade
        | npm notice created a lockfile
        | (node:1) [DEP0040] DeprecationWarning: The `punycode` module is deprecated.
ERROR   | Connector runtime security check skipped
        | Received SIGTERM
        | npm ERR! code ELIFECYCLE
        | npm ERR! A complete log of this run can be found in: /root/.npm/_logs/x-debug-0.log
        | process exited with code 1
    """,
}


def read(log: str) -> tuple[list[Line], int | None]:
    """Lines `LEVEL >>> @application | message`, one each 10 ms; `+ N` lets N seconds pass."""
    lines: list[Line] = []
    marked, at = None, 1_000_000
    for row in log.splitlines():
        head, bar, message = row.partition("|")
        if not bar:
            at += 1_000 * int(head.replace("+", "").strip() or 0)
            continue
        words = head.split()
        if MARK in words:
            marked = len(lines)
            words.remove(MARK)
        application = next((word[1:] for word in words if word.startswith("@")), "service")
        level = next((word for word in words if word in LEVELS), "DEFAULT")
        text = message.removeprefix(" ").replace("\\n", "\n").replace("\\t", "\t")
        lines.append(Line(at=at, application=application, level=level, message=text))
        at += 10
    return lines, marked


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS.keys())
def test_the_line_a_person_would_point_at(log: str) -> None:
    lines, marked = read(log)
    found = decisive(lines)
    assert (found, None if found is None else lines[found].message) == (marked, lines[marked or 0].message)


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS.keys())
def test_the_same_line_when_all_of_it_came_within_one_millisecond(log: str) -> None:
    lines, marked = read(log)
    if "+" not in {row.strip()[:1] for row in log.splitlines()}:
        assert decisive([line._replace(at=1) for line in lines]) == marked


@pytest.mark.parametrize("log", SILENT.values(), ids=SILENT.keys())
def test_where_nothing_says_why_nothing_is_pointed_at(log: str) -> None:
    assert decisive(read(log)[0]) is None


@pytest.mark.parametrize("log", LOGS.values(), ids=LOGS.keys())
def test_the_noise_of_another_application_in_between_changes_nothing(log: str) -> None:
    lines, marked = read(log)
    mixed = [each for line in lines for each in (Line(line.at, "other", "INFO", "Order exported in 12 ms"), line)]
    assert decisive(mixed) == (None if marked is None else 2 * marked + 1)


def test_an_excerpt_is_what_the_same_application_said_around_the_line() -> None:
    lines = [Line(at, "ab"[at % 2], "INFO", str(at)) for at in range(40)]
    around = excerpt(lines, 20)
    assert [line.message for line in around] == ["14", "16", "18", "20", *(str(at) for at in range(22, 38, 2))]
    assert excerpt(lines, 0, before=2, after=1) == (lines[0], lines[2])
    assert excerpt(lines, 39, before=0, after=0) == (lines[39],)


TEXTS = st.text(max_size=60) | st.sampled_from(
    [row.partition("|")[2] for log in LOGS.values() for row in log.splitlines()]
)


@given(
    st.lists(
        st.builds(Line, st.integers(0, 10**7), st.sampled_from("ab"), st.sampled_from((*LEVELS, "")), TEXTS),
        max_size=30,
    )
)
def test_whatever_the_lines_are_a_position_in_them_or_none_is_returned(lines: list[Line]) -> None:
    found = decisive(sorted(lines))
    assert found is None or found in range(len(lines))


@pytest.mark.parametrize(
    "piece", ["a", " ", "a ", "Error: ", "failed ", "connection to ", "retry ", "\n", "    at x\n", "1", "env ", "A_B "]
)
def test_only_the_beginning_of_a_monstrous_line_is_judged(piece: str) -> None:
    monster = piece * (16_384 // len(piece))
    whole, cut = (Line(1, "service", "ERROR", text) for text in (monster, monster[:4_096]))
    assert decisive([whole]) == decisive([cut])
