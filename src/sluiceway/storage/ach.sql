-- name: limits
-- What organizations may send and take in a period; locked, so that two transactions never share the same room.
SELECT organization_id, side, period, amount, transfers FROM ach_limit
WHERE organization_id = ANY (%(organization_ids)s::uuid[])
ORDER BY organization_id, side, period
FOR NO KEY UPDATE;

-- name: used
-- What has been used of it, in the periods that count now.
SELECT u.organization_id, u.side, u.period, u.amount, u.transfers
FROM ach_used u
JOIN unnest(%(organization_ids)s::uuid[], %(sides)s::text[], %(periods)s::text[], %(starts_on)s::date[])
    AS w (organization_id, side, period, starts_on)
    ON u.organization_id = w.organization_id AND u.side = w.side AND u.period = w.period
    AND u.starts_on = w.starts_on
WHERE (%(only)s::uuid IS NULL OR u.organization_id = %(only)s);

-- name: use
-- In key order, so that two transactions never wait for each other.
INSERT INTO ach_used (organization_id, side, period, starts_on, amount, transfers)
SELECT w.* FROM unnest(%(organization_ids)s::uuid[], %(sides)s::text[], %(periods)s::text[], %(starts_on)s::date[],
                       %(amounts)s::bigint[], %(transfers)s::integer[])
    AS w (organization_id, side, period, starts_on, amount, transfers)
ORDER BY w.organization_id, w.side, w.period, w.starts_on
ON CONFLICT (organization_id, side, period, starts_on)
    DO UPDATE SET amount = ach_used.amount + excluded.amount, transfers = ach_used.transfers + excluded.transfers;

-- name: set_limit
-- One for each direction and period.
INSERT INTO ach_limit (organization_id, side, period, amount, transfers)
VALUES (%(organization_id)s::uuid, %(side)s, %(period)s, %(amount)s, %(transfers)s)
ON CONFLICT (organization_id, side, period) DO UPDATE SET amount = excluded.amount, transfers = excluded.transfers;

-- name: list_limits
-- With what has been used of each in the period that counts now.
SELECT l.side, l.period, l.amount, l.transfers, coalesce(u.amount, 0), coalesce(u.transfers, 0)
FROM ach_limit l
LEFT JOIN ach_used u ON u.organization_id = l.organization_id AND u.side = l.side AND u.period = l.period
    AND u.starts_on = CASE l.period WHEN 'DAY' THEN %(day)s::date ELSE %(month)s::date END
WHERE l.organization_id = %(organization_id)s::uuid
ORDER BY l.side, l.period;
