-- name: insert_card_transactions
-- What a batch of cards has done, also where nothing moved.
INSERT INTO card_transaction (organization_id, id, card_id, account_id, direction, subtype, status, decline_reason,
                              amount, description, purchase_id, key_id, created_at, completed_at)
SELECT w.organization_id, w.id, w.card_id, w.account_id, w.direction, w.subtype, w.status, w.decline_reason, w.amount,
       w.description, w.purchase_id, w.key_id, w.at, CASE WHEN w.status = 'COMPLETE' THEN w.at END
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(card_ids)s::uuid[], %(account_ids)s::uuid[],
            %(directions)s::text[], %(subtypes)s::text[], %(statuses)s::text[], %(decline_reasons)s::text[],
            %(amounts)s::bigint[], %(descriptions)s::text[], %(purchase_ids)s::uuid[], %(key_ids)s::uuid[],
            %(ats)s::timestamptz[])
    AS w (organization_id, id, card_id, account_id, direction, subtype, status, decline_reason, amount, description,
          purchase_id, key_id, at);

-- name: refund_purchases
-- Under the lock of their card, which every refund of them holds. The schema keeps them from giving back more than paid.
UPDATE card_transaction c SET refunded = w.refunded
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(refunded)s::bigint[]) AS w (organization_id, id, refunded)
WHERE c.organization_id = w.organization_id AND c.id = w.id
    AND (%(only)s::uuid IS NULL OR c.organization_id = %(only)s);

-- name: find_card_transactions
-- With what has been given back of each, which holds for whoever has locked its card.
SELECT t.organization_id, t.id, t.card_id, c.kind, t.account_id, a.name, a.kind, a.deleted_at IS NOT NULL, t.direction,
       t.subtype, t.status, t.decline_reason, t.amount, a.currency, t.description, t.purchase_id, t.created_at,
       t.completed_at, t.refunded
FROM card_transaction t
JOIN unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[]) AS w (organization_id, id)
    ON t.organization_id = w.organization_id AND t.id = w.id
JOIN card c ON c.organization_id = t.organization_id AND c.id = t.card_id
JOIN account a ON a.organization_id = t.organization_id AND a.id = t.account_id
WHERE (%(only)s::uuid IS NULL OR t.organization_id = %(only)s)
    AND (%(only)s::uuid IS NULL OR c.organization_id = %(only)s)
    AND (%(only)s::uuid IS NULL OR a.organization_id = %(only)s);

-- name: transactions_of_card
-- Newest first, walking the card's index. The card's kind is looked up, not joined: a plan for any limit might read all.
SELECT t.organization_id, t.id, t.card_id,
       (SELECT c.kind FROM card c WHERE c.organization_id = %(organization_id)s::uuid AND c.id = t.card_id),
       t.account_id, a.name, a.kind, a.deleted_at IS NOT NULL, t.direction, t.subtype, t.status, t.decline_reason,
       t.amount, a.currency, t.description, t.purchase_id, t.created_at, t.completed_at, t.refunded
FROM (
    SELECT * FROM card_transaction f
    WHERE f.organization_id = %(organization_id)s::uuid AND f.card_id = %(card_id)s::uuid
        AND (%(account_ids)s::uuid[] IS NULL OR f.account_id = ANY (%(account_ids)s::uuid[]))
        AND (%(direction)s::text IS NULL OR f.direction = %(direction)s)
        AND (%(status)s::text IS NULL OR f.status = %(status)s)
        AND (%(from_at)s::timestamptz IS NULL OR f.created_at >= %(from_at)s)
        AND (%(to_at)s::timestamptz IS NULL OR f.created_at <= %(to_at)s)
        AND f.id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ORDER BY f.id DESC LIMIT %(limit)s
) AS t
JOIN account a ON a.organization_id = %(organization_id)s::uuid AND a.id = t.account_id
ORDER BY t.id DESC;

-- name: transactions_of_account
-- What has been settled, newest first, walking the account's index; of one card, that card's, which the account's index
-- of what is COMPLETE cannot stand in for: a card that is seldom used would be looked for among all others.
SELECT t.organization_id, t.id, t.card_id,
       (SELECT c.kind FROM card c WHERE c.organization_id = %(organization_id)s::uuid AND c.id = t.card_id),
       t.account_id, a.name, a.kind, a.deleted_at IS NOT NULL, t.direction, t.subtype, t.status, t.decline_reason,
       t.amount, a.currency, t.description, t.purchase_id, t.created_at, t.completed_at, t.refunded
FROM (
    (SELECT * FROM card_transaction f
     WHERE f.organization_id = %(organization_id)s::uuid AND f.account_id = %(account_id)s::uuid
         AND f.status = 'COMPLETE' AND %(card_id)s::uuid IS NULL
         AND (%(from_at)s::timestamptz IS NULL OR f.created_at >= %(from_at)s)
         AND (%(to_at)s::timestamptz IS NULL OR f.created_at <= %(to_at)s)
     ORDER BY f.id DESC LIMIT %(limit)s OFFSET %(offset)s)
    UNION ALL
    (SELECT * FROM card_transaction f
     WHERE f.organization_id = %(organization_id)s::uuid AND f.card_id = %(card_id)s::uuid
         AND f.account_id = %(account_id)s::uuid AND f.status <> 'DECLINED' AND %(card_id)s::uuid IS NOT NULL
         AND (%(from_at)s::timestamptz IS NULL OR f.created_at >= %(from_at)s)
         AND (%(to_at)s::timestamptz IS NULL OR f.created_at <= %(to_at)s)
     ORDER BY f.id DESC LIMIT %(limit)s OFFSET %(offset)s)
) AS t
JOIN account a ON a.organization_id = %(organization_id)s::uuid AND a.id = t.account_id
ORDER BY t.id DESC;
