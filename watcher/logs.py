"""Our own log: one JSON object for each line, or something prettier on a terminal, and nothing secret in either.

Everything goes through one door, whoever logs it: structlog's own events and what APScheduler, aiohttp and the standard
library say. Fields and tracebacks are cleaned there; tracebacks never show local variables.
"""

import logging
import math
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Protocol, TextIO

import structlog
from structlog.typing import EventDict, Processor

FORMATS = ("auto", "json", "console")
LEVELS = ("debug", "info", "warning", "error")
TRACEBACK_LIMIT = 32_768
"""Characters of a traceback; the end of it, where the error stands, is the part to keep."""
_DEPTH = 6
_ITEMS = 200
_CHATTY = ("asyncio", "aiohttp.access")
_FIRST = ("timestamp", "level", "logger", "event")
_TRACES = frozenset({"exception", "stack"})


class Cleaner(Protocol):
    """What the log needs of a redactor."""

    def clean(self, text: str, limit: int = ...) -> str:
        """The text without secrets, control characters and excess length."""
        ...

    def is_secret_name(self, name: str) -> bool:
        """Whether a value under this name is never shown."""
        ...


def configure(
    cleaner: Cleaner, *, level: str = "info", log_format: str = "auto", stream: TextIO | None = None, color: bool = True
) -> None:
    """Set up logging for the process, to standard error unless told otherwise. Colours need a terminal, too."""
    out = sys.stderr if stream is None else stream
    severity = logging.getLevelNamesMapping()[level.upper()]
    on_terminal = log_format == "console" or (log_format == "auto" and out.isatty())
    structlog.configure(
        processors=[
            *_shared(cleaner),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        cache_logger_on_first_use=False,  # a test or a reload may configure again
    )
    handler = _Output(out)
    handler.setFormatter(_formatter(cleaner, on_terminal=on_terminal, color=color and out.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(severity)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(severity if severity < logging.INFO else max(severity, logging.WARNING))
    logging.captureWarnings(capture=True)
    sys.excepthook = _last_words


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What the interpreter would print about an error that nobody caught, through the same door as everything else."""
    if issubclass(kind, Exception):
        structlog.get_logger(__name__).critical("process.failed", exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


def wants_color(environ: Mapping[str, str]) -> bool:
    """Whether colours are welcome: `NO_COLOR` in any form but the empty one says no, and so does a dumb terminal."""
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _shared(cleaner: Cleaner) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _cleaning(cleaner),
    ]


def _formatter(cleaner: Cleaner, *, on_terminal: bool, color: bool) -> logging.Formatter:
    renderer: Processor
    if on_terminal:
        renderer = structlog.dev.ConsoleRenderer(colors=color, exception_formatter=structlog.dev.plain_traceback)
    else:
        renderer = structlog.processors.JSONRenderer(sort_keys=False)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(cleaner),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def _cleaning(cleaner: Cleaner) -> Processor:
    """A processor that cleans every field; values that are neither text nor numbers are shown by their `str`."""

    def clean(_logger: object, _method: str, event: EventDict) -> MutableMapping[str, Any]:
        keys = [*(key for key in _FIRST if key in event), *(key for key in event if key not in _FIRST)]
        return {key: event[key] if key.startswith("_") else _field(cleaner, key, event[key]) for key in keys}

    return clean


def _field(cleaner: Cleaner, key: str, value: object) -> object:
    if key in _TRACES and isinstance(value, str):
        room = 4 * TRACEBACK_LIMIT
        return cleaner.clean(value[-room:], room)[-TRACEBACK_LIMIT:]
    if key == "event":
        return cleaner.clean(str(value)).replace("\n", " ")
    return _clean(cleaner, key, value, _DEPTH)


def _clean(cleaner: Cleaner, key: str, value: object, depth: int) -> object:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if cleaner.is_secret_name(key):
        return "<secret>"
    if depth and isinstance(value, Mapping):
        items = list(value.items())[:_ITEMS]
        return {cleaner.clean(str(name)): _clean(cleaner, str(name), item, depth - 1) for name, item in items}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_clean(cleaner, "", item, depth - 1) for item in list(value)[:_ITEMS]]
    return cleaner.clean(str(value))


class _Output(logging.StreamHandler[TextIO]):
    """Writes to the stream; a record that cannot be formatted costs one line that says so and shows nothing of it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name is the standard library's
        kind = sys.exc_info()[0]
        with suppress(OSError, ValueError):
            what = kind.__name__ if kind else "unknown"
            self.stream.write(f'{{"event": "log.failed", "logger": "{record.module}", "error": "{what}"}}\n')
