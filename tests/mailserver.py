"""A real SMTP server on loopback that answers as a test says."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

TLS = Path(__file__).parent / "integration" / "tls"
USER, PASSWORD = "watcher", "pr1vate-password"


@dataclass
class Mailroom:
    """What reaches a server, and how it answers.

    `says` holds a reply by command (`MAIL`, `RCPT`, `DATA`, `QUIT`) or by recipient instead of the usual one. A command
    in `drops` ends the connection, one in `hangs` is never answered.
    """

    says: dict[str, str] = field(default_factory=dict)
    drops: set[str] = field(default_factory=set)
    hangs: set[str] = field(default_factory=set)
    mails: list[tuple[tuple[str, ...], bytes]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    connections: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def messages(self) -> list[EmailMessage]:
        """The mails as a modern reader sees them."""
        return [message_from_bytes(content, policy=policy.default) for _, content in self.mails]

    async def answer(self, server: SMTP, command: str, usual: str, key: str = "") -> str:
        self.heard.append(command)
        if command in self.drops:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        if command in self.hangs:
            await self.over.wait()
        return self.says.get(key) or self.says.get(command) or usual

    async def handle_MAIL(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802  the server's name for it
        envelope.mail_from = address
        self.heard += options
        return await self.answer(server, "MAIL", "250 fine")

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802  the server's name for it
        reply = await self.answer(server, "RCPT", "250 fine", address)
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802  the server's name for it
        self.mails.append((tuple(envelope.rcpt_tos), envelope.content))
        return await self.answer(server, "DATA", "250 2.0.0 taken")

    async def handle_QUIT(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802  the server's name for it
        return await self.answer(server, "QUIT", "221 bye")

    def login(self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(f"{mechanism} {data.login.decode()}")
        good = (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
        return AuthResult(success=good, handled=False, message=self.says.get("AUTH"))


def certificate(name: str = "good") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / f"{name}.pem")
    return context


@asynccontextmanager
async def mail_server(
    room: Mailroom, *, tls: str = "starttls", served: str = "good", size: int = 2**25, login: bool = True
) -> AsyncIterator[Mailroom]:
    """`tls` is `starttls`, `implicit` or `none`."""
    loop = asyncio.get_running_loop()
    context = certificate(served)

    def spoken() -> SMTP:
        room.connections += 1
        return SMTP(
            room,
            hostname="mail.example",
            loop=loop,
            tls_context=context if tls == "starttls" else None,
            require_starttls=tls == "starttls",
            data_size_limit=size,
            authenticator=room.login,
            auth_exclude_mechanism=() if login else ("LOGIN", "PLAIN"),
            auth_require_tls=tls == "starttls",
        )

    server = await loop.create_server(spoken, "127.0.0.1", 0, ssl=context if tls == "implicit" else None)
    room.port = server.sockets[0].getsockname()[1]
    try:
        yield room
    finally:
        room.over.set()
        server.close()
