"""What each role may do, written by hand from what the work needs: the oracle against which the catalogue is held."""

from typing import Final, NamedTuple


class Rights(NamedTuple):
    """What the application may do to a table beside reading it. `changes`: the columns that it may update."""

    adds: bool = True
    deletes: bool = False
    changes: str = ""


APPLICATION: Final[dict[str, Rights]] = {
    "access_token": Rights(changes="revoked_at"),
    "account": Rights(
        changes=(
            "deleted_at expected_in held_out interest_rate last_statement_balance last_statement_date "
            "next_payment_due_date next_payment_minimum original_loan_amount overdrawn posted reported_at "
            "reported_available reported_balance reported_error updated_at"
        ),
    ),
    "account_day": Rights(changes="balance"),
    "account_target": Rights(deletes=True, changes="amount by_day from_balance from_day"),
    "ach_limit": Rights(changes="amount transfers"),
    "ach_used": Rights(changes="amount transfers"),
    "api_key": Rights(changes="calls_per_minute revoked_at"),
    "approval": Rights(changes="revoked_at"),
    "audit_batch": Rights(changes="cut_at"),
    "audit_entry": Rights(),
    "audit_head": Rights(changes="digest entries hash number"),
    "audit_look": Rights(changes="batches full_at hash link looked_at rows seals verified_to violations"),
    "audit_seal": Rights(changes="batches hash hashes sealed_at to_key"),
    "bank_account": Rights(
        changes=(
            "available balance interest_rate last_statement_balance last_statement_date next_payment_due_date "
            "next_payment_minimum original_loan_amount state"
        ),
    ),
    "bank_book": Rights(changes="entries reached_at reports"),
    "bank_entry": Rights(),
    "bank_event": Rights(changes="state"),
    "bank_fault": Rights(deletes=True, changes="times"),
    "bank_fault_asked": Rights(),
    "bank_payment": Rights(changes="calls due_at ended_at is_booked return_code settled_at state"),
    "bank_report": Rights(),
    "call_bucket": Rights(deletes=True, changes="free_at granted"),
    "cap_used": Rights(changes="used"),
    "card": Rights(changes="account_id status"),
    "card_transaction": Rights(changes="refunded"),
    "execution": Rights(
        changes=(
            "attempted attempts completed conditions_not_met due_at error_message failed fence finished_at "
            "gather_step is_refresh_due leased_until next_attempt_at pending stage status step_matched trace "
            "transfer_ids"
        ),
    ),
    "external_transaction": Rights(),
    "feed": Rights(deletes=True, changes="attempts cursor due_at fence hurried_to leased_until"),
    "idempotency": Rights(deletes=True),
    "invitation": Rights(changes="accepted_at revoked_at"),
    "issuer_decline": Rights(changes="purchase_key"),
    "organization": Rights(
        changes=(
            "approval_lasts clock_offset frozen_at handover_delay held_since paused_at remote_api_enabled_at "
            "stopped_at stopped_for time_zone"
        )
    ),
    "outbox": Rights(deletes=True, changes="is_pending"),
    "passkey": Rights(deletes=True, changes="sign_count used_at"),
    "person": Rights(changes="password_hash removed_at role"),
    "posting": Rights(),
    "rail_report": Rights(),
    "recovery_code": Rights(deletes=True, changes="used_at"),
    "remote_amount": Rights(),
    "restoration": Rights(adds=False, changes="is_recorded released_at released_by"),
    "restored_origin": Rights(),
    "rule": Rights(
        changes=(
            "approval_id deleted_at fingerprint next_fire_at next_nominal revision secret set_aside source_account_id "
            "trigger_account_id trigger_type updated_at"
        ),
    ),
    "rule_day": Rights(changes="moved returned transfers"),
    "rule_revision": Rights(),
    "rule_secret": Rights(changes="revoked_at"),
    "rule_test": Rights(deletes=True),
    "schema_migration": Rights(adds=False),
    "session": Rights(
        changes="challenge challenge_at ended_at has_shown_factor is_complete reauthenticated_at seen_at token_hash"
    ),
    "sign_in_attempt": Rights(deletes=True, changes="count until"),
    "sign_in_challenge": Rights(deletes=True),
    "totp": Rights(deletes=True, changes="confirmed_at created_at last_step secret"),
    "transfer": Rights(
        changes="completed_at decided_at decided_by error_code return_code returned_at status status_reason",
    ),
    "transfer_leg": Rights(
        changes=(
            "attempts due_at ended_at error_code expected_at failures fence leased_until return_code settled_at "
            "status submitted_at"
        ),
    ),
    "webhook_delivery": Rights(deletes=True, changes="attempted_at attempts error status"),
    "webhook_endpoint": Rights(
        changes=(
            "disabled_at disabled_because due_at failing_since fence leased_until previous_secret "
            "previous_secret_until secret"
        ),
    ),
    "worker_heartbeat": Rights(deletes=True, changes="beat_at"),
}
"""Every table. What is not said here is refused: also TRUNCATE, REFERENCES, TRIGGER, and whatever its owner may."""

FUNCTIONS: Final = {"cut_reads", "forget_simulated_transfers"}
"""What the application may call that does more than it may itself."""

HIDDEN: Final[dict[str, str]] = {
    "access_token": "secret_hash",
    "api_key": "secret_hash",
    "call_bucket": "secret_hash",
    "invitation": "token_hash",
    "person": "password_hash",
    "recovery_code": "code_hash",
    "rule": "secret",
    "rule_secret": "secret_hash",
    "session": "challenge token_hash",
    "sign_in_attempt": "key_hash",
    "sign_in_challenge": "challenge_hash",
    "totp": "secret",
    "webhook_endpoint": "previous_secret secret",
}
"""What the role for reading may not read. All else it may, and nothing else at all."""
