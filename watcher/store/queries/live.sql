-- What the API asks for beside what the loops read.

-- name: all_deployments
SELECT body FROM records
WHERE source = 'deployments' AND (:project = '' OR project = :project)
ORDER BY project, id;
