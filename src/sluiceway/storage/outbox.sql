-- name: insert_events
-- In the transaction of the fact, so that none is lost and none is told that did not happen. Only what somebody may
-- want to hear is pending: without endpoints an event costs its row and nothing else, now or later.
-- The endpoints are looked up once for the whole batch, and on their own: on a distributed database, a sub-query for
-- every row would not be allowed.
WITH told AS MATERIALIZED (
    SELECT DISTINCT organization_id FROM webhook_endpoint
    WHERE organization_id = ANY (%(organization_ids)s::uuid[]) AND disabled_at IS NULL
)
INSERT INTO outbox (organization_id, id, kind, subject_id, created_at, is_pending)
SELECT w.organization_id, w.id, w.kind, w.subject_id, w.at,
       w.organization_id IN (SELECT organization_id FROM told)
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(kinds)s::text[], %(subject_ids)s::uuid[],
            %(ats)s::timestamptz[]) AS w (organization_id, id, kind, subject_id, at);

-- name: pending_events
-- By a mark on each row and not by a cursor: a transaction that began early may commit late, with smaller ids.
SELECT id, kind, subject_id, created_at FROM outbox
WHERE organization_id = %(organization_id)s::uuid AND is_pending
ORDER BY id LIMIT %(limit)s;

-- name: end_pending
-- In the transaction that has written their deliveries.
UPDATE outbox SET is_pending = false
WHERE organization_id = %(organization_id)s::uuid AND id = ANY (%(ids)s::uuid[]);

-- name: events_between
-- For a replay: ids are in the order of real time, so a span of time is a stretch of the primary key.
SELECT id, kind, subject_id, created_at FROM outbox
WHERE organization_id = %(organization_id)s::uuid AND id >= %(from_id)s::uuid AND id < %(to_id)s::uuid
ORDER BY id LIMIT %(limit)s;

-- name: newest_events
-- For who watches: the newest first, so that however much happens, no more than so many rows are read.
SELECT id, kind, subject_id, created_at FROM outbox
WHERE organization_id = %(organization_id)s::uuid AND id >= %(from_id)s::uuid
ORDER BY id DESC LIMIT %(limit)s;
