-- What observing reads and writes.

-- name: load_records
SELECT body FROM records WHERE project = :project AND source = :source ORDER BY id;

-- name: load_source
SELECT body FROM sources WHERE project = :project AND source = :source;

-- name: save_source
INSERT INTO sources (project, source, body) VALUES (:project, :source, :body)
ON CONFLICT (project, source) DO UPDATE SET body = excluded.body;

-- name: save_record
INSERT INTO records (project, source, id, body) VALUES (:project, :source, :id, :body)
ON CONFLICT (project, source, id) DO UPDATE SET body = excluded.body;

-- name: remove_record
DELETE FROM records WHERE project = :project AND source = :source AND id = :id;

-- name: forget_source
DELETE FROM sources WHERE project = :project AND source = :source;

-- name: forget_records
DELETE FROM records WHERE project = :project AND source = :source;

-- name: add_event
INSERT INTO events (project, subject, type, at, body) VALUES (:project, :subject, :type, :at, :body);
