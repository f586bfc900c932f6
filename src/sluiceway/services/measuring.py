"""What waits in the database, and for how long: the same for every process, asked when somebody wants to know."""

import asyncio
from collections.abc import Mapping
from typing import Final

from sluiceway.services.engine import Engine
from sluiceway.services.tally import Metric
from sluiceway.storage import health

FRESH_S: Final = 5.0
"""How long what was found counts, however many ask."""
PATIENCE_S: Final = 2.0
AWAY: Final[Mapping[str, float]] = {"database_up": 0.0}

GAUGES: Final[Mapping[str, Metric]] = {
    "database_up": Metric("Whether the database answers: 1 or 0. Without it, none of the figures below are there."),
    "workers": Metric("Processes that settle and have said so within 20 seconds."),
    "worker_heartbeat_age_seconds": Metric("How long ago a worker last said that it settles."),
    "executions_due": Metric("Executions due and not yet settled."),
    "executions_due_age_seconds": Metric("How long the oldest of them has been due, by its organization's clock."),
    "executions_gathering": Metric("Executions that wait for a remote service or a bank's balances."),
    "payments_due": Metric("Payments to hand over to a bank."),
    "payments_due_age_seconds": Metric("How long the oldest of them has been due, by its organization's clock."),
    "payments_at_banks": Metric("Payments that a bank has taken and not settled."),
    "transfers_to_approve": Metric("Transfers that wait for a person."),
    "events_pending": Metric("Events not yet passed on to webhooks."),
    "events_pending_age_seconds": Metric("How long the oldest of them waits."),
    "verified_age_seconds": Metric("How long ago the organization whose turn is longest ago was verified up to."),
    "violations": Metric("Promises that the audit which goes on has found broken at its last looks."),
    "organizations_stopped": Metric("Organizations whose money stands still for such a promise."),
    "webhooks_late": Metric("Webhook endpoints that something is due for."),
    "webhooks_late_age_seconds": Metric("How long the one that waits longest has waited."),
}
"""Figures of the database as a whole: every process says the same, so take the largest and never the sum."""


async def measure(engine: Engine) -> dict[str, float]:
    """Ask what waits. Raises DatabaseUnavailable."""
    async with engine.database.read() as tx:
        found = await health.measure(tx, engine.now())
    return {"database_up": 1.0} | {name: value for name, value in found.items() if value is not None}


class Measurer:
    """Asks the database once for all who want to know, and keeps nobody waiting for one that hangs."""

    def __init__(self, engine: Engine) -> None:
        """Know nothing before somebody asks."""
        self._engine = engine
        self._look: asyncio.Task[dict[str, float]] | None = None
        self._looked_at = 0.0

    async def figures(self) -> Mapping[str, float]:
        """Tell what waits; of a database that does not answer, that it does not."""
        now = asyncio.get_running_loop().time()
        if self._look is None or (self._look.done() and now - self._looked_at > FRESH_S):
            self._look, self._looked_at = asyncio.create_task(measure(self._engine)), now
            self._look.add_done_callback(lambda look: look.cancelled() or look.exception())
        await asyncio.wait([self._look], timeout=PATIENCE_S)
        if not self._look.done() or self._look.cancelled() or self._look.exception() is not None:
            return AWAY
        return self._look.result()

    async def close(self) -> None:
        """Give up what is under way."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait([self._look])
