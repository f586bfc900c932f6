-- name: lock_accounts
-- In id order, so that two transactions never wait for each other. NO KEY UPDATE lets foreign keys point here meanwhile.
SELECT a.organization_id, a.id, a.kind, a.external_kind, a.currency, a.floor, a.deleted_at IS NOT NULL,
       a.reported_balance, a.reported_available, a.last_statement_balance, a.last_statement_date,
       a.next_payment_minimum, a.next_payment_due_date, a.interest_rate, a.original_loan_amount,
       a.reported_at, a.reported_error, a.posted, a.held_out, a.expected_in, a.name
FROM account a
JOIN unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[]) AS wanted (organization_id, id)
    ON a.organization_id = wanted.organization_id AND a.id = wanted.id
WHERE a.organization_id = ANY (%(locked_organizations)s::uuid[])
ORDER BY a.organization_id, a.id
FOR NO KEY UPDATE OF a;

-- name: write_balances
-- Only figures that no index covers, so that the update stays on its page.
UPDATE account a SET posted = w.posted, held_out = w.held_out, expected_in = w.expected_in
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(posted)s::bigint[], %(held_out)s::bigint[],
            %(expected_in)s::bigint[]) AS w (organization_id, id, posted, held_out, expected_in)
WHERE a.organization_id = w.organization_id AND a.id = w.id
    AND a.organization_id = ANY (%(locked_organizations)s::uuid[]);

-- name: world_accounts
-- Where money comes from and goes to: one for each organization and currency.
SELECT organization_id, currency, id FROM account
WHERE organization_id = ANY (%(organization_ids)s::uuid[]) AND kind = 'WORLD';

-- name: insert_account
-- Accounts are made one at a time, by people and programs.
-- Two may be the first of a currency at the same moment: the world of the second is the world of the first.
INSERT INTO account (organization_id, id, kind, external_kind, currency, name, description, icon, beneficiary_name,
                     institution_name, routing_number, account_number, floor, reported_balance, reported_available,
                     last_statement_balance, last_statement_date, next_payment_minimum, next_payment_due_date,
                     interest_rate, original_loan_amount, reported_at, reported_error, created_at, updated_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(kind)s, %(external_kind)s, %(currency)s, %(name)s, %(description)s,
        %(icon)s, %(beneficiary_name)s, %(institution_name)s, %(routing_number)s, %(account_number)s, %(floor)s,
        %(reported_balance)s, %(reported_available)s, %(last_statement_balance)s, %(last_statement_date)s,
        %(next_payment_minimum)s, %(next_payment_due_date)s, %(interest_rate)s, %(original_loan_amount)s,
        %(reported_at)s, %(reported_error)s, %(at)s, %(at)s)
ON CONFLICT (organization_id, currency) WHERE kind = 'WORLD' DO NOTHING;

-- name: delete_account
-- Soft: transfers keep pointing at it, and keep its last name.
UPDATE account SET deleted_at = %(at)s, updated_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND deleted_at IS NULL;

-- name: find_account
-- One account with everything that is shown of it, deleted or not.
SELECT organization_id, id, kind, external_kind, currency, floor, deleted_at IS NOT NULL,
       reported_balance, reported_available, last_statement_balance, last_statement_date,
       next_payment_minimum, next_payment_due_date, interest_rate, original_loan_amount,
       reported_at, reported_error, posted, held_out, expected_in,
       name, description, icon, beneficiary_name, institution_name, routing_number, account_number,
       created_at, updated_at, deleted_at
FROM account
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND kind <> 'WORLD';

-- name: list_accounts
-- Newest first, walking the primary key: ids begin with their time.
SELECT organization_id, id, kind, external_kind, currency, floor, deleted_at IS NOT NULL,
       reported_balance, reported_available, last_statement_balance, last_statement_date,
       next_payment_minimum, next_payment_due_date, interest_rate, original_loan_amount,
       reported_at, reported_error, posted, held_out, expected_in,
       name, description, icon, beneficiary_name, institution_name, routing_number, account_number,
       created_at, updated_at, deleted_at
FROM account
WHERE organization_id = %(organization_id)s::uuid
    AND kind <> 'WORLD'
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(with_deleted)s::boolean OR deleted_at IS NULL)
    AND (%(ids)s::uuid[] IS NULL OR id = ANY (%(ids)s::uuid[]))
    AND (%(before_id)s::uuid IS NULL OR id < %(before_id)s::uuid)
ORDER BY id DESC
LIMIT %(limit)s;
