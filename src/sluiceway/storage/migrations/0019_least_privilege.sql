-- Each role may do what its work needs and no more: the server and its workers change only columns that change, and
-- delete only what may be forgotten; a role that reads is made for audits and reports. Locks: none; grants and functions
-- touch no row. Workers of the version before go on beside it, and leave to forget simulations and reads to new ones.
--
-- Where the tables are spread (pg_dist_partition is the catalogue of Citus) statements run as the owner, so grants hold
-- nothing there, and those on columns do not reach every node.

-- A role that may not create roles says so in `sluiceway doctor`, and everything but the role for reading works.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sluiceway_read') THEN
        CREATE ROLE sluiceway_read NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN
    NULL;
END
$$;

-- Simulated transfers may go, and nothing else can through this: what moved money has another mode.
CREATE FUNCTION forget_simulated_transfers(of_organization uuid, transfer_ids uuid[]) RETURNS SETOF uuid
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    DELETE FROM transfer t
    WHERE t.organization_id = of_organization AND t.id = ANY (transfer_ids) AND t.mode = 'SIMULATION'
    RETURNING t.id;
END;

-- Entries of whole batches of reads may be cut out of the audit log. The batch stays, and proves what it was.
CREATE FUNCTION cut_reads(of_organization uuid, numbers bigint[]) RETURNS SETOF uuid
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    DELETE FROM audit_entry e USING audit_batch b
    WHERE b.organization_id = of_organization AND b.number = ANY (numbers)
        AND b.first_id IS NOT NULL AND b.cut_at IS NULL
        AND e.organization_id = of_organization AND e.id BETWEEN b.first_id AND b.last_id AND e.batch = b.number
    RETURNING e.id;
END;

REVOKE EXECUTE ON FUNCTION forget_simulated_transfers, cut_reads FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_simulated_transfers, cut_reads TO sluiceway_app;

DO $$
BEGIN
    IF to_regclass('pg_dist_partition') IS NULL THEN
        REVOKE DELETE ON ach_limit, audit_entry, session, transfer FROM sluiceway_app;
        REVOKE INSERT ON restoration FROM sluiceway_app;
        EXECUTE format('REVOKE UPDATE ON ALL TABLES IN SCHEMA %I FROM sluiceway_app', current_schema());
        GRANT UPDATE (revoked_at) ON access_token TO sluiceway_app;
        GRANT UPDATE (deleted_at, expected_in, held_out, interest_rate, last_statement_balance, last_statement_date,
            next_payment_due_date, next_payment_minimum, original_loan_amount, overdrawn, posted, reported_at,
            reported_available, reported_balance, reported_error, updated_at) ON account TO sluiceway_app;
        GRANT UPDATE (balance) ON account_day TO sluiceway_app;
        GRANT UPDATE (amount, by_day, from_balance, from_day) ON account_target TO sluiceway_app;
        GRANT UPDATE (amount, transfers) ON ach_limit TO sluiceway_app;
        GRANT UPDATE (amount, transfers) ON ach_used TO sluiceway_app;
        GRANT UPDATE (calls_per_minute, revoked_at) ON api_key TO sluiceway_app;
        GRANT UPDATE (revoked_at) ON approval TO sluiceway_app;
        GRANT UPDATE (cut_at) ON audit_batch TO sluiceway_app;
        GRANT UPDATE (digest, entries, hash, number) ON audit_head TO sluiceway_app;
        GRANT UPDATE (batches, full_at, hash, link, looked_at, rows, seals, verified_to, violations) ON audit_look TO
            sluiceway_app;
        GRANT UPDATE (batches, hash, hashes, sealed_at, to_key) ON audit_seal TO sluiceway_app;
        GRANT UPDATE (available, balance, interest_rate, last_statement_balance, last_statement_date,
            next_payment_due_date, next_payment_minimum, original_loan_amount, state) ON bank_account TO
            sluiceway_app;
        GRANT UPDATE (entries, reached_at, reports) ON bank_book TO sluiceway_app;
        GRANT UPDATE (state) ON bank_event TO sluiceway_app;
        GRANT UPDATE (times) ON bank_fault TO sluiceway_app;
        GRANT UPDATE (calls, due_at, ended_at, is_booked, return_code, settled_at, state) ON bank_payment TO
            sluiceway_app;
        GRANT UPDATE (free_at, granted) ON call_bucket TO sluiceway_app;
        GRANT UPDATE (used) ON cap_used TO sluiceway_app;
        GRANT UPDATE (account_id, status) ON card TO sluiceway_app;
        GRANT UPDATE (refunded) ON card_transaction TO sluiceway_app;
        GRANT UPDATE (attempted, attempts, completed, conditions_not_met, due_at, error_message, failed, fence,
            finished_at, gather_step, is_refresh_due, leased_until, next_attempt_at, pending, stage, status,
            step_matched, trace, transfer_ids) ON execution TO sluiceway_app;
        GRANT UPDATE (attempts, cursor, due_at, fence, hurried_to, leased_until) ON feed TO sluiceway_app;
        GRANT UPDATE (accepted_at, revoked_at) ON invitation TO sluiceway_app;
        GRANT UPDATE (purchase_key) ON issuer_decline TO sluiceway_app;
        GRANT UPDATE (approval_lasts, clock_offset, frozen_at, handover_delay, held_since, paused_at,
            remote_api_enabled_at, stopped_at, stopped_for) ON organization TO sluiceway_app;
        GRANT UPDATE (is_pending) ON outbox TO sluiceway_app;
        GRANT UPDATE (sign_count, used_at) ON passkey TO sluiceway_app;
        GRANT UPDATE (password_hash, removed_at, role) ON person TO sluiceway_app;
        GRANT UPDATE (used_at) ON recovery_code TO sluiceway_app;
        GRANT UPDATE (is_recorded, released_at, released_by) ON restoration TO sluiceway_app;
        GRANT UPDATE (approval_id, deleted_at, fingerprint, next_fire_at, next_nominal, revision, secret,
            set_aside, source_account_id, trigger_account_id, trigger_type, updated_at) ON rule TO sluiceway_app;
        GRANT UPDATE (moved, returned, transfers) ON rule_day TO sluiceway_app;
        GRANT UPDATE (revoked_at) ON rule_secret TO sluiceway_app;
        GRANT UPDATE (challenge, challenge_at, ended_at, is_complete, reauthenticated_at, seen_at, token_hash) ON
            session TO sluiceway_app;
        GRANT UPDATE (count, until) ON sign_in_attempt TO sluiceway_app;
        GRANT UPDATE (confirmed_at, created_at, last_step, secret) ON totp TO sluiceway_app;
        GRANT UPDATE (completed_at, decided_at, decided_by, error_code, return_code, returned_at, status,
            status_reason) ON transfer TO sluiceway_app;
        GRANT UPDATE (attempts, due_at, ended_at, error_code, expected_at, failures, fence, leased_until,
            return_code, settled_at, status, submitted_at) ON transfer_leg TO sluiceway_app;
        GRANT UPDATE (attempted_at, attempts, error, status) ON webhook_delivery TO sluiceway_app;
        GRANT UPDATE (disabled_at, disabled_because, due_at, failing_since, fence, leased_until, previous_secret,
            previous_secret_until, secret) ON webhook_endpoint TO sluiceway_app;
        GRANT UPDATE (beat_at) ON worker_heartbeat TO sluiceway_app;
    END IF;
END
$$;
