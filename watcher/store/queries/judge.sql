-- What judging reads and writes.

-- name: load_cursor
SELECT seq FROM cursors WHERE reader = 'judge';

-- name: load_alerts
SELECT body FROM alerts ORDER BY key;

-- name: load_groups
SELECT body FROM alert_groups ORDER BY key;

-- name: load_meta
SELECT key, value FROM meta;

-- name: events_after
SELECT seq, body FROM events WHERE seq > :cursor ORDER BY seq LIMIT :limit;

-- name: load_sources
SELECT body FROM sources ORDER BY project, source;

-- name: save_cursor
UPDATE cursors SET seq = :seq WHERE reader = 'judge';

-- name: save_alert
INSERT INTO alerts (key, body) VALUES (:key, :body)
ON CONFLICT (key) DO UPDATE SET body = excluded.body;

-- name: remove_alert
DELETE FROM alerts WHERE key = :key;

-- name: save_group
INSERT INTO alert_groups (key, body) VALUES (:key, :body)
ON CONFLICT (key) DO UPDATE SET body = excluded.body;

-- name: remove_group
DELETE FROM alert_groups WHERE key = :key;

-- name: save_meta
INSERT INTO meta (key, value) VALUES (:key, :value)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: save_reason
UPDATE events SET reason = :reason, rule = :rule, judged_at = :at WHERE seq = :seq;

-- name: add_delivery
INSERT INTO outbox (
    id, sink, lane, state, severity, due_at, attempts, unknown_outcomes,
    created_at, observed_at, last_error, notification, body, stands_for
) VALUES (
    :id, :sink, :lane, :state, :severity, :due_at, :attempts, :unknown_outcomes,
    :created_at, :observed_at, :last_error, :notification, :body, :stands_for
)
ON CONFLICT (id) DO NOTHING;
