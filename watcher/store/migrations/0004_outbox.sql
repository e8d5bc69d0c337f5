-- What a sink remembers of a lane; what is told in one; how fast and whether a sink may be sent to, which a restart obeys.

ALTER TABLE outbox ADD COLUMN malformed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN replayed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN stands_for INTEGER NOT NULL DEFAULT 1;

-- The id of the row that tells this one, which is `digested` then. It keeps its place in its lane until that is settled.
ALTER TABLE outbox ADD COLUMN digest TEXT NOT NULL DEFAULT '';

CREATE INDEX outbox_urgent ON outbox (sink, seq) WHERE settled_at IS NULL AND severity = 'critical';
CREATE INDEX outbox_digest ON outbox (digest) WHERE settled_at IS NULL AND digest <> '';
CREATE INDEX outbox_dead ON outbox (seq) WHERE state = 'dead';

CREATE TABLE memos (
    sink TEXT NOT NULL,
    lane TEXT NOT NULL,
    memo TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (sink, lane)
) STRICT, WITHOUT ROWID;

CREATE INDEX memos_at ON memos (at);

-- From when the bucket of a pace is full again.
CREATE TABLE paces (
    name TEXT PRIMARY KEY,
    full_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE breakers (
    sink TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
