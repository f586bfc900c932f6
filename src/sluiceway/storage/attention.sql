-- What a person should look at, of one organization: each a short list that walks an index. Nothing is written.

-- name: arrivals
-- The latest that came in from outside, along the index of the account; what is on its way is not there yet.
SELECT t.id, t.amount, t.description, t.completed_at
FROM transfer t
WHERE t.organization_id = %(organization_id)s::uuid AND t.destination_account_id = %(account_id)s::uuid
    AND t.mode = 'LIVE' AND t.status = 'COMPLETE'
ORDER BY t.id DESC
LIMIT %(limit)s;

-- name: failed_runs
-- The latest runs in which something failed, along their own index.
SELECT e.id, e.rule_id, e.status, e.error_message, e.created_at
FROM execution e
WHERE e.organization_id = %(organization_id)s::uuid AND e.mode = 'LIVE' AND e.status IN ('FAILED', 'PARTIAL')
ORDER BY e.id DESC
LIMIT %(limit)s;

-- name: succeeded_since
-- Which rules have had a run without a failure since: from the failed one on, along the index of the rule.
SELECT w.rule_id
FROM unnest(%(rule_ids)s::uuid[], %(execution_ids)s::uuid[]) AS w (rule_id, execution_id)
WHERE EXISTS (
    SELECT FROM execution e
    WHERE e.organization_id = %(organization_id)s::uuid AND e.rule_id = w.rule_id AND e.id > w.execution_id
        AND e.mode = 'LIVE' AND e.status = 'EXECUTED'
);

-- name: reviewed
-- Which of these revisions has a person enabled at some time?
SELECT DISTINCT a.rule_id
FROM unnest(%(rule_ids)s::uuid[], %(revisions)s::integer[]) AS w (rule_id, revision)
JOIN approval a ON a.organization_id = %(organization_id)s::uuid AND a.rule_id = w.rule_id AND a.revision = w.revision;

-- name: legs_expected
-- Payments at banks that are expected to settle by an instant, the first one first.
SELECT l.transfer_id, l.purpose, l.amount, l.submitted_at, l.expected_at, t.source_account_id, t.destination_account_id
FROM transfer_leg l
JOIN transfer t ON t.organization_id = l.organization_id AND t.id = l.transfer_id
WHERE l.organization_id = %(organization_id)s::uuid AND l.status = 'PENDING'
    AND l.expected_at <= %(until)s::timestamptz
ORDER BY l.expected_at, l.id
LIMIT %(limit)s;

-- name: count_to_approve
-- Along the index of what waits for a person; the first to expire says how much time there is.
SELECT count(*), min(approval_expires_at) FROM (
    SELECT approval_expires_at FROM transfer
    WHERE organization_id = %(organization_id)s::uuid AND status = 'PENDING_APPROVAL'
    ORDER BY approval_expires_at
    LIMIT %(limit)s
) AS first_ones;

-- name: uses_of_cards
-- What cards have paid from and been paid back to an account, the latest first, along its index.
SELECT c.id, c.direction, c.amount, c.description, c.completed_at
FROM card_transaction c
WHERE c.organization_id = %(organization_id)s::uuid AND c.account_id = %(account_id)s::uuid AND c.status = 'COMPLETE'
    AND c.id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY c.id DESC
LIMIT %(limit)s;

-- name: rule_names
-- By the present revision, also of rules that have been deleted.
SELECT r.id, v.definition ->> 'name', r.deleted_at IS NOT NULL
FROM unnest(%(ids)s::uuid[]) AS w (id)
JOIN rule r ON r.organization_id = %(organization_id)s::uuid AND r.id = w.id
JOIN rule_revision v ON v.organization_id = %(organization_id)s::uuid AND v.rule_id = r.id AND v.revision = r.revision;
