-- name: insert_organization
-- With a clock that is right, and automation that runs.
INSERT INTO organization (id, name, mode, created_at) VALUES (%(id)s::uuid, %(name)s, %(mode)s, %(at)s);

-- name: find_organizations
-- The mode decides whether sandbox operations exist, the minimum how small a transfer may be.
SELECT id, name, mode, minimum_transfer, clock_offset, frozen_at, paused_at, approval_lasts, handover_delay,
       held_since, restored_at, stopped_for, time_zone
FROM organization WHERE id = ANY (%(ids)s::uuid[]);

-- name: list_organizations
-- For operators at the command line and the audit; an installation has few.
SELECT id, name, mode, minimum_transfer, clock_offset, frozen_at, paused_at, approval_lasts, handover_delay,
       held_since, restored_at, stopped_for, time_zone
FROM organization ORDER BY id;

-- name: lock_organizations
-- The gate of settlement and of everything that changes rules or deletes accounts: one of them at a time for each
-- organization, so that rules of one account keep their order and a disabled rule moves nothing more. In id order.
-- NO KEY UPDATE, or it would stop every insert that points at the organization.
SELECT id, name, mode, minimum_transfer, clock_offset, frozen_at, paused_at, approval_lasts, handover_delay,
       held_since, restored_at, stopped_for, time_zone
FROM organization
WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE;

-- name: lock_free_organizations
-- For workers: what another worker is settling is left to it.
SELECT id, name, mode, minimum_transfer, clock_offset, frozen_at, paused_at, approval_lasts, handover_delay,
       held_since, restored_at, stopped_for, time_zone
FROM organization
WHERE id = ANY (%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED;

-- name: set_clock
-- Inside the gate, so that nothing is being decided by the time that it was.
UPDATE organization SET clock_offset = %(offset)s::interval, frozen_at = %(frozen_at)s::timestamptz
WHERE id = %(id)s::uuid;

-- name: set_paused
-- Inside the gate: when this commits, automation moves nothing more.
UPDATE organization SET paused_at = %(paused_at)s::timestamptz WHERE id = %(id)s::uuid;

-- name: set_waits
-- How long an approval is waited for, and how long before a payment is handed over.
UPDATE organization SET approval_lasts = %(approval_lasts)s::interval, handover_delay = %(handover_delay)s::interval
WHERE id = %(id)s::uuid;

-- name: set_time_zone
-- In which zone times are shown to people. Nothing runs by it, so nobody waits at the gate for it.
UPDATE organization SET time_zone = %(time_zone)s WHERE id = %(id)s::uuid;

-- name: set_stopped
-- Inside the gate: when this commits, no money moves. It is paused with it, unless it was paused already, and goes on with
-- it unless it was.
UPDATE organization SET
    paused_at = CASE WHEN %(stopped_at)s::timestamptz IS NOT NULL THEN coalesce(paused_at, %(stopped_at)s::timestamptz)
                     WHEN paused_at = stopped_at THEN NULL ELSE paused_at END,
    stopped_at = %(stopped_at)s::timestamptz, stopped_for = %(stopped_for)s
WHERE id = %(id)s::uuid;
