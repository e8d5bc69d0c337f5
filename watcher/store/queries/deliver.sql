-- What delivering reads and writes. The head of a lane is its first row with no `settled_at`.

-- name: due_deliveries
-- A lane that has waited long costs an index look-up for each of its due rows: thousands of them take milliseconds.
SELECT
    id, sink, lane, seq, notification, created_at, observed_at, severity, state, due_at, attempts, unknown_outcomes,
    body, last_error
FROM outbox AS head
WHERE sink = :sink AND settled_at IS NULL AND state <> 'sending' AND due_at <= :now
    AND NOT EXISTS (
        SELECT 1 FROM outbox AS earlier
        WHERE earlier.sink = head.sink AND earlier.lane = head.lane AND earlier.settled_at IS NULL
            AND earlier.seq < head.seq
    )
ORDER BY due_at, seq
LIMIT :limit;

-- name: next_due
SELECT MIN(due_at) AS due_at
FROM outbox AS head
WHERE sink = :sink AND settled_at IS NULL AND state <> 'sending'
    AND NOT EXISTS (
        SELECT 1 FROM outbox AS earlier
        WHERE earlier.sink = head.sink AND earlier.lane = head.lane AND earlier.settled_at IS NULL
            AND earlier.seq < head.seq
    );

-- name: claim
UPDATE outbox
SET state = 'sending', attempts = attempts + 1, attempt_started_at = :now, body = COALESCE(body, :body)
WHERE id = :id AND settled_at IS NULL AND state <> 'sending'
    AND NOT EXISTS (
        SELECT 1 FROM outbox AS earlier
        WHERE earlier.sink = outbox.sink AND earlier.lane = outbox.lane AND earlier.settled_at IS NULL
            AND earlier.seq < outbox.seq
    )
RETURNING
    id, sink, lane, seq, notification, created_at, observed_at, severity, state, due_at, attempts, unknown_outcomes,
    body, last_error;

-- name: settle
-- What is settled stays settled: a late outcome cannot bring a delivered row back.
UPDATE outbox
SET state = :state, due_at = COALESCE(:due_at, due_at), unknown_outcomes = unknown_outcomes + :unknown,
    last_error = :error, settled_at = :settled_at
WHERE id = :id AND settled_at IS NULL;

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
SELECT sink, COUNT(*) AS deliveries FROM outbox WHERE settled_at IS NULL GROUP BY sink;

-- name: abandon
UPDATE outbox
SET state = 'dead', settled_at = :now, last_error = 'its sink is no longer configured'
WHERE sink = :sink AND settled_at IS NULL;

-- name: outbox_counts
SELECT state, COUNT(*) AS deliveries FROM outbox GROUP BY state;

-- name: outbox_oldest
SELECT MIN(created_at) AS created_at FROM outbox WHERE settled_at IS NULL;
