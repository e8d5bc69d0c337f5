-- What delivering reads and writes. The head of a lane is its first row with no `settled_at`; a row that came back from the
-- dead may stand before one that is being sent, and waits for it.

-- name: due_urgent
-- Heads of lanes in which something critical waits, the newest first: what is before it in its lane is in its way. Where
-- that has been digested, the digest is. A lane with many of them is one lane: it must not fill the places of others.
SELECT
    head.id, head.sink, head.lane, head.seq, head.notification, head.created_at, head.observed_at, head.severity,
    head.state, head.due_at, head.attempts, head.unknown_outcomes, head.body, head.last_error, head.malformed,
    head.replayed_at, head.stands_for, head.digest
FROM outbox AS urgent
JOIN outbox AS first ON first.seq = (
    SELECT MIN(seq) FROM outbox AS earlier
    WHERE earlier.sink = urgent.sink AND earlier.lane = urgent.lane AND earlier.settled_at IS NULL
)
JOIN outbox AS head ON head.id = CASE WHEN first.state = 'digested' THEN first.digest ELSE first.id END
WHERE urgent.sink = :sink AND urgent.settled_at IS NULL AND urgent.severity = 'critical'
    AND NOT EXISTS (
        SELECT 1 FROM outbox AS newer
        WHERE newer.sink = urgent.sink AND newer.lane = urgent.lane AND newer.seq > urgent.seq
            AND newer.settled_at IS NULL AND newer.severity = 'critical'
    )
    AND head.state IN ('pending', 'held') AND head.due_at <= :now
    AND NOT EXISTS (
        SELECT 1 FROM outbox AS other
        WHERE other.sink = head.sink AND other.lane = head.lane AND other.settled_at IS NULL
            AND (other.seq < head.seq OR other.state = 'sending')
    )
ORDER BY urgent.seq DESC
LIMIT :limit;

-- name: due_deliveries
-- A lane that has waited long costs an index look-up for each of its due rows: thousands of them take milliseconds.
SELECT
    id, sink, lane, seq, notification, created_at, observed_at, severity, state, due_at, attempts, unknown_outcomes,
    body, last_error, malformed, replayed_at, stands_for, digest
FROM outbox AS head
WHERE sink = :sink AND settled_at IS NULL AND state IN ('pending', 'held') AND due_at <= :now
    AND NOT EXISTS (
        SELECT 1 FROM outbox AS other
        WHERE other.sink = head.sink AND other.lane = head.lane AND other.settled_at IS NULL
            AND (other.seq < head.seq OR other.state = 'sending')
    )
ORDER BY due_at, seq
LIMIT :limit;

-- name: next_due
SELECT due_at
FROM outbox AS head
WHERE sink = :sink AND settled_at IS NULL AND state IN ('pending', 'held')
    AND NOT EXISTS (
        SELECT 1 FROM outbox AS other
        WHERE other.sink = head.sink AND other.lane = head.lane AND other.settled_at IS NULL
            AND (other.seq < head.seq OR other.state = 'sending')
    )
ORDER BY due_at, seq
LIMIT 1;

-- name: claim
UPDATE outbox
SET state = 'sending', attempts = attempts + 1, attempt_started_at = :now, body = COALESCE(body, :body)
WHERE id = :id AND settled_at IS NULL AND state IN ('pending', 'held')
    AND NOT EXISTS (
        SELECT 1 FROM outbox AS other
        WHERE other.sink = outbox.sink AND other.lane = outbox.lane AND other.settled_at IS NULL
            AND (other.seq < outbox.seq OR other.state = 'sending')
    );

-- name: claimed
SELECT
    id, outbox.sink, outbox.lane, seq, notification, created_at, observed_at, severity, state, due_at, attempts,
    unknown_outcomes, body, last_error, malformed, replayed_at, stands_for, digest, COALESCE(memo, '') AS memo,
    EXISTS (
        SELECT 1 FROM outbox AS later
        WHERE later.sink = outbox.sink AND later.lane = outbox.lane AND later.settled_at IS NULL
            AND later.seq > outbox.seq
    ) AS superseded
FROM outbox
LEFT JOIN memos ON memos.sink = outbox.sink AND memos.lane = outbox.lane
WHERE id = :id;

-- name: settle
-- What is settled stays settled: a late outcome cannot bring a delivered row back.
UPDATE outbox
SET state = :state, due_at = COALESCE(:due_at, due_at), unknown_outcomes = unknown_outcomes + :unknown,
    malformed = malformed + :malformed, body = COALESCE(:body, body), last_error = :error, settled_at = :settled_at
WHERE id = :id AND settled_at IS NULL;

-- name: settle_digested
-- What a digest stands for is done with when the digest is.
UPDATE outbox
SET settled_at = :settled_at
WHERE digest = :id AND digest <> '' AND settled_at IS NULL;

-- name: save_memo
INSERT INTO memos (sink, lane, memo, at)
SELECT sink, lane, :memo, :at FROM outbox WHERE id = :id
ON CONFLICT (sink, lane) DO UPDATE SET memo = excluded.memo, at = excluded.at;

-- name: touch_memo
-- A memo lives as long as its lane is used.
UPDATE memos
SET at = :at
WHERE sink = (SELECT sink FROM outbox WHERE id = :id) AND lane = (SELECT lane FROM outbox WHERE id = :id);

-- name: save_pace
INSERT INTO paces (name, full_at) VALUES (:name, :full_at)
ON CONFLICT (name) DO UPDATE SET full_at = excluded.full_at;

-- name: load_paces
SELECT name, full_at FROM paces;

-- name: save_breaker
INSERT INTO breakers (sink, body) VALUES (:sink, :body)
ON CONFLICT (sink) DO UPDATE SET body = excluded.body;

-- name: load_breakers
SELECT sink, body FROM breakers;

-- name: hold
-- A sink that refuses: what waits for it is held, and does not become due by itself before it is asked again.
UPDATE outbox
SET state = 'held'
WHERE sink = :sink AND settled_at IS NULL AND state = 'pending';

-- name: release
-- A sink that is back: what waited for it is due.
UPDATE outbox
SET state = 'pending', due_at = CASE WHEN due_at < :now THEN due_at ELSE :now END
WHERE sink = :sink AND settled_at IS NULL AND state IN ('pending', 'held');

-- name: expire
-- What is not critical and was not taken in its time. A digest that somebody waits behind goes like any other row.
UPDATE outbox
SET state = 'dead', settled_at = :now, last_error = CASE WHEN last_error = '' THEN :error ELSE last_error END
WHERE sink = :sink AND settled_at IS NULL AND state IN ('pending', 'held') AND severity <> 'critical'
    AND created_at <= :before AND replayed_at <= :before
RETURNING id, stands_for;

-- name: digestible
-- What waits for a sink and may be told in one: lanes in which nothing critical waits, nothing is being sent, and of which
-- the sink remembers nothing; a digest is never digested.
SELECT
    id, sink, lane, seq, notification, created_at, observed_at, severity, state, due_at, attempts, unknown_outcomes,
    body, last_error, malformed, replayed_at, stands_for, digest
FROM outbox AS waiting
WHERE sink = :sink AND settled_at IS NULL AND state IN ('pending', 'held') AND lane <> :own
    AND NOT EXISTS (
        SELECT 1 FROM outbox AS other
        WHERE other.sink = waiting.sink AND other.lane = waiting.lane AND other.settled_at IS NULL
            AND (other.severity = 'critical' OR other.state = 'sending')
    )
    AND NOT EXISTS (
        SELECT 1 FROM memos WHERE memos.sink = waiting.sink AND memos.lane = waiting.lane AND memos.memo <> ''
    )
ORDER BY seq
LIMIT :limit;

-- name: digest
UPDATE outbox
SET state = 'digested', digest = :digest
WHERE id = :id AND settled_at IS NULL AND state IN ('pending', 'held');

-- name: dead_letters
SELECT
    id, sink, lane, seq, notification, created_at, observed_at, severity, state, due_at, attempts, unknown_outcomes,
    body, last_error, malformed, replayed_at, stands_for, digest
FROM outbox
WHERE state = 'dead' AND (:sink = '' OR sink = :sink) AND (:before = 0 OR seq < :before)
ORDER BY seq DESC
LIMIT :limit;

-- name: dead_letter
SELECT
    id, sink, lane, seq, notification, created_at, observed_at, severity, state, due_at, attempts, unknown_outcomes,
    body, last_error, malformed, replayed_at, stands_for, digest
FROM outbox
WHERE id = :id AND state = 'dead';

-- name: replay
UPDATE outbox
SET state = 'pending', due_at = :now, attempts = 0, malformed = 0, replayed_at = :now, settled_at = NULL
WHERE id = :id AND state = 'dead';

-- name: recover_claims
UPDATE outbox
SET state = 'pending', due_at = :now, unknown_outcomes = unknown_outcomes + 1
WHERE state = 'sending';

-- name: recover_dues
-- No wait is longer than an hour: what is due later was planned by a clock that has been set back since.
UPDATE outbox
SET due_at = :now
WHERE settled_at IS NULL AND due_at > :now + 3600000;

-- name: unsettled_by_sink
SELECT sink, SUM(stands_for) AS deliveries FROM outbox WHERE settled_at IS NULL AND state <> 'digested' GROUP BY sink;

-- name: abandon
UPDATE outbox
SET state = 'dead', settled_at = :now, last_error = 'its sink is no longer configured'
WHERE sink = :sink AND settled_at IS NULL AND state <> 'digested';

-- name: abandon_digested
UPDATE outbox
SET settled_at = :now
WHERE sink = :sink AND settled_at IS NULL AND state = 'digested';

-- name: outbox_counts
SELECT state, COUNT(*) AS deliveries FROM outbox GROUP BY state;

-- name: outbox_oldest
SELECT MIN(created_at) AS created_at FROM outbox WHERE settled_at IS NULL;

-- name: purge_memos
DELETE FROM memos
WHERE at < :before AND NOT EXISTS (
    SELECT 1 FROM outbox WHERE outbox.sink = memos.sink AND outbox.lane = memos.lane AND outbox.settled_at IS NULL
);
