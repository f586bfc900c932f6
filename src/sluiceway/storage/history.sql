-- What has happened, for trying rules on it: read in a snapshot, of one organization, and never written. There is no index
-- by time, since ids do not follow an organization's clock: each reads the organization's part of a primary key.

-- name: take_time
-- For this transaction only: a long history takes longer than a request may.
SELECT set_config('work_mem', '64MB', true), set_config('statement_timeout', %(timeout)s, true);

-- name: postings_since
-- In the order in which they happened: what one transaction wrote has one time, and was worked off by when it was queued;
-- a run keeps its transfers in the order in which it made them, which is that of its groups before that of its actions.
-- A card's posting is a story of its own: it is done when it begins.
SELECT p.posted_at, p.kind, p.debit_account_id, p.credit_account_id, p.amount,
       coalesce(p.transfer_id, p.card_transaction_id), coalesce(t.created_at, p.posted_at),
       t.destination_account_id, t.execution_id, t.rule_id, coalesce(e.created_at, t.created_at, p.posted_at),
       p.card_transaction_id IS NOT NULL
FROM posting p
LEFT JOIN transfer t ON t.organization_id = p.organization_id AND t.id = p.transfer_id
LEFT JOIN execution e ON e.organization_id = t.organization_id AND e.id = t.execution_id
WHERE p.organization_id = %(organization_id)s::uuid AND p.posted_at >= %(from_at)s::timestamptz
ORDER BY p.posted_at, coalesce(e.created_at, t.created_at, p.posted_at),
         coalesce(t.execution_id, p.transfer_id, p.card_transaction_id), array_position(e.transfer_ids, t.id),
         p.sequence;

-- name: executions_since
-- Settled when its transfers were made; without any, when it ended. What was still waiting at that time counts too.
SELECT e.id, e.rule_id, e.trigger_type, e.transfer_amount, e.stands_in, e.cause_transfer_id, e.origin_id, e.depth,
       e.created_at,
       coalesce((SELECT min(t.created_at) FROM transfer t
                 WHERE t.organization_id = %(organization_id)s::uuid AND t.id = ANY (e.transfer_ids)), e.finished_at)
FROM execution e
WHERE e.organization_id = %(organization_id)s::uuid AND e.mode = 'LIVE'
    AND (e.created_at >= %(from_at)s::timestamptz OR e.finished_at IS NULL OR e.finished_at >= %(from_at)s::timestamptz)
ORDER BY e.created_at, e.id;

-- name: moved_by_rules
-- What rules moved in each action of each revision, to tell how much of their limits was used when.
SELECT e.rule_id, e.revision, t.step, t.action, t.amount, t.id, e.id, e.created_at, t.created_at
FROM execution e
JOIN transfer t ON t.organization_id = e.organization_id AND t.id = ANY (e.transfer_ids)
WHERE e.organization_id = %(organization_id)s::uuid AND e.rule_id = ANY (%(rule_ids)s::uuid[]) AND e.mode = 'LIVE'
    AND t.error_code IS NULL AND t.created_at >= %(from_at)s::timestamptz
ORDER BY t.created_at, t.id;

-- name: money_from_and_to_outside
-- What came from outside or was collected from there, of which some may be regular; also what cards have paid. What they
-- were paid back is not income, and starts no rule.
SELECT t.created_at AS at, coalesce(t.destination_account_id, t.source_account_id),
       CASE WHEN t.destination_account_id IS NULL THEN -t.amount ELSE t.amount END, t.description, t.id
FROM transfer t
WHERE t.organization_id = %(organization_id)s::uuid AND t.mode = 'LIVE' AND t.status = 'COMPLETE'
    AND (t.origin = 'DIRECT_DEPOSIT' AND t.source_account_id IS NULL
         OR t.origin = 'EXTERNAL_PULL' AND t.destination_account_id IS NULL)
    AND t.created_at >= %(from_at)s::timestamptz
UNION ALL
SELECT c.created_at, c.account_id, -c.amount, nullif(c.description, ''), c.id
FROM card_transaction c
WHERE c.organization_id = %(organization_id)s::uuid AND c.subtype = 'PURCHASE' AND c.status = 'COMPLETE'
    AND c.created_at >= %(from_at)s::timestamptz
ORDER BY 1, 5;

-- name: open_transfers
-- What is on its way now, with the leg that is open (none: it waits for a person).
SELECT t.source_account_id, coalesce(t.staged_account_id, t.destination_account_id), t.amount, t.rule_id, l.purpose,
       l.expected_at
FROM transfer t
LEFT JOIN LATERAL (
    SELECT purpose, expected_at FROM transfer_leg
    WHERE organization_id = %(organization_id)s::uuid AND transfer_id = t.id AND status IN ('PROCESSING', 'PENDING')
    ORDER BY sequence DESC LIMIT 1
) AS l ON true
WHERE t.organization_id = %(organization_id)s::uuid AND t.mode = 'LIVE'
    AND t.status IN ('PENDING_APPROVAL', 'PROCESSING', 'PENDING')
    AND t.source_account_id IS NOT NULL AND t.destination_account_id IS NOT NULL
ORDER BY t.created_at, t.id;

-- name: latest_remote_amounts
-- What each remote amount of these rules came to the last time that its service was asked.
SELECT DISTINCT ON (e.rule_id, r.step, r.action) e.rule_id, r.step, r.action, r.amount
FROM execution e
JOIN remote_amount r ON r.organization_id = e.organization_id AND r.execution_id = e.id
WHERE e.organization_id = %(organization_id)s::uuid AND e.rule_id = ANY (%(rule_ids)s::uuid[]) AND r.amount IS NOT NULL
ORDER BY e.rule_id, r.step, r.action, r.answered_at DESC, r.execution_id DESC;
