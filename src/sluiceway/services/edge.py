"""What an HTTP handler calls: one call in, grouped with its neighbours into one commit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence, Sized
from functools import partial
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from sluiceway.domain.access import Caller
from sluiceway.domain.audit import Act
from sluiceway.domain.errors import Refusal
from sluiceway.domain.ids import OrganizationId
from sluiceway.services.admission import TriggerRule, admit
from sluiceway.services.audit_log import Recorder
from sluiceway.services.backlog import MOST_DUE, Backlog
from sluiceway.services.batching import Batcher, Waiting
from sluiceway.services.card_transactions import CardUse, use_cards
from sluiceway.services.changes import Changes
from sluiceway.services.deposits import Deposit, deposit
from sluiceway.services.engine import Engine
from sluiceway.services.guessing import MOST, Guesses
from sluiceway.services.idempotency import Answer, Idempotency
from sluiceway.services.keys import identify
from sluiceway.services.once import Effect, answer_once
from sluiceway.services.passwords import Passwords
from sluiceway.services.queues import AT_FIRST, FairQueue
from sluiceway.services.readiness import Readiness
from sluiceway.services.remote_access import identify_rule_secrets, identify_tokens
from sluiceway.services.tracing import NO_SPAN, Place, Span
from sluiceway.services.transfers import CreateTransfer, transfer
from sluiceway.services.turns import Turns

Item = TypeVar("Item")
Result = TypeVar("Result")

READS_AT_ONCE: Final = 64
"""Enough for reads to share round trips; whoever is let in waits for a few tens of milliseconds."""
PLAYS_AT_ONCE: Final = 2
"""Each takes as much of the process as it is given, for seconds: with more of them, all else would be slow."""

_LANES: Final = 4
_ADMISSIONS: Final = 2
"""A batch of triggers is made ready while the one before it waits for the database: else one of two cores idles."""


class Edge:
    """The batchers of one process."""

    def __init__(
        self, engine: Engine, *, most_waiting: int = AT_FIRST, most_due: int = MOST_DUE, most_guesses: int = MOST
    ) -> None:
        """Start with nothing waiting. Until it is known how fast things go, `most_waiting` of each kind may wait."""
        self.engine = engine
        self.guesses = Guesses(lambda: asyncio.get_running_loop().time(), most_guesses)

        async def run_identify(secrets: Sequence[str]) -> Sequence[Caller | Refusal]:
            return await identify(engine, secrets)

        async def run_identify_token(secrets: Sequence[str]) -> Sequence[Caller | Refusal]:
            return await identify_tokens(engine, secrets)

        async def run_identify_rule_secret(secrets: Sequence[str]) -> Sequence[Caller | Refusal]:
            return await identify_rule_secrets(engine, secrets)

        async def run_admit(commands: Sequence[TriggerRule]) -> Sequence[Answer | Refusal]:
            return await admit(engine, commands)

        async def run_transfer(commands: Sequence[CreateTransfer]) -> Sequence[Answer | Refusal]:
            return await transfer(engine, commands)

        async def run_deposit(commands: Sequence[Deposit]) -> Sequence[Answer | Refusal]:
            return await deposit(engine, commands)

        async def run_use_card(uses: Sequence[CardUse]) -> Sequence[Answer | Refusal]:
            return await use_cards(engine, uses)

        # Credentials are everywhere, whatever the organization. What locks or changes rows names as many organizations
        # as the database takes at once; where that is one, several of them have their turn beside each other.
        at_once = engine.database.options.organizations_at_once
        lanes = 1 if at_once is None else _LANES
        self._queues: dict[str, Sized] = {}
        self._identify = self._batcher("calls", run_identify, most_waiting, is_traced=False)
        self._identify_token = self._batcher("calls with tokens", run_identify_token, most_waiting, is_traced=False)
        self._identify_rule_secret = self._batcher(
            "calls with rule secrets", run_identify_rule_secret, most_waiting, is_traced=False
        )
        self._admit = self._batcher("triggers", run_admit, most_waiting, max(lanes, _ADMISSIONS), at_once)
        self._transfer = self._batcher("transfers", run_transfer, most_waiting, lanes, at_once)
        self._deposit = self._batcher("deposits", run_deposit, most_waiting, lanes, at_once)
        self._use_card = self._batcher("card transactions", run_use_card, most_waiting, lanes, at_once)
        self.recorder = Recorder(engine)
        self.passwords = Passwords(engine)
        self.changes = Changes(engine)
        self.readiness = Readiness(engine)
        self._reads = self._few("reads", READS_AT_ONCE, most_waiting)
        self._plays = self._few("plays", PLAYS_AT_ONCE, most_waiting)
        self._backlog = Backlog(engine, most_due)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def _few(self, what: str, at_once: int, most_waiting: int) -> Turns:
        waiting = FairQueue[asyncio.Future[None]](what, most_waiting)
        self._queues[what] = waiting
        return Turns(at_once, waiting)

    def _batcher(
        self,
        what: str,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Refusal]]],
        most_waiting: int,
        lanes: int = 1,
        owners_at_once: int | None = None,
        *,
        is_traced: bool = True,
    ) -> Batcher[Item, Result]:
        waiting = FairQueue[Waiting[Item, Result]](what, most_waiting)
        self._queues[what] = waiting
        note = partial(self.engine.tally.batch, what)
        span = partial(self._span if is_traced else _no_span, what)
        return Batcher(run, waiting, note=note, span=span, lanes=lanes, owners_at_once=owners_at_once)

    def _span(self, what: str, places: Sequence[Place | None]) -> Span:
        """Make the span of a batch, which points at those of its calls."""
        return self.engine.tracing.span(f"batch of {what}", is_apart=True, links=places, batch_items=len(places))

    def waiting(self) -> dict[str, int]:
        """Tell how many wait of each kind."""
        return {what: len(queue) for what, queue in self._queues.items()}

    async def identify(self, secret: str) -> Caller:
        """Find who is calling, and count the call. Raises Unauthenticated."""
        return await self._identify.submit(secret, secret)

    async def identify_token(self, secret: str) -> Caller:
        """Find who is calling with an access token, and count the call. Raises Unauthenticated."""
        return await self._identify_token.submit(secret, secret)

    async def identify_rule_secret(self, secret: str) -> Caller:
        """Find who is calling with a rule's secret, and count the call. Raises Unauthenticated."""
        return await self._identify_rule_secret.submit(secret, secret)

    async def trigger(self, command: TriggerRule) -> Answer:
        """Admit a trigger. Raises its refusal."""
        self._backlog.add(command.organization_id)
        return await self._admit.submit(command, command.organization_id)

    async def transfer(self, command: CreateTransfer) -> Answer:
        """Make a transfer. Raises its refusal."""
        self._backlog.add(command.organization_id)
        return await self._transfer.submit(command, command.organization_id)

    async def deposit(self, command: Deposit) -> Answer:
        """Post a deposit. Raises its refusal."""
        self._backlog.add(command.organization_id)
        return await self._deposit.submit(command, command.organization_id)

    async def use_card(self, use: CardUse) -> Answer:
        """Pay with a card, or pay it back. Raises its refusal."""
        return await self._use_card.submit(use, use.organization_id)

    async def read(self, organization_id: OrganizationId, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do what changes nothing in its turn among all that reads. Raises Overloaded."""
        return await self._reads.run(organization_id, work)

    async def play(self, organization_id: OrganizationId, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do in its turn what changes nothing and takes long. Raises Overloaded."""
        return await self._plays.run(organization_id, work)

    async def once(
        self,
        organization_id: OrganizationId,
        idempotency: Idempotency | None,
        effect: Effect,
        *,
        act: Act | None = None,
        records_itself: bool = False,
        turn: str = "",
    ) -> Answer:
        """Do something that is no single transaction, however long it takes, once for each key. Raises its refusal.

        What has the same `turn` in an organization is done one after the other, as far as this process knows. The audit
        log has the act when it is done, unless the effect `records_itself`.
        """

        async def answer() -> Answer:
            return await answer_once(
                self.engine,
                organization_id,
                idempotency,
                lambda: self._in_turn(organization_id, turn, effect),
                act,
                records_itself=records_itself,
            )

        if idempotency is None:
            return await answer()

        # Whoever repeats a call before it has ended waits for its answer. Always first the key, then the turn.
        return await self._in_turn(organization_id, f"{idempotency.scope}#{idempotency.key}", answer)

    async def _in_turn(self, organization_id: OrganizationId, turn: str, effect: Effect) -> Answer:
        if not turn:
            return await effect()
        async with self._turns.setdefault(f"{organization_id}/{turn}", asyncio.Lock()):
            return await effect()

    async def close(self) -> None:
        """Answer what has been submitted, and record what has been answered."""
        for batcher in (
            self._identify,
            self._identify_token,
            self._identify_rule_secret,
            self._admit,
            self._transfer,
            self._deposit,
            self._use_card,
        ):
            await batcher.close()
        self.passwords.close()
        await self.changes.close()
        await self.readiness.close()
        await self._backlog.close()
        await self.recorder.close()


def _no_span(_what: str, _places: Sequence[Place | None]) -> Span:
    """Make none: who calls is found out before it is known whether there is to be one of the call."""
    return NO_SPAN
