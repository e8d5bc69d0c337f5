-- What people do, and what judging makes of it. A new silence is no business of judge's until it has met its event.

-- name: add_silence
INSERT INTO silences (id, created_at, ends_at, expired_at, stage, held, body)
VALUES (:id, :created_at, :ends_at, 0, 'new', '{}', :body);

-- name: expire_silence
UPDATE silences SET expired_at = :at WHERE id = :id AND expired_at = 0 AND ends_at > :at;

-- name: save_progress
UPDATE silences
SET stage = :stage, held = :held, expired_at = CASE WHEN expired_at = 0 THEN :expired_at ELSE expired_at END
WHERE id = :id;

-- name: load_standing_silences
SELECT body, stage, held FROM silences WHERE stage IN ('waiting', 'active') ORDER BY created_at, id;

-- name: load_silences
SELECT body, expired_at FROM silences
WHERE :ended = 1 OR (expired_at = 0 AND ends_at > :now)
ORDER BY created_at DESC, id;

-- name: load_silence
SELECT body, expired_at FROM silences WHERE id = :id;

-- name: load_group
SELECT body FROM alert_groups WHERE key = :key;

-- name: load_group_alerts
-- The alerts that a group only names, which are those that fire.
SELECT alerts.body
FROM alert_groups
JOIN json_each(alert_groups.body, '$.standing') AS named
JOIN alerts ON alerts.key = named.value
WHERE alert_groups.key = :key;

-- name: add_audit
INSERT INTO audit (at, actor, action, subject, detail) VALUES (:at, :actor, :action, :subject, :detail);

-- name: load_audit
SELECT at, actor, action, subject, detail FROM audit ORDER BY seq DESC LIMIT :limit;

-- name: purge_silences
DELETE FROM silences
WHERE stage = 'over' AND CASE WHEN expired_at = 0 THEN ends_at ELSE expired_at END < :before;

-- name: purge_audit
DELETE FROM audit WHERE at < :before;
