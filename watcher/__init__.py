"""connect-watcher: watches commercetools Connect and tells people, exactly as often as they want to hear it.

The map. Three loops, one database; each loop reads rows, asks the pure core, writes rows in one transaction::

    observe                          judge                               deliver
    poll → Listing → digest          rules → Alert → route → group       claim → render → sink.send
              → Event ────── db ───→       → decide ──────── db ───────→       → settle
    poll, OTLP → LogRecord →         windows of hits, tallies, history
              match → Hit ── db ───→       → Alert
    one transaction: source,         one transaction: alerts, groups,    one transaction: outcome
    records or cursor, events        outbox rows, reasons

Layers, imports go down only (checked by import-linter)::

    cli                                      one module for each group of verbs, thin
    app                                      the composition root: the only place that names concrete classes
    config | web | simulator                 settings from TOML; probes, metrics, the API; a Connect API to rehearse on
    sources | sinks | store | rules | pipeline   siblings that never import one another
    connect | render | scan                  the API client; messages as text; many patterns at once
    pattern                                  RE2
    http                                     the one HTTP door out
    metrics | logs | redact
    ports                                    what the pipeline needs from the world
    errors
    core                                     the decisions: pure, standard library only

Known flaws, so that nobody has to find them again:

* Times are wall-clock milliseconds. A clock set back makes waits longer by as much; nothing is lost.
* A group is one row, rewritten whole when one of its alerts changes. What fires it only names, so that ten thousand alerts
  are a megabyte at every change; what has ended or is told once it holds until it is told.
* The id of a sink is its receiver, kind and position: a sink put before another of its kind takes over what waits for that.
* Every poll wakes judging, which reads the state of every source: with thousands of projects that is work for nothing.
* A secret that was rotated is taken by a reload; nobody looks at files unasked.
* While the volume is full nothing is sent, as what is sent must be on record first; only the heartbeat says so.
* A reload is a restart within the process: everything is read and polled anew, also what has not changed.
* Drafts are kept under the name of the project through which they are read: another reader begins with a new baseline.
* The name of a Connector is part of its alert's identity: one that is renamed while it fails is told again.
* An info alert that stands is reminded of like any other; give such alerts a route with a long repeat_interval.
* A list of which one page is larger than 16 MiB cannot be read: the page's length is not adapted.
* Alerts and groups are held in memory by the one process that judges.
* Records that are pushed again in other requests than before are tallied twice; their hits are not, unless there were so
  many that they became one.
* Rules that measure look at the newest whole minute: what began and ended while the daemon was down is not told by them.
* When a Deployment was last well is known from when it was first watched.
* A burst of errors that is read later than its window is long is told by its end only.
* A hundred thousand failures at once take up to fifty seconds to judge and some 850 bytes of memory each; in groups of their own
  they are told one by one, at the pace of the destination. A digest follows only an outage of the destination.
* A message holds every alert of its group, however many, and while it is made and sent they are in memory twice or thrice.
  So are all alerts at the start, while they are read.
* Hundreds of silences with regular expressions cost seconds for each ten thousand alerts, in judging and in the API.
* A proxy on the same machine that adds no header is taken for that machine: give the API a listener of its own there.
* While an Alertmanager is down its refreshes wait, one after the other; the last one is right.
"""

__version__ = "0.1.0"
