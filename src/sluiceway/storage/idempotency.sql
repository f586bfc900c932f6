-- name: find_answers
-- What the first request with each key was answered.
SELECT i.organization_id, i.scope, i.key, i.body_hash, i.status, i.answer
FROM idempotency i
JOIN unnest(%(organization_ids)s::uuid[], %(scopes)s::text[], %(keys)s::text[]) AS w (organization_id, scope, key)
    ON i.organization_id = w.organization_id AND i.scope = w.scope AND i.key = w.key
WHERE (%(only)s::uuid IS NULL OR i.organization_id = %(only)s);

-- name: claim
-- The last statement of its transaction but for the audit log's: whoever inserts first has the key, and whoever comes
-- second waits for that transaction to end and then fails. In key order, so that two batches never wait for each other.
INSERT INTO idempotency (organization_id, scope, key, body_hash, status, answer, created_at)
SELECT w.organization_id, w.scope, w.key, w.body_hash, w.status, w.answer, %(at)s
FROM unnest(%(organization_ids)s::uuid[], %(scopes)s::text[], %(keys)s::text[], %(body_hashes)s::bytea[],
            %(statuses)s::smallint[], %(answers)s::bytea[]) AS w (organization_id, scope, key, body_hash, status, answer)
ORDER BY w.organization_id, w.scope, w.key;
