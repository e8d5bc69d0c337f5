"""The one HTTP door out: every request of the daemon leaves here, bounded in time and size, and guarded where asked.

Nobody else uses the aiohttp client. Redirects are never followed, cookies never kept, the environment's proxies never
used, TLS is 1.2 or newer and always verified. A request ends by its deadline whatever the peer does: slow names, slow
handshakes and bodies that drip are all inside it. Every failure is one `TransportError`.

A guarded request (its URL comes from a user) reaches public addresses over https, and besides them only the networks
of `[egress] allow`. Each address that a name stands for is judged, and only the judged ones are connected to, so a
name cannot change its mind in between. Behind a proxy the proxy resolves names: there the guard sees numeric hosts,
and names of the proxy's own side, and the rest is for the proxy's rules.
"""

from watcher.http.door import Http, tls_context
from watcher.http.fault import Fault, TransportError
from watcher.http.message import CAP, DEADLINE, Answer, Request, http_date, retry_after
from watcher.http.websocket import WebSocket

__all__ = [
    "CAP",
    "DEADLINE",
    "Answer",
    "Fault",
    "Http",
    "Request",
    "TransportError",
    "WebSocket",
    "http_date",
    "retry_after",
    "tls_context",
]
