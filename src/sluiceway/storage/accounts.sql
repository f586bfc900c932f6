-- name: lock_accounts
-- In id order, so that two transactions never wait for each other. NO KEY UPDATE lets foreign keys point here meanwhile.
SELECT a.organization_id, a.id, a.kind, a.external_kind, a.currency, a.floor, a.deleted_at IS NOT NULL,
       a.reported_balance, a.reported_available, a.last_statement_balance, a.last_statement_date,
       a.next_payment_minimum, a.next_payment_due_date, a.interest_rate, a.original_loan_amount,
       a.reported_at, a.reported_error, a.posted, a.held_out, a.expected_in, a.overdrawn, a.name,
       a.linked_account_id
FROM account a
JOIN (
    SELECT w.organization_id, w.id FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[]) AS w (organization_id, id)
    UNION
    -- With a liability its holding pod, where payments to it wait.
    SELECT w.organization_id, p.id
    FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[]) AS w (organization_id, id)
    JOIN account p ON p.organization_id = w.organization_id AND p.linked_account_id = w.id AND p.deleted_at IS NULL
    WHERE (%(only)s::uuid IS NULL OR p.organization_id = %(only)s)
) AS wanted ON a.organization_id = wanted.organization_id AND a.id = wanted.id
WHERE (%(only)s::uuid IS NULL OR a.organization_id = %(only)s)
ORDER BY a.organization_id, a.id
FOR NO KEY UPDATE OF a;

-- name: write_balances
-- Only figures that no index covers, so that the update stays on its page.
UPDATE account a SET posted = w.posted, held_out = w.held_out, expected_in = w.expected_in, overdrawn = w.overdrawn
FROM unnest(%(organization_ids)s::uuid[], %(ids)s::uuid[], %(posted)s::bigint[], %(held_out)s::bigint[],
            %(expected_in)s::bigint[], %(overdrawn)s::bigint[])
    AS w (organization_id, id, posted, held_out, expected_in, overdrawn)
WHERE a.organization_id = w.organization_id AND a.id = w.id
    AND (%(only)s::uuid IS NULL OR a.organization_id = %(only)s);

-- name: own_accounts
-- Where money comes from and goes to, and where it rests between banks: one each for every organization and currency.
SELECT organization_id, currency, kind, id FROM account
WHERE organization_id = ANY (%(organization_ids)s::uuid[]) AND kind = 'WORLD'
UNION ALL
SELECT organization_id, currency, kind, id FROM account
WHERE organization_id = ANY (%(organization_ids)s::uuid[]) AND kind = 'CLEARING';

-- name: insert_account
-- Accounts are made one at a time, by people and programs.
INSERT INTO account (organization_id, id, kind, external_kind, currency, name, description, icon, beneficiary_name,
                     institution_name, routing_number, account_number, floor, reported_balance, reported_available,
                     last_statement_balance, last_statement_date, next_payment_minimum, next_payment_due_date,
                     interest_rate, original_loan_amount, reported_at, reported_error, linked_account_id, created_at,
                     updated_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(kind)s, %(external_kind)s, %(currency)s, %(name)s, %(description)s,
        %(icon)s, %(beneficiary_name)s, %(institution_name)s, %(routing_number)s, %(account_number)s, %(floor)s,
        %(reported_balance)s, %(reported_available)s, %(last_statement_balance)s, %(last_statement_date)s,
        %(next_payment_minimum)s, %(next_payment_due_date)s, %(interest_rate)s, %(original_loan_amount)s,
        %(reported_at)s, %(reported_error)s, %(linked_account_id)s::uuid, %(at)s, %(at)s);

-- name: insert_own_account
-- Two may be the first of a currency at the same moment: the world of the second is the world of the first.
INSERT INTO account (organization_id, id, kind, currency, name, created_at, updated_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(kind)s, %(currency)s, %(name)s, %(at)s, %(at)s)
ON CONFLICT DO NOTHING;

-- name: write_report
-- What the institution says now; figures that it leaves out are unknown.
UPDATE account SET reported_balance = %(balance)s, reported_available = %(available)s,
                   last_statement_balance = %(last_statement_balance)s, last_statement_date = %(last_statement_date)s,
                   next_payment_minimum = %(next_payment_minimum)s, next_payment_due_date = %(next_payment_due_date)s,
                   interest_rate = %(interest_rate)s, original_loan_amount = %(original_loan_amount)s,
                   reported_at = %(at)s, reported_error = NULL
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND kind = 'EXTERNAL_ACCOUNT';

-- name: write_report_error
-- The balance could not be had: the last figures and their time stay, under the error.
UPDATE account SET reported_error = %(error)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND kind = 'EXTERNAL_ACCOUNT';

-- name: reopen_accounts
-- A return has come for money of an account that was deleted: it is there again, so that somebody sees to it.
UPDATE account SET deleted_at = NULL, updated_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = ANY (%(ids)s::uuid[]);

-- name: delete_account
-- Soft: transfers keep pointing at it, and keep its last name.
UPDATE account SET deleted_at = %(at)s, updated_at = %(at)s
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND deleted_at IS NULL;

-- name: external_accounts
-- Those with a feed, through its key: what scheduled rules refresh before they run.
SELECT f.subject_id FROM feed f
WHERE f.organization_id = %(organization_id)s::uuid AND f.subject_id <> f.organization_id;

-- name: find_account
-- One account with everything that is shown of it, deleted or not.
SELECT organization_id, id, kind, external_kind, currency, floor, deleted_at IS NOT NULL,
       reported_balance, reported_available, last_statement_balance, last_statement_date,
       next_payment_minimum, next_payment_due_date, interest_rate, original_loan_amount,
       reported_at, reported_error, posted, held_out, expected_in, overdrawn,
       name, linked_account_id, description, icon, beneficiary_name, institution_name, routing_number, account_number,
       created_at, updated_at, deleted_at
FROM account
WHERE organization_id = %(organization_id)s::uuid AND id = %(id)s::uuid AND kind NOT IN ('WORLD', 'CLEARING');

-- name: find_accounts
-- The facts of those that somebody names, each by its key: a list cut down to them may walk all that there are.
SELECT a.organization_id, a.id, a.kind, a.external_kind, a.currency, a.floor, a.deleted_at IS NOT NULL,
       a.reported_balance, a.reported_available, a.last_statement_balance, a.last_statement_date,
       a.next_payment_minimum, a.next_payment_due_date, a.interest_rate, a.original_loan_amount,
       a.reported_at, a.reported_error, a.posted, a.held_out, a.expected_in, a.overdrawn, a.name, a.linked_account_id
FROM unnest(%(ids)s::uuid[]) AS w (id)
JOIN account a ON a.organization_id = %(organization_id)s::uuid AND a.id = w.id
WHERE a.kind NOT IN ('WORLD', 'CLEARING');

-- name: list_accounts
-- Newest first, walking the primary key: ids begin with their time.
SELECT organization_id, id, kind, external_kind, currency, floor, deleted_at IS NOT NULL,
       reported_balance, reported_available, last_statement_balance, last_statement_date,
       next_payment_minimum, next_payment_due_date, interest_rate, original_loan_amount,
       reported_at, reported_error, posted, held_out, expected_in, overdrawn,
       name, linked_account_id, description, icon, beneficiary_name, institution_name, routing_number, account_number,
       created_at, updated_at, deleted_at
FROM account
WHERE organization_id = %(organization_id)s::uuid
    AND kind NOT IN ('WORLD', 'CLEARING')
    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
    AND (%(with_deleted)s::boolean OR deleted_at IS NULL)
    AND (%(ids)s::uuid[] IS NULL OR id = ANY (%(ids)s::uuid[]))
    AND id < coalesce(%(before_id)s::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
ORDER BY id DESC
LIMIT %(limit)s OFFSET %(offset)s;
