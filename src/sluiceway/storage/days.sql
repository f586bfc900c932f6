-- name: end_days
-- The latest balance of the day is its last. Whoever writes it holds the account's lock.
INSERT INTO account_day (organization_id, account_id, day, balance)
SELECT * FROM unnest(%(organization_ids)s::uuid[], %(account_ids)s::uuid[], %(days)s::date[], %(balances)s::bigint[])
ON CONFLICT (organization_id, account_id, day) DO UPDATE SET balance = excluded.balance;

-- name: add_moved
-- What one batch moved, in order of the key. Whoever adds holds the locks of both accounts.
INSERT INTO rule_day (organization_id, day, rule_id, source_account_id, destination_account_id, moved, transfers,
                      returned)
SELECT * FROM unnest(%(organization_ids)s::uuid[], %(days)s::date[], %(rule_ids)s::uuid[], %(sources)s::uuid[],
                     %(destinations)s::uuid[], %(moved)s::bigint[], %(transfers)s::integer[], %(returned)s::bigint[])
ON CONFLICT (organization_id, day, rule_id, source_account_id, destination_account_id)
    DO UPDATE SET moved = rule_day.moved + excluded.moved, transfers = rule_day.transfers + excluded.transfers,
                  returned = rule_day.returned + excluded.returned;

-- name: balances_by_day
-- With the latest from before, with which the first day begins.
(SELECT day, balance FROM account_day
 WHERE organization_id = %(organization_id)s::uuid AND account_id = %(account_id)s::uuid AND day < %(from_day)s
 ORDER BY day DESC LIMIT 1)
UNION ALL
(SELECT day, balance FROM account_day
 WHERE organization_id = %(organization_id)s::uuid AND account_id = %(account_id)s::uuid
     AND day BETWEEN %(from_day)s AND %(to_day)s
 ORDER BY day LIMIT %(limit)s);

-- name: moved_by_rules_in
-- One stretch of the key: as many rows as rules and ways have moved something, for each day.
SELECT rule_id, source_account_id, destination_account_id, sum(moved)::bigint, sum(transfers)::bigint,
       sum(returned)::bigint
FROM rule_day
WHERE organization_id = %(organization_id)s::uuid AND day BETWEEN %(from_day)s AND %(to_day)s
    AND (%(rule_id)s::uuid IS NULL OR rule_id = %(rule_id)s::uuid)
GROUP BY rule_id, source_account_id, destination_account_id;
