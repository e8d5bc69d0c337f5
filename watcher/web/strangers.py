"""What is sent here that is no HTTP: anybody can send it, as often as they like, and the log is not for that."""

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

_THEIRS = (HttpProcessingError, web.RequestPayloadError, ConnectionResetError)
_GONE = "Connection closed."
"""What aiohttp says, as a RuntimeError, to whoever reads a body after its sender has gone."""


def server_log() -> logging.Logger:
    """The log of a server that anybody can reach. It has our faults, with tracebacks, and not those of who asks."""
    found = logging.getLogger("watcher.web")
    found.addFilter(_is_ours)
    return found


def _is_ours(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, _THEIRS) or (isinstance(error, RuntimeError) and str(error) == _GONE))
