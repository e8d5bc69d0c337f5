"""Pages of the documentation: their blocks, links, headings and words, each with the line it stands on."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "docs" / "README.md"
STARTS = (ROOT / "README.md", INDEX)
"""Where readers begin: every page is reached from one of them."""
PAGES = sorted({*STARTS, *(ROOT / "docs").rglob("*.md"), ROOT / "SECURITY.md"})
HOME = "https://github.com/connect-watcher/connect-watcher/blob/main/"
"""How files of the project are linked where relative links do not work."""
TENANT = """\
[[projects]]
key = "my-shop"
region = "europe-west1.gcp"
client_id = "${CTP_CLIENT_ID}"
client_secret = "${CTP_CLIENT_SECRET}"

[[receivers]]
name = "team"
slack = [{ url = "${SLACK_WEBHOOK_URL}" }]
"""
"""The smallest configuration, with which pages begin: their parts of configurations are added to it."""
KEY = "whsec_YSBzaWduaW5nIGtleSBvZiAzMiBieXRlcywgcmVhZHk="
_VALUES = (
    (r"ROUTING_KEY", "0123456789abcdef0123456789abcdef"),
    (r"BOT_TOKEN|SLACK_TOKEN", "xoxb-1-2-x"),
    (r"APP_TOKEN", "xapp-1-2-x"),
    (r"SLACK.*URL", "https://hooks.slack.com/services/T0/B0/x"),
    (r"APPRISE_URL", "json://example.com/hook"),
    (r"PROXY.*URL", "http://proxy.example.com:3128"),
    (r"URL$", "https://example.com/hook"),
    (r"WEBHOOK.*SECRET|^(NEXT_)?SECRET$", KEY),
    (r"", "long-enough-to-be-a-secret"),
)
"""What stands for a variable or the file of a secret, by its name: the first that fits."""


@dataclass(frozen=True, slots=True)
class Text:
    """Something on a page. `kind` is a block's language, or what else it is."""

    page: Path
    line: int
    kind: str
    text: str

    @property
    def place(self) -> str:
        """Where it stands, as editors and people read it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def name(page: Path) -> str:
    """How a page is called in the output of tests."""
    return str(page.relative_to(ROOT))


@cache
def tokens(page: Path) -> tuple[Token, ...]:
    """The page as CommonMark has it, with tables."""
    return tuple(MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8")))


def blocks(page: Path, *languages: str) -> list[Text]:
    """Fenced blocks in any of the languages, or all of them, from their first line; an indented one is a shell's."""
    found = [
        Text(page, token.map[0] + 2, token.info.strip(), token.content)
        if token.type == "fence"
        else Text(page, token.map[0] + 1, "sh", token.content)
        for token in tokens(page)
        if token.type in {"fence", "code_block"} and token.map
    ]
    return [each for each in found if not languages or each.kind in languages]


def _inline(page: Path) -> Iterator[tuple[int, Token]]:
    for token in tokens(page):
        line = token.map[0] + 1 if token.map else 0
        for child in token.children or ():
            yield line, child
            line += child.type in {"softbreak", "hardbreak"}


def spans(page: Path) -> list[Text]:
    """What stands in backquotes within the prose."""
    return [Text(page, line, "span", child.content) for line, child in _inline(page) if child.type == "code_inline"]


def links(page: Path) -> list[Text]:
    """The targets of links and pictures."""
    found = (
        (line, child, child.attrGet("href" if child.type == "link_open" else "src")) for line, child in _inline(page)
    )
    return [
        Text(page, line, child.type, str(target))
        for line, child, target in found
        if target is not None and child.type in {"link_open", "image"}
    ]


def pictures_without_words(page: Path) -> list[Text]:
    """Pictures that say nothing to who cannot see them."""
    return [
        Text(page, line, "image", str(child.attrGet("src")))
        for line, child in _inline(page)
        if child.type == "image" and not child.content.strip()
    ]


@cache
def anchors(page: Path) -> frozenset[str]:
    """What GitHub calls the headings: lower case, no punctuation, dashes for spaces, numbered where they repeat."""
    seen: Counter[str] = Counter()
    found = set[str]()
    for opening, inline in zip(tokens(page), tokens(page)[1:], strict=False):
        if opening.type == "heading_open":
            said = "".join(each.content for each in inline.children or () if each.type in {"text", "code_inline"})
            slug = re.sub(r"[^\w\- ]", "", said.lower()).replace(" ", "-")
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return frozenset(found)


def target(link: Text) -> tuple[Path, str] | None:
    """The file and the anchor that a link of the project's own means; `None` for one that leads elsewhere."""
    path, _, anchor = link.text.removeprefix(HOME).partition("#")
    if link.text.startswith(HOME):
        return ROOT / path, anchor
    if re.match(r"[a-z]+:", link.text):
        return None
    return ((link.page.parent / path).resolve() if path else link.page), anchor


def section(page: Path, heading: str) -> str:
    """A section of a page, as text, with the sections within it."""
    found = re.search(
        rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,6}} |\Z)", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert found, f"{name(page)} has no section {heading!r}"
    level = len(found[1])
    rest = page.read_text("utf-8")[found.start(2) :]
    return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(page: Path, heading: str) -> list[list[str]]:
    """The rows of the tables of a section, as cells, where the first names something in backquotes."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        for line in section(page, heading).splitlines()
        if line.startswith("| `")
    ]


def whole(block: Text) -> str:
    """A configuration made of a block: what it lacks of projects and receivers is that of the smallest one.

    What stands above its first table belongs to no table, and goes to the top.
    """
    if "[[projects]]" in block.text and "[[receivers]]" in block.text:
        return block.text
    found = re.search(r"^ *\[", block.text, re.MULTILINE)
    at = found.start() if found else len(block.text)
    rest = TENANT[TENANT.index("[[receivers]]") :] if "[[projects]]" in block.text else TENANT
    return f"{block.text[:at]}\n{rest}\n{block.text[at:]}"


def environment(text: str) -> dict[str, str]:
    """A fitting value for every variable that a text asks the environment for."""
    return {each: _value(each) for each in re.findall(r"\$\{(\w+)", text)}


def with_files(text: str, folder: Path) -> str:
    """The text with each file of a secret made in `folder`, where only its owner may read it."""

    def made(found: re.Match[str]) -> str:
        path = folder / Path(found["path"]).name
        path.write_text(_value(found["key"].upper()))
        path.chmod(0o600)
        return f'{found["key"]}_file{found["is"]}"{path}"'

    return re.sub(r'\b(?P<key>\w+)_file(?P<is> *= *)"(?P<path>[^"]+)"', made, text)


def _value(variable: str) -> str:
    return next(value for pattern, value in _VALUES if re.search(pattern, variable))


def lines(block: Text) -> list[Text]:
    """The commands of a shell's block: continued lines are one, comments are none."""
    found: list[Text] = []
    for at, line in enumerate(block.text.splitlines(), block.line):
        before = found[-1] if found else None
        if before is not None and before.text.endswith("\\"):
            found[-1] = Text(block.page, before.line, "sh", f"{before.text[:-1].rstrip()} {line.strip()}")
        elif line.strip() and not line.lstrip().startswith("#"):
            found.append(Text(block.page, at, "sh", line.strip()))
    return found
