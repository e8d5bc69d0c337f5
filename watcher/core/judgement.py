r"""What a line is to a failure, by its wording: the classes of core/decisive.py, and the wordings that make them.

Everything is judged in lower case and by its beginning. A wording is looked for only in a text that has a word of its
stem (`fail` of "failed", "failure"): so nearly all patterns are passed over, and a long text costs little.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from watcher.core import level

_LOOKED_AT: Final = 2048
_JUDGED: Final = 500
"""Characters of a telling line that are judged; what it says stands at its beginning."""


class Class(IntEnum):
    """What a trace is to the failure; the greater decides before the lesser."""

    NOISE = 0
    CONSEQUENCE = 1
    HINT = 2
    RETRY = 3
    BARE = 4
    TEXT = 5
    WRAPPER = 6
    ERROR = 7


class Said(NamedTuple):
    """A text as it is judged: in lower case, and the stems of its words."""

    text: str
    stems: frozenset[str]


def said(text: str) -> Said:
    """What is judged of a text."""
    lower = text[:_JUDGED].lower()
    return Said(lower, frozenset(_STEM.findall(lower)))


@dataclass(slots=True, frozen=True)
class Wording:
    """Patterns by the stem that a text must have for them to be found in it; "" of those to try on every text."""

    patterns: Mapping[str, re.Pattern[str]]
    stems: frozenset[str]

    def within(self, told: Said) -> bool:
        """Is it worded so?"""
        found = self.stems & told.stems if "" not in self.stems else (self.stems & told.stems) | {""}
        return any(self.patterns[stem].search(told.text) is not None for stem in found)


def wording(*rows: tuple[str, str]) -> Wording:
    """Of rows "stems, one of which is a must" and pattern."""
    patterns: dict[str, list[str]] = defaultdict(list)
    for stems, pattern in rows:
        for stem in stems.split() or ("",):
            patterns[stem].append(pattern)
    return Wording({stem: re.compile("|".join(each)) for stem, each in patterns.items()}, frozenset(patterns))


def bare_text(message: str) -> str:
    """The text without colours and without what a build tool or a logger puts in front of every line."""
    text = _ANSI.sub("", message[:_LOOKED_AT]) if "\x1b" in message else message[:_LOOKED_AT]
    return _FRONT.sub("", text, count=1).strip()


def judged(told: Said, gravest: str) -> Class:
    """The first row of the table in core/decisive.py that fits."""
    minor = level.rank(gravest) < level.rank(level.WARNING) and gravest != level.DEFAULT
    if minor or not told.text or _NOISE.within(told):
        return Class.NOISE
    kind = next((kind for kind, worded in _ROWS if worded.within(told)), None)
    return _weighed(told, gravest) if kind is None else kind


def _weighed(told: Said, gravest: str) -> Class:
    """What no wording of its own has: by whether it says anything, its level, and its words for a failure."""
    names = named(told)
    if not names and says_nothing(told):
        return Class.NOISE if _ENDS.search(told.text) else Class.BARE
    if gravest in level.ERRORS or (names and gravest == level.DEFAULT):
        return Class.ERROR
    if names or _WORDED.within(told):
        return Class.TEXT
    return Class.HINT if gravest == level.DEFAULT and _HINTS.within(told) else Class.NOISE


def named(told: Said) -> bool:
    """Does it name a failure?"""
    return _NAMED.within(told)


def says_nothing(told: Said) -> bool:
    """Is it said that something failed, in words that fit any failure: "Build failed", "Error: command failed"?"""
    if _FAILING.isdisjoint(told.stems):
        return False
    text = _ADVICE.sub("", told.text)
    if _QUOTED.search(text):
        return False
    return all(word in _EMPTY or word.endswith(_KINDS) for word in _WORDS.findall(text))


# ── words ────────────────────────────────────────────────────────────────────

_STEM: Final = re.compile(r"([a-z]{1,4})[a-z]*+")
_WORDS: Final = re.compile(r"[a-z]++|[^\x00-\x7f\W]++")
_QUOTED: Final = re.compile(r"['\"][^'\"\s]")
_KINDS: Final = ("error", "exception", "context")
_ADVICE: Final = re.compile(r"(?<=[.!]) (?:to|for|see|please|try|check|run) .*")
_FAILING: Final = frozenset(("err", "erro", "fail", "exce", "reje", "cras", "fata", "wron", "unha", "unca"))
_EMPTY: Final = frozenset(
    re.findall(
        r"\w+",
        """
        it this that there something anything application applications app server service services connector worker
        workers process program build compilation compile compiler typescript test tests suite suites file files
        command commands script scripts step task tasks job run start startup boot bootstrap deploy deployment
        install installation dependencies lifecycle request fetch container child subprocess stage goal module
        modules package packages post pre undeploy migration migrations failed failing failure failures fail fails
        error errors err exception exceptions rejection rejections crash crashed fatal critical wrong went occurred
        encountered happened unexpected unknown internal unhandled uncaught promise unhandledrejection
        unhandledpromiserejection uncaughtexception terminated aborted exit exits exited exiting code status signal
        non zero problem problems result results severe incompatible a an the of in at on by for to from with within
        without during while due because and or but has have had been was were is are be when what above below see
        more please check output log logs detail details information ms s sec seconds npm running executing execute
        building compiling starting load loading found generated total re try again here as following reason after
        before could not did will cannot its your our one all some
        """,
    )
)
"""Words that fit any failure."""
_ENDS: Final = re.compile(r"^npm\s|\bexit(?:s|ed|ing)?\b|\bcode\b|\bnon-?zero\b")
_ANSI: Final = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_FRONT: Final = re.compile(
    r"^(?:Step\s\#[0-9]{1,4}(?:\s-\s\"[^\"]{1,80}\")?:\s{0,4}"
    r"|\#[0-9]{1,5}\s[0-9]{1,6}\.[0-9]{1,6}\s"
    r"|\[(?:builder|detector|analyzer|exporter|restorer|[0-9T:. Z+-]{8,40})\]\s{0,4}(?:\[[0-9]{1,8}\]\s(?=\[))?"
    r"|[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}[T ][0-9:.,]{5,20}Z?\s{1,4}(?:[\w./-]{1,100}\.go:[0-9]{1,7}:\s)?"
    r"|(?:WARN|ERROR|FATAL)\s{1,4}[0-9]{1,8}\s---\s(?:\[[^\]]{0,60}\]\s{1,4}){1,3}[\w.$\[\]/]{1,80}\s{0,60}:\s{0,4}"
    r"|(?:WARN|ERROR|FATAL)\s{1,4}\[[^\]]{0,60}\]\s{1,4}[\w.$]{1,80}\s-\s"
    r"|\[(?:ERROR|FATAL|error)\]\s{1,4}(?=\S)"
    r"|npm\s(?:ERR!|error)\s(?=(?:node-(?:pre-)?)?gyp\s|prebuild|\S{1,200}:[0-9]{1,6}:)"
    r"|(?:node-pre-)?gyp\s(?:ERR!|error)\s(?:stack\s)?(?=\S)"
    r"|>\s{1,4}(?=[A-Z])){0,5}"
)
"""Cloud Build, BuildKit, buildpacks, times, loggers of Go and Java, Maven, and npm in front of another tool's output."""
_NPM: Final = r"^npm\s(?:err!|error)"
_GIVEN_UP: Final = wording(
    ("givi gave", r"\b(?:giving|gave) up\b"),
    ("afte", r"\bafter [0-9]{1,4} (?:failed )?(?:attempts|retries|tries)\b"),
    ("retr", r"\bretries exhausted\b|\bmax(?:imum)? retries\b|\bno (?:more )?retries (?:left)?\b"),
)
RETRIES: Final = wording(
    ("retr", r"(?<!please )\bretry(?:ing)?\b(?!\s(?:limit|count|policy|failed|later|the)|-after)"),
    ("will", r"\bwill (?:re-?try|try again|reconnect)\b"),
    ("tryi", r"\btrying again\b"),
    ("reco", r"\breconnecting\b"),
    ("atte", r"\battempt\s#?[0-9]{1,3}\s?(?:of|/)\s?[0-9]{1,3}\b|\b[0-9]{1,3} attempts? (?:left|remaining)\b"),
    ("atte retr tryi conn fail time", r"\((?:attempt\s)?[0-9]{1,3}\s?/\s?[0-9]{1,3}\)"),
    ("back", r"\bback(?:ing)?[ -]?off\b"),
    ("retr trie", r"\b[0-9]{1,3} (?:retries|tries) (?:left|remaining)\b"),
)
SUMMARY: Final = wording(
    ("exit", r"\bexit(?:ed)?(?:\swith)?(?:\s(?:code|status))?[\s:=(]{1,3}[1-9][0-9]{0,2}\b|\bexited with\b"),
    ("zero nonz", r"\bnon-?zero\b"),
    ("elif", r"\belifecycle\b"),
    ("npm", r"\bnpm (?:err!|error) (?:lifecycle script|exit status|errno|test failed)\b"),
)
_TOOL_LINES: Final = (
    r"$|a complete log|errno\b|syscall\b|path\b|cwd\b|command\b|workspace\b|location\b|in workspace|at location|dest\b"
    r"|code (?:elifecycle|[0-9]{1,3}$|e[a-z0-9_]{2,30}$)|lifecycle script|exit status|failed at the\b|test failed\b"
    r"|this is probably not|there is likely additional|signal sig(?:term|int)|\S{1,200}@\S{1,60}\s\S{1,60}:\s`"
    r"|[/\w.-]{1,300}_logs/|node -v|npm\s{1,4}v|cb\(\) never called|for a full report|to see a list|\s{0,8}/\S"
)
_NOISE: Final = wording(
    ("", r"^\([\w:]{1,20}\)\s(?!unhandled)(?:\[\w{1,20}\]\s)?\w{0,60}warning:\s"),
    ("node", r"\bnode_tls_reject_unauthorized\b"),
    ("", r"^(?:[\w./-]{1,60}: ){0,3}(?:warning|note|hint|tip|info)\s?: "),
    ("ms s m h", r"^[\w.-]{1,60}(?::[\w.-]{1,60}){0,4}\s.{0,400}\s\+[0-9]{1,7}(?:ms|s|m|h)$"),
    # advice, and where to read on
    ("use", r"^\(use `"),
    ("for", r"^for (?:more|help|further|details|additional)\b"),
    (
        "see lear read hint try reru re view",
        r"^(?:see (?:https?:|also\b)|learn more|read more|try (?:running|again)|re-?run\b|view the )",
    ),
    (
        "to",
        r"^to (?:see|display|show|fix|address|enable|disable|install|resolve|learn|get|view|run|upgrade|update|reproduce)\b",
    ),
    ("plea", r"^(?:error:?\s)?please (?:check|see|make sure|ensure|refer|run|read|report|consult|update|upgrade)\b"),
    ("usin assu", r"\b(?:not|no|missing|undefined|empty)\b.{0,60}[,;(–—-]\s?(?:using|assuming|defaulting to)\b"),
    ("defa", r"\b(?:not|no|missing|undefined|empty)\b.{0,60}[,;(–—-]\s?(?:default(?:s|ing)? to)\b"),
    ("", r"^\S{0,200}\w{0,40}(?:deprecation|experimental|insecurerequest|user|future|runtime|resource)warning\b"),
    ("dep", r"\[dep[0-9]{4}\]"),
    ("depr", r"\bdeprecated\b(?!.{0,80}\b(?:removed|fail))|deprecationwarning\b"),
    ("npm", rf"^npm\s(?:warn|notice|info|http|verb)\b|{_NPM}\s{{0,4}}(?:{_TOOL_LINES})|\bnpm (?:audit|fund)\b"),
    ("npm", rf"{_NPM}\s[\w-]{{1,30}}\s(?:warn|info|http|notice|verb)\b"),
    ("gyp preb", r"^(?:(?:node-pre-)?gyp|prebuild-install) (?:warn|info|http|verb)\b"),
    (
        "not syst cwd node comm",
        r"^(?:not ok$|system (?:linux|windows|darwin)|cwd /|node -v|node-(?:pre-)?gyp -v|command \")",
    ),
    ("chec skip", r"\bcheck(?:s)? (?:was |were )?skipped\b|\bskipp(?:ed|ing)\b(?!.{0,40}\bfail)"),
    ("exit", r"^\S{0,40}\s?(?:process )?exit(?:ed|ing)?(?:\swith)?(?:\s(?:code|status))?[\s:=(]{1,3}[0-9]{1,3}\)?\.?$"),
    (
        "exit fail",
        r"^(?:error:?\s)?(?:the )?(?:command|process|script|step|child process|container|program|task|worker)\b.{0,160}\b(?:exit(?:ed)?|failed)\b.{0,40}\b(?:code|status)\b.{0,4}[0-9]{1,3}\W{0,2}$",
    ),
    ("cont", r"^container called exit\("),
    ("erro", r"^error command failed\b|\b(?:0|no) errors?\b|^found [0-9]{1,6} errors?(?: in .{1,60})?(?:\.|$)"),
    ("erro", r"^[0-9]{1,6} errors?(?: generated)?$|^errors\s{1,4}files$"),
    (
        "fail vuln prob issu warn",
        r"\b(?:0|no) (?:failures?|vulnerabilities|problems|issues|warnings)\b(?!.{0,20}\b[1-9][0-9]* err)",
    ),
    ("info debu wait", r"^info visit\b|^debugger (?:attached|listening)|^waiting for the debugger"),
    ("node", r"^node\.js v[0-9]"),
    ("make evic", r"^make(?:\[[0-9]{1,3}\])?: \*\*\*|\bkubernetes\b.{0,40}\bevicted\b"),
    (
        "get post put patc dele head opti",
        r"^\"?(?:get|post|put|patch|delete|head|options)\s(?:/|https?:)\S{0,400}.{0,40}?\s(?:[123][0-9]{2}|404)\b",
    ),
    ("favi succ", r"\bfavicon\.ico\b|^(?:successfully|success)\b|\bcompleted successfully\b"),
    ("test snap", r"^\W{0,4}(?:tests?|test suites|test files|snapshots|tests run)\s?:\s|^\W{0,4}test files\s"),
    ("sigt sigi sigh rece", r"^\S{0,60}\s?received (?:signal|sig)|\bsig(?:term|int|hup)\b"),
    ("shut grac", r"^(?:graceful(?:ly)?\s)?shut(?:ting)?\s?down\b"),
    ("seve", r"\b[0-9]{1,6} (?:low|moderate|high|critical) severity\b"),
    ("cont proc carr", r"\b(?:continuing|proceeding|carrying on)\b.{0,40}\b(?:without|anyway|with default)"),
    ("fall non nonf nonc nonb", r"\bfalling back\b|\bnon-?(?:fatal|critical|blocking)\b"),
    ("safe igno", r"\b(?:safe(?:ly)? (?:to )?ignored?)\b|\(ignored\)"),
)
_CONSEQUENCES: Final = wording(
    (
        "fail",
        r"\bfailed to start and (?:then )?listen on the port\b|\bfailed to listen on\b.{0,30}\bport\b.{0,60}\btimeout\b",
    ),
    (
        "prob heal",
        r"\b(?:startup|liveness|readiness)\b.{0,30}\bprobe\b.{0,40}\bfailed\b|\bhealth ?check\b.{0,40}\bfailed\b",
    ),
    ("revi inst clou", r"\b(?:revision|instance|cloud run)\b.{0,120}\b(?:is not ready|cannot serve|failed)\b"),
    ("inst", r"\bno available instance\b|\bmalformed response or connection to the instance\b"),
    (
        "buil",
        r"\bbuild(?: step)?\b.{0,60}\bfailed\b|\bfailed to build\b|^error building image|\bbuildpack\b.{0,80}\b(?:failed|exit)",
    ),
    ("requ", r"\brequest (?:was aborted|failed) because\b"),
    (
        "get post put patc dele head opti",
        r"^\"?(?:get|post|put|patch|delete|head|options)\s\S{1,400}.{0,40}\b[1-5][0-9]{2}\b",
    ),
    ("depl", r"\bdeploy(?:ment)?\b(?: of .{1,60})? (?:has )?failed\.?$"),
    ("erro", r"^error: (?:context|\(gcloud|executor failed|process \")"),
    ("fail", r"^failed during the execution of\b(?!.{1,80}: \S)"),
    ("unca", r"\buncaught signal:? ?[0-9]{0,2}\b"),
    ("exec fail", r"^execution failed for task\b|^failed to solve: process \"|^error: failed to solve: process \""),
    ("task", r"^(?:> )?task :\S{1,200} failed$"),
    (
        "fail err",
        r"^(?:fail|err|pass|skip):\s{1,4}\S{1,200}@\S{1,40}|^(?:fail|err):\s{1,4}\S{1,200}(?:\s\([0-9]{1,4}\))?$",
    ),
)
_REASONLESS: Final = wording(
    (
        "unha",
        r"^(?:\w{1,40}:\s)?(?:\[?unhandled\s?promise\s?rejection\b.{0,40}(?:originated either(?!.{0,400}the reason \"(?!#<|undefined))|: undefined|#<)|unhandled promise rejection\. this error)",
    ),
    ("succ", r"\bdid not (?:run|complete|finish|exit) successfully\b"),
    ("fail", r"^[0-9]{1,6} (?:failing|failed)\b|^failed tests?:$"),
)
_WRAPPERS: Final = wording(
    ("post pre", r"^(?:error:?\s)?(?:post|pre)-?(?:un)?-?deploy(?:ment)?(?: script)? (?:failed|error)\b"),
    (
        "unab fail coul",
        r"^(?:error:?\s)?(?:unable|failed|could not) to (?:start|boot|bootstrap|initiali[sz]e|run|execute|launch)\b.{0,40}(?:\bserver|app\w{0,8}|service|script|connector)?:\s",
    ),
    (
        "star boot init migr scri",
        r"^(?:error:?\s)?(?:\w{1,30} ){0,3}(?:startup|bootstrap|initiali[sz]ation|migrations?|script)s? (?:failed|error):\s",
    ),
    ("fail", r"^failed to execute goal\b(?!.{0,300}could not (?:resolve|find))"),
)
_ROWS: Final = (
    (Class.WRAPPER, _GIVEN_UP),
    (Class.RETRY, RETRIES),
    (Class.CONSEQUENCE, _CONSEQUENCES),
    (Class.BARE, _REASONLESS),
    (Class.WRAPPER, _WRAPPERS),
)
_NAMED: Final = wording(
    (
        "econ enot etim eai eadd eacc enoe eper ehos enet enos emfi eres ebad eint eusa etar e ejso ebad epro",
        r"\b(?:econnrefused|econnreset|enotfound|etimedout|eai_again|eaddrinuse|eacces|enoent|eperm|ehostunreach|enetunreach|enospc|emfile|eresolve|ebadengine|eintegrity|eusage|etarget|e40[134]|ejsonparse|ebadplatform|eproto)\b",
    ),
    ("err modu", r"\berr_[a-z0-9_]{3,60}\b|\bmodule_not_found\b"),
    ("inva unau", r"\b(?:invalid|unauthorized)_(?:client|scope|grant|token|request)\b"),
    ("insu acce", r"\binsufficient[_ ](?:scope|permission)s?\b|\baccess[_ ]denied\b"),
    (
        "unau forb perm auth bad stat",
        r"\b(?:401 unauthorized|403 forbidden|status code (?:4|5)[0-9]{2})\b|\b(?:unauthorized|forbidden|permission denied|authentication failed|bad credentials)\b",
    ),
    (
        "cann can coul unab",
        r"\b(?:cannot|can't|could not|couldn't|unable to) (?:find|resolve|load|import|locate) (?:any )?(?:module|package|file|name|main|a version|\"|')",
    ),
    ("modu", r"\bmodule not found\b|\bno module named\b"),
    (
        "miss unde unse requ inva",
        r"\b(?:missing|undefined|unset|required|invalid)\b.{0,40}\benv(?:ironment)?\b.{0,20}\b(?:var\w{0,7})?",
    ),
    (
        "env envi",
        r"\benv(?:ironment)? ?var\w{0,7}\b.{0,60}\b(?:missing|required|not (?:set|defined|found|provided)|undefined|empty|invalid)\b",
    ),
    (
        "miss requ not unde empt",
        r"\b[a-z][a-z0-9]{1,40}_[a-z0-9_]{1,60}\b.{0,30}\b(?:is )?(?:missing|required|not (?:set|defined|provided)|undefined|empty)\b",
    ),
    (
        "memo oom outo",
        r"\b(?:heap )?out of memory\b|\bmemory limit\b.{0,40}\bexceeded\b|\boom(?:killed)?\b|\boutofmemoryerror\b",
    ),
    ("erro synt", r"\berror ts[0-9]{4,5}\b|\bsyntaxerror\b|\bsyntax error\b"),
    (
        "dupl reso conc inva exte refe insu",
        r"\b(?:duplicatefield|resourcenotfound|concurrentmodification|invalidinput|invalidjsoninput|invalidoperation|extensionnoresponse|referencedresourcenotfound|insufficient_scope|duplicatefieldvalue)\b",
    ),
    ("alre dupl", r"\b(?:is )?already (?:in use|exists)\b|\bduplicate (?:key|field|value|entry)\b"),
    ("vers", r"\bhas a different version than expected\b"),
    ("conn geta", r"\bconnection (?:refused|timed out|reset)\b|\bgetaddrinfo\b"),
    (
        "cert",
        r"\bcertificate (?:has expired|is not yet valid|verify failed)\b|\bself[- ]signed certificate\b|\bunable to (?:verify the first|get local issuer) certificate\b",
    ),
    ("", r"^(?:uncaught\s)?(?:[a-z_][\w$]{0,60}[.\\]){0,12}[a-z][\w$]{0,80}(?:error|exception)\b\s{0,2}(?::|\[)"),
    ("segm sigk sigs siga", r"\bsegmentation fault\b|\bsignal sig(?:kill|segv|abrt)\b"),
    ("rela migr", r"\brelation \"?\S{1,80}\"? (?:does not|already) exists?\b|\bmigration\b.{0,60}\bfailed\b"),
    (
        "npm",
        rf"{_NPM}\s(?:missing script|404\b|403\b|401\b|notarget|could not resolve|unable to resolve|eresolve|`npm ci`|network|cannot|invalid|unsupported|peer|conflict)",
    ),
    # the shell, the kernel, and what starts a program
    ("not comm", r":\s(?:command )?not found$"),
    ("such", r"\bno such file or directory\b"),
    ("exec kill", r"\bexec format error\b|^killed$"),
    ("oper spac read", r"\boperation not permitted\b|\bno space left on device\b|\bread-only file system\b"),
    ("jarf main", r"\bunable to access jarfile\b|\bcould not find or load main class\b|\bno main manifest attribute\b"),
    # compilers: a place in a source, and an error there
    (
        "erro fata",
        r"\S[:(][0-9]{1,7}(?:[:,][0-9]{1,7})?\)?:?\s{1,2}(?:- )?(?:fatal )?error\b|^[0-9]{1,7}:[0-9]{1,7}\s{1,8}error\b|^error in \S",
    ),
    ("go", r"^\S{1,200}\.go:[0-9]{1,7}:[0-9]{1,7}:\s|^go: (?!downloading|finding|extracting|added|upgraded|warning)\S"),
    ("e", r"^e: (?:file:)?\S{1,200}\.kts?\b"),
    ("pani fata", r"^panic:\s|^(?:php )?fatal error:"),
    ("pars", r"^(?:php )?parse error:"),
    # tests
    ("fail", r"^fail:?\s{1,4}\S{1,200}\.\S|^--- fail: |^failed\s\S{1,200}::\S|^failed asserting that\b"),
    ("not", r"^not ok [0-9]"),
    (
        "expe",
        r"^expected\b.{1,200}\b(?:but was|to (?:be|equal|have|match|contain)|but got|received)\b|^expect\(received\)",
    ),
    # what a version or a lock file has to be
    ("comp inco", r"\bis (?:not compatible|incompatible) with\b|\bincompatible (?:with|engine)\b"),
    ("vers matc dist", r"\bno matching (?:version|distribution)\b|\bcould not find a version\b"),
    ("buil", r"\bno buildpacks? (?:groups? passed|participating)\b"),
)
_WORDED: Final = wording(
    (
        "",
        r"^(?:\W{0,4}|\w{1,30}:\s)(?:failed|unable|cannot|can't|could not|couldn't|failure|invalid|missing|not found|no such|refused|denied|unexpected|unsupported|unknown|illegal|bad|error)\b",
    ),
    ("fail", r"\b(?:failed|failure)\b(?: to|:|,|\.|$| with| because)"),
    ("miss requ not", r"\bis (?:missing|required|not (?:set|defined|valid|allowed|reachable|supported))\b"),
    ("erro", r"\berror:\s"),
)
_HINTS: Final = wording(
    (
        "not",
        r"\b(?:is|are|was|were|do|does|did|could|can|has|have|must|may|will) not\b|\bnot (?:found|defined|set|supported|allowed|permitted|valid|available|installed|executable|authorized|reachable|compatible|recogni[sz]ed|match\w*)\b",
    ),
    ("isn aren does don didn coul wasn won hasn", r"\b(?:is|are|does|do|did|could|was|wo|has)n't\b"),
    ("no", r"(?:^|:\s)no \w|\bno (?:such|matching|compatible|suitable|valid)\b"),
    (
        "miss cann unab inva inco unsu unkn unex conf deni refu reje expi exce mism wron fail erro fata kill brok corr",
        r"\b(?:missing|cannot|unable|invalid|incompatible|unsupported|unknown|unexpected|conflict\w*|denied|refused|rejected|expired|exceed\w*|mismatch\w*|wrong|fail\w*|error|fatal|killed|broken|corrupt\w*)\b",
    ),
    ("too", r"\btoo (?:many|large|long|old|big|new|few|short|small)\b"),
    ("requ expe", r"\b(?:requires?|required|expected)\b.{1,120}\b(?:but|got|found|received|have)\b"),
)
