-- name: insert_feed
-- Due at once: what is there already counts as seen by the first look, which fires nothing.
INSERT INTO feed (organization_id, subject_id, due_at)
VALUES (%(organization_id)s::uuid, %(subject_id)s::uuid, '-infinity')
ON CONFLICT DO NOTHING;

-- name: has_feed
-- Of a deleted account nothing is fetched any more.
SELECT subject_id FROM feed WHERE organization_id = %(organization_id)s::uuid AND subject_id = %(subject_id)s::uuid;

-- name: feeds_due
-- Organizations with something to fetch that nobody is at.
SELECT o.id FROM organization o
WHERE o.held_since IS NULL AND EXISTS (
    SELECT FROM feed f
    WHERE f.organization_id = o.id AND f.due_at <= coalesce(o.frozen_at, %(now)s::timestamptz + o.clock_offset)
        AND (f.leased_until IS NULL OR f.leased_until <= %(now)s)
);

-- name: claim_feeds
-- A lease and a new fencing token; whoever had it before can no longer write. With `subject_ids`, these, due or not.
-- Chosen in a WITH, once: as a subquery it may be run again for every row of a join, past its limit.
WITH chosen AS (
    SELECT organization_id, subject_id FROM feed
    WHERE organization_id = %(organization_id)s::uuid
        AND (due_at <= %(at)s OR subject_id = ANY (%(subject_ids)s::uuid[]))
        AND (%(subject_ids)s::uuid[] IS NULL OR subject_id = ANY (%(subject_ids)s::uuid[]))
        AND (leased_until IS NULL OR leased_until <= %(now)s)
    ORDER BY due_at, subject_id LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE feed f SET leased_until = %(leased_until)s, fence = f.fence + 1, hurried_to = NULL
FROM chosen
WHERE f.organization_id = chosen.organization_id AND f.subject_id = chosen.subject_id
    AND f.organization_id = %(organization_id)s::uuid
RETURNING f.subject_id, f.cursor, f.fence, f.attempts + 1;

-- name: hold_feed
-- Still ours? Only then may what was fetched be applied.
SELECT subject_id FROM feed
WHERE organization_id = %(organization_id)s::uuid AND subject_id = %(subject_id)s::uuid AND fence = %(fence)s
ORDER BY subject_id
FOR NO KEY UPDATE;

-- name: end_fetch
-- The cursor moves in the transaction that applies what it has passed.
UPDATE feed SET cursor = %(cursor)s, due_at = least(%(due_at)s::timestamptz, hurried_to), hurried_to = NULL,
                leased_until = NULL, attempts = %(attempts)s
WHERE organization_id = %(organization_id)s::uuid AND subject_id = %(subject_id)s::uuid;

-- name: hurry
-- The bank has said when there will be something: look then, if not before.
UPDATE feed SET due_at = least(due_at, %(due_at)s::timestamptz), hurried_to = least(hurried_to, %(due_at)s::timestamptz)
WHERE organization_id = %(organization_id)s::uuid AND subject_id = %(subject_id)s::uuid;

-- name: delete_feed
-- Nothing is fetched for a deleted account.
DELETE FROM feed WHERE organization_id = %(organization_id)s::uuid AND subject_id = %(subject_id)s::uuid;

-- name: new_reports
-- Which of these have not been applied before; the row is the proof.
INSERT INTO rail_report (organization_id, id, applied_at)
SELECT %(organization_id)s::uuid, w.id, %(at)s FROM unnest(%(ids)s::text[]) AS w (id)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: new_transactions
-- Which of these we have not seen before, by the bank's own identity.
INSERT INTO external_transaction (organization_id, account_id, bank_id, id, amount, description, happened_at,
                                  recorded_at)
SELECT %(organization_id)s::uuid, %(account_id)s::uuid, w.bank_id, w.id, w.amount, w.description, w.happened_at, %(at)s
FROM unnest(%(bank_ids)s::text[], %(ids)s::uuid[], %(amounts)s::bigint[], %(descriptions)s::text[],
            %(happened_ats)s::timestamptz[]) AS w (bank_id, id, amount, description, happened_at)
ON CONFLICT DO NOTHING
RETURNING bank_id;

-- name: list_transactions
-- The latest first. Each account walks its own index and stops where the page ends, which is cut from their union.
SELECT found.id, found.account_id, found.amount, found.description, found.happened_at
FROM unnest(%(account_ids)s::uuid[]) AS wanted (account_id)
CROSS JOIN LATERAL (
    SELECT f.id, f.account_id, f.amount, f.description, f.happened_at FROM external_transaction f
    WHERE f.organization_id = %(organization_id)s::uuid AND f.account_id = wanted.account_id
        AND f.happened_at >= %(from_at)s::timestamptz
        AND f.happened_at <= coalesce(%(to_at)s::timestamptz, 'infinity')
        AND (%(is_in)s::boolean IS NULL OR (f.amount > 0) = %(is_in)s::boolean)
    ORDER BY f.happened_at DESC, f.id DESC LIMIT %(limit)s::bigint + coalesce(%(offset)s::bigint, 0)
) AS found
ORDER BY found.happened_at DESC, found.id DESC
LIMIT %(limit)s OFFSET %(offset)s;
