-- Silences, and what people did. `body` is a silence's written form. `stage` and `held` are judge's: how far it has come with
-- a silence, and how much that was held back by it no message has counted, by receiver. `expired_at` is 0 until a person,
-- or the deployment that it was to last until, ends it.

CREATE TABLE silences (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    expired_at INTEGER NOT NULL,
    stage TEXT NOT NULL,
    held TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE INDEX audit_at ON audit (at);
