"""What people do in a Slack workspace: they press buttons, and are answered through the `response_url` of a press.

Such a URL takes five answers within half an hour. One to all stands in the channel, or in the thread that it names; one
to the person alone is kept in `whispers`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from watcher.simulator.errors import SimulatorError
from watcher.simulator.slack import refusal
from watcher.simulator.slack_team import TEAM, Channel, Post, Team, content_of

ANSWERS = "/slack/actions/"
LASTING = 1_800_000
USES = 5


class PressError(SimulatorError):
    """There is no such button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisper:
    """What one person alone was told, and where."""

    user: str
    channel: str
    text: str


@dataclass(slots=True, kw_only=True)
class Asked:
    """A press, and how often it may still be answered."""

    user: str
    channel: Channel
    post: Post
    until: int
    left: int = USES


@dataclass(slots=True, kw_only=True)
class People:
    """The people of a workspace."""

    team: Team
    whispers: list[Whisper] = field(default_factory=list)
    _asked: dict[str, Asked] = field(default_factory=dict)

    def press(self, base: str, action: str, *, user: str, name: str, ts: str = "") -> dict[str, Any]:
        """What Slack tells an app of a press: of a message's button, or of the newest such. Raises PressError."""
        channel, post, block, button = self._button(action, ts)
        number = f"{len(self._asked) + 1}"
        now = self.team.clock.now()
        self._asked[number] = Asked(user=user, channel=channel, post=post, until=now + LASTING)
        thread = {"thread_ts": post.thread_ts} if post.thread_ts else {}
        pressed = {**button, "block_id": block.get("block_id", ""), "action_ts": f"{now // 1000}.{number:0>6}"}
        return {
            "type": "block_actions",
            "user": {"id": user, "username": name, "name": name, "team_id": TEAM},
            "api_app_id": "A0SIMULATOR",
            "container": {"type": "message", "message_ts": post.ts, "channel_id": channel.id, "is_ephemeral": False},
            "trigger_id": f"{number}.0.0",
            "team": {"id": TEAM, "domain": "simulator"},
            "channel": {"id": channel.id, "name": channel.name},
            "message": {"type": "message", "ts": post.ts, **thread, **post.content},
            "state": {"values": {}},
            "response_url": f"{base}{ANSWERS}{TEAM}/{number}",
            "actions": [pressed],
        }

    def answer(self, number: str, payload: Any) -> str | None:
        """Take what an app says to a press; why not, where it is refused."""
        asked = self._asked.get(number)
        if asked is None or not asked.left:
            return "used_url"
        if self.team.clock.now() > asked.until:
            return "expired_url"
        if why := refusal(payload):
            return why
        asked.left -= 1
        if payload.get("replace_original"):
            asked.post.earlier.append(asked.post.content)
            asked.post.content = content_of(payload)
        elif payload.get("response_type") == "in_channel":
            self.team.put(asked.channel, payload)
        else:
            self.whispers.append(Whisper(user=asked.user, channel=asked.channel.id, text=str(payload.get("text", ""))))
        return None

    def _button(self, action: str, ts: str) -> tuple[Channel, Post, Mapping[str, Any], Mapping[str, Any]]:
        found = [
            (channel, post, block, element)
            for channel in self.team.channels.values()
            for post in channel.posts.values()
            for block in blocks_of(post)
            for element in block.get("elements", ())
            if element.get("action_id") == action and ts in {"", post.ts}
        ]
        if not found:
            raise PressError(f"no message has a button {action!r}")
        return max(found, key=lambda each: each[1].ts)


def blocks_of(post: Post) -> Iterator[Mapping[str, Any]]:
    """Every block of a message, wherever it stands."""
    yield from post.content.get("blocks") or ()
    for each in post.content.get("attachments") or ():
        yield from each.get("blocks") or ()
