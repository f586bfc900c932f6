-- Values that are sealed, wherever they are: how many each key has sealed, and sealing them with another one. Owns no
-- table; what the values are means nothing here. A mark is what those begin with that a key has sealed, 21 letters.

-- name: rules_by_key
-- How many each key has sealed; NULL: nobody has, and they lie open.
SELECT CASE WHEN starts_with(secret, 'sw1.') THEN split_part(secret, '.', 2) END, count(*) FROM rule
WHERE organization_id = %(organization_id)s::uuid AND secret IS NOT NULL GROUP BY 1;

-- name: organizations_of_rules
-- Who has some that none of these keys has sealed.
SELECT o.id FROM organization o
WHERE EXISTS (
    SELECT FROM rule t
    WHERE t.organization_id = o.id AND t.secret IS NOT NULL AND NOT left(t.secret, 21) = ANY (%(marks)s::text[])
);

-- name: lock_rules
-- A few of them, so that nobody changes them meanwhile and nobody waits for long.
SELECT id, secret FROM rule
WHERE organization_id = %(organization_id)s::uuid AND secret IS NOT NULL AND left(secret, 21) <> %(mark)s
ORDER BY id LIMIT %(limit)s
FOR NO KEY UPDATE;

-- name: seal_rules
-- In the transaction that has locked them.
UPDATE rule t SET secret = w.sealed
FROM unnest(%(ids)s::uuid[], %(sealed)s::text[]) AS w (id, sealed)
WHERE t.organization_id = %(organization_id)s::uuid AND t.id = w.id;

-- name: endpoints_by_key
-- How many each key has sealed; NULL: nobody has, and they lie open.
SELECT CASE WHEN starts_with(secret, 'sw1.') THEN split_part(secret, '.', 2) END, count(*) FROM webhook_endpoint
WHERE organization_id = %(organization_id)s::uuid AND secret IS NOT NULL GROUP BY 1;

-- name: organizations_of_endpoints
-- Who has some that none of these keys has sealed.
SELECT o.id FROM organization o
WHERE EXISTS (
    SELECT FROM webhook_endpoint t
    WHERE t.organization_id = o.id AND t.secret IS NOT NULL AND NOT left(t.secret, 21) = ANY (%(marks)s::text[])
);

-- name: lock_endpoints
-- A few of them, so that nobody changes them meanwhile and nobody waits for long.
SELECT id, secret FROM webhook_endpoint
WHERE organization_id = %(organization_id)s::uuid AND secret IS NOT NULL AND left(secret, 21) <> %(mark)s
ORDER BY id LIMIT %(limit)s
FOR NO KEY UPDATE;

-- name: seal_endpoints
-- In the transaction that has locked them.
UPDATE webhook_endpoint t SET secret = w.sealed
FROM unnest(%(ids)s::uuid[], %(sealed)s::text[]) AS w (id, sealed)
WHERE t.organization_id = %(organization_id)s::uuid AND t.id = w.id;

-- name: previous_by_key
-- How many each key has sealed; NULL: nobody has, and they lie open.
SELECT CASE WHEN starts_with(previous_secret, 'sw1.') THEN split_part(previous_secret, '.', 2) END, count(*) FROM webhook_endpoint
WHERE organization_id = %(organization_id)s::uuid AND previous_secret IS NOT NULL GROUP BY 1;

-- name: organizations_of_previous
-- Who has some that none of these keys has sealed.
SELECT o.id FROM organization o
WHERE EXISTS (
    SELECT FROM webhook_endpoint t
    WHERE t.organization_id = o.id AND t.previous_secret IS NOT NULL AND NOT left(t.previous_secret, 21) = ANY (%(marks)s::text[])
);

-- name: lock_previous
-- A few of them, so that nobody changes them meanwhile and nobody waits for long.
SELECT id, previous_secret FROM webhook_endpoint
WHERE organization_id = %(organization_id)s::uuid AND previous_secret IS NOT NULL AND left(previous_secret, 21) <> %(mark)s
ORDER BY id LIMIT %(limit)s
FOR NO KEY UPDATE;

-- name: seal_previous
-- In the transaction that has locked them.
UPDATE webhook_endpoint t SET previous_secret = w.sealed
FROM unnest(%(ids)s::uuid[], %(sealed)s::text[]) AS w (id, sealed)
WHERE t.organization_id = %(organization_id)s::uuid AND t.id = w.id;

-- name: totp_by_key
-- How many each key has sealed; NULL: nobody has, and they lie open.
SELECT CASE WHEN starts_with(secret, 'sw1.') THEN split_part(secret, '.', 2) END, count(*) FROM totp
WHERE organization_id = %(organization_id)s::uuid AND secret IS NOT NULL GROUP BY 1;

-- name: organizations_of_totp
-- Who has some that none of these keys has sealed.
SELECT o.id FROM organization o
WHERE EXISTS (
    SELECT FROM totp t
    WHERE t.organization_id = o.id AND t.secret IS NOT NULL AND NOT left(t.secret, 21) = ANY (%(marks)s::text[])
);

-- name: lock_totp
-- A few of them, so that nobody changes them meanwhile and nobody waits for long.
SELECT person_id, secret FROM totp
WHERE organization_id = %(organization_id)s::uuid AND secret IS NOT NULL AND left(secret, 21) <> %(mark)s
ORDER BY person_id LIMIT %(limit)s
FOR NO KEY UPDATE;

-- name: seal_totp
-- In the transaction that has locked them.
UPDATE totp t SET secret = w.sealed
FROM unnest(%(ids)s::uuid[], %(sealed)s::text[]) AS w (id, sealed)
WHERE t.organization_id = %(organization_id)s::uuid AND t.person_id = w.id;
