-- name: caps_used
-- Read inside the organization's gate, where nobody else adds to them.
SELECT c.organization_id, c.rule_id, c.step, c.group_index, c.period, c.starts_on, c.used
FROM cap_used c
JOIN unnest(%(organization_ids)s::uuid[], %(rule_ids)s::uuid[], %(steps)s::smallint[], %(groups)s::smallint[],
            %(periods)s::text[], %(starts_on)s::date[])
    AS w (organization_id, rule_id, step, group_index, period, starts_on)
    ON c.organization_id = w.organization_id AND c.rule_id = w.rule_id AND c.step = w.step
    AND c.group_index = w.group_index AND c.period = w.period AND c.starts_on = w.starts_on
WHERE (%(only)s::uuid IS NULL OR c.organization_id = %(only)s);

-- name: add_caps_used
-- A period's first use makes its row.
INSERT INTO cap_used (organization_id, rule_id, step, group_index, period, starts_on, used)
SELECT * FROM unnest(%(organization_ids)s::uuid[], %(rule_ids)s::uuid[], %(steps)s::smallint[], %(groups)s::smallint[],
                     %(periods)s::text[], %(starts_on)s::date[], %(used)s::bigint[])
ON CONFLICT (organization_id, rule_id, step, group_index, period, starts_on)
    DO UPDATE SET used = cap_used.used + excluded.used;
