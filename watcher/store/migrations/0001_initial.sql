-- Times are integer milliseconds since the epoch. `body` is the JSON of a core type; what is looked for has a column.
-- AUTOINCREMENT: a number is never given twice, even when the newest rows have been purged; cursors rely on it.

CREATE TABLE schema_migrations (
    version INTEGER PRIMARY KEY,
    checksum TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- How far each reader of events has come.
CREATE TABLE cursors (
    reader TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT;

INSERT INTO cursors (reader, seq) VALUES ('judge', 0);

CREATE TABLE sources (
    project TEXT NOT NULL,
    source TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, source)
) STRICT;

CREATE TABLE deployments (
    project TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, id)
) STRICT;

-- `reason` and `rule` say what judging made of the event; NULL until it is judged.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    project TEXT NOT NULL,
    subject TEXT NOT NULL,
    type TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    reason TEXT,
    rule TEXT,
    judged_at INTEGER
) STRICT;

CREATE INDEX events_at ON events (at);

CREATE TABLE alerts (
    key TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE alert_groups (
    key TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

-- A lane is worked off in the order of `seq`, which is the order of insertion. `settled_at` is set once a row is
-- delivered or dead: everything else stands in the way of the later rows of its lane.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    sink TEXT NOT NULL,
    lane TEXT NOT NULL,
    state TEXT NOT NULL,
    severity TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    unknown_outcomes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    observed_at INTEGER NOT NULL,
    attempt_started_at INTEGER,
    settled_at INTEGER,
    last_error TEXT NOT NULL,
    notification BLOB NOT NULL,
    body BLOB
) STRICT;

CREATE INDEX outbox_lane ON outbox (sink, lane, seq) WHERE settled_at IS NULL;
CREATE INDEX outbox_due ON outbox (sink, due_at, seq) WHERE settled_at IS NULL;
CREATE INDEX outbox_age ON outbox (created_at) WHERE settled_at IS NULL;
CREATE INDEX outbox_state ON outbox (state, settled_at);
