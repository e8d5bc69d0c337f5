"""Foreign text made fit to keep, log and send: no terminal tricks, no secrets, no longer than it may be.

Two nets. Values that the configuration holds as secrets are known and masked in every spelling they travel in; what
merely looks like a secret is masked by its shape or by the name in front of it. The second net masks too much rather
than too little. Every pattern is anchored or bounded, so that time grows with the length of the text and nothing else.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from urllib.parse import quote, quote_plus

MASK = "<secret>"
LIMIT = 4_096
"""Characters that a cleaned text has at most, unless the caller says otherwise."""
SHORTEST = 8
"""A configured secret shorter than this is not looked for: it would be found in innocent words."""
_OVERLAP = 8_192
_CUT = "…"


# ── characters ───────────────────────────────────────────────────────────────

# CSI and OSC sequences and the short escapes; what is left of a torn one falls to the control characters.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]|\x1b\][^\x07\x1b]{0,2048}(?:\x07|\x1b\\)|\x1b[ -/]?[0-~]"
)
_NEWLINE = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# C0 but tab and newline, DEL, C1; soft hyphen, marks that turn the direction of text, zero-width space, word joiner and
# its invisible kin, byte order mark, interlinear marks, tags. The joiners stay: scripts and emoji need them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def strip(text: str) -> str:
    """The text without terminal sequences, control, bidirectional and invisible characters; tabs and newlines stay.

    A lone surrogate becomes U+FFFD, so that the result can always be encoded.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _NEWLINE.sub("\n", _ANSI.sub("", text))
    return _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", text))


# ── names ────────────────────────────────────────────────────────────────────

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_HEADERS = ("authorization", "cookie")
_ENDINGS = (
    *("password", "passwd", "passphrase", "passcode", "secret", "token", "credential", "securedconfiguration"),
    *("apikey", "accesskey", "privatekey", "secretkey", "signingkey", "encryptionkey", "authkey", "accountkey"),
    *("sharedkey", "sessionid", *_HEADERS),
)
_WORDS = frozenset({"pass", "pw", "pwd", "sig", "signature", "otp", "pin", "jwt", "bearer"})
_FRAGMENTS = (
    *("pass", "secret", "token", "credential", "configuration", "key", "session", *_HEADERS),
    *("pw", "sig", "otp", "pin", "jwt", "bearer"),
)
"""One of these is in every name that a secret has, once what separates its words is left out."""
_SEPARATORS = {ord(each): None for each in "_-.0123456789"}
_ABOUT = frozenset(
    {
        "error",
        "exception",
        "url",
        "uri",
        "file",
        "path",
        "type",
        "name",
        "length",
        "count",
        "limit",
        "policy",
        "expiry",
        "expires",
        "ttl",
    }
)
"""Last words of names that speak about a secret without being one: `token_url`, `client_secret_file`, `TokenExpiredError`."""


def is_secret_name(name: str) -> bool:
    """Whether a value under this name is to be kept from every eye: `CTP_CLIENT_SECRET`, `dbPassword`, `x-api-key`."""
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in _ABOUT:
        return False
    candidates = [*words, *(first + second for first, second in pairwise(words))]
    return any(each in _WORDS or each.removesuffix("s").endswith(_ENDINGS) for each in candidates)


# ── shapes ───────────────────────────────────────────────────────────────────

_SHAPE = re.compile(
    r"-----BEGIN [A-Z0-9 ]{1,40}-----[\s\S]*?(?:-----END [A-Z0-9 ]{1,40}-----|\Z)"
    r"|(?<![A-Za-z0-9])(?:"
    r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}"  # JWT, also a torn one
    r"|(?:xox[a-z]|xapp)[-.][A-Za-z0-9.-]{4,}"  # Slack
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}"  # AWS
    r"|AIza[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9._-]{8,}|GOCSPX-[A-Za-z0-9_-]{8,}"  # Google
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[A-Za-z0-9_-]{16,}"  # GitHub, GitLab
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=_-]{8,}"  # Stripe, webhook signing
    r"|npm_[A-Za-z0-9]{24,}|SG\.[A-Za-z0-9_-]{12,}\.[A-Za-z0-9_-]{12,}|sk-[A-Za-z0-9_-]{20,}"
    r")"
)
_BEGINNINGS = (
    *("-----BEGIN", "eyJ", "xox", "xapp", "AKIA", "ASIA", "ABIA", "ACCA", "AIza", "ya29.", "GOCSPX-"),
    *("gh", "github_pat_", "glpat-", "k_live_", "k_test_", "whsec_", "npm_", "SG.", "sk-"),
)
"""One of these is in every text that has such a shape: most have none, and need not be searched for any."""
_SLASH = r"(?:\\{0,3}/|%2[Ff])"
_HOOK = re.compile(
    rf"(?i)(hooks\.slack(?:-gov)?\.com{_SLASH}(?:services|workflows|triggers){_SLASH}"
    rf"|discord(?:app)?\.com{_SLASH}api{_SLASH}webhooks{_SLASH}|webhook\.office\.com{_SLASH})[^\s\"'<>]+"
)
_SCHEME = re.compile(r"(?i)(?<![A-Za-z0-9])(bearer|basic)([ \t]{1,8})([A-Za-z0-9._~+/=-]{8,})")
_PROSE = re.compile(r"[a-z]{1,19}[.]?|[A-Z]?[a-z]{1,15}[.]?")
_USERINFO = re.compile(
    rf"(?i)(:{_SLASH}{{2}}|:%2f%2f)[^\s/?#\"'<>\\@]{{1,512}}(?:@[^\s/?#\"'<>\\@]{{1,512}}){{0,4}}(?=@)"
)
_EMAIL = re.compile(r"(?<![\w.%+'*-])(\w)[\w.%+'-]{0,63}@((?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24})(?![\w-])")

# A name and what assigns to it: `name=`, `"name": `, `\"name\":`, `name%3D`, `--name `, `<name>`, and the pair
# `"key": "NAME", "value": ` in which Connect and Kubernetes write configuration.
_Q = r"\\{0,3}[\"']"
_KEY = re.compile(
    rf"{_Q}(?:key|name){_Q}\s{{0,8}}:\s{{0,8}}{_Q}(?P<named>[\w.-]{{1,128}}){_Q}\s{{0,8}},\s{{0,8}}{_Q}value{_Q}\s{{0,8}}:\s{{0,8}}"
    r"|(?<![\w-])--(?P<flag>[\w-]{1,128})[ \t]{1,8}(?=[^\s-])"
    rf"|(?!{MASK}(?![^<]{{1,4096}}</))<(?P<element>[\w.:-]{{1,128}})>(?=[^<\s])"
    r"|(?<![\w.-])(?P<plain>[\w.-]+)\\{0,3}[\"'\]]{0,2}[ \t]{0,8}(?:=>|:=|[:=]|%3[aAdD])[ \t]{0,8}"
)
_HARMLESS = re.compile(rf"(?:null|none|undefined|true|false|{MASK})(?=[\s,;&\"'}}\])]|\Z)", re.IGNORECASE)
_BLOCK = re.compile(r"[|>][-+0-9]{0,2}[ \t]*\n(?:[ \t]+[^\n]*(?:\n|\Z)|\n)+")
_NESTED = re.compile(r"\[[^\]]*\]?|\{[^}]*\}?")
_QUOTED = re.compile(r"(?P<open>\\{0,3}[\"'])(?:[\s\S]{0,8192}?(?<!\\)(?P=open)|[^\n]*)")
_BARE = re.compile(r"(?:(?:bearer|basic|digest|token)[ \t]{1,8})?[^\s,;&\"]{0,8192}[^\s,;&\")}\]'>]", re.IGNORECASE)
_LINE = re.compile(r"[^\n]+")
_HEADER = re.compile(r"[^\n\"']+")
_CONTENT = re.compile(r"[^<]+")


def mask(text: str) -> str:
    """The text with everything masked that looks like a secret or stands under a secret's name.

    Most of what passes here is a key, an id or a word: what cannot match for want of a character is not tried.
    """
    if any(map(text.__contains__, _BEGINNINGS)):
        text = _SHAPE.sub(MASK, text)
    if "/" in text or "%" in text:
        text = _HOOK.sub(rf"\1{MASK}", text)
    if "@" in text:
        text = _USERINFO.sub(rf"\1{MASK}", text)
    lowered = text.lower()
    squeezed = lowered.translate(_SEPARATORS)
    if any(map(squeezed.__contains__, _FRAGMENTS)):
        text = "".join(_without_pairs(text))
    if "bearer" in lowered or "basic" in lowered:
        text = _SCHEME.sub(_scheme, text)
    return _EMAIL.sub(r"\1***@\2", text) if "@" in text else text


def _scheme(found: re.Match[str]) -> str:
    word = found[3]
    return found[0] if _PROSE.fullmatch(word) else f"{found[1]}{found[2]}{MASK}"


def _without_pairs(text: str) -> Iterator[str]:
    """The text in pieces, the values of secret names replaced."""
    done = 0
    for key in _KEY.finditer(text):
        if key.start() < done or not is_secret_name(key[key.lastgroup or 0]):
            continue
        value = _value(text, key)
        if value is not None:
            quotes = value["open"] if "open" in value.re.groupindex else ""
            yield text[done : key.end()] + quotes + MASK + quotes
            done = value.end() - value[0].endswith("\n")
    yield text[done:]


def _value(text: str, key: re.Match[str]) -> re.Match[str] | None:
    """What stands under a secret name, in the shape that its first characters announce; `None` for nothing secret."""
    at = key.end()
    if _HARMLESS.match(text, at):
        return None
    found = _BLOCK.match(text, at) or _QUOTED.match(text, at) or _NESTED.match(text, at)
    return found or _unquoted(text, key).match(text, at)


def _unquoted(text: str, key: re.Match[str]) -> re.Pattern[str]:
    if key.lastgroup == "element":
        return _CONTENT
    if key[key.lastgroup or 0].lower().endswith(_HEADERS):
        return _HEADER
    before = text[text.rfind("\n", 0, key.start()) + 1 : key.start()]
    starts_line = key.lastgroup == "plain" and not before.strip(" \t-\"'")
    return _LINE if starts_line and key[0].endswith((": ", ":\t")) else _BARE


# ── known values ─────────────────────────────────────────────────────────────


class Redactor:
    """Cleans text of shapes and of the configured secrets it was made with. Holds them; shows them to nobody."""

    __slots__ = ("_needles", "_window")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = {needle for secret in secrets for needle in _spellings(secret)}
        self._needles = tuple(sorted(found, key=lambda needle: (-len(needle), needle)))
        self._window = max(_OVERLAP, *map(len, self._needles), 0)

    def clean(self, text: str, limit: int = LIMIT) -> str:
        """The text stripped, masked and cut to `limit` characters, in this order: no cut can tear a secret open."""
        window = limit + 2 * self._window
        torn = len(text) > window
        masked = mask(self.known(strip(text[:window])))
        if torn and not masked.endswith(MASK):  # the end of the window may hold the beginning of a secret
            masked = masked[: -self._window]
        if len(masked) <= limit and not torn:
            return masked
        return (masked[: max(limit - len(_CUT), 0)] + _CUT)[:limit]

    def known(self, text: str) -> str:
        """The text with the configured secrets masked and nothing else changed."""
        for needle in self._needles:
            if needle in text:
                text = text.replace(needle, MASK)
        return text

    @staticmethod
    def is_secret_name(name: str) -> bool:
        """Whether a value under this name is a secret whatever it looks like."""
        return is_secret_name(name)


def clean(text: str, limit: int = LIMIT) -> str:
    """The text stripped, masked by shape and cut."""
    return _NOBODY.clean(text, limit)


def _spellings(secret: str) -> Iterator[str]:
    """How a secret may be written: as it is, escaped for JSON, URLs, HTML and shells, in hex and in base64."""
    for value in {secret, secret.strip(), strip(secret)}:
        if len(value) < SHORTEST:
            continue
        for spell in _SPELLINGS:
            yield spell(value)
        raw = value.encode(errors="surrogatepass")
        yield from (raw.hex(), raw.hex().upper())
        yield from _base64(raw)


def _base64(raw: bytes) -> Iterator[str]:
    """The part of the base64 text that the value determines, for each position it may have in what is encoded."""
    for offset in range(3):
        head = (0, 2, 3)[offset]
        tail = (0, 3, 2)[(offset + len(raw)) % 3]
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * offset + raw).decode()
            yield text[head : len(text) - tail]


_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    lambda value: json.dumps(value)[1:-1],
    lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    lambda value: json.dumps(json.dumps(value)[1:-1])[1:-1],
    lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),
    lambda value: repr(value)[1:-1],
    lambda value: quote(value, safe="", errors="replace"),
    lambda value: quote(value, errors="replace"),
    lambda value: quote_plus(value, errors="replace"),
    lambda value: quote(quote(value, safe="", errors="replace"), safe=""),
    html.escape,
)
_NOBODY = Redactor()
