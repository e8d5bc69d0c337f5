"""The HTTP server: probes and metrics. It answers from memory, so it answers while the database and the API do not.

Contract: it knows nothing of the daemon but the questions in `Health` and a metrics registry; `serve` is all there is. What
stands under `/-/` and `/metrics` answers anyone and therefore shows no secret, no URL and nothing a person typed.
"""

from watcher.web.probes import Health
from watcher.web.server import serve

__all__ = ["Health", "serve"]
