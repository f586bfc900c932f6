-- name: list_runs
-- Newest first along the primary key. So many rows are looked through at most, however rare is what is wanted: a page
-- costs no more at ten million runs, and where it ends short, the next call goes on from `end_of_reach`.
SELECT e.organization_id, e.id, e.rule_id, v.definition ->> 'name', e.revision, e.approval_id, e.mode, e.trigger_type,
       e.transfer_amount, e.status, e.created_at, e.finished_at, e.step_matched, e.conditions_not_met,
       e.attempted, e.completed, e.failed, e.pending, e.transfer_ids, e.error_message, e.next_attempt_at,
       e.depth, e.origin_id, e.scheduled_for,
       e.due_at IS NOT NULL AND coalesce(o.paused_at, o.held_since) IS NOT NULL, NULL::text,
       CASE WHEN e.status = 'EXECUTED' AND e.completed = 0 AND e.attempted > 0 THEN EXISTS (
           SELECT FROM json_array_elements(e.trace -> 1) AS action WHERE action ->> 9 = ANY (%(limits)s::text[])
       ) ELSE false END
FROM (
    SELECT * FROM execution
    WHERE organization_id = %(organization_id)s::uuid
        AND id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY id DESC LIMIT %(reach)s
) AS e
JOIN organization o ON o.id = %(organization_id)s::uuid
JOIN rule_revision v ON v.organization_id = %(organization_id)s::uuid AND v.rule_id = e.rule_id
    AND v.revision = e.revision
WHERE (%(mode)s::text IS NULL OR e.mode = %(mode)s)
    AND (%(status)s::text IS NULL OR e.status = %(status)s)
    AND (%(account_id)s::text IS NULL OR position(%(account_id)s IN v.definition::text) > 0)
    AND (%(from_at)s::timestamptz IS NULL OR e.created_at >= %(from_at)s)
    AND (%(to_at)s::timestamptz IS NULL OR e.created_at <= %(to_at)s)
ORDER BY e.id DESC
LIMIT %(limit)s;

-- name: list_runs_of_rule
-- The same along the index of one rule.
SELECT e.organization_id, e.id, e.rule_id, v.definition ->> 'name', e.revision, e.approval_id, e.mode, e.trigger_type,
       e.transfer_amount, e.status, e.created_at, e.finished_at, e.step_matched, e.conditions_not_met,
       e.attempted, e.completed, e.failed, e.pending, e.transfer_ids, e.error_message, e.next_attempt_at,
       e.depth, e.origin_id, e.scheduled_for,
       e.due_at IS NOT NULL AND coalesce(o.paused_at, o.held_since) IS NOT NULL, NULL::text,
       CASE WHEN e.status = 'EXECUTED' AND e.completed = 0 AND e.attempted > 0 THEN EXISTS (
           SELECT FROM json_array_elements(e.trace -> 1) AS action WHERE action ->> 9 = ANY (%(limits)s::text[])
       ) ELSE false END
FROM (
    SELECT * FROM execution
    WHERE organization_id = %(organization_id)s::uuid AND rule_id = %(rule_id)s::uuid
        AND id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY id DESC LIMIT %(reach)s
) AS e
JOIN organization o ON o.id = %(organization_id)s::uuid
JOIN rule_revision v ON v.organization_id = %(organization_id)s::uuid AND v.rule_id = e.rule_id
    AND v.revision = e.revision
WHERE (%(mode)s::text IS NULL OR e.mode = %(mode)s)
    AND (%(status)s::text IS NULL OR e.status = %(status)s)
    AND (%(account_id)s::text IS NULL OR position(%(account_id)s IN v.definition::text) > 0)
    AND (%(from_at)s::timestamptz IS NULL OR e.created_at >= %(from_at)s)
    AND (%(to_at)s::timestamptz IS NULL OR e.created_at <= %(to_at)s)
ORDER BY e.id DESC
LIMIT %(limit)s;

-- name: latest_of_rules
-- The newest live run of each rule: one probe of the index of its rule for each.
SELECT e.organization_id, e.id, e.rule_id, v.definition ->> 'name', e.revision, e.approval_id, e.mode, e.trigger_type,
       e.transfer_amount, e.status, e.created_at, e.finished_at, e.step_matched, e.conditions_not_met,
       e.attempted, e.completed, e.failed, e.pending, e.transfer_ids, e.error_message, e.next_attempt_at,
       e.depth, e.origin_id, e.scheduled_for,
       e.due_at IS NOT NULL AND coalesce(o.paused_at, o.held_since) IS NOT NULL, NULL::text,
       CASE WHEN e.status = 'EXECUTED' AND e.completed = 0 AND e.attempted > 0 THEN EXISTS (
           SELECT FROM json_array_elements(e.trace -> 1) AS action WHERE action ->> 9 = ANY (%(limits)s::text[])
       ) ELSE false END
FROM unnest(%(rule_ids)s::uuid[]) AS wanted (rule_id)
CROSS JOIN LATERAL (
    SELECT * FROM execution x
    WHERE x.organization_id = %(organization_id)s::uuid AND x.rule_id = wanted.rule_id AND x.mode = 'LIVE'
    ORDER BY x.id DESC LIMIT 1
) AS e
JOIN organization o ON o.id = %(organization_id)s::uuid
JOIN rule_revision v ON v.organization_id = %(organization_id)s::uuid AND v.rule_id = e.rule_id
    AND v.revision = e.revision;

-- name: end_of_reach
-- The last row that a page has looked through, if there may be more behind it.
SELECT id FROM execution
WHERE organization_id = %(organization_id)s::uuid
    AND id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC OFFSET %(reach)s::bigint - 1 LIMIT 1;

-- name: end_of_reach_of_rule
-- The same along the index of one rule.
SELECT id FROM execution
WHERE organization_id = %(organization_id)s::uuid AND rule_id = %(rule_id)s::uuid
    AND id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC OFFSET %(reach)s::bigint - 1 LIMIT 1;

-- name: sums_of_runs
-- What has become of the transfers of a page of runs.
SELECT e.id, coalesce(s.currency, d.currency), t.status, count(*), sum(t.amount)::bigint
FROM execution e
CROSS JOIN LATERAL unnest(e.transfer_ids) AS made (id)
JOIN transfer t ON t.organization_id = e.organization_id AND t.id = made.id
LEFT JOIN account s ON s.organization_id = t.organization_id AND s.id = t.source_account_id
LEFT JOIN account d ON d.organization_id = t.organization_id AND d.id = t.destination_account_id
WHERE e.organization_id = %(organization_id)s::uuid AND e.id = ANY (%(ids)s::uuid[])
GROUP BY 1, 2, 3;

-- name: neighbours
-- The runs of the same rule before and after one, each along the index of the rule; and the transfer that set it off.
SELECT (SELECT id FROM execution
        WHERE organization_id = %(organization_id)s::uuid AND rule_id = %(rule_id)s::uuid AND id < %(id)s::uuid
        ORDER BY id DESC LIMIT 1),
       (SELECT id FROM execution
        WHERE organization_id = %(organization_id)s::uuid AND rule_id = %(rule_id)s::uuid AND id > %(id)s::uuid
        ORDER BY id LIMIT 1),
       (SELECT cause_transfer_id FROM execution
        WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid);

-- name: caused_by
-- The runs that the arrival of one transfer has set off, out of those that its event has, in all.
SELECT e.organization_id, e.id, e.rule_id, v.definition ->> 'name', e.revision, e.approval_id, e.mode, e.trigger_type,
       e.transfer_amount, e.status, e.created_at, e.finished_at, e.step_matched, e.conditions_not_met,
       e.attempted, e.completed, e.failed, e.pending, e.transfer_ids, e.error_message, e.next_attempt_at,
       e.depth, e.origin_id, e.scheduled_for,
       e.due_at IS NOT NULL AND coalesce(o.paused_at, o.held_since) IS NOT NULL, NULL::text,
       CASE WHEN e.status = 'EXECUTED' AND e.completed = 0 AND e.attempted > 0 THEN EXISTS (
           SELECT FROM json_array_elements(e.trace -> 1) AS action WHERE action ->> 9 = ANY (%(limits)s::text[])
       ) ELSE false END
FROM execution e
JOIN organization o ON o.id = e.organization_id
JOIN rule_revision v ON v.organization_id = e.organization_id AND v.rule_id = e.rule_id AND v.revision = e.revision
WHERE e.organization_id = %(organization_id)s::uuid AND e.origin_id = %(origin_id)s::uuid AND e.origin_id <> e.id
    AND e.cause_transfer_id = %(transfer_id)s::uuid
ORDER BY e.id;

-- name: origin_of_transfer
-- Which event a transfer belongs to: that of its run, or its own. With its place in the rule.
SELECT coalesce(e.origin_id, t.id), t.step, t.action, t.part, e.revision, v.definition
FROM transfer t
LEFT JOIN execution e ON e.organization_id = t.organization_id AND e.id = t.execution_id
LEFT JOIN rule_revision v ON v.organization_id = e.organization_id AND v.rule_id = e.rule_id AND v.revision = e.revision
WHERE t.organization_id = %(organization_id)s::uuid AND t.id = %(transfer_id)s::uuid;

-- name: rules_at_account
-- The rules that have an account as their own, in the order in which they run: as they are, and as they were enabled at
-- an instant, if they were.
SELECT r.id, r.created_at, v.definition, r.approval_id IS NOT NULL, a.definition
FROM rule r
JOIN rule_revision v ON v.organization_id = r.organization_id AND v.rule_id = r.id AND v.revision = r.revision
LEFT JOIN LATERAL (
    SELECT w.definition FROM approval p
    JOIN rule_revision w ON w.organization_id = %(organization_id)s::uuid AND w.rule_id = p.rule_id
        AND w.revision = p.revision
    WHERE p.organization_id = %(organization_id)s::uuid AND p.rule_id = r.id AND p.approved_at <= %(at)s
        AND (p.revoked_at IS NULL OR p.revoked_at > %(at)s)
    ORDER BY p.approved_at DESC LIMIT 1
) AS a ON true
WHERE r.organization_id = %(organization_id)s::uuid AND r.trigger_account_id = %(account_id)s::uuid
    AND r.deleted_at IS NULL
ORDER BY r.position, r.id;
