"""What applications write to their logs: the shapes that Connect's own templates and loggers produce, filled by chance.

Almost none carries a `severity` that the platform understands, so it stays DEFAULT: winston's JSON says
`"level": "error"`, its default format hides the word in terminal colours, pino counts levels in tens, a script that
writes to standard error says nothing at all. Only the platform's own request log has a severity of its own.

Unknown and therefore invented: what AWS regions put into `details`. They get the same shapes here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from watcher.simulator.chance import Chance
from watcher.simulator.clock import iso
from watcher.simulator.facts import LOG_SEVERITIES, LOG_TYPES

HTTP_REQUEST, TEXT, JSON = LOG_TYPES

Option = TypeVar("Option")

FAILURES = (
    "Bad request: No Pub/Sub message was received",
    "Bad request: Wrong No Pub/Sub message format",
    "Missing message data in incoming message",
    "connect ETIMEDOUT 10.24.0.17:443",
    "Request failed with status code 503",
    "Cannot read properties of undefined (reading 'lineItems')",
    "Object 'b7a1f6de' has a different version than expected. Expected: 4 - Actual: 7.",
)
CHORES = (
    "Order exported",
    "Extension request handled",
    "Message acknowledged",
    "Cart tax updated",
    "Index entry written",
)
KNOWN_ERRORS = (
    "Order {id} has no shipping address",
    "Payment {id} was declined after {number} ms: insufficient_funds",
    "Cart {id} has version {number}, expected {smaller}",
    "Timeout after {number} ms while calling 10.24.{smaller}.17:443",
    "Customer {id} is locked since {time}",
)
"""What an application that works reports again and again, each time about something else."""

NEW_ERROR = "Tax category {id} has no rate for country DE, line {number} of order {other}"

FRAMES = (
    "TCPConnectWrap.afterConnect [as oncomplete] (node:net:{line}:16)",
    "process.processTicksAndRejections (node:internal/process/task_queues:{line}:5)",
    "async OrderClient.send (/workspace/build/client/order.client.js:{line}:22)",
    "async post (/workspace/build/controllers/event.controller.js:{line}:9)",
    "async /workspace/build/routes/event.route.js:{line}:13",
)
STARTS = (
    (TEXT, "\x1b[32minfo\x1b[39m:     ⚡️ Service application listening on port 8080"),
    (JSON, "⚡️ Event application listening on port 8080"),
    (TEXT, "Listening on port: 8080"),
)
SCRIPT_FAILURES = (
    "Extension validation failed: the destination is not reachable",
    "Insufficient scope: manage_subscriptions",
    "Resource key 'ct-connect-extension' is already in use",
)
SERVER_ERRORS = (500, 500, 500, 502, 503, 504)
CLIENT_ERRORS = (400, 401, 404, 404, 422)
GATEWAY_TIMEOUT = 504

PUSH_AGENT = "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)"
CALLERS = ("axios/1.7.9", "node-fetch", "commercetools-sdk-javascript-v3/3.4.1 node.js/20.20.2 (linux; x64)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where and when an application writes. `url` is what it is reached by, where it is reached at all."""

    chance: Chance
    at: int
    application: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One record to be: the last four fields of a DeploymentLog, the timestamp as milliseconds after the scene's."""

    type: str
    details: Any
    severity: str = "DEFAULT"
    after: int = 0


Shape: TypeAlias = Callable[[Scene], Sequence[Line]]


def picked(chance: Chance, options: Sequence[Option]) -> Option:
    """One of them."""
    return options[between(chance, 0, len(options) - 1)]


def between(chance: Chance, lowest: int, highest: int) -> int:
    """A whole number, both ends included."""
    return lowest + int(chance.letters(8), 16) % (highest - lowest + 1)


# ── applications ─────────────────────────────────────────────────────────────


def json_error(scene: Scene) -> Sequence[Line]:
    """The official logger with `json: true`: winston's level word, and the fields that the templates always add."""
    return [Line(type=JSON, details={**winston(scene, "error"), "message": picked(scene.chance, FAILURES)})]


def json_bare_error(scene: Scene) -> Sequence[Line]:
    """What is left when the official logger is given an Error and nothing else: not even its message."""
    return [Line(type=JSON, details=winston(scene, "error"))]


def json_severity(severity: str) -> Shape:
    """A logger that was told about the platform, which takes the severity out of the line and makes it the record's."""

    def shape(scene: Scene) -> Sequence[Line]:
        return [Line(type=JSON, details={"message": picked(scene.chance, FAILURES)}, severity=severity)]

    return shape


def known_error(scene: Scene) -> Sequence[Line]:
    """One of a few errors that an application has always had; ids, numbers and times differ."""
    return about(scene, picked(scene.chance, KNOWN_ERRORS))


def new_error(scene: Scene) -> Sequence[Line]:
    """One that it has not had, of one template too."""
    return about(scene, NEW_ERROR)


def about(scene: Scene, template: str) -> Sequence[Line]:
    """An error about something."""
    number = between(scene.chance, 200, 9000)
    message = template.format(
        id=scene.chance.uuid(),
        other=scene.chance.uuid(),
        number=number,
        smaller=number % 200,
        time=iso(scene.at - number),
    )
    return [Line(type=JSON, details={**winston(scene, "error"), "message": message})]


def winston(scene: Scene, level: str) -> dict[str, Any]:
    """The fields of every line an application writes."""
    return {"level": level, "name": scene.application, "correlationId": scene.chance.uuid()}


def pino_error(scene: Scene) -> Sequence[Line]:
    """Pino: 50 is error."""
    message = picked(scene.chance, FAILURES)
    failure = {"type": "Error", "message": message, "stack": trace(scene.chance, message)}
    return [Line(type=JSON, details={**pino(scene, 50), "err": failure, "msg": message})]


def pino_warning(scene: Scene) -> Sequence[Line]:
    """Pino: 40 is warn."""
    return [Line(type=JSON, details={**pino(scene, 40), "msg": f"Retrying: {picked(scene.chance, FAILURES)}"})]


def pino(scene: Scene, level: int) -> dict[str, Any]:
    """The fields pino starts every line with."""
    return {"level": level, "time": scene.at, "pid": 1, "hostname": "localhost", "reqId": f"req-{scene.chance.uuid()}"}


def ansi_error(scene: Scene) -> Sequence[Line]:
    """The official logger as it is by default: coloured for a terminal that is not there."""
    return [text(f"\x1b[31merror\x1b[39m:    {picked(scene.chance, FAILURES)}")]


def ansi_warning(scene: Scene) -> Sequence[Line]:
    """The same, yellow."""
    return [text(f"\x1b[33mwarn\x1b[39m:     Retrying: {picked(scene.chance, FAILURES)}")]


def info(scene: Scene) -> Sequence[Line]:
    """An application at work: JSON or coloured text."""
    message = f"{picked(scene.chance, CHORES)} in {between(scene.chance, 3, 900)} ms"
    if between(scene.chance, 0, 1):
        return [text(f"\x1b[32minfo\x1b[39m:     {message}")]
    return [Line(type=JSON, details={**winston(scene, "info"), "message": message})]


def plain_text(scene: Scene) -> Sequence[Line]:
    """Whatever somebody printed."""
    return [text(f"{picked(scene.chance, CHORES)}: {scene.chance.uuid()}")]


def text_error(scene: Scene) -> Sequence[Line]:
    """An error that only its wording gives away."""
    return [text(f"Error: {picked(scene.chance, FAILURES)}")]


def secret(scene: Scene) -> Sequence[Line]:
    """A careless line: a bearer token and a client secret, which nobody who reads logs may pass on."""
    token, client_secret = scene.chance.letters(32), scene.chance.letters(32)
    request = {"Authorization": f"Bearer {token}", "client_secret": client_secret}
    return [Line(type=JSON, details={**winston(scene, "error"), "message": "Request failed", "request": request})]


def stack_trace(scene: Scene) -> Sequence[Line]:
    """One record with line breaks in it."""
    return [text(trace(scene.chance, picked(scene.chance, FAILURES)))]


def split_stack_trace(scene: Scene) -> Sequence[Line]:
    """The same as Cloud Run takes it from standard error: a record for every line, some within the same millisecond."""
    lines = trace(scene.chance, picked(scene.chance, FAILURES)).split("\n")
    return [text(line, after=number // 4) for number, line in enumerate(lines)]


def trace(chance: Chance, message: str) -> str:
    """An error as Node.js prints it; its line numbers differ from build to build."""
    frames = (f"    at {frame.format(line=between(chance, 10, 1600))}" for frame in FRAMES)
    return "\n".join([f"Error: {message}", *frames])


def start(scene: Scene) -> Sequence[Line]:
    """An application has come up."""
    kind, message = picked(scene.chance, STARTS)
    return [Line(type=JSON, details={**winston(scene, "info"), "message": message}) if kind == JSON else text(message)]


def post_deploy_failed(scene: Scene) -> Sequence[Line]:
    """What the templates' postDeploy script leaves behind. The Deployment goes on to be Deployed."""
    return [text(f"Post-deploy failed: {picked(scene.chance, SCRIPT_FAILURES)}")]


def text(message: str, after: int = 0) -> Line:
    """A line that is not JSON."""
    return Line(type=TEXT, details={"message": message}, after=after)


# ── requests ─────────────────────────────────────────────────────────────────


def http_ok(scene: Scene) -> Sequence[Line]:
    """A request answered well."""
    return [request_line(scene, picked(scene.chance, (200, 200, 200, 201, 204)), "INFO")]


def http_4xx(scene: Scene) -> Sequence[Line]:
    """A request refused."""
    return [request_line(scene, picked(scene.chance, CLIENT_ERRORS), "WARNING")]


def http_5xx(scene: Scene) -> Sequence[Line]:
    """A request failed."""
    return [request_line(scene, picked(scene.chance, SERVER_ERRORS), "ERROR")]


def request_line(scene: Scene, status: int, severity: str) -> Line:
    """One request in the words of Cloud Logging's HttpRequest: sizes are texts, the latency is seconds with an `s`.

    An application without a URL of its own is called by the message broker.
    """
    chance = scene.chance
    latency = 300_000 if status == GATEWAY_TIMEOUT else between(chance, 4, 1900)
    details = {
        "requestMethod": "POST",
        "requestUrl": f"{scene.url or f'https://{scene.application}.a.run.app'}/service",
        "requestSize": str(between(chance, 400, 9000)),
        "status": status,
        "responseSize": str(between(chance, 120, 4000)),
        "userAgent": picked(chance, CALLERS) if scene.url else PUSH_AGENT,
        "remoteIp": f"203.0.113.{between(chance, 1, 254)}",
        "serverIp": f"198.51.100.{between(chance, 1, 254)}",
        "latency": f"{latency / 1000:.3f}s",
        "protocol": "HTTP/1.1",
    }
    return Line(type=HTTP_REQUEST, details=details, severity=severity)


SHAPES: Mapping[str, Shape] = {
    "json-error": json_error,
    "json-bare-error": json_bare_error,
    "known-error": known_error,
    "new-error": new_error,
    "pino-error": pino_error,
    "pino-warning": pino_warning,
    "ansi-error": ansi_error,
    "ansi-warning": ansi_warning,
    "info": info,
    "text": plain_text,
    "text-error": text_error,
    "secret": secret,
    "stack-trace": stack_trace,
    "split-stack-trace": split_stack_trace,
    "start": start,
    "post-deploy-failed": post_deploy_failed,
    "http-ok": http_ok,
    "http-4xx": http_4xx,
    "http-5xx": http_5xx,
    **{f"severity-{each.lower()}": json_severity(each) for each in LOG_SEVERITIES},
}
"""Every shape by the name that scenarios and the control API call it."""
