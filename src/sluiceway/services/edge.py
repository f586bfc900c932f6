"""What an HTTP handler calls: one call in, grouped with its neighbours into one commit."""

from collections.abc import Sequence

from sluiceway.domain.access import Principal
from sluiceway.domain.errors import Refusal
from sluiceway.services.admission import TriggerRule, admit
from sluiceway.services.batching import Batcher
from sluiceway.services.deposits import Deposit, deposit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from sluiceway.services.keys import identify
from sluiceway.services.transfers import CreateTransfer, transfer


class Edge:
    """The batchers of one process."""

    def __init__(self, engine: Engine) -> None:
        """Start with nothing waiting."""
        self.engine = engine

        async def run_identify(secrets: Sequence[str]) -> Sequence[Principal | Refusal]:
            return await identify(engine, secrets)

        async def run_admit(commands: Sequence[TriggerRule]) -> Sequence[Answer | Refusal]:
            return await admit(engine, commands)

        async def run_transfer(commands: Sequence[CreateTransfer]) -> Sequence[Answer | Refusal]:
            return await transfer(engine, commands)

        async def run_deposit(commands: Sequence[Deposit]) -> Sequence[Answer | Refusal]:
            return await deposit(engine, commands)

        self._identify = Batcher(run_identify)
        self._admit = Batcher(run_admit)
        self._transfer = Batcher(run_transfer)
        self._deposit = Batcher(run_deposit)

    async def identify(self, secret: str) -> Principal:
        """Find who is calling. Raises Unauthenticated."""
        return await self._identify.submit(secret)

    async def trigger(self, command: TriggerRule) -> Answer:
        """Admit a trigger. Raises its refusal."""
        return await self._admit.submit(command)

    async def transfer(self, command: CreateTransfer) -> Answer:
        """Make a transfer. Raises its refusal."""
        return await self._transfer.submit(command)

    async def deposit(self, command: Deposit) -> Answer:
        """Post a deposit. Raises its refusal."""
        return await self._deposit.submit(command)

    async def close(self) -> None:
        """Answer what has been submitted."""
        for batcher in (self._identify, self._admit, self._transfer, self._deposit):
            await batcher.close()
