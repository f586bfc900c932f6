-- name: insert_leg
-- Its id is the bank's idempotency key, derived from the transfer's: the second one like it is refused.
INSERT INTO transfer_leg (organization_id, id, transfer_id, sequence, purpose, account_id, amount, status, is_automatic,
                          description, is_direct_deposit, due_at, created_at)
SELECT w.organization_id, w.id, w.transfer_id, w.sequence, w.purpose, w.account_id, w.amount, 'PROCESSING',
       w.is_automatic, w.description, w.is_direct_deposit, coalesce(w.due_at, '-infinity'), w.at
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(transfer_ids)s::uuid[], %(sequences)s::smallint[],
            %(purposes)s::text[], %(account_ids)s::uuid[], %(amounts)s::bigint[], %(is_automatic)s::boolean[],
            %(descriptions)s::text[], %(are_direct_deposits)s::boolean[], %(due_ats)s::timestamptz[],
            %(ats)s::timestamptz[])
    AS w (organization_id, id, transfer_id, sequence, purpose, account_id, amount, is_automatic, description,
          is_direct_deposit, due_at, at);

-- name: legs_of
-- All legs of transfers, in order.
SELECT id, transfer_id, sequence, purpose, account_id, amount, status, attempts, error_code, return_code, expected_at,
       settled_at, submitted_at
FROM transfer_leg
WHERE organization_id = %(organization_id)s::uuid AND transfer_id = ANY (%(transfer_ids)s::uuid[])
ORDER BY transfer_id, sequence;

-- name: lock_legs
-- All legs of transfers, in order: while we decide, nobody begins to hand one over.
SELECT id, transfer_id, sequence, purpose, account_id, amount, status, attempts, error_code, return_code, expected_at,
       settled_at, submitted_at
FROM transfer_leg
WHERE organization_id = %(organization_id)s::uuid AND transfer_id = ANY (%(transfer_ids)s::uuid[])
ORDER BY transfer_id, sequence
FOR NO KEY UPDATE;

-- name: transfers_of_legs
-- To which transfers these keys belong.
SELECT id, transfer_id FROM transfer_leg
WHERE organization_id = %(organization_id)s::uuid AND id = ANY (%(ids)s::uuid[]);

-- name: legs_to_hand_over
-- Organizations with a payment to hand over that nobody is at. Paused automation hands nothing over.
SELECT o.id FROM organization o
WHERE o.held_since IS NULL AND EXISTS (
    SELECT FROM transfer_leg l
    WHERE l.organization_id = o.id AND l.due_at <= coalesce(o.frozen_at, %(now)s::timestamptz + o.clock_offset)
        AND (l.leased_until IS NULL OR l.leased_until <= %(now)s)
        AND (o.paused_at IS NULL OR NOT l.is_automatic) AND o.stopped_at IS NULL
);

-- name: claim_legs
-- A lease and a new fencing token; whoever had it before can no longer write. The oldest first.
-- Chosen in a WITH, once: as a subquery it may be run again for every row of a join, past its limit.
WITH chosen AS (
    SELECT organization_id, id FROM transfer_leg
    WHERE organization_id = %(organization_id)s::uuid AND due_at <= %(at)s
        AND (leased_until IS NULL OR leased_until <= %(now)s)
        AND NOT (is_automatic AND %(is_paused)s::boolean)
    ORDER BY due_at, id LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE transfer_leg l SET leased_until = %(leased_until)s, fence = l.fence + 1, attempts = l.attempts + 1
FROM chosen
JOIN account a ON a.organization_id = %(organization_id)s::uuid
JOIN transfer t ON t.organization_id = %(organization_id)s::uuid
LEFT JOIN account s ON s.organization_id = t.organization_id AND s.id = t.source_account_id
LEFT JOIN account d ON d.organization_id = t.organization_id AND d.id = t.destination_account_id
WHERE l.organization_id = chosen.organization_id AND l.id = chosen.id
    AND l.organization_id = %(organization_id)s::uuid AND a.id = l.account_id AND t.id = l.transfer_id
RETURNING l.id, l.transfer_id, l.purpose, l.account_id, l.amount, a.currency,
          CASE WHEN l.purpose = 'PUSH' THEN coalesce(s.beneficiary_name, d.beneficiary_name)
               ELSE coalesce(d.beneficiary_name, s.beneficiary_name) END,
          coalesce(l.description, t.description), l.is_direct_deposit, l.fence, l.attempts, l.failures + 1,
          l.is_automatic,
          EXISTS (
              SELECT FROM transfer_leg p WHERE p.organization_id = %(organization_id)s::uuid
                  AND p.transfer_id = l.transfer_id AND p.purpose = 'PULL' AND p.status = 'RETURNED'
          );

-- name: hold_leg
-- Still ours? Only then may what the bank said be written.
SELECT id FROM transfer_leg
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND fence = %(fence)s
    AND status = 'PROCESSING'
ORDER BY id
FOR NO KEY UPDATE;

-- name: retry_leg
-- The bank did not answer: again at that time.
UPDATE transfer_leg SET leased_until = NULL, due_at = %(retry_at)s, failures = failures + 1
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: let_go_of_leg
-- It is not to be handed over now after all: whoever may, may claim it at once.
UPDATE transfer_leg SET leased_until = NULL
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND fence = %(fence)s;

-- name: end_steps
-- Legs have moved on; one that is not to be handed over is no longer due.
UPDATE transfer_leg l SET
    status = w.status, error_code = coalesce(w.error_code, l.error_code),
    return_code = coalesce(w.return_code, l.return_code), due_at = NULL, leased_until = NULL,
    submitted_at = CASE WHEN w.status = 'PENDING' THEN w.at ELSE l.submitted_at END,
    expected_at = coalesce(w.expected_at, l.expected_at),
    settled_at = CASE WHEN w.status = 'SETTLED' THEN w.at ELSE l.settled_at END,
    ended_at = CASE WHEN w.status IN ('RETURNED', 'REFUSED', 'CANCELLED') THEN w.at ELSE l.ended_at END
FROM unnest(%(ids)s::uuid[], %(statuses)s::text[], %(ats)s::timestamptz[], %(error_codes)s::text[],
            %(return_codes)s::text[], %(expected_ats)s::timestamptz[])
    AS w (id, status, at, error_code, return_code, expected_at)
WHERE l.organization_id = %(organization_id)s::uuid AND l.id = w.id;
