"""More of what the audit reads: what is kept a second time, what may come only once, and what has to fit in time."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, LiteralString

from sluiceway.domain.ids import OrganizationId, least_id
from sluiceway.storage.audit import Mismatch
from sluiceway.storage.database import ReadTx, fetch_all
from sluiceway.storage.queries import load

QUERIES = load(__file__)

_DAY: Final = timedelta(hours=25)
"""How far back that is held again which costs most: everything is, once a day."""


class DerivedCheck(StrEnum):
    """What is checked in SQL."""

    DAYS = "days_end_with_what_was_posted"
    RULE_DAYS = "days_of_rules_count_their_transfers"
    ACH = "bank_limits_count_their_payments"
    CHAINS = "chains_of_rules_end"
    STATUSES = "executions_stand_as_they_count"
    IN_FORCE = "transfers_fall_under_an_approval"
    HISTORY = "no_posting_below_a_floor"
    ANSWERS = "one_effect_answers_one_key"
    EVENTS = "events_are_told_once"
    DELIVERIES = "messages_fit_their_events"
    APPLIED = "reports_are_applied_once"
    LEG_STATUSES = "legs_stand_as_they_say"
    MARKS = "transfers_are_marked_for_a_reason"
    HOLDS = "holds_are_of_a_restore"
    TRACES = "transfers_are_as_traced"
    ASKED = "amounts_were_asked_for"
    TIMES = "nothing_comes_from_the_future"
    SESSIONS = "no_transaction_is_left_open"


_CHECKS: Final[dict[DerivedCheck, LiteralString]] = {
    DerivedCheck.DAYS: QUERIES["days_that_end_otherwise"],
    DerivedCheck.RULE_DAYS: QUERIES["days_of_rules_that_miscount"],
    DerivedCheck.ACH: QUERIES["ach_limits_that_miscount"],
    DerivedCheck.CHAINS: QUERIES["chains_of_rules_too_long"],
    DerivedCheck.STATUSES: QUERIES["executions_unlike_their_counts"],
    DerivedCheck.IN_FORCE: QUERIES["transfers_outside_their_approval"],
    DerivedCheck.HISTORY: QUERIES["postings_below_floor"],
    DerivedCheck.ANSWERS: QUERIES["answers_given_twice"],
    DerivedCheck.EVENTS: QUERIES["events_that_do_not_fit"],
    DerivedCheck.DELIVERIES: QUERIES["deliveries_that_do_not_fit"],
    DerivedCheck.APPLIED: QUERIES["reports_that_were_not_made"],
    DerivedCheck.LEG_STATUSES: QUERIES["legs_unlike_their_status"],
    DerivedCheck.MARKS: QUERIES["transfers_marked_wrongly"],
    DerivedCheck.HOLDS: QUERIES["holds_without_a_restore"],
    DerivedCheck.TRACES: QUERIES["transfers_unlike_their_trace"],
    DerivedCheck.ASKED: QUERIES["amounts_nobody_asked_for"],
    DerivedCheck.TIMES: QUERIES["times_to_come"],
    DerivedCheck.SESSIONS: QUERIES["transactions_left_open"],
}


async def find_derived_mismatches(
    tx: ReadTx, only: OrganizationId | None, check: DerivedCheck, limit: int, now: datetime
) -> tuple[int, list[Mismatch]]:
    """Run one check: how many counter-examples there are, and the first of them."""
    row = {"only": only, "limit": limit, "now": now, "day_id": least_id(now - _DAY)}
    rows = await fetch_all(tx, _CHECKS[check], row)
    return (rows[0][4] if rows else 0), [Mismatch(*row[:4]) for row in rows]
