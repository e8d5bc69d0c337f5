-- What retention deletes. An event that has not been judged and a delivery that is not delivered are never among it.

-- name: purge_events
DELETE FROM events
WHERE seq IN (
    SELECT seq FROM events
    WHERE at < :before AND seq <= (SELECT seq FROM cursors WHERE reader = 'judge')
    ORDER BY at
    LIMIT :limit
);

-- name: purge_deliveries
DELETE FROM outbox
WHERE seq IN (
    SELECT seq FROM outbox
    WHERE state IN ('delivered', 'digested') AND settled_at < :before
    ORDER BY settled_at
    LIMIT :limit
);
