-- name: insert_transfers
-- The primary key refuses a second transfer of the same execution, step, action and part: its id is derived from them.
INSERT INTO transfer (organization_id, id, execution_id, rule_id, step, action, part, source_account_id,
                      destination_account_id, amount, direction, origin, mode, status, error_code, description, key_id,
                      staged_account_id, approval_expires_at, is_direct_deposit, created_at, completed_at)
SELECT w.organization_id, w.id, w.execution_id, w.rule_id, w.step, w.action, w.part, w.source_account_id,
       w.destination_account_id, w.amount, w.direction, w.origin, w.mode, w.status, w.error_code, w.description,
       w.key_id, w.staged_account_id, w.approval_expires_at, w.is_direct_deposit, w.at,
       CASE WHEN w.status = 'COMPLETE' THEN w.at END
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(execution_ids)s::uuid[], %(rule_ids)s::uuid[],
            %(steps)s::smallint[], %(actions)s::smallint[], %(parts)s::smallint[], %(source_account_ids)s::uuid[],
            %(destination_account_ids)s::uuid[], %(amounts)s::bigint[], %(directions)s::text[], %(origins)s::text[],
            %(modes)s::text[], %(statuses)s::text[], %(error_codes)s::text[], %(descriptions)s::text[],
            %(key_ids)s::uuid[], %(staged_account_ids)s::uuid[], %(approvals_expire_at)s::timestamptz[],
            %(are_direct_deposits)s::boolean[], %(ats)s::timestamptz[])
    AS w (organization_id, id, execution_id, rule_id, step, action, part, source_account_id, destination_account_id,
          amount, direction, origin, mode, status, error_code, description, key_id, staged_account_id,
          approval_expires_at, is_direct_deposit, at);

-- name: insert_postings
-- Append-only; both balances after it are those of the book that was loaded under lock.
INSERT INTO posting (organization_id, transfer_id, sequence, kind, debit_account_id, credit_account_id, amount,
                     debit_after, credit_after, card_transaction_id, posted_at)
SELECT w.organization_id, w.transfer_id, w.sequence, w.kind, w.debit_account_id, w.credit_account_id, w.amount,
       w.debit_after, w.credit_after, w.card_transaction_id, w.at
FROM unnest(%(organization_ids)s::uuid[], %(transfer_ids)s::uuid[], %(sequences)s::smallint[], %(kinds)s::text[],
            %(debit_account_ids)s::uuid[], %(credit_account_ids)s::uuid[], %(amounts)s::bigint[],
            %(debit_after)s::bigint[], %(credit_after)s::bigint[], %(card_transaction_ids)s::uuid[],
            %(ats)s::timestamptz[])
    AS w (organization_id, transfer_id, sequence, kind, debit_account_id, credit_account_id, amount, debit_after,
          credit_after, card_transaction_id, at);

-- name: on_the_way
-- Transfers whose story goes on, inside the gate, which everything passes that changes them. In id order.
-- The number of postings is where their numbering goes on.
SELECT t.id, t.source_account_id, coalesce(t.staged_account_id, t.destination_account_id), t.amount, t.status,
       t.execution_id, t.rule_id, t.origin, coalesce(s.currency, d.currency), s.kind = 'EXTERNAL_ACCOUNT',
       coalesce(p.kind, d.kind) = 'EXTERNAL_ACCOUNT', t.description, t.mode, t.destination_account_id,
       t.is_direct_deposit,
       (SELECT count(*) FROM posting WHERE organization_id = %(organization_id)s::uuid AND transfer_id = t.id)
FROM transfer t
JOIN account s ON s.organization_id = t.organization_id AND s.id = t.source_account_id
JOIN account d ON d.organization_id = t.organization_id AND d.id = t.destination_account_id
LEFT JOIN account p ON p.organization_id = t.organization_id AND p.id = t.staged_account_id
WHERE t.organization_id = %(organization_id)s::uuid AND t.id = ANY (%(ids)s::uuid[])
ORDER BY t.id
FOR NO KEY UPDATE OF t;

-- name: move_on
-- Completed once; a return keeps that, and says when and why.
UPDATE transfer t SET status = w.status, error_code = w.error_code, status_reason = w.status_reason,
                      completed_at = CASE WHEN w.status = 'COMPLETE' THEN w.at ELSE t.completed_at END,
                      returned_at = coalesce(w.returned_at, t.returned_at),
                      return_code = coalesce(w.return_code, t.return_code),
                      decided_by = coalesce(w.decided_by, t.decided_by),
                      decided_at = CASE WHEN w.is_decided THEN w.at ELSE t.decided_at END
FROM unnest(%(ids)s::uuid[], %(statuses)s::text[], %(error_codes)s::text[], %(ats)s::timestamptz[],
            %(status_reasons)s::text[], %(returned_ats)s::timestamptz[], %(return_codes)s::text[],
            %(decided_bys)s::uuid[], %(are_decided)s::boolean[])
    AS w (id, status, error_code, at, status_reason, returned_at, return_code, decided_by, is_decided)
WHERE t.organization_id = %(organization_id)s::uuid AND t.id = w.id;

-- name: to_approve
-- What waits for a person, the oldest first.
SELECT id FROM transfer
WHERE organization_id = %(organization_id)s::uuid AND status = 'PENDING_APPROVAL'
ORDER BY approval_expires_at, id;

-- name: approvals_to_expire
-- Organizations in which a transfer has waited too long for a person.
SELECT o.id FROM organization o
WHERE o.held_since IS NULL AND EXISTS (
    SELECT FROM transfer t
    WHERE t.organization_id = o.id AND t.status = 'PENDING_APPROVAL'
        AND t.approval_expires_at <= coalesce(o.frozen_at, %(now)s::timestamptz + o.clock_offset)
);

-- name: expired_approvals
-- Those that nobody has approved in time.
SELECT id FROM transfer
WHERE organization_id = %(organization_id)s::uuid AND status = 'PENDING_APPROVAL' AND approval_expires_at <= %(at)s
ORDER BY approval_expires_at, id LIMIT %(limit)s;

-- name: find_transfer
-- With the last name of each end.
SELECT t.organization_id, t.id, t.source_account_id, s.name, s.kind, s.deleted_at IS NOT NULL,
       t.destination_account_id, d.name, d.kind, d.deleted_at IS NOT NULL, t.amount, coalesce(s.currency, d.currency),
       t.direction, t.origin, t.mode, t.status, t.error_code, t.execution_id, t.rule_id, t.description, t.created_at,
       t.completed_at, t.status_reason, t.returned_at, t.return_code, t.approval_expires_at, t.staged_account_id
FROM transfer t
LEFT JOIN account s ON s.organization_id = t.organization_id AND s.id = t.source_account_id
LEFT JOIN account d ON d.organization_id = t.organization_id AND d.id = t.destination_account_id
WHERE t.organization_id = %(organization_id)s::uuid AND t.id = %(id)s::uuid;

-- name: find_transfers
-- Those of one run, in the order in which it made them.
SELECT t.organization_id, t.id, t.source_account_id, s.name, s.kind, s.deleted_at IS NOT NULL,
       t.destination_account_id, d.name, d.kind, d.deleted_at IS NOT NULL, t.amount, coalesce(s.currency, d.currency),
       t.direction, t.origin, t.mode, t.status, t.error_code, t.execution_id, t.rule_id, t.description, t.created_at,
       t.completed_at, t.status_reason, t.returned_at, t.return_code, t.approval_expires_at, t.staged_account_id
FROM transfer t
LEFT JOIN account s ON s.organization_id = t.organization_id AND s.id = t.source_account_id
LEFT JOIN account d ON d.organization_id = t.organization_id AND d.id = t.destination_account_id
WHERE t.organization_id = %(organization_id)s::uuid AND t.id = ANY (%(ids)s::uuid[])
ORDER BY t.id;

-- name: latest_transfers
-- Newest first along the primary key; so many rows are looked through at most, however rare is what is wanted.
SELECT t.organization_id, t.id, t.source_account_id, s.name, s.kind, s.deleted_at IS NOT NULL,
       t.destination_account_id, d.name, d.kind, d.deleted_at IS NOT NULL, t.amount, coalesce(s.currency, d.currency),
       t.direction, t.origin, t.mode, t.status, t.error_code, t.execution_id, t.rule_id, t.description, t.created_at,
       t.completed_at, t.status_reason, t.returned_at, t.return_code, t.approval_expires_at, t.staged_account_id
FROM (
    SELECT * FROM transfer
    WHERE organization_id = %(organization_id)s::uuid
        AND id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY id DESC LIMIT %(reach)s
) AS t
LEFT JOIN account s ON s.organization_id = %(organization_id)s::uuid AND s.id = t.source_account_id
LEFT JOIN account d ON d.organization_id = %(organization_id)s::uuid AND d.id = t.destination_account_id
WHERE (%(mode)s::text IS NULL OR t.mode = %(mode)s)
    AND (%(direction)s::text IS NULL OR t.direction = %(direction)s)
    AND (%(status)s::text IS NULL OR t.status = %(status)s)
    AND (%(from_at)s::timestamptz IS NULL OR t.created_at >= %(from_at)s)
    AND (%(to_at)s::timestamptz IS NULL OR t.created_at <= %(to_at)s)
ORDER BY t.id DESC
LIMIT %(limit)s;

-- name: end_of_transfers
-- The last row that a page has looked through, if there may be more behind it.
SELECT id FROM transfer
WHERE organization_id = %(organization_id)s::uuid
    AND id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC OFFSET %(reach)s::bigint - 1 LIMIT 1;

-- name: list_transfers
-- Newest first. Each account and side walks its own index and stops where the page ends, which is cut from their union.
-- An end for the first page, and not IS NULL OR: the index starts at the id even in a plan for any values. From `from_id`
-- on, because the transfers of one execution have ids close together: the rest of the index is not looked through. Where the clock is
-- the real one, no transfer has an id that is later than itself, so what is newer than a span is not looked through
-- either. What is older is: a run that has waited makes transfers that are much later than their ids.
SELECT t.organization_id, t.id, t.source_account_id, s.name, s.kind, s.deleted_at IS NOT NULL,
       t.destination_account_id, d.name, d.kind, d.deleted_at IS NOT NULL, t.amount, coalesce(s.currency, d.currency),
       t.direction, t.origin, t.mode, t.status, t.error_code, t.execution_id, t.rule_id, t.description, t.created_at,
       t.completed_at, t.status_reason, t.returned_at, t.return_code, t.approval_expires_at, t.staged_account_id
FROM (
    SELECT DISTINCT ON (side.id) side.*
    FROM unnest(%(account_ids)s::uuid[]) AS wanted (account_id)
    CROSS JOIN LATERAL (
        (SELECT * FROM transfer f
         WHERE f.organization_id = %(organization_id)s::uuid AND f.source_account_id = wanted.account_id
             AND %(as_source)s::boolean
             AND (%(mode)s::text IS NULL OR f.mode = %(mode)s)
             AND (%(direction)s::text IS NULL OR f.direction = %(direction)s)
             AND (%(origin)s::text IS NULL OR f.origin = %(origin)s)
             AND (%(status)s::text IS NULL OR f.status = %(status)s)
             AND (%(execution_id)s::uuid IS NULL OR f.execution_id = %(execution_id)s::uuid)
             AND f.id >= coalesce(%(from_id)s::uuid, '00000000-0000-0000-0000-000000000000')
             AND (%(from_at)s::timestamptz IS NULL OR f.created_at >= %(from_at)s)
             AND (%(to_at)s::timestamptz IS NULL OR f.created_at <= %(to_at)s)
             AND f.id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
             AND f.id < coalesce(
                 (SELECT %(to_id)s::uuid FROM organization WHERE id = %(organization_id)s::uuid AND mode = 'live'),
                 'ffffffff-ffff-ffff-ffff-ffffffffffff')
         ORDER BY f.id DESC LIMIT %(limit)s::bigint + coalesce(%(offset)s::bigint, 0))
        UNION ALL
        (SELECT * FROM transfer f
         WHERE f.organization_id = %(organization_id)s::uuid AND f.destination_account_id = wanted.account_id
             AND %(as_destination)s::boolean
             AND (%(mode)s::text IS NULL OR f.mode = %(mode)s)
             AND (%(direction)s::text IS NULL OR f.direction = %(direction)s)
             AND (%(origin)s::text IS NULL OR f.origin = %(origin)s)
             AND (%(status)s::text IS NULL OR f.status = %(status)s)
             AND (%(execution_id)s::uuid IS NULL OR f.execution_id = %(execution_id)s::uuid)
             AND f.id >= coalesce(%(from_id)s::uuid, '00000000-0000-0000-0000-000000000000')
             AND (%(from_at)s::timestamptz IS NULL OR f.created_at >= %(from_at)s)
             AND (%(to_at)s::timestamptz IS NULL OR f.created_at <= %(to_at)s)
             AND f.id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
             AND f.id < coalesce(
                 (SELECT %(to_id)s::uuid FROM organization WHERE id = %(organization_id)s::uuid AND mode = 'live'),
                 'ffffffff-ffff-ffff-ffff-ffffffffffff')
         ORDER BY f.id DESC LIMIT %(limit)s::bigint + coalesce(%(offset)s::bigint, 0))
    ) AS side
    ORDER BY side.id DESC
    LIMIT %(limit)s OFFSET %(offset)s
) AS t
LEFT JOIN account s ON s.organization_id = %(organization_id)s::uuid AND s.id = t.source_account_id
LEFT JOIN account d ON d.organization_id = %(organization_id)s::uuid AND d.id = t.destination_account_id
ORDER BY t.id DESC;
