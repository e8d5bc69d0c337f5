r"""What a line is to a failure, by its wording: the classes of core/decisive.py, and the wordings that make them."""

import re
from enum import IntEnum
from typing import Final

from watcher.core import level
from watcher.core.wording import Said, says_nothing, wording


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


def judged(told: Said, gravest: str) -> Class:
    """The first row of the table in core/decisive.py that fits."""
    minor = level.rank(gravest) < level.rank(level.WARNING) and gravest != level.DEFAULT
    if minor or not told.text or _NOISE.within(told) or ACCESS.within(told):
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
    if gravest != level.DEFAULT:
        return Class.NOISE
    if _PROSE.within(told) and not _UNHURT.within(told):
        return Class.TEXT
    return Class.HINT if _HINTS.within(told) else Class.NOISE


def named(told: Said) -> bool:
    """Does it name a failure?"""
    return _NAMED.within(told)


_ENDS: Final = re.compile(r"^npm\s|\bexit(?:s|ed|ing)?\b|\bcode\b|\bnon-?zero\b")
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
    (
        "wait next",
        r"\bwaiting (?:for )?[0-9.]{1,8}\s?(?:ms|s|sec|m|min)\w{0,5}\b|\bnext (?:attempt|try|retry) (?:in|at)\b",
    ),
    ("agai", r"\b(?:re-?)?(?:reading|fetching|loading|sending|requesting|updating|applying)\b.{0,30}\bagain\b"),
    ("requ redi nack", r"\bre-?queu(?:ed|ing)\b|\bredeliver(?:ed|ing|y)\b|\bnacked\b"),
    ("retr trie", r"\b[0-9]{1,3} (?:retries|tries) (?:left|remaining)\b"),
)
CONFLICTS: Final = wording(
    ("conc", r"\bconcurrent\s?(?:modification|update)\b"),
    ("conf", r"\b(?:version|write|update|edit|merge|409|lock) conflict\b|\b409:? conflict\b"),
    ("vers", r"\bdifferent version than expected\b|\bversion mismatch\b"),
    ("dead opti seri", r"\bdeadlock\b|\boptimistic lock\w{0,8}\b|\bcould not serialize\b"),
    ("too", r"\btoo many requests\b"),
)
"""What several that work at the same time do to one another, and the next attempt gets over."""
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
    ("todo skip", r"^not ok [0-9]{1,6}\b.{0,200}# (?:todo|skip)\b"),
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
_METHOD: Final = r"(?:get|post|put|patch|delete|head|options)"
_METHODS: Final = "get post put patc dele head opti"
ACCESS: Final = wording(
    (
        _METHODS,
        rf"(?:^|[\s\"\[(=>:-]){_METHOD}\s/\S{{0,400}}+.{{0,24}}?[\s=:>→-][1-4][0-9]{{2}}(?:$|\"|[\s-]{{1,3}}(?:[0-9\"(\[+-]|in\b|$|not found|forbidden|unauthorized|bad request|too many))",
    ),
    (_METHODS, rf"^\W{{0,3}}[1-4][0-9]{{2}}\W{{1,4}}{_METHOD}\s/"),
    (
        "stat",
        r"\b(?:path|url|uri)\"?[=:]\s?\"?/.{0,200}?\bstatus(?:_?code)?\"?[=:]\s?\"?[1-4][0-9]{2}\b",
    ),
    ("cann rout no", rf"^cannot {_METHOD} /|^route {_METHOD}:/\S{{0,400}} not found|^no (?:mapping|static resource)\b"),
    ("forb unau", r"^(?:forbidden|unauthorized)\b.{0,60}: /"),
    ("inva tls", r"^invalid http request\b|\btls handshake error from\b"),
)
"""What a server says of requests that it answered, or that are the caller's fault."""
ANSWERED: Final = wording(
    (_METHODS, rf"(?:^|[\s\"\[(=>:-]){_METHOD}\"?,?\s\S"), ("path url uri", r"\b(?:path|url|uri)\"?[=:]")
)
"""A request, whatever the answer."""
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
_PROSE: Final = wording(
    (
        "cann can coul coul unab fail not",
        r"\b(?:could not|couldn't|cannot|can't|unable to|not able to|failed to)\s\w",
    ),
    (
        "exce",
        r"\bexceed(?:s|ed)\b.{0,60}\b(?:limits?|quota|maximum|timeout|time|size|length|memory|budget|threshold|number|allowed)\b",
    ),
    ("limi quot maxi", r"\b(?:limit|quota|maximum)\b.{0,60}\b(?:exceeded|reached|exhausted)\b"),
    (
        "term kill refu deni reje revo susp bloc abor forb",
        r"\b(?:was|were|been|is|are|got)\s(?:\w{1,12}ly\s)?(?:terminated|killed|refused|denied|rejected|revoked|suspended|blocked|aborted|forbidden)\b",
    ),
    (
        "refu deni reje revo forb",
        r"\b(?:access|permission|login|connection|request|handshake|destination|server|host)\s(?:refused|denied|rejected|revoked|forbidden)\b",
    ),
    ("refu deni reje", r"\b(?:refused|denied|rejected)\s(?:by|the|to|access|permission|because)\b"),
    (
        "not",
        r"\b(?:is|are|was|were)\snot\s(?:allowed|permitted|authori[sz]ed|supported|valid|reachable|accessible|installed|executable|writable|readable|recogni[sz]ed|compatible|found|unique|empty|an?\s(?:valid|function|number|string|directory|file|url))\b",
    ),
    ("not", r"\bnot\s(?:met|reached|fulfilled|satisfied)\b|:\snot\sfound$"),
    (
        "does do did",
        r"\b(?:does|do|did)\snot\s(?:exist|match|have|meet|contain|allow|support|satisfy|belong|provide|accept|resolve|respond|answer)\b",
    ),
    ("must", r"\bmust\s(?:not\s)?(?:be|have|contain|start|begin|end|match|include|specify|provide)\b"),
    ("expe requ", r"\b(?:expect(?:ed|s)|requires?)\b.{1,160}\b(?:but|got|found|received|instead)\b"),
    ("miss", r"\b(?:is|are)\smissing\b|\bmissing\s(?:required|the|a|an|from|in|for)\b"),
    ("time expi", r"\btimed\sout\b|\b(?:has|have)\sexpired\b"),
)
"""Sentences that tell a failure without a level and without a word that only failures have."""
_UNHURT: Final = wording(
    (
        "noth not no skip igno crea will usin defa fall cont opti as anyw if unle when whet shou unti see depr expe may migh e",
        r"\b(?:nothing to|not needed|no need|skip\w*|ignor\w*|creating|will be|using|defaults?|fall(?:ing|s)? ?back|continu\w*|optional|as expected|anyway|if|unless|whether|should|until|deprecated|experimental|may|might)\b",
    ),
    (
        "chec veri ensu vali make note dele remo look",
        r"^\W{0,4}(?:checking|verifying|ensuring|validating|make sure|note|deleting|removing|looking)\b",
    ),
)
"""What makes such a sentence one of advice, of intent, or of something that hurt nothing."""
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
    ("erro prob issu", r"\b(?:errors|problems|issues):$"),
    ("alre", r"\b(?:is|are|was|has|have) already\b"),
    ("requ expe need", r"\b(?:requires?|required|expected|needs?)\b.{1,120}\b(?:but|got|found|received|have)\b"),
)
