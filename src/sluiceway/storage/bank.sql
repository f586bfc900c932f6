-- The sandbox bank's books. Everything is read and written under the lock on the organization's row of bank_book; the
-- audit reads it in a snapshot.

-- name: insert_book
-- The first call makes the book; of two first calls the second finds it made.
INSERT INTO bank_book (organization_id, reached_at) VALUES (%(organization_id)s::uuid, %(at)s::timestamptz)
ON CONFLICT (organization_id) DO NOTHING;

-- name: lock_book
-- One call at a time for each organization, so that nothing happens twice and everything happens in order.
SELECT reached_at, entries, reports FROM bank_book WHERE organization_id = %(organization_id)s::uuid
ORDER BY organization_id FOR NO KEY UPDATE;

-- name: write_book
-- How far the bank has come.
UPDATE bank_book SET reached_at = %(at)s::timestamptz, entries = %(entries)s, reports = %(reports)s
WHERE organization_id = %(organization_id)s::uuid;

-- name: insert_account
-- An account that is there already stays as it is, so that opening one may be repeated.
INSERT INTO bank_account (organization_id, id, kind, holder_name, currency, state, opening_balance, opening_available,
                          balance, available, last_statement_balance, last_statement_date, next_payment_minimum,
                          next_payment_due_date, interest_rate, original_loan_amount, opened_at)
VALUES (%(organization_id)s::uuid, %(id)s::uuid, %(kind)s, %(holder_name)s, %(currency)s, %(state)s, %(balance)s,
        %(available)s, %(balance)s, %(available)s, %(last_statement_balance)s, %(last_statement_date)s,
        %(next_payment_minimum)s, %(next_payment_due_date)s, %(interest_rate)s, %(original_loan_amount)s,
        %(at)s::timestamptz)
ON CONFLICT (organization_id, id) DO NOTHING;

-- name: find_accounts
-- Those that the bank knows.
SELECT id, kind, holder_name, currency, state, balance, available, last_statement_balance, last_statement_date,
       next_payment_minimum, next_payment_due_date, interest_rate, original_loan_amount
FROM bank_account WHERE organization_id = %(organization_id)s::uuid AND id = ANY (%(ids)s::uuid[]);

-- name: write_accounts
-- All that can change; what an account is cannot.
UPDATE bank_account a SET state = w.state, balance = w.balance, available = w.available,
                          last_statement_balance = w.last_statement_balance,
                          last_statement_date = w.last_statement_date, next_payment_minimum = w.next_payment_minimum,
                          next_payment_due_date = w.next_payment_due_date, interest_rate = w.interest_rate,
                          original_loan_amount = w.original_loan_amount
FROM unnest(%(ids)s::uuid[], %(states)s::text[], %(balances)s::bigint[], %(available)s::bigint[],
            %(last_statement_balances)s::bigint[], %(last_statement_dates)s::date[],
            %(next_payment_minimums)s::bigint[], %(next_payment_due_dates)s::date[],
            %(interest_rates)s::bigint[], %(original_loan_amounts)s::bigint[])
    AS w (id, state, balance, available, last_statement_balance, last_statement_date, next_payment_minimum,
          next_payment_due_date, interest_rate, original_loan_amount)
WHERE a.organization_id = %(organization_id)s::uuid AND a.id = w.id;

-- name: find_payment
-- One payment by its key.
SELECT key, kind, account_id, amount, currency, beneficiary_name, description, is_direct_deposit, state, refusal,
       handed_over_at, expected_at, due_at, settled_at, ended_at, return_code, is_booked, calls
FROM bank_payment WHERE organization_id = %(organization_id)s::uuid AND key = %(key)s::uuid;

-- name: due_payments
-- What will have settled or come back by now.
SELECT key, kind, account_id, amount, currency, beneficiary_name, description, is_direct_deposit, state, refusal,
       handed_over_at, expected_at, due_at, settled_at, ended_at, return_code, is_booked, calls
FROM bank_payment WHERE organization_id = %(organization_id)s::uuid AND due_at <= %(at)s::timestamptz
ORDER BY due_at, key;

-- name: list_payments
-- For the audit, which compares them with the legs that were handed over. In order of key, a page at a time.
SELECT key, kind, account_id, amount, currency, beneficiary_name, description, is_direct_deposit, state, refusal,
       handed_over_at, expected_at, due_at, settled_at, ended_at, return_code, is_booked, calls
FROM bank_payment
WHERE organization_id = %(organization_id)s::uuid
    AND key > coalesce(%(after)s::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY key LIMIT %(limit)s;

-- name: write_payments
-- New ones and changed ones; what was handed over under a key never changes.
INSERT INTO bank_payment (organization_id, key, kind, account_id, amount, currency, beneficiary_name, description,
                          is_direct_deposit, state, refusal, handed_over_at, expected_at, due_at, settled_at, ended_at,
                          return_code, is_booked, calls)
SELECT %(organization_id)s::uuid, w.*
FROM unnest(%(keys)s::uuid[], %(kinds)s::text[], %(account_ids)s::uuid[], %(amounts)s::bigint[], %(currencies)s::text[],
            %(beneficiary_names)s::text[], %(descriptions)s::text[], %(are_direct_deposits)s::boolean[],
            %(states)s::text[], %(refusals)s::text[], %(handed_over_at)s::timestamptz[], %(expected_at)s::timestamptz[],
            %(due_at)s::timestamptz[], %(settled_at)s::timestamptz[], %(ended_at)s::timestamptz[],
            %(return_codes)s::text[], %(are_booked)s::boolean[], %(calls)s::bigint[]) AS w
ON CONFLICT (organization_id, key) DO UPDATE
SET state = excluded.state, due_at = excluded.due_at, settled_at = excluded.settled_at, ended_at = excluded.ended_at,
    return_code = excluded.return_code, is_booked = excluded.is_booked, calls = excluded.calls;

-- name: insert_entries
-- The unique id refuses to book anything twice.
INSERT INTO bank_entry (organization_id, number, id, account_id, amount, booked_at, description, payment_key)
SELECT %(organization_id)s::uuid, w.*
FROM unnest(%(numbers)s::bigint[], %(ids)s::text[], %(account_ids)s::uuid[], %(amounts)s::bigint[],
            %(booked_at)s::timestamptz[], %(descriptions)s::text[], %(payment_keys)s::uuid[]) AS w;

-- name: entries_after
-- The feed of one account.
SELECT number, id, account_id, amount, booked_at, description, payment_key
FROM bank_entry
WHERE organization_id = %(organization_id)s::uuid AND account_id = %(account_id)s::uuid AND number > %(after)s
ORDER BY number LIMIT %(limit)s;

-- name: insert_reports
-- The unique id refuses to tell anything twice.
INSERT INTO bank_report (organization_id, number, id, kind, happened_at, payment_key, return_code, account_id, amount,
                         description, payee_name)
SELECT %(organization_id)s::uuid, w.*
FROM unnest(%(numbers)s::bigint[], %(ids)s::text[], %(kinds)s::text[], %(happened_at)s::timestamptz[],
            %(payment_keys)s::uuid[], %(return_codes)s::text[], %(account_ids)s::uuid[], %(amounts)s::bigint[],
            %(descriptions)s::text[], %(payee_names)s::text[]) AS w;

-- name: reports_after
-- What has not been told since a cursor.
SELECT number, id, kind, happened_at, payment_key, return_code, account_id, amount, description, payee_name
FROM bank_report WHERE organization_id = %(organization_id)s::uuid AND number > %(after)s
ORDER BY number LIMIT %(limit)s;

-- name: next_report_at
-- Two probes of indexes: nothing that is due is in the past, because the call has just brought the bank up to date.
SELECT least(
    (SELECT due_at FROM bank_payment WHERE organization_id = %(organization_id)s::uuid AND due_at IS NOT NULL
     ORDER BY due_at LIMIT 1),
    (SELECT happens_at FROM bank_event
     WHERE organization_id = %(organization_id)s::uuid AND state = 'PLANNED' AND kind IN ('DEPOSIT', 'WITHDRAWAL')
     ORDER BY happens_at LIMIT 1)
);

-- name: insert_events
-- An event that was planned already stays as it is, so that planning may be repeated.
INSERT INTO bank_event (organization_id, id, kind, account_id, happens_at, amount, description, payee_name, state)
SELECT %(organization_id)s::uuid, w.*
FROM unnest(%(ids)s::uuid[], %(kinds)s::text[], %(account_ids)s::uuid[], %(happens_at)s::timestamptz[],
            %(amounts)s::bigint[], %(descriptions)s::text[], %(payee_names)s::text[], %(states)s::text[]) AS w
ON CONFLICT (organization_id, id) DO NOTHING;

-- name: due_events
-- What will have happened outside by now.
SELECT id, kind, account_id, happens_at, amount, description, payee_name, state
FROM bank_event
WHERE organization_id = %(organization_id)s::uuid AND state = 'PLANNED' AND happens_at <= %(at)s::timestamptz
ORDER BY happens_at, id;

-- name: write_events
-- They happened, or could not.
UPDATE bank_event e SET state = w.state
FROM unnest(%(ids)s::uuid[], %(states)s::text[]) AS w (id, state)
WHERE e.organization_id = %(organization_id)s::uuid AND e.id = w.id;

-- name: insert_asked
-- Once for each time that somebody asks for a fault: only who comes first adds one.
INSERT INTO bank_fault_asked (organization_id, id) VALUES (%(organization_id)s::uuid, %(asked_id)s::uuid)
ON CONFLICT DO NOTHING;

-- name: insert_fault
-- After those that were asked for before: a maximum has a row where it finds none.
INSERT INTO bank_fault (organization_id, call, number, fault, times)
SELECT %(organization_id)s::uuid, %(call)s::text, coalesce(max(number), 0) + 1, %(fault)s::text, %(times)s::bigint
FROM bank_fault WHERE organization_id = %(organization_id)s::uuid AND call = %(call)s::text;

-- name: find_fault
-- The first that waits for this call.
SELECT number, fault, times FROM bank_fault
WHERE organization_id = %(organization_id)s::uuid AND call = %(call)s::text ORDER BY number LIMIT 1;

-- name: use_fault
-- Once less.
UPDATE bank_fault SET times = times - 1
WHERE organization_id = %(organization_id)s::uuid AND call = %(call)s::text AND number = %(number)s;

-- name: delete_fault
-- The last time: none is left.
DELETE FROM bank_fault
WHERE organization_id = %(organization_id)s::uuid AND call = %(call)s::text AND number = %(number)s;

-- Each check gives its counter-examples (organization, id, expected, found), at most `limit` of them, each with the
-- number of all, as those of the ledger do.

-- name: accounts_unlike_their_entries
-- A balance is what there was when the account was opened and its entries; of a debt, entries are payments.
SELECT a.organization_id, a.id,
       (a.opening_balance + CASE WHEN a.kind = 'LIABILITY' THEN -e.sum ELSE e.sum END)::text
           || coalesce(' with ' || (a.opening_available + e.sum)::text || ' available', ''),
       a.balance::text || coalesce(' with ' || a.available::text || ' available', ''), count(*) OVER ()
FROM bank_account a
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount), 0)::bigint AS sum FROM bank_entry
    WHERE organization_id = a.organization_id AND account_id = a.id
        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
) AS e
WHERE (%(only)s::uuid IS NULL OR a.organization_id = %(only)s) AND (
    a.balance <> a.opening_balance + CASE WHEN a.kind = 'LIABILITY' THEN -e.sum ELSE e.sum END
    OR a.available <> a.opening_available + e.sum)
ORDER BY a.organization_id, a.id LIMIT %(limit)s;

-- name: payments_unlike_their_entries
-- A payment is booked once when it settles, and back once when it is returned; every other one not at all.
WITH found AS (
    SELECT e.organization_id, e.payment_key,
           string_agg(e.amount || CASE WHEN e.account_id = p.account_id THEN '' ELSE ' elsewhere' END, ' '
                      ORDER BY e.number) AS amounts
    FROM bank_entry e
    JOIN bank_payment p ON p.organization_id = e.organization_id AND p.key = e.payment_key
    WHERE (%(only)s::uuid IS NULL OR e.organization_id = %(only)s)
        AND (%(only)s::uuid IS NULL OR p.organization_id = %(only)s)
    GROUP BY e.organization_id, e.payment_key
), expected AS (
    SELECT p.organization_id, p.key,
           CASE WHEN NOT p.is_booked THEN '' WHEN p.state = 'RETURNED' THEN signed || ' ' || (-signed)
                ELSE signed::text END AS amounts
    FROM bank_payment p
    CROSS JOIN LATERAL (SELECT CASE p.kind WHEN 'PULL' THEN -p.amount ELSE p.amount END AS signed) AS s
    WHERE (%(only)s::uuid IS NULL OR p.organization_id = %(only)s)
)
SELECT e.organization_id, e.key, 'entries: ' || e.amounts, 'entries: ' || coalesce(f.amounts, ''), count(*) OVER ()
FROM expected e
LEFT JOIN found f ON f.organization_id = e.organization_id AND f.payment_key = e.key
WHERE e.amounts <> coalesce(f.amounts, '')
ORDER BY e.organization_id, e.key LIMIT %(limit)s;

-- name: payments_unlike_their_reports
-- Each settlement and each return is told once, in this order.
WITH found AS (
    SELECT organization_id, payment_key, string_agg(kind, ' ' ORDER BY number) AS kinds
    FROM bank_report WHERE payment_key IS NOT NULL AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)
    GROUP BY organization_id, payment_key
), expected AS (
    SELECT organization_id, key, concat_ws(' ', CASE WHEN settled_at IS NOT NULL THEN 'SETTLED' END,
                                           CASE WHEN state = 'RETURNED' THEN 'RETURNED' END) AS kinds
    FROM bank_payment WHERE (%(only)s::uuid IS NULL OR organization_id = %(only)s)
)
SELECT e.organization_id, e.key, 'reports: ' || e.kinds, 'reports: ' || coalesce(f.kinds, ''), count(*) OVER ()
FROM expected e
LEFT JOIN found f ON f.organization_id = e.organization_id AND f.payment_key = e.key
WHERE e.kinds <> coalesce(f.kinds, '')
ORDER BY e.organization_id, e.key LIMIT %(limit)s;

-- name: numbers_with_gaps
-- Entries and reports are numbered without a gap, so that a cursor never passes over one.
SELECT b.organization_id, b.organization_id,
       format('%%s entries, %%s reports', b.entries, b.reports),
       format('%%s entries to %%s, %%s reports to %%s', e.count, e.last, r.count, r.last), count(*) OVER ()
FROM bank_book b
CROSS JOIN LATERAL (SELECT count(*) AS count, coalesce(max(number), 0) AS last FROM bank_entry
                    WHERE organization_id = b.organization_id
                        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)) AS e
CROSS JOIN LATERAL (SELECT count(*) AS count, coalesce(max(number), 0) AS last FROM bank_report
                    WHERE organization_id = b.organization_id
                        AND (%(only)s::uuid IS NULL OR organization_id = %(only)s)) AS r
WHERE (%(only)s::uuid IS NULL OR b.organization_id = %(only)s)
    AND (e.count, e.last, r.count, r.last) IS DISTINCT FROM (b.entries, b.entries, b.reports, b.reports)
ORDER BY b.organization_id LIMIT %(limit)s;
