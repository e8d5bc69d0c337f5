"""A Slack message as a page: an imitation of how Slack shows the Block Kit that it is given."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

WIDTH = 720
_STYLE = """
body { margin: 0; padding: 18px 20px; width: 680px; background: #fff; color: #1d1c1d; font: 15px/1.46 Lato, "Noto Color Emoji", sans-serif }
.message { display: flex; gap: 8px } .icon { width: 36px; height: 36px; border-radius: 6px; background: #17324d; flex: none;
color: #fff; font-weight: 900; display: grid; place-items: center } .body { flex: 1; min-width: 0 }
.who b { font-weight: 900 } .app { background: #e8e8e8; color: #616061; font-size: 10px; border-radius: 2px; padding: 1px 3px;
margin: 0 4px; vertical-align: 1px } .when { color: #616061; font-size: 12px }
h3 { font-size: 18px; font-weight: 900; margin: 4px 0 } .bar { border-left: 4px solid; border-radius: 4px; padding: 2px 0 2px 12px; margin-top: 4px }
.bar > * { margin: 6px 0 } .fields { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 16px } .context { color: #616061; font-size: 12px }
pre { background: #f8f8f8; border: 1px solid #ddd; border-radius: 4px; padding: 8px; margin: 4px 0; font: 12px/1.5 "Liberation Mono", monospace;
white-space: pre-wrap; overflow-wrap: anywhere } code { background: #f8f8f8; border: 1px solid #ddd; border-radius: 3px; padding: 0 3px;
font: 12px "Liberation Mono", monospace; color: #c01343 } a { color: #1264a3; text-decoration: none }
.button { display: inline-block; border: 1px solid #bbb; border-radius: 4px; padding: 4px 12px; font-weight: 700; margin-right: 8px; font-size: 13px }
hr { border: 0; border-top: 1px solid #ddd }
"""


def page(message: Mapping[str, Any], when: str) -> str:
    """The message on a page of its own."""
    shown = "".join([*_blocks(message.get("blocks", ())), *_attachments(message.get("attachments", ()))])
    head = f'<div class="who"><b>connect-watcher</b><span class="app">APP</span> <span class="when">{escape(when)}</span></div>'
    body = f'<div class="message"><div class="icon">cw</div><div class="body">{head}{shown}</div></div>'
    return f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style><body>{body}</body>'


def _attachments(attachments: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in attachments:
        inner = "".join(_blocks(each.get("blocks", ())))
        yield f'<div class="bar" style="border-color: {each.get("color", "#ddd")}">{inner}</div>'


def _blocks(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in blocks:
        match each["type"]:
            case "header":
                yield f"<h3>{_text(each['text'])}</h3>"
            case "section" if "fields" in each:
                fields = "".join(f"<div>{_text(field)}</div>" for field in each["fields"])
                yield f'<div class="fields">{fields}</div>'
            case "section":
                yield f"<div>{_text(each['text'])}</div>"
            case "context":
                yield f'<div class="context">{" ".join(map(_text, each["elements"]))}</div>'
            case "actions":
                buttons = "".join(f'<span class="button">{_text(button["text"])}</span>' for button in each["elements"])
                yield f"<div>{buttons}</div>"
            case "divider":
                yield "<hr>"
            case other:
                raise ValueError(f"no idea how Slack shows a block of type {other}")


def _text(text: Mapping[str, Any]) -> str:
    """A text object. In mrkdwn `&`, `<` and `>` are escaped already, as Slack wants them."""
    if text["type"] == "plain_text":
        return escape(str(text["text"]))
    parts = re.split(r"```\n?(.*?)\n?```", str(text["text"]), flags=re.DOTALL)
    return "".join(f"<pre>{part}</pre>" if at % 2 else _inline(part) for at, part in enumerate(parts))


def _inline(text: str) -> str:
    text = re.sub(r"<(https?://[^|>]+)\|([^>]+)>", r'<a href="\1">\2</a>', text.strip("\n"))
    text = re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*([^*\n]+)\*", r"<b>\1</b>", text).replace("\n", "<br>")
