"""Keys at the sandbox's controls: idempotency keys give one effect and one answer, API keys what they allow."""

from sluiceway.domain.access import EVERY, Grant, Permission, TransferPair
from sluiceway.domain.ids import IdKind, parse_id
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Transfer
from sluiceway.services.idempotency import Idempotency
from sluiceway.services.keys import create_key, every_grant
from sluiceway.services.outside import move_from_outside
from sluiceway.storage.bank_rows import EventKind
from tests.api.client import Api, assert_refused
from tests.api.outside import balance, connect, on_monday, read, told, transfer, work
from tests.api.test_sandbox_story import fixed_rule
from tests.api.test_story import deposit


async def test_a_control_that_died_before_its_answer_does_not_happen_twice(api: Api) -> None:
    await on_monday(api)
    await deposit(api, 100_000, "savings")
    engine, organization_id, savings = api.world.engine, api.world.organization_id, api.world.accounts["savings"]
    key = Idempotency("POST /sandbox/withdrawals", "mine", b"the body")

    async def collect() -> Transfer | None:
        return await move_from_outside(
            engine,
            organization_id,
            EventKind.WITHDRAWAL,
            savings,
            savings,
            amount=Cents(30_000),
            idempotency=key,
        )

    first, again = await collect(), await collect()

    assert first is not None
    assert first == again
    assert await balance(api, api.account("savings")) == 70_000


async def test_what_a_key_moves_above_its_amount_waits_for_a_person_or_is_called_back(api: Api) -> None:
    await on_monday(api)
    await deposit(api, 100_000)
    await work(api)
    before = await api.world.balances()
    await api.world.rule("big", fixed_rule())
    engine, organization_id = api.world.engine, api.world.organization_id
    _, secret = await create_key(engine, organization_id, "small", every_grant(), Cents(499))
    small = api.with_secret(secret)
    started = await told(small, f"/rules/{api.rule('big')}/trigger")
    await work(api)
    run = await read(small, f"/rule-executions/{started['execution_id']}")
    waiting = await read(small, f"/transfers/{run['transfer_ids'][0]}")
    cancelled = await told(small, f"/transfers/{waiting['id']}/cancel")
    ended = await read(small, f"/rule-executions/{started['execution_id']}")

    assert (run["status"], run["transfers_pending"]) == ("in_progress", 1)
    assert (waiting["status"], waiting["approval_expires_at"]) == ("pending_approval", "2030-01-08T14:00:00.000Z")
    assert (cancelled["status"], cancelled["status_reason"]) == ("cancelled", "CANCELLED")
    assert (ended["status"], ended["transfers_failed"]) == ("failed", 1)
    assert await api.world.balances() == before


async def test_only_who_may_make_a_transfer_may_cancel_it(api: Api) -> None:
    await on_monday(api)
    bank, savings = await connect(api, "Bank"), api.account("savings")
    await deposit(api, 100_000, "savings")
    made = await transfer(api, savings, bank, 2_000)
    ends = (api.world.accounts["savings"], parse_id(IdKind.ACCOUNT, bank) or "")
    other = TransferPair(api.world.accounts["income"], EVERY)
    poor, right = TransferPair(*ends, Cents(1_999)), TransferPair(*ends, Cents(2_000))
    for pair in (other, poor):
        caller = await api.with_grants((Permission.MANUAL_TRANSFER, Grant(pairs=(pair,))))
        assert_refused(await caller.post(f"/transfers/{made}/cancel"), 403, "forbidden")
    allowed = await api.with_grants((Permission.MANUAL_TRANSFER, Grant(pairs=(right,))))

    assert (await told(allowed, f"/transfers/{made}/cancel"))["status"] == "cancelled"
