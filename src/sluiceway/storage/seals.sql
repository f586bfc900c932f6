-- What is sealed: of each kind a query that gives, for one stretch of keys of one organization, the last key and the
-- hashes of its rows in order. A row has one hash for each part of it that is written once: `CASE WHEN` tells from when
-- on. What changes all the time (balances, counts, leases) is in no hash: other checks hold it against what it says.
-- hash_record_extended is what hash partitions are made with, so it stays the same from version to version.

-- name: executions
-- Live runs: who asked, for what, and what was planned, once it is; how it ended, once it has. A bank can take back
-- what a run sent, which changes its counts.
SELECT max(t.id::text), coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT * FROM execution t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.id > %(from_key)s::uuid AND t.id <= %(to_key)s::uuid
        AND t.mode = 'LIVE'
    ORDER BY t.id FETCH FIRST %(limit)s ROWS WITH TIES
) AS t
LEFT JOIN (
    SELECT DISTINCT m.execution_id
    FROM transfer_leg l
    JOIN transfer m ON m.organization_id = %(organization_id)s::uuid AND m.id = l.transfer_id
    WHERE l.organization_id = %(organization_id)s::uuid
        AND l.transfer_id >= %(from_key)s::uuid
        AND l.transfer_id <= (left(%(to_key)s::text, 13) || '-ffff-ffff-ffffffffffff')::uuid
) AS c ON c.execution_id = t.id
CROSS JOIN LATERAL unnest(ARRAY[
    CASE WHEN t.due_at IS NULL
                      THEN hash_record_extended(ROW(1, t.id, t.rule_id, t.revision, t.fingerprint, t.approval_id, t.mode, t.trigger_type,
                     t.transfer_amount, t.stands_in, t.cause_transfer_id, t.origin_id, t.depth, t.created_at, t.scheduled_for,
                     t.nominal, t.awaited, t.approval_above,
                     t.step_matched, t.conditions_not_met, t.attempted, t.transfer_ids, t.stage,
                     t.gather_step, t.is_refresh_due, t.attempts, t.fence, t.leased_until, t.next_attempt_at, t.trace::text), 0) END,
    CASE WHEN t.finished_at IS NULL THEN NULL WHEN c.execution_id IS NULL
                      THEN hash_record_extended(ROW(2, t.id, t.status, t.completed, t.failed, t.pending, t.error_message, t.finished_at), 0)
                      ELSE hash_record_extended(ROW(3, t.id, t.finished_at), 0) END
]) AS h (h);

-- name: simulated_executions
-- As long as nothing of them may be forgotten.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.id::text AS key,
           ARRAY[CASE WHEN t.due_at IS NULL
                      THEN hash_record_extended(ROW(1, t.id, t.rule_id, t.revision, t.fingerprint, t.approval_id, t.mode, t.trigger_type,
                     t.transfer_amount, t.stands_in, t.cause_transfer_id, t.origin_id, t.depth, t.created_at, t.scheduled_for,
                     t.nominal, t.awaited, t.approval_above,
                     t.step_matched, t.conditions_not_met, t.attempted, t.transfer_ids, t.stage,
                     t.gather_step, t.is_refresh_due, t.attempts, t.fence, t.leased_until, t.next_attempt_at, t.trace::text, t.status, t.completed, t.failed,
                     t.pending, t.error_message, t.finished_at), 0) END] AS hashes
    FROM execution t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.id > %(from_key)s::uuid
        AND t.id <= %(to_key)s::uuid
        AND t.mode = 'SIMULATION'
    ORDER BY t.id FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: transfers
-- What was to be moved, from the beginning; how it ended, once it has. What a bank carries can still come back.
SELECT max(t.id::text), coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT * FROM transfer t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.id > %(from_key)s::uuid AND t.id <= %(to_key)s::uuid
        AND t.mode = 'LIVE'
    ORDER BY t.id FETCH FIRST %(limit)s ROWS WITH TIES
) AS t
LEFT JOIN (
    SELECT DISTINCT l.transfer_id FROM transfer_leg l
    WHERE l.organization_id = %(organization_id)s::uuid
        AND l.transfer_id >= %(from_key)s::uuid
        AND l.transfer_id <= (left(%(to_key)s::text, 13) || '-ffff-ffff-ffffffffffff')::uuid
) AS c ON c.transfer_id = t.id
CROSS JOIN LATERAL unnest(ARRAY[
    hash_record_extended(ROW(1, t.id, t.execution_id, t.rule_id, t.step, t.action, t.part, t.source_account_id,
                     t.destination_account_id, t.staged_account_id, t.amount, t.direction, t.origin, t.mode, t.description,
                     t.key_id, t.created_at, t.is_direct_deposit, t.approval_expires_at), 0),
    CASE WHEN t.status IN ('PENDING_APPROVAL', 'PROCESSING', 'PENDING') THEN NULL
                      WHEN t.status <> 'COMPLETE' OR c.transfer_id IS NULL
                      THEN hash_record_extended(ROW(2, t.id, t.status, t.error_code, t.status_reason, t.decided_by, t.decided_at, t.completed_at,
                     t.returned_at, t.return_code), 0) END,
    CASE WHEN t.decided_at IS NOT NULL
                      THEN hash_record_extended(ROW(3, t.id, t.decided_by, t.decided_at), 0) END,
    CASE WHEN t.completed_at IS NOT NULL AND NOT (c.transfer_id IS NULL)
                      THEN hash_record_extended(ROW(4, t.id, t.completed_at), 0) END
]) AS h (h);

-- name: simulated_transfers
-- As long as nothing of them may be forgotten.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.id::text AS key,
           ARRAY[hash_record_extended(ROW(1, t.id, t.execution_id, t.rule_id, t.step, t.action, t.part, t.source_account_id,
                     t.destination_account_id, t.staged_account_id, t.amount, t.direction, t.origin, t.mode, t.description,
                     t.key_id, t.created_at, t.is_direct_deposit, t.approval_expires_at,
                     t.status, t.error_code, t.status_reason, t.decided_by, t.decided_at, t.completed_at,
                     t.returned_at, t.return_code), 0)] AS hashes
    FROM transfer t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.id > %(from_key)s::uuid
        AND t.id <= %(to_key)s::uuid
        AND t.mode = 'SIMULATION'
    ORDER BY t.id FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: postings
-- Nothing of a posting ever changes.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.transfer_id::text AS key,
           ARRAY[hash_record_extended(ROW(1, t.transfer_id, t.card_transaction_id, t.sequence, t.kind, t.debit_account_id, t.credit_account_id, t.amount,
                     t.debit_after, t.credit_after, t.posted_at), 0)] AS hashes
    FROM posting t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.transfer_id > %(from_key)s::uuid
        AND t.transfer_id <= %(to_key)s::uuid
    ORDER BY t.transfer_id FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: card_postings
-- Nor of a card's.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.card_transaction_id::text AS key,
           ARRAY[hash_record_extended(ROW(1, t.transfer_id, t.card_transaction_id, t.sequence, t.kind, t.debit_account_id, t.credit_account_id, t.amount,
                     t.debit_after, t.credit_after, t.posted_at), 0)] AS hashes
    FROM posting t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.card_transaction_id > %(from_key)s::uuid
        AND t.card_transaction_id <= %(to_key)s::uuid
    ORDER BY t.card_transaction_id FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: legs
-- What a bank is to carry; when it was handed over, settled, and ended otherwise.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.id::text AS key,
           ARRAY[hash_record_extended(ROW(1, t.id, t.transfer_id, t.sequence, t.purpose, t.account_id, t.amount,
                     t.is_automatic, t.description, t.is_direct_deposit, t.created_at), 0),
                 CASE WHEN t.submitted_at IS NOT NULL
                      THEN hash_record_extended(ROW(2, t.id, t.submitted_at, t.failures, t.attempts, t.fence), 0) END,
                 CASE WHEN t.settled_at IS NOT NULL
                      THEN hash_record_extended(ROW(3, t.id, t.settled_at, t.expected_at), 0) END,
                 CASE WHEN t.ended_at IS NOT NULL
                      THEN hash_record_extended(ROW(4, t.id, t.status, t.ended_at, t.error_code, t.return_code, t.expected_at, t.due_at,
                     t.leased_until), 0) END] AS hashes
    FROM transfer_leg t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.id > %(from_key)s::uuid
        AND t.id <= %(to_key)s::uuid
    ORDER BY t.id FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: answers
-- What calls with a key were answered, by the real time; as long as none may be forgotten.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.created_at::timestamptz AS key,
           ARRAY[hash_record_extended(ROW(1, t.scope, t.key, t.body_hash, t.status, t.answer, t.created_at), 0)] AS hashes
    FROM idempotency t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.created_at > %(from_key)s::timestamptz
        AND t.created_at <= %(to_key)s::timestamptz
    ORDER BY t.created_at FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: events
-- What is to be told, and that it has been passed on; as long as none may be forgotten.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.id::text AS key,
           ARRAY[hash_record_extended(ROW(1, t.id, t.kind, t.subject_id, t.created_at), 0),
                 CASE WHEN NOT t.is_pending
                      THEN hash_record_extended(ROW(2, t.id), 0) END] AS hashes
    FROM outbox t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.id > %(from_key)s::uuid
        AND t.id <= %(to_key)s::uuid
    ORDER BY t.id FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: deliveries
-- What is sent to whom; as long as none may be forgotten.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.id::text AS key,
           ARRAY[hash_record_extended(ROW(1, t.id, t.endpoint_id, t.event_id, t.kind, t.body, t.created_at), 0)] AS hashes
    FROM webhook_delivery t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.id > %(from_key)s::uuid
        AND t.id <= %(to_key)s::uuid
    ORDER BY t.id FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: remote_amounts
-- What services answered, before it was used.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.execution_id::text AS key,
           ARRAY[hash_record_extended(ROW(1, t.execution_id, t.step, t.action, t.amount, t.problem, t.answered_at), 0)] AS hashes
    FROM remote_amount t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.execution_id > %(from_key)s::uuid
        AND t.execution_id <= %(to_key)s::uuid
    ORDER BY t.execution_id FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: outside_transactions
-- What happened on external accounts.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.id::text AS key,
           ARRAY[hash_record_extended(ROW(1, t.account_id, t.bank_id, t.id, t.amount, t.description, t.happened_at,
                     t.recorded_at), 0)] AS hashes
    FROM external_transaction t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.id > %(from_key)s::uuid
        AND t.id <= %(to_key)s::uuid
    ORDER BY t.id FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: card_transactions
-- All but what has been given back since.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.id::text AS key,
           ARRAY[hash_record_extended(ROW(1, t.id, t.card_id, t.account_id, t.direction, t.subtype, t.status,
                     t.decline_reason, t.amount, t.description, t.purchase_id, t.key_id, t.created_at, t.completed_at), 0)] AS hashes
    FROM card_transaction t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.id > %(from_key)s::uuid
        AND t.id <= %(to_key)s::uuid
    ORDER BY t.id FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: bank_entries
-- The sandbox bank's own book.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.number::bigint AS key,
           ARRAY[hash_record_extended(ROW(1, t.number, t.id, t.account_id, t.amount, t.booked_at, t.description, t.payment_key), 0)] AS hashes
    FROM bank_entry t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.number > %(from_key)s::bigint
        AND t.number <= %(to_key)s::bigint
    ORDER BY t.number FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: bank_reports
-- What that bank has told.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.number::bigint AS key,
           ARRAY[hash_record_extended(ROW(1, t.number, t.id, t.kind, t.happened_at, t.payment_key, t.return_code, t.account_id,
                     t.amount, t.description, t.payee_name), 0)] AS hashes
    FROM bank_report t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.number > %(from_key)s::bigint
        AND t.number <= %(to_key)s::bigint
    ORDER BY t.number FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: bank_payments
-- What it was handed; when that settled, and how it ended.
SELECT max(r.key)::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM (
    SELECT t.key::text AS key,
           ARRAY[hash_record_extended(ROW(1, t.key, t.kind, t.account_id, t.amount, t.currency, t.beneficiary_name,
                     t.description, t.is_direct_deposit, t.refusal, t.handed_over_at, t.expected_at), 0),
                 CASE WHEN t.settled_at IS NOT NULL
                      THEN hash_record_extended(ROW(2, t.key, t.settled_at, t.is_booked), 0) END,
                 CASE WHEN t.ended_at IS NOT NULL OR t.state = 'REFUSED'
                      THEN hash_record_extended(ROW(3, t.key, t.state, t.ended_at, t.return_code, t.due_at, t.calls), 0) END] AS hashes
    FROM bank_payment t
    WHERE t.organization_id = %(organization_id)s::uuid AND t.key > %(from_key)s::uuid
        AND t.key <= %(to_key)s::uuid
    ORDER BY t.key FETCH FIRST %(limit)s ROWS WITH TIES
) AS r
CROSS JOIN LATERAL unnest(r.hashes) AS h (h);

-- name: applied_reports
-- Reports that have been applied: none is ever taken back.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.applied_at), 0)), '{}')
FROM rail_report t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: restorations
-- When all of it came from a backup, and who has let it go on.
SELECT NULL::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM restoration t
CROSS JOIN LATERAL unnest(ARRAY[
    hash_record_extended(ROW(1, t.epoch, t.backup_id, t.taken_at, t.restored_at), 0),
    CASE WHEN t.released_at IS NOT NULL THEN hash_record_extended(ROW(2, t.epoch, t.released_at, t.released_by), 0) END
]) AS h (h)
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: restored_origins
-- What began before that.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.origin_id), 0)), '{}')
FROM restored_origin t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: bank_accounts
-- With what it opened accounts.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.opening_balance, t.opening_available), 0)), '{}')
FROM bank_account t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: days_of_banks
-- Which days of external accounts there are, and how they ended, but for the last one: it may still go on.
SELECT NULL::text, coalesce(array_agg(h.h) FILTER (WHERE h.h IS NOT NULL), '{}')
FROM account_day t
CROSS JOIN LATERAL unnest(ARRAY[
    hash_record_extended(ROW(1, t.account_id, t.day), 0),
    CASE WHEN EXISTS (SELECT FROM account_day l WHERE l.organization_id = %(organization_id)s::uuid
                          AND l.account_id = t.account_id AND l.day > t.day)
         THEN hash_record_extended(ROW(2, t.account_id, t.day, t.balance), 0) END
]) AS h (h)
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0
    AND t.account_id IN (SELECT id FROM account
                         WHERE organization_id = %(organization_id)s::uuid AND kind = 'EXTERNAL_ACCOUNT');

-- name: organizations
-- Who they are, and what is set for all of their money. Sandboxes' clocks are set all the time.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.name, t.mode, t.minimum_transfer, t.created_at, t.paused_at,
                     t.approval_lasts, t.handover_delay, t.remote_api_enabled_at, t.stopped_at, t.stopped_for), 0)), '{}')
FROM organization t
WHERE t.id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: people
-- Who may enable rules and approve transfers, and with what.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.email, t.password_hash, t.created_at, t.role, t.removed_at), 0)), '{}')
FROM person t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: second_factors
-- With what else.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.person_id, t.secret, t.created_at, t.confirmed_at), 0)), '{}')
FROM totp t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: recovery_codes
-- And where that is lost.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.person_id, t.code_hash, t.used_at), 0)), '{}')
FROM recovery_code t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: passkeys
-- Or without a password.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.person_id, t.credential_id, t.public_key, t.transports, t.name, t.created_at), 0)), '{}')
FROM passkey t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: invitations
-- Who may become one of them.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.email, t.role, t.token_hash, t.invited_by, t.created_at, t.expires_at,
                     t.accepted_at, t.revoked_at), 0)), '{}')
FROM invitation t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: keys
-- What programs may do, and up to which amounts.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.name, t.secret_hash, t.grants, t.created_at, t.revoked_at, t.approval_above,
                     t.calls_per_minute), 0)), '{}')
FROM api_key t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: tokens
-- What those of the remote API may see.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.beneficiary_name, t.name, t.secret_hash, t.created_at, t.revoked_at,
                     t.calls_per_minute), 0)), '{}')
FROM access_token t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: rule_secrets
-- What runs a rule from afar.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.rule_id, t.secret_hash, t.created_at, t.revoked_at, t.calls_per_minute), 0)), '{}')
FROM rule_secret t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: accounts
-- What an account is, and where its money goes. What it holds is elsewhere.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.kind, t.external_kind, t.currency, t.name, t.description, t.icon, t.beneficiary_name,
                     t.institution_name, t.routing_number, t.account_number, t.floor, t.linked_account_id, t.created_at, t.deleted_at), 0)), '{}')
FROM account t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: rules
-- Which revision of a rule is in force, and in which place.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.revision, t.approval_id, t.fingerprint, t.trigger_type, t.trigger_account_id,
                     t.source_account_id, t.position, t.created_at, t.updated_at, t.deleted_at, t.secret), 0)), '{}')
FROM rule t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: revisions
-- What every revision says.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.rule_id, t.revision, t.definition, t.fingerprint, t.created_at), 0)), '{}')
FROM rule_revision t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: approvals
-- Who has signed what.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.rule_id, t.revision, t.fingerprint, t.person_id, t.approved_at, t.revoked_at), 0)), '{}')
FROM approval t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: limits
-- What banks may be given and asked for in a day or month.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.side, t.period, t.amount, t.transfers), 0)), '{}')
FROM ach_limit t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: targets
-- What people want in an account.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.account_id, t.amount, t.by_day, t.from_day, t.from_balance), 0)), '{}')
FROM account_target t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: rule_tests
-- What people expect of a rule.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.rule_id, t.name, t.example, t.created_at), 0)), '{}')
FROM rule_test t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: cards
-- Which card pays from where.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.account_id, t.kind, t.type, t.status, t.last_four, t.holder_name, t.expires_on, t.created_at), 0)), '{}')
FROM card t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: endpoints
-- Who is told what. That one is off because nobody is there is a worker's doing.
SELECT NULL::text, coalesce(array_agg(hash_record_extended(ROW(t.id, t.url, t.events, t.secret, t.created_at), 0)), '{}')
FROM webhook_endpoint t
WHERE t.organization_id = %(organization_id)s::uuid AND %(from_key)s::text < %(to_key)s::text AND %(limit)s::bigint > 0;

-- name: find_seals
-- One kind's, in order: a stretch begins where the one before has ended.
SELECT number, from_key, to_key, hashes, batches, sealed_at, hash FROM audit_seal
WHERE organization_id = %(organization_id)s::uuid AND of = %(of)s
ORDER BY number;

-- name: last_seals
-- Where each kind goes on.
SELECT DISTINCT ON (of) of, number, to_key FROM audit_seal
WHERE organization_id = %(organization_id)s::uuid
ORDER BY of, number DESC;

-- name: put_seal
-- A new stretch, or the same one with what has come late.
INSERT INTO audit_seal (organization_id, of, number, from_key, to_key, hashes, batches, sealed_at, hash)
VALUES (%(organization_id)s::uuid, %(of)s, %(number)s, %(from_key)s, %(to_key)s, %(hashes)s::bigint[], %(batches)s,
        %(sealed_at)s, %(hash)s::bytea)
ON CONFLICT (organization_id, of, number) DO UPDATE SET
    to_key = excluded.to_key, hashes = excluded.hashes, batches = excluded.batches, sealed_at = excluded.sealed_at,
    hash = excluded.hash;

-- name: settings_changed
-- Has anybody on record changed anything but by moving money since a batch of the log, or has a bank brought back an
-- account?
SELECT EXISTS (
    SELECT FROM audit_entry
    WHERE organization_id = %(organization_id)s::uuid AND batch > %(batches)s AND id >= %(from_id)s::uuid
        AND outcome = 'SUCCESS' AND action !~ '^(GET|LIST|READ|TRIGGER|SIMULATE)_' AND action <> 'CREATE_TRANSFER'
        AND (action <> 'STOP_MONEY' OR %(is_organization)s::boolean)
) OR EXISTS (
    SELECT FROM outbox
    WHERE organization_id = %(organization_id)s::uuid AND id >= %(from_id)s::uuid AND kind = 'account.reopened'
);

-- name: find_look
-- How far an organization has been looked at.
SELECT looked_at, verified_to, full_at, batches, link, seals, rows, violations, hash FROM audit_look
WHERE organization_id = %(organization_id)s::uuid;

-- name: put_look
-- By whoever has looked last; of two at once the second finds that it was not the last one, and writes nothing.
INSERT INTO audit_look AS l (organization_id, looked_at, verified_to, full_at, batches, link, seals, rows, violations, hash)
VALUES (%(organization_id)s::uuid, %(looked_at)s, %(verified_to)s, %(full_at)s, %(batches)s, %(link)s::bytea,
        %(seals)s::jsonb, %(rows)s, %(violations)s, %(hash)s::bytea)
ON CONFLICT (organization_id) DO UPDATE SET
    looked_at = excluded.looked_at, verified_to = excluded.verified_to, full_at = excluded.full_at,
    batches = excluded.batches, link = excluded.link, seals = excluded.seals, rows = excluded.rows,
    violations = excluded.violations, hash = excluded.hash
WHERE l.looked_at = %(before)s::timestamptz
RETURNING 1;

-- name: looks_due
-- Whose turn it is, whoever has waited longest first: where something has happened since the last look, soon; where
-- nothing has, later.
SELECT o.id FROM organization o
LEFT JOIN audit_look l ON l.organization_id = o.id
LEFT JOIN audit_head h ON h.organization_id = o.id
WHERE l.looked_at IS NULL OR l.looked_at < %(quiet_before)s OR (l.looked_at < %(before)s AND (
    h.number <> l.batches OR EXISTS (SELECT FROM outbox e WHERE e.organization_id = o.id AND e.id > %(since_id)s::uuid)))
ORDER BY l.looked_at NULLS FIRST, o.id;
