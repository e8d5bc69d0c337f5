"""What Slack answers, read strictly: a message is posted exactly when Slack says so.

An incoming webhook says one word, the Web API says JSON, whose `ok` counts and not its status. The codes are those of
the API's own description. Only these become a reason: an answer is foreign text.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from watcher.core.delivery import Outcome
from watcher.errors import DeliveryError
from watcher.sinks.outcome import Reason, Reply, is_taken, refusal

_SERVER_ERROR = 500
_CODE = re.compile(r"[a-z_]{1,60}")

_UNREADABLE = frozenset(
    {
        *("invalid_payload", "no_text", "missing_text_or_fallback_or_attachments", "invalid_blocks"),
        *("invalid_attachments", "too_many_attachments", "msg_too_long", "msg_blocks_too_long"),
    }
)
"""What Slack says of a message that it cannot read; plain text is then worth a try."""
_WORDS = _UNREADABLE | {
    *("action_prohibited", "channel_is_archived", "channel_not_found", "invalid_token", "no_active_hooks"),
    *("no_service", "no_service_id", "no_team", "posting_to_general_channel_denied", "team_disabled", "user_not_found"),
}
"""The words with which an incoming webhook refuses for good."""


class Meaning(Enum):
    """What a code of the Web API means for the message.

    `LOST`: the message that was to be edited or answered cannot be any more; a new one can be posted. `DOUBTFUL`: Slack
    says that part of it may have taken effect.
    """

    REFUSED = auto()
    UNREADABLE = auto()
    LOST = auto()
    LATER = auto()
    DOUBTFUL = auto()


_CODES: Mapping[Meaning, frozenset[str]] = {
    Meaning.REFUSED: frozenset(
        {
            *("channel_not_found", "is_archived", "not_in_channel", "no_permission", "missing_scope", "access_denied"),
            *("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "team_not_found"),
            *("not_allowed_token_type", "org_login_required", "ekm_access_denied", "two_factor_setup_required"),
            *("restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel"),
            *("restricted_action_non_threadable_channel", "team_access_not_granted", "enterprise_is_restricted"),
            *("channel_is_limited_access", "messages_tab_disabled", "accesslimited", "as_user_not_supported"),
            *("deprecated_endpoint", "method_deprecated", "unknown_method", "is_inactive"),
        }
    ),
    Meaning.UNREADABLE: _UNREADABLE
    | {
        *("invalid_blocks_format", "invalid_arguments", "invalid_arg_name", "invalid_array_arg", "block_mismatch"),
        *("attachment_payload_limit_exceeded", "invalid_metadata_format", "invalid_metadata_schema"),
        *("metadata_too_large", "metadata_must_be_sent_from_app", "markdown_text_conflict", "invalid_json"),
        *("json_not_object", "invalid_charset", "invalid_form_data", "invalid_post_type", "missing_post_type"),
    },
    Meaning.LOST: frozenset(
        {
            *("message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed"),
            *("cannot_reply_to_message", "restricted_action_thread_locked", "streaming_state_conflict"),
        }
    ),
    Meaning.LATER: frozenset(
        {
            *("ratelimited", "rate_limited", "message_limit_exceeded", "service_unavailable", "request_timeout"),
            *("team_added_to_org", "external_channel_migrating", "update_failed"),
        }
    ),
    Meaning.DOUBTFUL: frozenset({"internal_error", "fatal_error"}),
}
_MEANINGS = {code: meaning for meaning, codes in _CODES.items() for code in codes}
_OUTCOMES = {
    Meaning.REFUSED: Outcome.REFUSED,
    Meaning.UNREADABLE: Outcome.MALFORMED,
    Meaning.LOST: Outcome.REJECTED,
    Meaning.LATER: Outcome.REJECTED,
    Meaning.DOUBTFUL: Outcome.UNKNOWN,
}
_REASONS = {"ratelimited": Reason.RATE_LIMITED, "rate_limited": Reason.RATE_LIMITED}


class LostError(DeliveryError):
    """The message that was to be edited or answered is not there, or not ours to change any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Where a message stands: its channel's id and its `ts`; both empty where Slack did not say."""

    channel: str
    ts: str


# ── incoming webhooks ────────────────────────────────────────────────────────


def verdict(reply: Reply) -> DeliveryError | None:
    """What a webhook's reply means: a message is posted exactly when Slack says `ok`."""
    if is_taken(reply.status) and reply.body is None:
        return _broken_off(reply)
    said = (reply.body or b"").strip().decode(errors="replace")
    if is_taken(reply.status) and said == "ok":
        return None
    if said in _WORDS and reply.status < _SERVER_ERROR:  # a server's own error is not for good
        text = f"{reply.host} refused with status {reply.status}: {said}"
        return DeliveryError(text, Outcome.MALFORMED if said in _UNREADABLE else Outcome.REFUSED, reason=said)
    text = f"{reply.host} answered with status {reply.status}, but with something else than Slack's ok"
    return refusal(reply) or DeliveryError(text, Outcome.REJECTED, reason=Reason.BAD_ANSWER)


# ── the Web API ──────────────────────────────────────────────────────────────


def posted(reply: Reply, method: str) -> Posted:
    """Where the message is that a call posted or edited. Raises DeliveryError unless Slack says that it did."""
    said = answered(reply, method)
    channel, ts = said.get("channel"), said.get("ts")
    found = isinstance(channel, str) and isinstance(ts, str)
    return Posted(channel=str(channel) if found else "", ts=str(ts) if found else "")


def answered(reply: Reply, method: str) -> Mapping[str, Any]:
    """What Slack says to a call that it calls ok. Raises DeliveryError for any other."""
    if is_taken(reply.status) and reply.body is None:
        raise _broken_off(reply)
    said = _object(reply.body)
    if is_taken(reply.status) and said.get("ok") is True:
        return said
    code = said.get("error")
    if isinstance(code, str) and code in _MEANINGS and reply.status < _SERVER_ERROR:
        raise _coded(reply, method, code)
    if error := refusal(reply):
        raise error
    known = code if isinstance(code, str) and _CODE.fullmatch(code) else "something else than Slack's ok"
    raise DeliveryError(f"{reply.host} answered {method} with {known}", Outcome.REJECTED, reason=Reason.BAD_ANSWER)


def is_unreadable(error: DeliveryError) -> bool:
    """Whether Slack refused the form of a message rather than the message."""
    return error.outcome is Outcome.MALFORMED


def _coded(reply: Reply, method: str, code: str) -> DeliveryError:
    meaning = _MEANINGS[code]
    make = LostError if meaning is Meaning.LOST else DeliveryError
    text = f"{reply.host} refused {method}: {code}"
    return make(text, _OUTCOMES[meaning], reason=_REASONS.get(code, code), retry_after=reply.retry_after)


def _object(body: bytes | None) -> Mapping[str, Any]:
    """The JSON object of an answer; empty where it is none."""
    try:
        said = json.loads(body or b"")
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _broken_off(reply: Reply) -> DeliveryError:
    return DeliveryError(f"{reply.host} broke off its answer", Outcome.UNKNOWN, reason=Reason.NETWORK)
