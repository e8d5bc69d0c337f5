-- What taking in logs and measuring them reads and writes.

-- name: add_tally
INSERT INTO tallies (project, minute, deployment, application, records, errors, http, http_4xx, http_5xx)
VALUES (:project, :minute, :deployment, :application, :records, :errors, :http, :http_4xx, :http_5xx)
ON CONFLICT (project, minute, deployment, application) DO UPDATE SET
    records = records + excluded.records,
    errors = errors + excluded.errors,
    http = http + excluded.http,
    http_4xx = http_4xx + excluded.http_4xx,
    http_5xx = http_5xx + excluded.http_5xx;

-- name: add_activity
INSERT INTO activity (project, deployment, application, first_at, last_at)
VALUES (:project, :deployment, :application, :first_at, :last_at)
ON CONFLICT (project, deployment, application) DO UPDATE SET
    first_at = MIN(first_at, excluded.first_at),
    last_at = MAX(last_at, excluded.last_at);

-- name: add_pushed
INSERT INTO pushed (key, at) VALUES (:key, :at) ON CONFLICT (key) DO NOTHING;

-- name: save_log_cursor
INSERT INTO log_cursors (project, deployment, application, body)
VALUES (:project, :deployment, :application, :body)
ON CONFLICT (project, deployment, application) DO UPDATE SET body = excluded.body;

-- name: remove_log_cursor
DELETE FROM log_cursors WHERE project = :project AND deployment = :deployment AND application = :application;

-- name: load_log_cursors
SELECT body FROM log_cursors WHERE project = :project ORDER BY deployment, application;

-- name: load_hits
WITH last AS (SELECT project, MAX(at) AS at FROM events WHERE type = 'hit' AND seq <= :cursor GROUP BY project)
SELECT events.seq, events.body
FROM events JOIN last ON last.project = events.project
WHERE events.type = 'hit' AND events.at >= last.at - :reach AND events.seq <= :cursor
ORDER BY events.at, events.seq;

-- name: load_tallies
SELECT
    deployment, application, SUM(records) AS records, SUM(errors) AS errors, SUM(http) AS http,
    SUM(http_4xx) AS http_4xx, SUM(http_5xx) AS http_5xx
FROM tallies
WHERE project = :project AND minute >= :first AND minute < :last
GROUP BY deployment, application;

-- name: load_activity
SELECT deployment, application, first_at, last_at FROM activity WHERE project = :project;

-- name: load_runs
SELECT body FROM runs ORDER BY key;

-- name: load_memories
SELECT body FROM memories ORDER BY key;

-- name: save_run
INSERT INTO runs (key, body) VALUES (:key, :body)
ON CONFLICT (key) DO UPDATE SET body = excluded.body;

-- name: remove_run
DELETE FROM runs WHERE key = :key;

-- name: save_memory
INSERT INTO memories (key, body) VALUES (:key, :body)
ON CONFLICT (key) DO UPDATE SET body = excluded.body;

-- name: remove_memory
DELETE FROM memories WHERE key = :key;

-- name: purge_tallies
DELETE FROM tallies WHERE minute < :minute;

-- name: purge_activity
DELETE FROM activity WHERE last_at < :before;

-- name: purge_pushed
DELETE FROM pushed WHERE at < :before;

-- name: forget_tallies
DELETE FROM tallies WHERE project = :project;

-- name: forget_activity
DELETE FROM activity WHERE project = :project;

-- name: forget_log_cursors
DELETE FROM log_cursors WHERE project = :project;
