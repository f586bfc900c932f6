-- name: insert_declines
-- So many purchases of a card are declined. Whoever repeats a call names the same `asked_id`, and asks for nothing more.
INSERT INTO issuer_decline (organization_id, card_id, asked_id, number)
SELECT %(organization_id)s::uuid, %(card_id)s::uuid, %(asked_id)s::uuid, n
FROM generate_series(1, %(times)s::integer) AS n
ON CONFLICT DO NOTHING;

-- name: has_declines
-- Mostly there are none, and then nobody has to be locked.
SELECT d.card_id FROM issuer_decline d
JOIN unnest(%(organization_ids)s::uuid[], %(card_ids)s::uuid[]) AS w (organization_id, card_id)
    ON d.organization_id = w.organization_id AND d.card_id = w.card_id
WHERE (%(only)s::uuid IS NULL OR d.organization_id = %(only)s)
LIMIT 1;

-- name: lock_declines
-- What is still waiting for a purchase, and what these have met before. In key order, which is the order of asking.
SELECT d.organization_id, d.card_id, d.asked_id, d.number, d.purchase_key FROM issuer_decline d
JOIN (SELECT DISTINCT * FROM unnest(%(organization_ids)s::uuid[], %(card_ids)s::uuid[])) AS w (organization_id, card_id)
    ON d.organization_id = w.organization_id AND d.card_id = w.card_id
WHERE (%(only)s::uuid IS NULL OR d.organization_id = %(only)s)
    AND (d.purchase_key IS NULL OR d.purchase_key = ANY (%(purchase_keys)s::text[]))
ORDER BY d.organization_id, d.card_id, d.asked_id, d.number
FOR NO KEY UPDATE OF d;

-- name: take_declines
-- Each has found its purchase.
UPDATE issuer_decline d SET purchase_key = w.purchase_key
FROM unnest(%(organization_ids)s::uuid[], %(card_ids)s::uuid[], %(asked_ids)s::uuid[], %(numbers)s::integer[],
            %(purchase_keys)s::text[]) AS w (organization_id, card_id, asked_id, number, purchase_key)
WHERE d.organization_id = w.organization_id AND d.card_id = w.card_id AND d.asked_id = w.asked_id
    AND d.number = w.number AND (%(only)s::uuid IS NULL OR d.organization_id = %(only)s);
