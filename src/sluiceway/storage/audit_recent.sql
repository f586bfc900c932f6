-- What the audit that goes on looks at every few seconds, of one organization: what has been made since the last look, and
-- what its accounts hold. Each check gives its counter-examples as those of audit.sql do; all of a stretch of ids, which are in
-- the order of time. What is found here is found by the full audit too, with everything that this leaves out.
--
-- What is newest is beyond the end of all statistics: the planner takes thousands of new rows for one, and would compare each with
-- each. So nothing here is joined but by an index, and what has to be counted together is counted in one pass.

-- name: transfers_made
-- Each did in the ledger what it says: its amount once from end to end, or nothing; what a bank carries, no more than it
-- has legs for.
WITH made AS (
    SELECT t.id, t.status, t.mode, t.amount, t.source_account_id, t.staged_account_id
    FROM transfer t
    WHERE t.organization_id = %(organization_id)s::uuid
        AND t.id > %(from_id)s::uuid AND t.id <= %(to_id)s::uuid
), judged AS (
    SELECT m.*, coalesce(d.moved, 0) AS moved, d.postings
    FROM made m
    CROSS JOIN LATERAL (
        SELECT count(*) AS postings,
               sum(CASE WHEN p.kind IN ('post', 'settle') THEN p.amount WHEN p.kind = 'reverse' THEN -p.amount ELSE 0 END)
                   AS moved,
               bool_and(p.kind NOT IN ('post', 'settle') OR (
                   (m.source_account_id IS NULL OR p.debit_account_id = m.source_account_id
                       OR m.staged_account_id IS NULL)
                   AND p.amount = m.amount)) AS is_its_own
        FROM posting p
        WHERE p.organization_id = %(organization_id)s::uuid AND p.transfer_id = m.id
    ) AS d
    WHERE (m.mode = 'SIMULATION' AND d.postings > 0)
        OR (m.mode = 'LIVE' AND (
            d.is_its_own IS FALSE
            OR (m.status = 'COMPLETE' AND coalesce(d.moved, 0) <> m.amount)
            OR (m.status IN ('INCOMPLETE', 'CANCELLED') AND coalesce(d.moved, 0) <> 0)))
), wrong AS (
    SELECT j.* FROM judged j
    WHERE j.mode = 'SIMULATION' OR NOT EXISTS (
        SELECT FROM transfer_leg l WHERE l.organization_id = %(organization_id)s::uuid AND l.transfer_id = j.id)
)
SELECT %(organization_id)s::uuid, w.id, format('%%s of %%s, moved once or not at all', w.status, w.amount),
       format('%%s moved with %%s postings', w.moved, w.postings), count(*) OVER (), (SELECT count(*) FROM made)
FROM (SELECT 1) AS always LEFT JOIN wrong w ON true
ORDER BY w.id LIMIT %(limit)s;

-- name: runs_made
-- Each ran what a person had signed before (but for a minute, by which clocks of machines may differ), and made what it
-- says that it made.
WITH made AS (
    SELECT e.id, e.rule_id, e.revision, e.fingerprint, e.approval_id, e.mode, e.created_at, e.transfer_ids,
           e.completed, e.status, e.depth, e.finished_at
    FROM execution e
    WHERE e.organization_id = %(organization_id)s::uuid
        AND e.id > %(from_id)s::uuid AND e.id <= %(to_id)s::uuid
), unlike AS (
    SELECT c.id
    FROM (
        SELECT m.id, cardinality(m.transfer_ids) AS transfers, m.completed FROM made m
        UNION ALL
        SELECT t.execution_id, -1, -(t.status = 'COMPLETE')::int FROM transfer t
        WHERE t.organization_id = %(organization_id)s::uuid AND t.id > %(from_id)s::uuid AND t.id <= %(beyond_id)s::uuid
            AND t.execution_id IS NOT NULL
    ) AS c
    GROUP BY c.id
    HAVING sum(c.transfers) <> 0 OR sum(c.completed) <> 0
), wrong AS (
    SELECT m.id, m.status, m.completed, cardinality(m.transfer_ids) AS transfers, a.id IS NULL AS lacks_approval
    FROM made m
    LEFT JOIN approval a ON a.organization_id = %(organization_id)s::uuid AND a.id = m.approval_id
        AND a.rule_id = m.rule_id AND a.revision = m.revision AND a.fingerprint = m.fingerprint
        AND a.approved_at <= m.created_at + interval '1 minute'
    WHERE (m.mode = 'LIVE' AND a.id IS NULL) OR m.depth > 16
        OR (m.status = 'IN_PROGRESS') <> (m.finished_at IS NULL)
        OR m.id IN (SELECT u.id FROM unlike u)
)
SELECT %(organization_id)s::uuid, w.id, 'a run under an approval, which counts its transfers',
       format('%%s with %%s transfers, %%s complete, approved: %%s', w.status, w.transfers, w.completed,
              NOT w.lacks_approval),
       count(*) OVER (), (SELECT count(*) FROM made)
FROM (SELECT 1) AS always LEFT JOIN wrong w ON true
ORDER BY w.id LIMIT %(limit)s;

-- name: accounts_held
-- All accounts of a currency sum up to zero; each ended its last day with what it holds, and is not below its floor.
WITH held AS (
    SELECT a.id, a.kind, a.currency, a.posted, a.held_out, a.floor, a.overdrawn,
           sum(a.posted) OVER (PARTITION BY a.currency) AS total
    FROM account a WHERE a.organization_id = %(organization_id)s::uuid
), wrong AS (
    SELECT h.*, d.balance
    FROM held h
    LEFT JOIN LATERAL (
        SELECT balance FROM account_day l WHERE l.organization_id = %(organization_id)s::uuid AND l.account_id = h.id
        ORDER BY day DESC LIMIT 1
    ) AS d ON h.kind IN ('POD', 'INCOME_SOURCE')
    WHERE (h.kind = 'WORLD' AND h.total <> 0)
        OR (h.kind IN ('POD', 'INCOME_SOURCE') AND (
            coalesce(d.balance, 0) <> h.posted OR h.overdrawn <> greatest(0, h.floor - h.posted + h.held_out)))
)
SELECT %(organization_id)s::uuid, w.id, format('%%s, the currency at zero', coalesce(w.balance, 0)),
       format('%%s, %%s held, %%s overdrawn, the currency at %%s', w.posted, w.held_out, w.overdrawn, w.total),
       count(*) OVER (), (SELECT count(*) FROM held)
FROM (SELECT 1) AS always LEFT JOIN wrong w ON true
ORDER BY w.id LIMIT %(limit)s;

-- name: batches_after
-- The links of the audit log's chain since the last look, in order. Their entries are for the full audit.
SELECT number, digest, hash FROM audit_batch
WHERE organization_id = %(organization_id)s::uuid AND number > %(number)s
ORDER BY number LIMIT %(limit)s;
