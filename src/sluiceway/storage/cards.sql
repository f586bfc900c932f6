-- name: insert_card
-- Cards are issued one at a time.
INSERT INTO card (organization_id, id, account_id, kind, type, status, last_four, holder_name, expires_on, created_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(account_id)s::uuid, %(kind)s, %(type)s, %(status)s, %(last_four)s,
        %(holder_name)s, %(expires_on)s, %(created_at)s);

-- name: lock_cards
-- Before the accounts that they pay from, in key order. Who uses a card, refunds it, or changes it, comes one at a time.
SELECT c.organization_id, c.id, c.account_id, c.kind, c.type, c.status, c.last_four, c.holder_name, c.expires_on,
       c.created_at
FROM card c
JOIN unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[]) AS w (organization_id, id)
    ON c.organization_id = w.organization_id AND c.id = w.id
WHERE (%(only)s::uuid IS NULL OR c.organization_id = %(only)s)
ORDER BY c.organization_id, c.id
FOR NO KEY UPDATE OF c;

-- name: set_card
-- Under its lock: what can change of a card.
UPDATE card SET status = %(status)s, account_id = %(account_id)s::uuid
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: find_card
-- One card.
SELECT organization_id, id, account_id, kind, type, status, last_four, holder_name, expires_on, created_at
FROM card WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid;

-- name: list_cards
-- Of one account, newest first, walking its index: ids begin with their time.
SELECT organization_id, id, account_id, kind, type, status, last_four, holder_name, expires_on, created_at
FROM card
WHERE organization_id = %(organization_id)s::uuid AND account_id = %(account_id)s::uuid
    AND (%(status)s::text IS NULL OR status = %(status)s)
    AND (%(type)s::text IS NULL OR type = %(type)s)
    AND id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC LIMIT %(limit)s;

-- name: every_card
-- Of an organization, oldest first: people who look at all of them have few.
SELECT organization_id, id, account_id, kind, type, status, last_four, holder_name, expires_on, created_at
FROM card WHERE organization_id = %(organization_id)s::uuid ORDER BY id;

-- name: has_active_card
-- Under the account's lock, which whoever makes a card active or lets one pay from here holds too.
SELECT id FROM card
WHERE organization_id = %(organization_id)s::uuid AND account_id = %(account_id)s::uuid AND status = 'ACTIVE'
LIMIT 1;
