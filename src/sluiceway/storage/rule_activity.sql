-- What rules have done lately and who signed which revision: read for people who look at rules, and never written.

-- name: moved_since
-- What each rule moved, by currency; what waits for a person is not moved yet. Where the clock is the real one, ids follow
-- it, and a span of time is a stretch of the index.
SELECT e.rule_id, a.currency, sum(t.amount)::bigint
FROM execution e
JOIN transfer t ON t.organization_id = e.organization_id AND t.id = ANY (e.transfer_ids)
    AND t.status IN ('COMPLETE', 'PROCESSING', 'PENDING')
JOIN account a ON a.organization_id = t.organization_id AND a.id = t.source_account_id
WHERE e.organization_id = %(organization_id)s::uuid AND e.rule_id = ANY (%(rule_ids)s::uuid[]) AND e.mode = 'LIVE'
    AND e.created_at >= %(from_at)s
    AND e.id >= coalesce(
        (SELECT %(from_id)s::uuid FROM organization WHERE id = %(organization_id)s::uuid AND mode = 'live'),
        '00000000-0000-0000-0000-000000000000')
GROUP BY e.rule_id, a.currency;

-- name: latest_arrival
-- The last money that arrived in an account: what would have started its rules.
SELECT id, amount, completed_at FROM transfer
WHERE organization_id = %(organization_id)s::uuid AND destination_account_id = %(account_id)s::uuid
    AND mode = 'LIVE' AND status = 'COMPLETE'
ORDER BY id DESC LIMIT 1;

-- name: list_revisions
-- Newest first, along the primary key.
SELECT revision, definition, fingerprint, created_at FROM rule_revision
WHERE organization_id = %(organization_id)s::uuid AND rule_id = %(rule_id)s::uuid
    AND revision < coalesce(%(before)s::integer, 2147483647)
ORDER BY revision DESC LIMIT %(limit)s;

-- name: list_approvals
-- Who signed which of these revisions, and until when it held.
SELECT v.revision, v.person_id, p.email, v.approved_at, v.revoked_at
FROM approval v
JOIN person p ON p.organization_id = v.organization_id AND p.id = v.person_id
WHERE v.organization_id = %(organization_id)s::uuid AND v.rule_id = %(rule_id)s::uuid
    AND v.revision = ANY (%(revisions)s::integer[])
ORDER BY v.approved_at, v.id;

-- name: latest_approved
-- The revision that was enabled last: what a review is compared with.
SELECT revision FROM approval
WHERE organization_id = %(organization_id)s::uuid AND rule_id = %(rule_id)s::uuid
ORDER BY approved_at DESC, revision DESC LIMIT 1;
