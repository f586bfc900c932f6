-- name: set_target
-- A new one takes the place of the old one, and is paced from now on.
INSERT INTO account_target (organization_id, account_id, amount, by_day, from_day, from_balance)
VALUES (%(organization_id)s::uuid, %(account_id)s::uuid, %(amount)s, %(by_day)s::date, %(from_day)s::date,
        %(from_balance)s)
ON CONFLICT (organization_id, account_id) DO UPDATE SET amount = excluded.amount, by_day = excluded.by_day,
                                                        from_day = excluded.from_day,
                                                        from_balance = excluded.from_balance;

-- name: clear_target
-- Wants nothing more of the account.
DELETE FROM account_target
WHERE organization_id = %(organization_id)s::uuid AND account_id = %(account_id)s::uuid;

-- name: list_targets
-- Those of an organization, along the key: at most as many as accounts.
SELECT account_id, amount, by_day, from_day, from_balance FROM account_target
WHERE organization_id = %(organization_id)s::uuid
    AND (%(account_id)s::uuid IS NULL OR account_id = %(account_id)s::uuid);
