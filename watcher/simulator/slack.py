"""What Slack takes and what it refuses, and in which words. Pure.

Limits: at most 50 blocks; a section's text 3,000 characters, its fields 10 of 2,000; a header 150 characters of plain
text; 10 elements in a context, 25 in an actions block. All blocks together have an undocumented budget, measured by
users of the API at about 13,200 characters of JSON (slackapi/bolt-js issues 2509 and 2867).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

MAX_BLOCKS = 50
MAX_ATTACHMENTS = 100
MAX_TEXT = 40_000
MAX_SECTION = 3000
MAX_FIELDS = 10
MAX_FIELD = 2000
MAX_HEADER = 150
MAX_CONTEXT_ELEMENTS = 10
MAX_ACTIONS = 25
MAX_BUTTON = 75
MAX_BLOCK_ID = 255
MAX_ACTION_ID = 255
MAX_VALUE = 2000
MAX_URL = 3000
MAX_BLOCKS_JSON = 13_200

Block: TypeAlias = Mapping[str, Any]

ERROR_TEXTS: dict[int, str] = {
    400: "invalid_payload",
    403: "action_prohibited",
    404: "no_service",
    410: "channel_is_archived",
    429: "rate_limited",
    500: "rollup_error",
}
"""What an incoming webhook says with a status that nobody chose a text for."""
ERROR_CODES: dict[int, str] = {429: "ratelimited", 503: "service_unavailable"}
"""What the Web API says with such a status; `internal_error` with any other."""


def refusal(payload: Any) -> str | None:
    """Why an incoming webhook would not take `payload`, in its own words; `None` when it would."""
    if not isinstance(payload, dict) or not isinstance(payload.get("text", ""), str):
        return "invalid_payload"
    text, blocks, attachments = payload.get("text"), payload.get("blocks"), payload.get("attachments")
    if not (text or blocks or attachments):
        return "no_text"
    if len(text or "") > MAX_TEXT:
        return "msg_too_long"
    return blocks_refusal(blocks or []) or attachments_refusal(attachments or []) or total_refusal(payload)


def blocks_refusal(blocks: Any) -> str | None:
    """Why a list of blocks would not be taken."""
    if not isinstance(blocks, list) or len(blocks) > MAX_BLOCKS or not all(map(block_fits, blocks)):
        return "invalid_blocks"
    ids = [block["block_id"] for block in blocks if block.get("block_id")]
    if len(ids) > len(set(ids)):
        return "invalid_blocks"
    if len(msgspec.json.encode(blocks).decode()) > MAX_BLOCKS_JSON:
        return "msg_blocks_too_long"
    return None


def attachments_refusal(attachments: Any) -> str | None:
    """Why attachments, which may wrap blocks to give them a colour, would not be taken."""
    if not isinstance(attachments, list) or not all(isinstance(attachment, dict) for attachment in attachments):
        return "invalid_attachments"
    if len(attachments) > MAX_ATTACHMENTS:
        return "too_many_attachments"
    refusals = (blocks_refusal(attachment.get("blocks") or []) for attachment in attachments)
    return next((why for why in refusals if why), None)


def total_refusal(payload: Mapping[str, Any]) -> str | None:
    """Why all blocks of a message together would not be taken, wherever they stand."""
    found = [payload.get("blocks") or [], *(each.get("blocks") or [] for each in payload.get("attachments") or [])]
    length = sum(len(msgspec.json.encode(blocks).decode()) for blocks in found)
    return "msg_blocks_too_long" if length > MAX_BLOCKS_JSON else None


def block_fits(block: Any) -> bool:
    """Whether one block is of a known kind and within its limits."""
    if not isinstance(block, dict) or len(str(block.get("block_id", ""))) > MAX_BLOCK_ID:
        return False
    fits = BLOCKS.get(str(block.get("type")))
    return fits is not None and fits(block)


def text_fits(text: Any, limit: int, kinds: Sequence[str] = ("mrkdwn", "plain_text")) -> bool:
    """Whether a text object is one, not empty and not too long."""
    if not isinstance(text, dict) or text.get("type") not in kinds:
        return False
    return isinstance(text.get("text"), str) and 0 < len(text["text"]) <= limit


def section_fits(block: Block) -> bool:
    """A section has a text, or fields, or both."""
    text, fields = block.get("text"), block.get("fields")
    if text is None and not fields:
        return False
    return (text is None or text_fits(text, MAX_SECTION)) and (fields is None or fields_fit(fields))


def fields_fit(fields: Any) -> bool:
    """Whether a section's fields are few and short enough."""
    return (
        isinstance(fields, list)
        and 0 < len(fields) <= MAX_FIELDS
        and all(text_fits(text, MAX_FIELD) for text in fields)
    )


def header_fits(block: Block) -> bool:
    """A header is plain text only."""
    return text_fits(block.get("text"), MAX_HEADER, ("plain_text",))


def context_fits(block: Block) -> bool:
    """A context holds texts and images."""
    elements = block.get("elements")
    if not isinstance(elements, list) or not 0 < len(elements) <= MAX_CONTEXT_ELEMENTS:
        return False
    return all(text_fits(element, MAX_SECTION) or is_image(element) for element in elements)


def actions_fit(block: Block) -> bool:
    """An actions block holds interactive elements."""
    elements = block.get("elements")
    if not isinstance(elements, list) or not 0 < len(elements) <= MAX_ACTIONS:
        return False
    if not all(isinstance(element, dict) and element_fits(element) for element in elements):
        return False
    ids = [element["action_id"] for element in elements if element.get("action_id")]
    return len(ids) == len(set(ids))


def element_fits(element: Block) -> bool:
    """A button has a short plain text and bounded ids; other elements are taken as they are."""
    if not isinstance(element.get("type"), str) or len(str(element.get("action_id", ""))) > MAX_ACTION_ID:
        return False
    if element["type"] != "button":
        return True
    short = len(str(element.get("value", ""))) <= MAX_VALUE and len(str(element.get("url", ""))) <= MAX_URL
    return short and text_fits(element.get("text"), MAX_BUTTON, ("plain_text",))


def is_image(element: Any) -> bool:
    """An image with something to load and something to read out."""
    return isinstance(element, dict) and element.get("type") == "image" and bool(element.get("alt_text"))


BLOCKS: dict[str, Callable[[Block], bool]] = {
    "section": section_fits,
    "header": header_fits,
    "context": context_fits,
    "actions": actions_fit,
    "image": is_image,
    "divider": lambda _block: True,
    "rich_text": lambda block: isinstance(block.get("elements"), list),
    "markdown": lambda block: isinstance(block.get("text"), str),
}
