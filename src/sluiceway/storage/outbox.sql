-- name: insert_events
-- In the transaction of the fact, so that none is lost and none is told that did not happen.
INSERT INTO outbox (organization_id, id, kind, subject_id, created_at)
SELECT w.organization_id, w.id, w.kind, w.subject_id, w.at
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(kinds)s::text[], %(subject_ids)s::uuid[],
            %(ats)s::timestamptz[]) AS w (organization_id, id, kind, subject_id, at);
