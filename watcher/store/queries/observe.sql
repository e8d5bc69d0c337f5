-- What observing reads and writes.

-- name: load_deployments
SELECT body FROM deployments WHERE project = :project ORDER BY id;

-- name: load_source
SELECT body FROM sources WHERE project = :project AND source = :source;

-- name: save_source
INSERT INTO sources (project, source, body) VALUES (:project, :source, :body)
ON CONFLICT (project, source) DO UPDATE SET body = excluded.body;

-- name: save_deployment
INSERT INTO deployments (project, id, body) VALUES (:project, :id, :body)
ON CONFLICT (project, id) DO UPDATE SET body = excluded.body;

-- name: remove_deployment
DELETE FROM deployments WHERE project = :project AND id = :id;

-- name: add_event
INSERT INTO events (project, subject, type, at, body) VALUES (:project, :subject, :type, :at, :body);
