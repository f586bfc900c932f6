-- name: list_restorations
-- A row for each restore of each organization: few.
SELECT organization_id, epoch, backup_id, taken_at, restored_at, is_recorded, released_at, released_by
FROM restoration ORDER BY organization_id, epoch;

-- name: mark_recorded
-- With the entry, in its transaction.
UPDATE restoration SET is_recorded = true WHERE organization_id = %(organization_id)s::uuid AND epoch = %(epoch)s;

-- name: release
-- Once: who has released it stays.
UPDATE restoration SET released_at = %(at)s, released_by = %(by)s
WHERE organization_id = %(organization_id)s::uuid AND epoch = %(epoch)s AND released_at IS NULL;

-- name: hold_no_more
-- restored_at stays: what belongs to the time before waits for a person.
UPDATE organization SET held_since = NULL WHERE id = %(organization_id)s::uuid;

-- name: insert_origin
-- It may come twice.
INSERT INTO restored_origin (organization_id, origin_id) VALUES (%(organization_id)s::uuid, %(origin_id)s::uuid)
ON CONFLICT DO NOTHING;

-- name: find_origins
-- By key, for the runs of a batch.
SELECT r.organization_id, r.origin_id
FROM unnest(%(organization_ids)s::uuid[], %(origin_ids)s::uuid[]) AS w (organization_id, origin_id)
JOIN restored_origin r ON r.organization_id = w.organization_id AND r.origin_id = w.origin_id
WHERE r.organization_id = ANY (%(organization_ids)s::uuid[]);

-- name: unsettled_legs
-- Payments that were waiting to be handed over, or at a bank, when the backup was taken; the oldest first.
SELECT l.id, l.transfer_id, l.purpose, a.name, l.account_id, l.amount, a.currency, l.status, l.attempts
FROM transfer_leg l JOIN account a ON a.organization_id = l.organization_id AND a.id = l.account_id
WHERE l.organization_id = %(organization_id)s::uuid AND a.organization_id = %(organization_id)s::uuid
    AND l.status IN ('PROCESSING', 'PENDING')
ORDER BY l.id LIMIT %(limit)s;

-- name: unknown_payments
-- Which keys of payments that a bank names are none of ours.
SELECT w.id FROM unnest(%(ids)s::uuid[]) AS w (id)
WHERE NOT EXISTS (
    SELECT FROM transfer_leg l WHERE l.organization_id = %(organization_id)s::uuid AND l.id = w.id
);

-- name: cursors
-- How far what banks tell had been read.
SELECT f.subject_id, f.cursor, a.name FROM feed f
LEFT JOIN account a ON a.organization_id = %(organization_id)s::uuid AND a.id = f.subject_id
WHERE f.organization_id = %(organization_id)s::uuid ORDER BY f.subject_id;

-- name: waiting
-- What waits, of each kind.
SELECT (SELECT count(*) FROM execution
        WHERE organization_id = %(organization_id)s::uuid AND due_at IS NOT NULL AND stage = 'SETTLE'),
       (SELECT count(*) FROM execution
        WHERE organization_id = %(organization_id)s::uuid AND due_at IS NOT NULL AND stage = 'GATHER'),
       (SELECT count(*) FROM transfer WHERE organization_id = %(organization_id)s::uuid AND status = 'PENDING_APPROVAL'),
       (SELECT count(*) FROM outbox WHERE organization_id = %(organization_id)s::uuid AND is_pending),
       (SELECT count(*) FROM webhook_delivery
        WHERE organization_id = %(organization_id)s::uuid AND status = 'PENDING');

-- name: schedules_passed
-- Rules whose time has come since the backup: they may have run before the restore.
SELECT r.id, v.definition ->> 'name', r.next_fire_at FROM rule r
JOIN rule_revision v ON v.organization_id = r.organization_id AND v.rule_id = r.id AND v.revision = r.revision
WHERE r.organization_id = %(organization_id)s::uuid AND v.organization_id = %(organization_id)s::uuid
    AND r.next_fire_at <= %(at)s AND r.next_fire_at > '-infinity'
ORDER BY r.next_fire_at, r.id;
