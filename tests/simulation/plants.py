"""Faults that are planted on purpose: each has to be found, or the simulation looks at less than it seems to."""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

from sluiceway.services import idempotency
from sluiceway.storage import (
    accounts,
    bank,
    days,
    executions,
    feeds,
    legs,
    organizations,
    rate_limits,
    remote_amounts,
    rules,
    schedules,
    transfers,
)
from sluiceway.storage.queries import Queries
from tests.simulation.campaign import live


class Plant(NamedTuple):
    """A piece of a named statement, and what stands there instead."""

    what: str
    queries: Queries
    name: str
    was: str
    becomes: str


PLANTS: Final = (
    Plant("accounts are read and not locked", accounts.QUERIES, "lock_accounts", "FOR NO KEY UPDATE OF a", ""),
    Plant("the gate is open", organizations.QUERIES, "lock_organizations", "FOR NO KEY UPDATE", ""),
    Plant("the bank's book is not locked", bank.QUERIES, "lock_book", "FOR NO KEY UPDATE", ""),
    Plant("balances forget what is held", accounts.QUERIES, "write_balances", "held_out = w.held_out,", ""),
    Plant(
        "a day's last balance is its first",
        days.QUERIES,
        "end_days",
        "UPDATE SET balance = excluded.balance",
        "NOTHING",
    ),
    Plant("a leg that ended is still due", legs.QUERIES, "end_steps", "due_at = NULL, ", ""),
    Plant("the cursor of reports stays", feeds.QUERIES, "end_fetch", "cursor = %(cursor)s, ", ""),
    Plant(
        "revoked keys are let in",
        rate_limits.QUERIES,
        "take_calls",
        "FROM api_key WHERE revoked_at IS NULL",
        "FROM api_key",
    ),
    Plant(
        "edits leave approvals standing",
        rules.QUERIES,
        "revoke_approvals",
        "AND revoked_at IS NULL",
        "AND revoked_at IS NOT NULL",
    ),
    Plant("schedules fire for ever", schedules.QUERIES, "set_next_fire", "next_fire_at = %(at)s::timestamptz, ", ""),
    Plant(
        "remote amounts are not looked up",
        remote_amounts.QUERIES,
        "remote_amounts",
        "AND a.execution_id = w.execution_id",
        "AND a.execution_id <> w.execution_id",
    ),
    Plant(
        "approvals never end",
        transfers.QUERIES,
        "expired_approvals",
        "status = 'PENDING_APPROVAL'",
        "status = 'PENDING'",
    ),
    Plant(
        "a run that waits for its answer waits for ever",
        executions.QUERIES,
        "end_gathering",
        "stage = 'SETTLE', ",
        "",
    ),
    Plant(
        "returns are not told apart",
        transfers.QUERIES,
        "move_on",
        "returned_at = coalesce(w.returned_at, t.returned_at),",
        "",
    ),
)


@contextmanager
def planted(plant: Plant) -> Generator[None]:
    """Let a statement say something else for a while."""
    statements: Any = plant.queries._statements
    before = statements[plant.name]
    assert plant.was in before, f"{plant.name} does not say {plant.was} any more"
    statements[plant.name] = before.replace(plant.was, plant.becomes)
    try:
        yield
    finally:
        statements[plant.name] = before


@contextmanager
def without_claims() -> Generator[None]:
    """Let no answer be remembered under its key."""
    before = idempotency.claim

    async def claim(*_: Any) -> None:
        """Remember nothing."""

    vars(idempotency)["claim"] = claim
    try:
        yield
    finally:
        vars(idempotency)["claim"] = before


def found_by(making: Callable[[], AbstractContextManager[None]], seeds: Iterable[int]) -> tuple[int, str] | None:
    """Live through seeds with a fault in place until one finds it; give the seed, and what it said."""
    for seed in seeds:
        with making():
            outcome = live(seed)
        if outcome.violations:
            return seed, outcome.violations[0]
    return None


def find_all(most: int = 40) -> Iterator[int | None]:
    """Tell of each fault after how many seeds it was found; None: not at all."""
    for plant in PLANTS:
        found = found_by(partial(planted, plant), range(most))
        yield None if found is None else found[0] + 1
