-- name: organizations_with_due_work
-- The one that has waited longest first. One probe of the index for each organization, however much is due; none at all
-- while nothing is. A look without locks: the gate and the claim decide.
SELECT o.id
FROM organization o
CROSS JOIN LATERAL (
    SELECT e.due_at FROM execution e
    WHERE e.organization_id = o.id AND e.due_at <= %(now)s ORDER BY e.due_at LIMIT 1
) AS first
WHERE EXISTS (SELECT FROM execution WHERE due_at <= %(now)s)
ORDER BY first.due_at, o.id;

-- name: claim_executions
-- Oldest first, and from each organization at most so many, so that one with a long queue does not hold up the others.
-- The row lock is the claim: it ends with the transaction, whether that commits or dies.
SELECT e.*
FROM unnest(%(organization_ids)s::uuid[]) AS chosen (organization_id)
CROSS JOIN LATERAL (
    SELECT organization_id, id, rule_id, revision, fingerprint, approval_id, mode, trigger_type, transfer_amount,
           stands_in, origin_id, depth, created_at
    FROM execution
    WHERE organization_id = chosen.organization_id AND organization_id = ANY (%(organization_ids)s::uuid[])
        AND due_at <= %(now)s
    ORDER BY due_at, id
    LIMIT %(each)s
    FOR NO KEY UPDATE SKIP LOCKED
) AS e;

-- name: insert_executions
-- Due at once. The foreign key refuses a live execution whose revision no person has approved.
INSERT INTO execution (organization_id, id, rule_id, revision, fingerprint, approval_id, mode, trigger_type,
                       transfer_amount, stands_in, cause_transfer_id, origin_id, depth, due_at, created_at)
SELECT w.organization_id, w.id, w.rule_id, w.revision, w.fingerprint, w.approval_id, w.mode, w.trigger_type,
       w.transfer_amount, w.stands_in, w.cause_transfer_id, w.origin_id, w.depth, %(at)s, %(at)s
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(rule_ids)s::uuid[], %(revisions)s::integer[],
            %(fingerprints)s::bytea[], %(approval_ids)s::uuid[], %(modes)s::text[], %(trigger_types)s::text[],
            %(transfer_amounts)s::bigint[], %(stands_in)s::boolean[], %(cause_transfer_ids)s::uuid[],
            %(origin_ids)s::uuid[], %(depths)s::smallint[])
    AS w (organization_id, id, rule_id, revision, fingerprint, approval_id, mode, trigger_type, transfer_amount,
          stands_in, cause_transfer_id, origin_id, depth);

-- name: finish_executions
-- Planned: what happened, what is still pending, and why.
UPDATE execution e SET due_at = NULL, status = w.status, step_matched = w.step_matched,
                       conditions_not_met = w.conditions_not_met, attempted = w.attempted, completed = w.completed,
                       failed = w.failed, pending = w.pending, error_message = w.error_message,
                       transfer_ids = w.transfer_ids::uuid[], trace = w.trace::json,
                       finished_at = CASE WHEN w.status = 'IN_PROGRESS' THEN NULL ELSE %(at)s::timestamptz END
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(statuses)s::text[], %(steps)s::smallint[],
            %(conditions_not_met)s::boolean[], %(attempted)s::integer[], %(completed)s::integer[],
            %(failed)s::integer[], %(pending)s::integer[], %(error_messages)s::text[], %(transfer_ids)s::text[],
            %(traces)s::text[])
    AS w (organization_id, id, status, step_matched, conditions_not_met, attempted, completed, failed, pending,
          error_message, transfer_ids, trace)
WHERE e.organization_id = w.organization_id AND e.id = w.id
    AND e.organization_id = ANY (%(locked_organizations)s::uuid[]);

-- name: executions_of_origins
-- How many executions each event has caused so far; its settlements run one after the other, so the count is exact.
SELECT organization_id, origin_id, count(*) FROM execution
WHERE organization_id = ANY (%(organization_ids)s::uuid[]) AND origin_id = ANY (%(origin_ids)s::uuid[])
    AND origin_id <> id
GROUP BY organization_id, origin_id;

-- name: find_execution
-- With the name that the rule had in the revision that ran.
SELECT e.organization_id, e.id, e.rule_id, v.definition ->> 'name', e.revision, e.approval_id, e.mode, e.trigger_type,
       e.transfer_amount, e.status, e.created_at, e.finished_at, e.step_matched, e.conditions_not_met,
       e.attempted, e.completed, e.failed, e.pending, e.transfer_ids, e.error_message, e.next_attempt_at,
       e.depth, e.origin_id, e.trace::text
FROM execution e
JOIN rule_revision v ON v.organization_id = e.organization_id AND v.rule_id = e.rule_id AND v.revision = e.revision
WHERE e.organization_id = %(organization_id)s::uuid AND e.id = %(id)s::uuid;

-- name: list_executions
-- Newest first along the index of the rule; without traces, which a list does not show.
-- An end for the first page, and not IS NULL OR: the index starts at the id even in a plan for any values.
SELECT e.organization_id, e.id, e.rule_id, v.definition ->> 'name', e.revision, e.approval_id, e.mode, e.trigger_type,
       e.transfer_amount, e.status, e.created_at, e.finished_at, e.step_matched, e.conditions_not_met,
       e.attempted, e.completed, e.failed, e.pending, e.transfer_ids, e.error_message, e.next_attempt_at,
       e.depth, e.origin_id, NULL::text
FROM execution e
JOIN rule_revision v ON v.organization_id = e.organization_id AND v.rule_id = e.rule_id AND v.revision = e.revision
WHERE e.organization_id = %(organization_id)s::uuid AND e.rule_id = %(rule_id)s::uuid
    AND (%(mode)s::text IS NULL OR e.mode = %(mode)s)
    AND (%(status)s::text IS NULL OR e.status = %(status)s)
    AND (%(trigger_types)s::text[] IS NULL OR e.trigger_type = ANY (%(trigger_types)s::text[]))
    AND (%(from_at)s::timestamptz IS NULL OR e.created_at >= %(from_at)s)
    AND (%(to_at)s::timestamptz IS NULL OR e.created_at <= %(to_at)s)
    AND e.id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY e.id DESC
LIMIT %(limit)s;
