-- name: organizations_with_due_work
-- One probe of the index for each organization, however much is due. A look without locks: the gate and the claim
-- decide. What a paused one has stays. In no order: whoever asks comes past all of them.
SELECT o.id FROM organization o
WHERE o.paused_at IS NULL AND o.held_since IS NULL AND EXISTS (
    SELECT FROM execution e
    WHERE e.organization_id = o.id AND e.due_at <= coalesce(o.frozen_at, %(now)s::timestamptz + o.clock_offset)
        AND e.stage = 'SETTLE'
);

-- name: count_due
-- How much of an organization is due, counted up to a bound: further it is too much anyway. What a paused one has waits
-- for people.
SELECT count(*) FROM (
    SELECT FROM execution e
    JOIN organization o ON o.id = e.organization_id
    WHERE e.organization_id = %(organization_id)s::uuid AND e.stage = 'SETTLE' AND o.paused_at IS NULL
        AND e.due_at <= coalesce(o.frozen_at, %(now)s::timestamptz + o.clock_offset)
    LIMIT %(most)s
) AS at_most;

-- name: claim_executions
-- Oldest first, and from each organization at most so many, so that one with a long queue does not hold up the others.
-- The row lock is the claim: it ends with the transaction, whether that commits or dies.
SELECT e.*
FROM unnest(%(organization_ids)s::uuid[], %(nows)s::timestamptz[]) AS chosen (organization_id, now)
CROSS JOIN LATERAL (
    SELECT organization_id, id, rule_id, revision, fingerprint, approval_id, mode, trigger_type, transfer_amount,
           stands_in, origin_id, depth, created_at, approval_above
    FROM execution
    WHERE organization_id = chosen.organization_id AND organization_id = ANY (%(organization_ids)s::uuid[])
        AND due_at <= chosen.now AND stage = 'SETTLE'
    ORDER BY due_at, id
    LIMIT %(each)s
    FOR NO KEY UPDATE SKIP LOCKED
) AS e;

-- name: insert_executions
-- Due at once, created by the organization's clock. The foreign key refuses a live execution whose revision no person
-- has approved; the index of occurrences refuses the second run of the same one.
INSERT INTO execution (organization_id, id, rule_id, revision, fingerprint, approval_id, mode, trigger_type,
                       transfer_amount, stands_in, cause_transfer_id, origin_id, depth, stage, is_refresh_due,
                       scheduled_for, nominal, awaited, approval_above, due_at, created_at)
SELECT w.organization_id, w.id, w.rule_id, w.revision, w.fingerprint, w.approval_id, w.mode, w.trigger_type,
       w.transfer_amount, w.stands_in, w.cause_transfer_id, w.origin_id, w.depth,
       CASE WHEN w.is_refresh_due THEN 'GATHER' ELSE 'SETTLE' END, w.is_refresh_due, w.scheduled_for, w.nominal,
       w.awaited, w.approval_above, '-infinity', coalesce(o.frozen_at, %(at)s::timestamptz + o.clock_offset)
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(rule_ids)s::uuid[], %(revisions)s::integer[],
            %(fingerprints)s::bytea[], %(approval_ids)s::uuid[], %(modes)s::text[], %(trigger_types)s::text[],
            %(transfer_amounts)s::bigint[], %(stands_in)s::boolean[], %(cause_transfer_ids)s::uuid[],
            %(origin_ids)s::uuid[], %(depths)s::smallint[], %(is_refresh_due)s::boolean[],
            %(scheduled_for)s::timestamptz[], %(nominals)s::timestamp[], %(awaited)s::timestamp[],
            %(approvals_above)s::bigint[])
    AS w (organization_id, id, rule_id, revision, fingerprint, approval_id, mode, trigger_type, transfer_amount,
          stands_in, cause_transfer_id, origin_id, depth, is_refresh_due, scheduled_for, nominal, awaited, approval_above)
JOIN organization o ON o.id = w.organization_id AND (%(only)s::uuid IS NULL OR o.id = %(only)s)
ON CONFLICT (organization_id, rule_id, nominal) WHERE nominal IS NOT NULL DO NOTHING;

-- name: finish_executions
-- Planned: what happened, what is still pending, and why.
UPDATE execution e SET due_at = NULL, status = w.status, step_matched = w.step_matched,
                       conditions_not_met = w.conditions_not_met, attempted = w.attempted, completed = w.completed,
                       failed = w.failed, pending = w.pending, error_message = w.error_message,
                       transfer_ids = string_to_array(w.transfer_ids, ' ')::uuid[], trace = w.trace::json,
                       finished_at = CASE WHEN w.status = 'IN_PROGRESS' THEN NULL ELSE w.at END, next_attempt_at = NULL
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(statuses)s::text[], %(steps)s::smallint[],
            %(conditions_not_met)s::boolean[], %(attempted)s::integer[], %(completed)s::integer[],
            %(failed)s::integer[], %(pending)s::integer[], %(error_messages)s::text[], %(transfer_ids)s::text[],
            %(traces)s::text[], %(ats)s::timestamptz[])
    AS w (organization_id, id, status, step_matched, conditions_not_met, attempted, completed, failed, pending,
          error_message, transfer_ids, trace, at)
WHERE e.organization_id = w.organization_id AND e.id = w.id
    AND (%(only)s::uuid IS NULL OR e.organization_id = %(only)s);

-- name: send_to_gather
-- The step that matches asks a remote service and has no answer yet: ask first, then plan again.
UPDATE execution e SET stage = 'GATHER', gather_step = w.step, attempts = 0, due_at = '-infinity'
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(steps)s::smallint[]) AS w (organization_id, id, step)
WHERE e.organization_id = w.organization_id AND e.id = w.id
    AND (%(only)s::uuid IS NULL OR e.organization_id = %(only)s);

-- name: executions_to_gather
-- Organizations with a run that waits for an answer from outside and that nobody is at.
SELECT o.id FROM organization o
WHERE o.paused_at IS NULL AND o.held_since IS NULL AND EXISTS (
    SELECT FROM execution e
    WHERE e.organization_id = o.id AND e.stage = 'GATHER'
        AND e.due_at <= coalesce(o.frozen_at, %(now)s::timestamptz + o.clock_offset)
        AND (e.leased_until IS NULL OR e.leased_until <= %(now)s)
);

-- name: claim_gathering
-- A lease and a new fencing token; whoever had it before can no longer write.
-- Chosen in a WITH, once: as a subquery it may be run again for every row of a join, past its limit.
WITH chosen AS (
    SELECT organization_id, id FROM execution
    WHERE organization_id = %(organization_id)s::uuid AND stage = 'GATHER' AND due_at <= %(at)s
        AND (leased_until IS NULL OR leased_until <= %(now)s)
    ORDER BY due_at, id LIMIT %(limit)s
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE execution e SET leased_until = %(leased_until)s, fence = e.fence + 1
FROM chosen
WHERE e.organization_id = chosen.organization_id AND e.id = chosen.id
    AND e.organization_id = %(organization_id)s::uuid
RETURNING e.organization_id, e.id, e.rule_id, e.revision, e.mode, e.transfer_amount, e.is_refresh_due, e.gather_step,
          e.fence, e.attempts + 1, e.created_at;

-- name: hold_gathering
-- Still ours? Only then may what came back be written.
SELECT id FROM execution
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND fence = %(fence)s AND stage = 'GATHER'
ORDER BY id
FOR NO KEY UPDATE;

-- name: keep_gathering
-- Something has come of it, and more is to be asked: nobody else begins meanwhile.
UPDATE execution SET leased_until = %(leased_until)s, attempts = %(attempts)s - 1
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND fence = %(fence)s AND stage = 'GATHER';

-- name: end_gathering
-- Everything is there: plan it.
UPDATE execution SET stage = 'SETTLE', is_refresh_due = false, gather_step = NULL, leased_until = NULL, attempts = 0,
                     due_at = '-infinity', next_attempt_at = NULL, error_message = NULL
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: retry_gathering
-- Nobody answered: again at that time, which the API shows.
UPDATE execution SET leased_until = NULL, attempts = attempts + 1, due_at = %(retry_at)s, next_attempt_at = %(retry_at)s,
                     error_message = %(problem)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: lock_executions
-- The counts of executions whose transfers have changed. In id order.
SELECT id, attempted, completed, failed, pending, error_message, origin_id, depth, rule_id FROM execution
WHERE organization_id = %(organization_id)s::uuid AND id = ANY (%(ids)s::uuid[])
ORDER BY id
FOR NO KEY UPDATE;

-- name: recount_execution
-- A transfer of it has moved on. Finished once nothing is open; a later return does not change when that was.
UPDATE execution SET status = %(status)s, completed = %(completed)s, failed = %(failed)s, pending = %(pending)s,
                     error_message = %(error_message)s,
                     finished_at = CASE WHEN %(status)s = 'IN_PROGRESS' THEN NULL
                                        ELSE coalesce(finished_at, %(at)s::timestamptz) END
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

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
       e.depth, e.origin_id, e.scheduled_for,
       e.due_at IS NOT NULL AND coalesce(o.paused_at, o.held_since) IS NOT NULL, e.trace::text
FROM execution e
JOIN organization o ON o.id = e.organization_id
JOIN rule_revision v ON v.organization_id = e.organization_id AND v.rule_id = e.rule_id AND v.revision = e.revision
WHERE e.organization_id = %(organization_id)s::uuid AND e.id = %(id)s::uuid;

-- name: list_executions
-- Newest first along the index of the rule; without traces, which a list does not show.
-- An end for the first page, and not IS NULL OR: the index starts at the id even in a plan for any values.
-- Where the clock is the real one, ids follow it, and a span of time is a stretch of the index. In a sandbox it may not
-- be, and what is newer or older than the span is looked through.
SELECT e.organization_id, e.id, e.rule_id, v.definition ->> 'name', e.revision, e.approval_id, e.mode, e.trigger_type,
       e.transfer_amount, e.status, e.created_at, e.finished_at, e.step_matched, e.conditions_not_met,
       e.attempted, e.completed, e.failed, e.pending, e.transfer_ids, e.error_message, e.next_attempt_at,
       e.depth, e.origin_id, e.scheduled_for,
       e.due_at IS NOT NULL AND coalesce(o.paused_at, o.held_since) IS NOT NULL, NULL::text
FROM execution e
JOIN organization o ON o.id = e.organization_id
JOIN rule_revision v ON v.organization_id = e.organization_id AND v.rule_id = e.rule_id AND v.revision = e.revision
WHERE e.organization_id = %(organization_id)s::uuid AND e.rule_id = %(rule_id)s::uuid
    AND (%(mode)s::text IS NULL OR e.mode = %(mode)s)
    AND (%(status)s::text IS NULL OR e.status = %(status)s)
    AND (%(trigger_types)s::text[] IS NULL OR e.trigger_type = ANY (%(trigger_types)s::text[]))
    AND (%(from_at)s::timestamptz IS NULL OR e.created_at >= %(from_at)s)
    AND (%(to_at)s::timestamptz IS NULL OR e.created_at <= %(to_at)s)
    AND e.id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    AND e.id >= coalesce(
        (SELECT %(from_id)s::uuid FROM organization WHERE id = %(organization_id)s::uuid AND mode = 'live'),
        '00000000-0000-0000-0000-000000000000')
    AND e.id < coalesce(
        (SELECT %(to_id)s::uuid FROM organization WHERE id = %(organization_id)s::uuid AND mode = 'live'),
        'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY e.id DESC
LIMIT %(limit)s OFFSET %(offset)s;

-- name: latest_executions
-- Newest first along the primary key, of all rules of an organization; without traces.
SELECT e.organization_id, e.id, e.rule_id, v.definition ->> 'name', e.revision, e.approval_id, e.mode, e.trigger_type,
       e.transfer_amount, e.status, e.created_at, e.finished_at, e.step_matched, e.conditions_not_met,
       e.attempted, e.completed, e.failed, e.pending, e.transfer_ids, e.error_message, e.next_attempt_at,
       e.depth, e.origin_id, e.scheduled_for,
       e.due_at IS NOT NULL AND coalesce(o.paused_at, o.held_since) IS NOT NULL, NULL::text
FROM execution e
JOIN organization o ON o.id = e.organization_id
JOIN rule_revision v ON v.organization_id = e.organization_id AND v.rule_id = e.rule_id AND v.revision = e.revision
WHERE e.organization_id = %(organization_id)s::uuid AND (%(mode)s::text IS NULL OR e.mode = %(mode)s)
ORDER BY e.id DESC
LIMIT %(limit)s;
