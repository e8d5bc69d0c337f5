-- Deployments are one of several kinds of records; each source keeps its own. An alert knows the source that it hangs on.

CREATE TABLE records (
    project TEXT NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, source, id)
) STRICT;

INSERT INTO records (project, source, id, body) SELECT project, 'deployments', id, body FROM deployments;

DROP TABLE deployments;

UPDATE alerts SET body = json_set(body, '$.source', json_extract(body, '$.labels.source'))
WHERE json_extract(body, '$.labels.source') IS NOT NULL;
