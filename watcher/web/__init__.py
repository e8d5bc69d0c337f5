"""The HTTP server: probes, metrics, the API, and presses that Slack signs.

Probes and metrics are answered from memory, so they answer while the database and the API of Connect do not.

Contract: it knows nothing of the daemon but the questions in `Health`, a metrics registry and what `Live` holds; `serve`
is all there is. What stands under `/-/` and `/metrics` answers anyone and therefore shows no secret, no URL and nothing a
person typed. `/api/v1` answers this machine, and others with the token; `/slack/actions` whoever Slack signs for.
"""

from watcher.web.api_world import Live
from watcher.web.probes import Health
from watcher.web.server import serve

__all__ = ["Health", "Live", "serve"]
