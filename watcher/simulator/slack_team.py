"""A Slack workspace as a bot sees it over the Web API: channels, messages, threads, limits and refusals, in Slack's words.

Codes, arguments and tiers are those of the official method descriptions. One message a second is taken in a channel, 300
a minute in the workspace, 50 edits a minute (tier 3); what is beyond is answered with 429 and Retry-After, and who calls
again before it is over is counted in `hammered`. A channel is there as soon as somebody names it, unless it was said to
be missing. `thread_not_found` and `cannot_reply_to_message` are stricter than Slack, which posts such replies somewhere.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from watcher.simulator import slack
from watcher.simulator.clock import Clock
from watcher.simulator.errors import SimulatorError

POST, UPDATE, DELETE, EPHEMERAL, AUTH, MEMBERS, CONNECT = (
    *("chat.postMessage", "chat.update", "chat.delete", "chat.postEphemeral"),
    *("auth.test", "usergroups.users.list", "apps.connections.open"),
)
TEAM, BOT = "T0SIMULATOR", "U0WATCHER"
BETWEEN = 1_000
"""Milliseconds between two messages in a channel."""
JITTER = 100
"""By how much they may be closer: who keeps a second between two sends does not keep it to the millisecond on arrival."""
MINUTE = 60_000
PER_MINUTE: Mapping[str, int] = {
    POST: 300,
    UPDATE: 50,
    DELETE: 50,
    EPHEMERAL: 100,
    AUTH: 600,
    MEMBERS: 20,
    CONNECT: 20,
}
SCOPES: Mapping[str, str] = {
    POST: "chat:write",
    UPDATE: "chat:write",
    DELETE: "chat:write",
    EPHEMERAL: "chat:write",
    MEMBERS: "usergroups:read",
}
FORM_ONLY = frozenset({MEMBERS})
"""Methods that read take no JSON."""

Arguments = Mapping[str, Any]


class CallError(SimulatorError):
    """A call is refused with a code; `more` are fields beside it, `wait` is seconds of Retry-After."""

    def __init__(self, code: str, *, wait: int = 0, **more: Any) -> None:
        super().__init__(code)
        self.code = code
        self.wait = wait
        self.more = more


@dataclass(slots=True, kw_only=True)
class Post:
    """A message: as it stands, as it stood before each edit, and where it belongs."""

    ts: str
    content: dict[str, Any]
    thread_ts: str = ""
    broadcast: bool = False
    earlier: list[dict[str, Any]] = field(default_factory=list)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What notifications show of it."""
        return str(self.content.get("text", ""))


@dataclass(slots=True, kw_only=True)
class Channel:
    """A channel, its messages by `ts`, and when it last got one."""

    id: str
    name: str
    archived: bool = False
    member: bool = True
    missing: bool = False
    posts: dict[str, Post] = field(default_factory=dict)
    last: int = -BETWEEN
    closed_until: int = 0

    def roots(self) -> list[Post]:
        """The messages that are not in a thread."""
        return [post for post in self.posts.values() if not post.thread_ts]

    def thread(self, ts: str) -> list[Post]:
        """The replies to a message, oldest first."""
        return [post for post in self.posts.values() if post.thread_ts == ts]


@dataclass(slots=True, kw_only=True)
class Answer:
    """What a call is answered with."""

    body: Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Team:
    """The workspace. `refusing` is a code that all tokens are refused with, `scopes` what they may do."""

    clock: Clock
    channels: dict[str, Channel] = field(default_factory=dict)
    scopes: set[str] = field(default_factory=lambda: {"chat:write", "usergroups:read"})
    refusing: str = ""
    groups: dict[str, list[str]] = field(default_factory=dict)
    hammered: int = 0
    _calls: dict[str, deque[int]] = field(default_factory=dict)
    _closed: dict[str, int] = field(default_factory=dict)
    _made: int = 0

    def channel(self, name: str) -> Channel:
        """A channel by its name, with or without `#`, or by its id; made when it is first asked for."""
        name = name.removeprefix("#")
        found = next((each for each in self.channels.values() if name in {each.id, each.name}), None)
        if found is None:
            found = Channel(id=f"C0{len(self.channels) + 1:08d}", name=name)
            self.channels[found.id] = found
        return found

    def delete(self, ts: str) -> bool:
        """Remove a message, as a person does; whether there was one."""
        return any(channel.posts.pop(ts, None) for channel in self.channels.values())

    def call(self, method: str, token: str, arguments: Arguments) -> Answer:
        """Answer a call as Slack does."""
        try:
            self._admit(method, token)
            self._count(method)
            return Answer(body={"ok": True, **METHODS[method](self, arguments)})
        except CallError as refusal:
            body = {"ok": False, "error": refusal.code, **refusal.more}
            if refusal.wait:
                return Answer(body=body, status=429, headers={"Retry-After": str(refusal.wait)})
            return Answer(body=body)

    def _admit(self, method: str, token: str) -> None:
        """Whether there is such a method, and the token may call it. Raises CallError."""
        if method not in METHODS:
            raise CallError("unknown_method", req_method=method)
        if not token:
            raise CallError("not_authed")
        is_app = token.startswith("xapp-")
        if not is_app and not token.startswith(("xoxb-", "xoxe.xoxb-")):
            raise CallError("invalid_auth")
        if is_app != (method == CONNECT):
            raise CallError("not_allowed_token_type")
        if self.refusing:
            raise CallError(self.refusing)
        needed = SCOPES.get(method)
        if needed and needed not in self.scopes:
            raise CallError("missing_scope", needed=needed, provided=",".join(sorted(self.scopes)))

    def _count(self, method: str) -> None:
        """Keep to a method's calls a minute. Raises CallError."""
        now, calls = self.clock.now(), self._calls.setdefault(method, deque())
        if now < self._closed.get(method, 0):
            self.hammered += 1
            raise CallError("ratelimited", wait=seconds(self._closed[method] - now))
        while calls and now - calls[0] >= MINUTE:
            calls.popleft()
        if len(calls) >= PER_MINUTE[method]:
            wait = seconds(calls[0] + MINUTE - now)
            self._closed[method] = now + wait * 1000
            raise CallError("ratelimited", wait=wait)
        calls.append(now)

    def find(self, ts: str) -> tuple[Channel, Post] | None:
        """A message and its channel."""
        return next(((each, each.posts[ts]) for each in self.channels.values() if ts in each.posts), None)

    def take(self, channel: Channel, arguments: Arguments) -> Post:
        """Post a message, at the pace of its channel. Raises CallError."""
        now = self.clock.now()
        if now < channel.closed_until:
            self.hammered += 1
            raise CallError("ratelimited", wait=seconds(channel.closed_until - now))
        if now - channel.last < BETWEEN - JITTER:
            channel.closed_until = now + BETWEEN
            raise CallError("ratelimited", wait=seconds(BETWEEN))
        channel.last = now
        return self.put(channel, arguments)

    def put(self, channel: Channel, arguments: Arguments) -> Post:
        """Post a message at any pace."""
        now = self.clock.now()
        self._made += 1
        post = Post(
            ts=f"{now // 1000}.{self._made:06d}",
            content=content_of(arguments),
            thread_ts=str(arguments.get("thread_ts") or ""),
            broadcast=bool(arguments.get("reply_broadcast")),
            metadata=arguments.get("metadata") or {},
        )
        channel.posts[post.ts] = post
        return post


def seconds(length: int) -> int:
    """Whole seconds, as Retry-After has them; none is too short."""
    return max(-(-length // 1000), 1)


def content_of(arguments: Arguments) -> dict[str, Any]:
    """The parts of a call that people see."""
    return {name: arguments[name] for name in ("text", "blocks", "attachments") if arguments.get(name)}


# ── methods ──────────────────────────────────────────────────────────────────


def where(team: Team, arguments: Arguments, *, by_name: bool = True) -> Channel:
    """The channel that is meant. Raises CallError where nothing can be posted there."""
    named = arguments.get("channel")
    if not isinstance(named, str) or not named:
        raise CallError("channel_not_found")
    if not by_name and named not in team.channels:
        raise CallError("channel_not_found")
    channel = team.channel(named)
    if channel.missing:
        raise CallError("channel_not_found")
    if channel.archived:
        raise CallError("is_archived")
    if not channel.member:
        raise CallError("not_in_channel")
    return channel


def readable(arguments: Arguments) -> None:
    """Raise CallError where the message cannot be read."""
    if why := slack.refusal(dict(arguments)):
        raise CallError("invalid_arguments" if why == "invalid_payload" else why)
    metadata = arguments.get("metadata")
    if metadata is not None and not is_metadata(metadata):
        raise CallError("invalid_metadata_format")


def is_metadata(metadata: Any) -> bool:
    """Whether it has a type and something to say."""
    if not isinstance(metadata, dict):
        return False
    return isinstance(metadata.get("event_type"), str) and isinstance(metadata.get("event_payload"), dict)


def post_message(team: Team, arguments: Arguments) -> Arguments:
    """chat.postMessage."""
    channel = where(team, arguments)
    readable(arguments)
    if parent := arguments.get("thread_ts"):
        if parent not in channel.posts:
            raise CallError("thread_not_found")
        if channel.posts[parent].thread_ts:
            raise CallError("cannot_reply_to_message")
    post = team.take(channel, arguments)
    return {"channel": channel.id, "ts": post.ts, "message": {"ts": post.ts, "user": BOT, **post.content}}


def update(team: Team, arguments: Arguments) -> Arguments:
    """chat.update: text alone takes blocks away, attachments stay unless there are others."""
    channel = where(team, arguments, by_name=False)
    post = channel.posts.get(str(arguments.get("ts")))
    if post is None:
        raise CallError("message_not_found")
    readable({**arguments, "metadata": arguments.get("metadata")})
    kept = {} if "text" in arguments else {"blocks": post.content.get("blocks")}
    old = {"attachments": post.content.get("attachments"), **kept}
    post.earlier.append(post.content)
    post.content = content_of({**old, **arguments})
    return {"channel": channel.id, "ts": post.ts, "text": post.text}


def delete(team: Team, arguments: Arguments) -> Arguments:
    """chat.delete."""
    channel = where(team, arguments, by_name=False)
    ts = str(arguments.get("ts"))
    if ts not in channel.posts:
        raise CallError("message_not_found")
    del channel.posts[ts]
    return {"channel": channel.id, "ts": ts}


def post_ephemeral(team: Team, arguments: Arguments) -> Arguments:
    """chat.postEphemeral: shown to one person and kept nowhere."""
    where(team, arguments)
    if not arguments.get("user"):
        raise CallError("user_not_in_channel")
    readable(arguments)
    return {"message_ts": f"{team.clock.now() // 1000}.000000"}


def members(team: Team, arguments: Arguments) -> Arguments:
    """usergroups.users.list."""
    group = arguments.get("usergroup")
    if group not in team.groups:
        raise CallError("no_such_subteam")
    return {"users": team.groups[str(group)]}


def connect(_team: Team, _arguments: Arguments) -> Arguments:
    """apps.connections.open; the address is put in by what listens there."""
    return {}


def auth_test(_team: Team, _arguments: Arguments) -> Arguments:
    """auth.test."""
    return {"url": "https://simulator.example/", "team": "Simulator", "team_id": TEAM, "user_id": BOT}


METHODS: Mapping[str, Callable[[Team, Arguments], Arguments]] = {
    POST: post_message,
    UPDATE: update,
    DELETE: delete,
    EPHEMERAL: post_ephemeral,
    AUTH: auth_test,
    MEMBERS: members,
    CONNECT: connect,
}


# ── showing ──────────────────────────────────────────────────────────────────


def shown(team: Team) -> Mapping[str, Any]:
    """The workspace for a person: each channel with its messages, each message with its thread."""
    channels = [
        {
            "id": channel.id,
            "name": channel.name,
            "archived": channel.archived,
            "member": channel.member,
            "missing": channel.missing,
            "messages": list(threads(channel)),
        }
        for channel in team.channels.values()
    ]
    return {"scopes": sorted(team.scopes), "refusing": team.refusing, "hammered": team.hammered, "channels": channels}


def threads(channel: Channel) -> Iterator[Mapping[str, Any]]:
    """The messages of a channel; replies whose root is gone stand alone."""
    for post in channel.posts.values():
        if post.thread_ts not in channel.posts:
            replies = [one(reply) for reply in channel.thread(post.ts)]
            yield {**one(post), "edits": len(post.earlier), "replies": replies}


def one(post: Post) -> Mapping[str, Any]:
    """A message."""
    return {"ts": post.ts, "thread_ts": post.thread_ts, "broadcast": post.broadcast, **post.content}
