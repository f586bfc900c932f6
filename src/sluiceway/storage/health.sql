-- name: beat
-- By the server's clock, so that machines whose clocks differ agree on how long ago it was.
INSERT INTO worker_heartbeat AS h (worker_id, began_at, beat_at)
VALUES (%(worker_id)s::uuid, clock_timestamp(), clock_timestamp())
ON CONFLICT (worker_id) DO UPDATE SET beat_at = excluded.beat_at
RETURNING beat_at;

-- name: forget_workers
-- The one that ends, and those that were killed long ago: their rows would stay for ever.
DELETE FROM worker_heartbeat
WHERE worker_id = %(worker_id)s::uuid OR beat_at < clock_timestamp() - interval '1 hour'
RETURNING worker_id;

-- name: standing
-- All that a server has to know of the database to say whether it is ready, in one round trip.
SELECT ARRAY(SELECT sha256 FROM schema_migration ORDER BY version),
       (SELECT extract(epoch FROM clock_timestamp() - max(beat_at))::float8 FROM worker_heartbeat);

-- name: is_held
-- Whether anybody's money is held after a restore. A statement of its own: the others' tables are nobody's.
SELECT count(*) FROM organization WHERE held_since IS NOT NULL;

-- name: beats
-- Those that were killed long ago do not count.
SELECT count(*) FILTER (WHERE beat_at > clock_timestamp() - interval '20 seconds'),
       extract(epoch FROM clock_timestamp() - max(beat_at))::float8
FROM worker_heartbeat;

-- name: executions_due
-- Along the index of what is due; each organization is refused more once it has some ten thousand.
SELECT count(*), extract(epoch FROM max(coalesce(o.frozen_at, %(now)s::timestamptz + o.clock_offset)
                                        - greatest(e.due_at, e.created_at)))::float8
FROM organization o JOIN execution e ON e.organization_id = o.id
WHERE o.paused_at IS NULL AND o.held_since IS NULL AND e.stage = 'SETTLE'
    AND e.due_at <= coalesce(o.frozen_at, %(now)s::timestamptz + o.clock_offset);

-- name: executions_gathering
-- Few: each of them asks somebody outside.
SELECT count(*) FROM execution WHERE stage = 'GATHER' AND due_at IS NOT NULL;

-- name: payments_due
-- By the clock of each payment's organization.
SELECT count(*),
       extract(epoch FROM max(coalesce(o.frozen_at, %(now)s::timestamptz + o.clock_offset) - l.due_at))::float8
FROM organization o JOIN transfer_leg l ON l.organization_id = o.id
WHERE o.paused_at IS NULL AND o.held_since IS NULL AND l.due_at <= coalesce(o.frozen_at, %(now)s::timestamptz + o.clock_offset);

-- name: payments_at_banks
-- Along the index of what is expected to settle.
SELECT count(*) FROM transfer_leg WHERE status = 'PENDING';

-- name: transfers_to_approve
-- Along the index of what a person decides on.
SELECT count(*) FROM transfer WHERE status = 'PENDING_APPROVAL';

-- name: events_pending
-- An id begins with the real time, whatever the clock of its organization says.
SELECT count(*), extract(epoch FROM %(now)s::timestamptz)
       - min(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)::float8
FROM outbox WHERE is_pending;

-- name: webhooks_late
-- By the real time.
SELECT count(*), extract(epoch FROM %(now)s::timestamptz - min(due_at))::float8 FROM webhook_endpoint
WHERE disabled_at IS NULL AND due_at <= %(now)s;

-- name: verified
-- How far the audit that goes on has come, by the real time; where it has never looked, it says nothing.
SELECT extract(epoch FROM %(now)s::timestamptz - min(verified_to))::float8, coalesce(sum(violations), 0)::float8
FROM audit_look;

-- name: stopped
-- Whose money stands still for a broken promise.
SELECT count(*) FROM organization WHERE stopped_at IS NOT NULL;
