-- What is kept of logs. Times are integer milliseconds, minutes are counted since the epoch. Records are never among it.

-- How much each application wrote in each minute.
CREATE TABLE tallies (
    project TEXT NOT NULL,
    minute INTEGER NOT NULL,
    deployment TEXT NOT NULL,
    application TEXT NOT NULL,
    records INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    http INTEGER NOT NULL,
    http_4xx INTEGER NOT NULL,
    http_5xx INTEGER NOT NULL,
    PRIMARY KEY (project, minute, deployment, application)
) STRICT, WITHOUT ROWID;

CREATE INDEX tallies_minute ON tallies (minute);

-- When an application was first and last heard, which outlives the tallies.
CREATE TABLE activity (
    project TEXT NOT NULL,
    deployment TEXT NOT NULL,
    application TEXT NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (project, deployment, application)
) STRICT, WITHOUT ROWID;

-- How far polled logs have been read.
CREATE TABLE log_cursors (
    project TEXT NOT NULL,
    deployment TEXT NOT NULL,
    application TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, deployment, application)
) STRICT, WITHOUT ROWID;

-- Pushed requests and the hits among them that have been committed, so that one that is sent again adds nothing.
CREATE TABLE pushed (
    key BLOB PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX pushed_at ON pushed (at);

-- Judge's own: the good builds of each Deployment, the kinds of errors that each rule has met.
CREATE TABLE runs (
    key TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE memories (
    key TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX events_hits ON events (at, seq) WHERE type = 'hit';
