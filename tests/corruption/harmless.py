"""Which tables and columns no lie is drawn from, each with its reason; everything else that the schema has is drawn."""

from collections.abc import Mapping
from typing import Final, LiteralString

HARMLESS_TABLES: Final[Mapping[str, str]] = {
    "call_bucket": "how many calls are left this minute; unlogged, full again after a crash",
    "sign_in_attempt": "how often somebody tried to sign in; unlogged",
    "sign_in_challenge": "what somebody unknown was asked to sign, for minutes; unlogged",
    "worker_heartbeat": "which processes live; unlogged",
    "session": "who is signed in now; it ends by itself, and what a session does is in the audit log",
    "schema_migration": "what was migrated; every start compares it with the files that are shipped",
    "feed": "when which bank is asked next, and from where on: asking again finds the same",
    "bank_fault": "what the sandbox's bank shall do wrong next: a wish, and no record",
    "bank_fault_asked": "which of these wishes are known",
    "bank_event": "what is to happen at the sandbox's bank: a plan of play money",
    "issuer_decline": "what the sandbox's issuer shall decline next: a wish",
}

HARMLESS_COLUMNS: Final[Mapping[str, str]] = {
    # How the next try is organized. Claiming again puts it right; how long it takes is watched by the metrics.
    "execution.leased_until": "a lease of a run that is still due: who works on it",
    "execution.fence": "likewise: counts leases",
    "execution.attempts": "likewise: counts tries",
    "execution.next_attempt_at": "shown of a run that is still due; `due_at` decides",
    "execution.due_at": "when a run is next tried that is due anyway; that it is due is checked",
    "execution.stage": "likewise: planning asks again for what is missing",
    "execution.gather_step": "likewise",
    "execution.is_refresh_due": "likewise",
    "execution.error_message": "words about a run that is still due, or that a bank can still change",
    "transfer_leg.due_at": "when a payment is next handed over that is due anyway",
    "transfer_leg.leased_until": "a lease",
    "transfer_leg.fence": "counts leases",
    "transfer_leg.attempts": "counts tries; the bank is asked before it is told again",
    "transfer_leg.failures": "counts tries",
    "transfer_leg.expected_at": "when the bank expects to settle: a forecast",
    "rule.set_aside": "parts of a rule kept beside it in the editor: in no revision, and nothing runs them",
    "rule.next_fire_at": "when a schedule is looked at next; which time runs is decided by the calendar, and checked",
    "rule.next_nominal": "likewise",
    "webhook_endpoint.due_at": "when somebody is told next",
    "webhook_endpoint.leased_until": "a lease",
    "webhook_endpoint.fence": "counts leases",
    "webhook_endpoint.failing_since": "since when nobody answers",
    "webhook_endpoint.disabled_at": "that nobody has answered for days: workers say so, and people see it",
    "webhook_endpoint.disabled_because": "likewise",
    "webhook_endpoint.previous_secret": "ends after a day",
    "webhook_endpoint.previous_secret_until": "likewise",
    "webhook_delivery.error": "words about an attempt",
    "webhook_delivery.attempts": "how often it was tried",
    "webhook_delivery.attempted_at": "when it was tried last",
    "totp.last_step": "which code was used last, of this minute",
    "passkey.sign_count": "counts what a passkey has signed, as it says itself",
    "passkey.used_at": "when it was used last",
    # What banks say again each time they are asked.
    "account.reported_available": "a bank's word, fetched again within minutes",
    "account.reported_at": "likewise",
    "account.reported_error": "likewise",
    "account.last_statement_balance": "likewise",
    "account.last_statement_date": "likewise",
    "account.next_payment_minimum": "likewise",
    "account.next_payment_due_date": "likewise",
    "account.interest_rate": "likewise",
    "account.original_loan_amount": "likewise",
    "account.updated_at": "when anything of the row changed, balances too",
    "bank_account.holder_name": "the sandbox's bank: set by people who play",
    "bank_account.currency": "likewise",
    "bank_account.kind": "likewise",
    "bank_account.state": "likewise",
    "bank_account.last_statement_balance": "likewise",
    "bank_account.last_statement_date": "likewise",
    "bank_account.next_payment_minimum": "likewise",
    "bank_account.next_payment_due_date": "likewise",
    "bank_account.interest_rate": "likewise",
    "bank_account.original_loan_amount": "likewise",
    "bank_account.opened_at": "likewise",
    "bank_book.reached_at": "up to when play money has been moved; it moves on whenever it is called",
    "bank_payment.due_at": "when play money settles",
    "bank_payment.calls": "how often it was handed over; it was taken once",
    # A sandbox's clock is turned by whoever plays; a live one cannot be turned, by a constraint.
    "organization.clock_offset": "a sandbox's clock",
    "organization.frozen_at": "a sandbox's clock",
    # Of a restore that has been released.
    "restoration.is_recorded": "whether the log has it: it has",
    # A mark that what it belongs to keeps by itself.
    "audit_head.digest": "only carries what the next batch is made of within one transaction",
}


HARMLESS_COPIES: Final[Mapping[str, tuple[LiteralString, str]]] = {
    "restored_origin": ("true", "one more event of which each run waits for a person"),
    "card_transaction": (
        "t.status = 'DECLINED'",
        "a card refused once more: no money moved, and nothing counts it",
    ),
    "outbox": (
        "t.kind NOT IN ('transfer.created', 'execution.finished', 'execution.failed', 'approval.requested')",
        "told once more what may well happen twice; webhooks are promised at least once",
    ),
}
"""Of which rows no copy with another id is made."""

HARMLESS_LOSSES: Final[Mapping[str, tuple[LiteralString, str]]] = {
    "account_day": (
        (
            "t.balance = (SELECT d.balance FROM account_day d WHERE d.organization_id = t.organization_id"
            " AND d.account_id = t.account_id AND d.day < t.day ORDER BY d.day DESC LIMIT 1)"
        ),
        "a day without a row ended as the one before it did, so it says the same without",
    ),
}
"""Which rows are not deleted."""


def is_harmless(table: str, column: str) -> bool:
    """Tell whether no lie is drawn from a column."""
    return table in HARMLESS_TABLES or f"{table}.{column}" in HARMLESS_COLUMNS
