-- All that deletes what has happened is in this file, and in the two functions that it calls (migration 19): a look at
-- them tells what can ever go. The oldest first, a few hundred rows at a time, one organization at a time; no statement waits for anybody's lock but that of another one
-- that forgets the same. What many rows go from, a statement begins where the one before has ended: the index is full
-- of what has gone until it is vacuumed, and stepping over a million such entries took 40 ms each time.

-- name: organizations_with_old_events
-- Who has something to forget: one probe of an index for each organization.
SELECT o.id FROM organization o
WHERE EXISTS (SELECT FROM outbox e WHERE e.organization_id = o.id AND e.id < %(before_id)s::uuid AND NOT e.is_pending);

-- name: forget_events
-- By the real time of their ids. What is still to be passed on stays, however old.
WITH old AS (
    SELECT id FROM outbox
    WHERE organization_id = %(organization_id)s::uuid AND id >= %(from_id)s::uuid AND id < %(before_id)s::uuid
        AND NOT is_pending
    ORDER BY id LIMIT %(limit)s
)
DELETE FROM outbox e USING old
WHERE e.organization_id = %(organization_id)s::uuid AND e.id = old.id AND NOT e.is_pending
RETURNING e.id;

-- name: organizations_with_old_deliveries
-- What is pending is never forgotten.
SELECT o.id FROM organization o
WHERE EXISTS (
    SELECT FROM webhook_delivery d
    WHERE d.organization_id = o.id AND d.id < %(before_id)s::uuid AND d.status <> 'PENDING'
);

-- name: forget_deliveries
-- One that is sent again at this moment is pending by then.
WITH old AS (
    SELECT id FROM webhook_delivery
    WHERE organization_id = %(organization_id)s::uuid AND id >= %(from_id)s::uuid AND id < %(before_id)s::uuid
        AND status <> 'PENDING'
    ORDER BY id LIMIT %(limit)s
)
DELETE FROM webhook_delivery d USING old
WHERE d.organization_id = %(organization_id)s::uuid AND d.id = old.id AND d.status <> 'PENDING'
RETURNING d.id;

-- name: organizations_with_old_answers
-- By the real time too, as they were given.
SELECT o.id FROM organization o
WHERE EXISTS (SELECT FROM idempotency i WHERE i.organization_id = o.id AND i.created_at < %(before)s
    AND i.created_at > '-infinity'); -- As the index says: idempotency_to_forget.

-- name: forget_answers
-- A key that is sent again after this is a new one.
WITH old AS (
    SELECT scope, key FROM idempotency
    WHERE organization_id = %(organization_id)s::uuid AND created_at >= %(from_at)s AND created_at < %(before)s
        AND created_at > '-infinity' -- As the index says: idempotency_to_forget.
    ORDER BY created_at LIMIT %(limit)s
)
DELETE FROM idempotency i USING old
WHERE i.organization_id = %(organization_id)s::uuid AND i.scope = old.scope AND i.key = old.key
    AND i.created_at < %(before)s
RETURNING i.created_at;

-- name: organizations_with_old_simulations
-- By the real time of their ids: an organization's clock may stand still.
SELECT o.id FROM organization o
WHERE EXISTS (
    SELECT FROM execution e
    WHERE e.organization_id = o.id AND e.id < %(before_id)s::uuid AND e.mode = 'SIMULATION' AND e.trace IS NOT NULL
) OR EXISTS (
    SELECT FROM transfer t
    WHERE t.organization_id = o.id AND t.id < %(before_id)s::uuid AND t.mode = 'SIMULATION' AND t.execution_id IS NULL
);

-- name: simulations_to_strip
-- Of which something is left: the trace and the transfers are most of it. That they ran, and how it ended, stays.
SELECT id, transfer_ids FROM execution
WHERE organization_id = %(organization_id)s::uuid AND id < %(before_id)s::uuid
    AND mode = 'SIMULATION' AND trace IS NOT NULL
ORDER BY id LIMIT %(limit)s;

-- name: strip_runs
-- In the same transaction: what a run says that it made is what there is.
UPDATE execution SET trace = NULL, transfer_ids = '{}'
WHERE organization_id = %(organization_id)s::uuid AND id = ANY (%(ids)s::uuid[]) AND mode = 'SIMULATION';

-- name: simulated_transfers
-- Those that somebody asked for alone, without a run.
SELECT id FROM transfer
WHERE organization_id = %(organization_id)s::uuid AND id < %(before_id)s::uuid
    AND mode = 'SIMULATION' AND execution_id IS NULL
ORDER BY id LIMIT %(limit)s;

-- name: forget_simulated_transfers
-- We may delete no transfer ourselves: the function deletes simulated ones alone.
SELECT forget_simulated_transfers(%(organization_id)s::uuid, %(transfer_ids)s::uuid[]);

-- name: organizations_with_old_reads
-- Of which not even the last is young.
SELECT o.id FROM organization o
WHERE EXISTS (
    SELECT FROM audit_batch b
    WHERE b.organization_id = o.id AND b.last_id < %(before_id)s::uuid AND b.cut_at IS NULL
);

-- name: reads_to_cut
-- Whole batches of reads alone, the oldest: as many as have so many entries together, or one.
SELECT number FROM (
    SELECT number, sum(entries) OVER (ORDER BY last_id) - entries AS before
    FROM (
        SELECT number, last_id, entries FROM audit_batch
        WHERE organization_id = %(organization_id)s::uuid AND last_id < %(before_id)s::uuid AND cut_at IS NULL
        ORDER BY last_id LIMIT %(limit)s
    ) AS oldest
) AS counted
WHERE before < %(limit)s;

-- name: cut_reads
-- We may delete no entry ourselves: the function cuts entries of whole batches of reads alone.
SELECT cut_reads(%(organization_id)s::uuid, %(numbers)s::bigint[]);

-- name: mark_cut
-- In the same transaction. The batch stays in the chain, with all that proves what it was.
UPDATE audit_batch SET cut_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND number = ANY (%(numbers)s::bigint[]) AND cut_at IS NULL;

-- name: organizations_with_useless_buckets
-- Calls are counted for live credentials only. Each has one row, so these tables are small.
SELECT DISTINCT c.organization_id
FROM (
    SELECT organization_id, secret_hash FROM api_key WHERE revoked_at < %(before)s
    UNION ALL SELECT organization_id, secret_hash FROM access_token WHERE revoked_at < %(before)s
    UNION ALL SELECT organization_id, secret_hash FROM rule_secret WHERE revoked_at < %(before)s
) AS c
JOIN call_bucket b ON b.secret_hash = c.secret_hash;

-- name: forget_buckets
-- Of credentials revoked long enough ago that nobody counts a call with one any more.
DELETE FROM call_bucket b
USING (
    SELECT secret_hash FROM api_key WHERE organization_id = %(organization_id)s::uuid AND revoked_at < %(before)s
    UNION ALL
    SELECT secret_hash FROM access_token WHERE organization_id = %(organization_id)s::uuid AND revoked_at < %(before)s
    UNION ALL
    SELECT secret_hash FROM rule_secret WHERE organization_id = %(organization_id)s::uuid AND revoked_at < %(before)s
) AS c
WHERE b.secret_hash = c.secret_hash;
