"""The settings, table by table, as the file has them: frozen, with unknown keys refused and secrets that do not print.

Checks within one field are its type's (`fields`); checks between fields and tables are in `coherence`.
"""

from collections.abc import Iterator, Mapping
from inspect import getdoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, create_model

from watcher.config.fields import (
    BaseUrl,
    Cidr,
    Duration,
    FieldName,
    LabelName,
    Matchers,
    Name,
    Pattern,
    Pause,
    SearchPattern,
    SenderKey,
    Share,
    Template,
    at_least,
    at_most,
)
from watcher.config.secret import value_of
from watcher.config.serving import HeartbeatSettings, OtlpSettings, SlackAppSettings, WebSettings
from watcher.config.table import Table, presented
from watcher.connect import ProjectAccess
from watcher.core.duration import Millis
from watcher.core.event import EventType
from watcher.rules.compile import LogText, RuleText
from watcher.sinks import SINKS, SinkConfig

_FASTEST: Millis = 5_000
_BLIND_SLACK: Millis = 60_000


class LogsSettings(Table):
    """Where a project's logs come from."""

    secrets: ClassVar[Mapping[str, bool]] = {"key": False, "next_key": False}

    source: Literal["off", "poll", "otlp"] = "off"
    """`poll` asks the log endpoints, which are removed after 31 January 2027; `otlp` takes what Platform Insights pushes."""
    poll_interval: Annotated[Duration, at_least("5s"), at_most("1d")] = Field(
        default=120_000, json_schema_extra={"default": "2m"}
    )
    """How often to read the logs of a Deployment that is quiet; one that is being deployed, failed or writes is read every 15s."""
    max_requests_per_second: float = Field(default=5.0, gt=0, le=100)
    """How fast to ask the log endpoints, whatever is due."""
    key: SenderKey | None = None
    """What a sender has to present; senders with the same key may speak for all projects that have it."""
    key_file: Path | None = None
    next_key: SenderKey | None = None
    """Taken as well, so that a key can be changed without losing anything."""
    next_key_file: Path | None = None

    def taken_keys(self) -> tuple[str, ...]:
        """The keys that are taken, read now. Raises ConfigError."""
        return tuple(key for name in ("key", "next_key") if (key := presented(self, name, "logs")))


class ConnectorsSettings(Table):
    """Whether Connectors are watched beside Deployments, for which the API client needs `view_connectors:KEY` as well."""

    watch: bool = True
    """Drafts, once for each API client, and the published Connectors that Deployments run."""
    drift_interval: Annotated[Duration, at_least("1s")] = Field(default=300_000, json_schema_extra={"default": "5m"})
    """How often to look whether a newer version has been published. Drafts are polled like Deployments."""


class ProjectSettings(Table):
    """One Connect project to watch."""

    secrets: ClassVar[Mapping[str, bool]] = {"client_id": True, "client_secret": True}

    key: str = Field(pattern=r"^[A-Za-z0-9_-]{1,256}$")
    """The project key."""
    region: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?$")
    """Where it is hosted, like `europe-west1.gcp`."""
    client_id: SecretStr | None = None
    """The id of its API client."""
    client_id_file: Path | None = None
    client_secret: SecretStr | None = None
    """The secret of its API client."""
    client_secret_file: Path | None = None
    scope: str | None = Field(default=None, pattern=r"^[!-~]+( [!-~]+)*$")
    """What to ask a token for; by default everything its client has. `view_connectors_deployments:KEY` is enough for
    Deployments, `view_connectors:KEY` for Connectors."""
    api_url: BaseUrl | None = None
    """Where the Connect API is; by default that of the region."""
    auth_url: BaseUrl | None = None
    """Where tokens come from; by default that of the region."""
    poll_interval: Annotated[Duration, at_least("1s"), at_most("1d")] = Field(
        default=30_000, json_schema_extra={"default": "30s"}
    )
    """How often Deployments are polled; at least 1s."""
    fast_poll_interval: Annotated[Duration, at_least("1s"), at_most("1d")] | None = None
    """While something is under way; by default 5s, or `poll_interval` if that is shorter."""
    blind_after: Annotated[Duration, at_least("1s")] | None = None
    """How old the last sight may be; by default three times `poll_interval` and one minute."""
    connectors: ConnectorsSettings = Field(default_factory=ConnectorsSettings)
    """Whether Connectors are watched, too."""
    logs: LogsSettings = Field(default_factory=LogsSettings)
    """Where its logs come from."""

    @property
    def fast_interval(self) -> Millis:
        """Milliseconds between polls while something is under way."""
        return self.fast_poll_interval or min(self.poll_interval, _FASTEST)

    @property
    def blind_limit(self) -> Millis:
        """Milliseconds after which a source that cannot be read is blind."""
        return self.blind_after or 3 * self.poll_interval + _BLIND_SLACK

    def access(self) -> ProjectAccess:
        """Who we are to this project, its secrets read now. Raises ConfigError."""
        return ProjectAccess(
            key=self.key,
            region=self.region,
            client_id=value_of(self, "client_id"),
            client_secret=value_of(self, "client_secret"),
            api_url=self.api_url,
            auth_url=self.auth_url,
            scope=self.scope,
        )


class RuleSettings(Table):
    """One rule: a *fact* rule if it says `from`, `to`, `events` or `added`, otherwise a *state* rule."""

    name: Name
    """The `alertname`; a rule of your own takes the place of a pack's rule of the same name."""
    on: Literal["deployment", "connector", "report", "log", "source"]
    """What it is about."""
    matchers: tuple[Matchers, ...] = ()
    """What must hold, all of it: Alertmanager's `=`, `!=`, `=~`, `!~` on the labels of what it is about."""
    resolve: tuple[Matchers, ...] | None = None
    """What ends a state rule; by default `status="Deployed"` (a Connector's: `status="Published"`) where the
    matchers are about the status."""
    wait: Duration = Field(default=0, alias="for", json_schema_extra={"default": "0s"})
    """How long a state must last before it is told."""
    from_: Pattern | None = Field(default=None, alias="from")
    """A pattern for the whole of the status before: tells that transition, once."""
    to: Pattern | None = None
    """A pattern for the whole of the status after: tells that transition, once."""
    events: tuple[EventType, ...] = ()
    """Tells each event of these kinds, once. `hit` and `tally` are what rules on logs look at, and refused here."""
    added: bool = False
    """On reports: tell each new entry once."""
    labels: dict[LabelName, str] = Field(default_factory=dict)
    """Labels of its alerts, to route and group by; `severity` is `critical`, `warning` or `info`."""
    annotations: dict[LabelName, Template] = Field(default_factory=dict)
    """What its messages say, as Jinja templates: `summary`, `description`, `error`, `runbook_url`, or any other field."""
    pattern: tuple[SearchPattern, ...] = ()
    """On logs: what is searched for in the message, any of them."""
    exclude: tuple[SearchPattern, ...] = ()
    """On logs: what must not be found in the message."""
    by: tuple[FieldName, ...] | None = None
    """On logs: the labels that make one alert; by default deployment and application."""
    count: int = Field(default=1, ge=1, le=1_000_000)
    """On logs: how many records within `within`."""
    within: Annotated[Duration, at_least("1s"), at_most("1d")] = Field(
        default=600_000, json_schema_extra={"default": "10m"}
    )
    """On logs: the while that `count`, `of` and `spike` look at; from 1s to 1d."""
    slower_than: Duration = Field(default=0, json_schema_extra={"default": "0s"})
    """On logs: only requests that took longer."""
    new: bool = False
    """On logs: tell each kind of message that the application has not written before, once."""
    learn: Duration = Field(default=3_600_000, json_schema_extra={"default": "1h"})
    """For `new`: how long after an application was first heard everything is held to be known."""
    of: Literal["5xx", "4xx", "errors"] | None = None
    """On logs: fires while this share of requests, or of records, is above `above`."""
    above: Share = 0.0
    """For `of`: the share that is too much, like 0.05."""
    spike: float = Field(default=0, ge=0)
    """On logs: fires while errors come so many times as fast as in the `baseline` before."""
    baseline: Annotated[Duration, at_least("1m"), at_most("1d")] = Field(
        default=3_600_000, json_schema_extra={"default": "1h"}
    )
    """For `spike`: how far back the usual is looked for; from 1m to 1d."""
    absent: Duration = Field(default=0, json_schema_extra={"default": "0s"})
    """On logs: fires while a deployed application has written nothing for so long."""
    missed_run: Duration = Field(default=0, json_schema_extra={"default": "0s"})
    """On logs: fires when a job has written nothing so long after its schedule was due."""
    verdict: Annotated[Duration, at_most("1d")] = Field(default=0, json_schema_extra={"default": "0s"})
    """On logs: judges each build so long after it was deployed, against the one before."""
    at_least: int = Field(default=20, ge=1)
    """For `of`: requests or records, for `spike`: errors, that there must be."""

    @property
    def is_fact(self) -> bool:
        """Whether it tells what has happened, instead of following a condition."""
        return bool(self.from_ is not None or self.to is not None or self.events or self.added)

    @property
    def kind(self) -> str:
        """What kind of rule it is, in one word."""
        if self.on != "log":
            return "fact" if self.is_fact else "state"
        kinds = ("new", "of", "spike", "absent", "missed_run", "verdict")
        return next((each for each in kinds if getattr(self, each)), "count")

    def text(self) -> RuleText:
        """The rule as `watcher.rules` reads it."""
        return RuleText(
            name=self.name,
            on=self.on,
            matchers=self.matchers,
            resolve=self.resolve,
            wait=self.wait,
            events=(*(each.value for each in self.events), *((EventType.REPORT.value,) if self.added else ())),
            from_=self.from_,
            to=self.to,
            labels=self.labels,
            annotations=self.annotations,
            log=self._log() if self.on == "log" else None,
        )

    def _log(self) -> LogText:
        by = ("deployment",) if self.verdict else ("deployment", "application")
        return LogText(
            pattern=self.pattern,
            exclude=self.exclude,
            by=by if self.by is None else self.by,
            count=self.count,
            within=self.within,
            slower_than=self.slower_than,
            new=self.new,
            learn=self.learn,
            of=self.of or "",
            above=self.above,
            spike=self.spike,
            baseline=self.baseline,
            at_least=self.at_least,
            absent=self.absent,
            missed_run=self.missed_run,
            verdict=self.verdict,
        )


class RouteSettings(Table):
    """A node of the route tree. What it does not say comes from the node above."""

    receiver: Name | None = None
    """Who is told; required at the top."""
    matchers: tuple[Matchers, ...] = ()
    """Which alerts take it, by their labels; none at the top, which takes everything."""
    continue_: bool = Field(default=False, alias="continue")
    """Whether what takes it goes on to the next route as well."""
    group_by: tuple[str, ...] | None = None
    """Alerts with the same values of these labels are told together; by default project and deployment. `["..."]`: each alone."""
    group_wait: Duration | None = None
    """How long the first message of a group waits for more; by default 10s."""
    group_interval: Duration | None = None
    """The least time between messages of a group with news; by default 5m."""
    repeat_interval: Pause | None = None
    """How often it is said that nothing has changed; by default 4h."""
    fallback: Name | None = None
    """At the top only: the receiver that also hears, at most hourly, of dead letters and of sinks that refuse."""
    routes: tuple["RouteSettings", ...] = ()
    """Routes below this one: the first that matches takes an alert."""


class ReceiverSettings(Table):
    """A name for sinks: a list for each kind, as in the registry of sinks."""

    name: Name
    """What routes call it."""

    def sinks(self) -> Iterator[tuple[str, SinkConfig]]:
        """Every sink with its id: receiver, kind and position."""
        for each in SINKS:
            for position, sink in enumerate(getattr(self, each.kind)):
                yield f"{self.name}/{each.kind}/{position}", sink


if TYPE_CHECKING:
    Receiver = ReceiverSettings
else:
    Receiver = create_model(
        "Receiver",
        __base__=ReceiverSettings,
        __doc__=ReceiverSettings.__doc__,
        **{each.kind: (tuple[each, ...], Field(default=(), description=getdoc(each))) for each in SINKS},
    )


class EgressSettings(Table):
    """What sinks may reach besides public addresses over https."""

    allow: tuple[Cidr, ...] = ()
    """Networks, like `10.0.0.0/8`; in them plain http is allowed as well."""


class HttpSettings(Table):
    """The way out."""

    secrets: ClassVar[Mapping[str, bool]] = {"proxy_url": False}

    proxy: SecretStr | None = Field(default=None, alias="proxy_url")
    """A proxy for every request, `http://host:port`; a user and password may be in it, so it is a secret."""
    proxy_file: Path | None = Field(default=None, alias="proxy_url_file")
    ca_file: Path | None = None
    """Certificate authorities to trust besides the system's, as PEM."""

    @property
    def proxy_url(self) -> str | None:
        """The proxy, read now, or `None`. Raises ConfigError."""
        return value_of(self, "proxy") or None


class StoreSettings(Table):
    """The database."""

    url: str = Field(default="sqlite:///connect-watcher.db", pattern=r"^sqlite://(/[^\x00-\x1f]+)?$")
    """`sqlite:///relative.db` or `sqlite:////absolute/path.db`."""
    retention: Annotated[Duration, at_least("1h")] = Field(
        default=30 * 86_400_000, json_schema_extra={"default": "30d"}
    )
    """How long judged events and settled deliveries are kept."""


class LogSettings(Table):
    """Our own log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less grave is left out."""
    format: Literal["auto", "json", "console"] = "auto"
    """`auto`: readable on a terminal, JSON elsewhere."""


class Settings(Table):
    """The whole file."""

    projects: tuple[ProjectSettings, ...] = Field(min_length=1)
    """What to watch; at least one."""
    rules: tuple[RuleSettings, ...] = ()
    """What to tell, beside what the packs tell."""
    rule_packs: tuple[Literal["builtin", "logs", "deployed", "changes"], ...] = ("builtin", "logs")
    """The packs of rules that are used."""
    disable_rules: tuple[str, ...] = ()
    """Names of rules that are not to be used."""
    route: RouteSettings | None = None
    """Not needed where there is one receiver."""
    receivers: tuple[Receiver, ...] = Field(min_length=1)
    """Whom to tell; at least one."""
    egress: EgressSettings = Field(default_factory=EgressSettings)
    """What sinks may reach."""
    http: HttpSettings = Field(default_factory=HttpSettings)
    """The way out: proxy and authorities."""
    web: WebSettings = Field(default_factory=WebSettings)
    """Probes, metrics and the API."""
    otlp: OtlpSettings = Field(default_factory=OtlpSettings)
    """The listener for pushed logs."""
    slack: SlackAppSettings = Field(default_factory=SlackAppSettings)
    """The app behind buttons in Slack."""
    store: StoreSettings = Field(default_factory=StoreSettings)
    """Where everything is kept."""
    heartbeat: HeartbeatSettings = Field(default_factory=HeartbeatSettings)
    """The dead man's switch."""
    log: LogSettings = Field(default_factory=LogSettings)
    """Our own log."""
