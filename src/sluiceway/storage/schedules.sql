-- name: schedules_due
-- Organizations with a schedule whose time has come. Paused automation fires nothing.
SELECT o.id FROM organization o
WHERE o.paused_at IS NULL AND o.held_since IS NULL AND EXISTS (
    SELECT FROM rule r
    WHERE r.organization_id = o.id AND r.next_fire_at <= coalesce(o.frozen_at, %(now)s::timestamptz + o.clock_offset)
);

-- name: rules_to_fire
-- Inside the gate, which everything passes that enables, edits, disables or deletes a rule. The earliest first.
SELECT r.id, r.revision, r.fingerprint, r.approval_id, r.next_fire_at = '-infinity',
       CASE WHEN r.next_fire_at > '-infinity' THEN r.next_fire_at END, r.next_nominal
FROM rule r
WHERE r.organization_id = %(organization_id)s::uuid AND r.next_fire_at <= %(at)s
ORDER BY r.next_fire_at, r.position, r.id
LIMIT %(limit)s;

-- name: set_next_fire
-- When it fires next; NULL: never again.
UPDATE rule SET next_fire_at = %(at)s::timestamptz, next_nominal = %(nominal)s::timestamp
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: next_due
-- The next instant at which anything of an organization is due: where a clock that is moved forward has to stop.
-- What is paused is not waited for.
SELECT min(at) FROM (
    SELECT min(due_at) AS at FROM execution
    WHERE organization_id = %(organization_id)s::uuid AND due_at > %(after)s AND NOT %(is_paused)s::boolean
    UNION ALL
    SELECT min(next_fire_at) FROM rule
    WHERE organization_id = %(organization_id)s::uuid AND next_fire_at > %(after)s AND NOT %(is_paused)s::boolean
    UNION ALL
    SELECT min(due_at) FROM transfer_leg
    WHERE organization_id = %(organization_id)s::uuid AND due_at > %(after)s
        AND NOT (is_automatic AND %(is_paused)s::boolean)
    UNION ALL
    SELECT min(due_at) FROM feed WHERE organization_id = %(organization_id)s::uuid AND due_at > %(after)s
    UNION ALL
    SELECT min(approval_expires_at) FROM transfer
    WHERE organization_id = %(organization_id)s::uuid AND status = 'PENDING_APPROVAL'
        AND approval_expires_at > %(after)s
) AS each;

-- name: due_now
-- Which kinds of work are due in one organization and free to be done. What is paused is not.
SELECT EXISTS (
    SELECT FROM feed WHERE organization_id = %(organization_id)s::uuid AND due_at <= %(at)s
        AND (leased_until IS NULL OR leased_until <= %(now)s)
), EXISTS (
    SELECT FROM rule WHERE organization_id = %(organization_id)s::uuid AND next_fire_at <= %(at)s
        AND NOT %(is_paused)s::boolean
), EXISTS (
    SELECT FROM execution WHERE organization_id = %(organization_id)s::uuid AND due_at <= %(at)s AND stage = 'GATHER'
        AND (leased_until IS NULL OR leased_until <= %(now)s) AND NOT %(is_paused)s::boolean
), EXISTS (
    SELECT FROM transfer_leg WHERE organization_id = %(organization_id)s::uuid AND due_at <= %(at)s
        AND (leased_until IS NULL OR leased_until <= %(now)s) AND NOT (is_automatic AND %(is_paused)s::boolean)
), EXISTS (
    SELECT FROM transfer WHERE organization_id = %(organization_id)s::uuid AND status = 'PENDING_APPROVAL'
        AND approval_expires_at <= %(at)s
), EXISTS (
    SELECT FROM execution WHERE organization_id = %(organization_id)s::uuid AND due_at <= %(at)s AND stage = 'SETTLE'
        AND NOT %(is_paused)s::boolean
);

-- name: is_unfinished
-- Something is due by now, or somebody is still at it: a clock must not move on before that has ended. Not only what is
-- leased: a worker may just have ended what makes something else due.
SELECT EXISTS (
    SELECT FROM execution
    WHERE organization_id = %(organization_id)s::uuid AND due_at <= %(at)s
        AND (leased_until > %(now)s OR NOT %(is_paused)s::boolean)
) OR EXISTS (
    SELECT FROM rule
    WHERE organization_id = %(organization_id)s::uuid AND next_fire_at <= %(at)s AND NOT %(is_paused)s::boolean
) OR EXISTS (
    SELECT FROM transfer_leg
    WHERE organization_id = %(organization_id)s::uuid AND due_at <= %(at)s
        AND (leased_until > %(now)s OR NOT (is_automatic AND %(is_paused)s::boolean))
) OR EXISTS (
    SELECT FROM feed WHERE organization_id = %(organization_id)s::uuid AND due_at <= %(at)s
) OR EXISTS (
    SELECT FROM transfer
    WHERE organization_id = %(organization_id)s::uuid AND status = 'PENDING_APPROVAL' AND approval_expires_at <= %(at)s
);
