"""Lists: every entry once, newest first, and only those that are asked for."""

from datetime import timedelta

import pytest

from sluiceway.domain.ledger import AccountKind
from tests.api.stories.facts import ON_DEMAND, End
from tests.api.stories.speaker import Verb
from tests.api.stories.stage import Stage, told_by


@told_by(Verb.TRANSFER)
@pytest.mark.parametrize("size", [1, 3, 7, 100])
async def test_paging_through_transfers_finds_each_once(stage: Stage, size: int) -> None:
    await stage.deposit("savings", 100_000)
    ends = stage.id("savings"), stage.id("emergency")
    made = [(await stage.teller.transfer(*ends, 100 + number)).fact for number in range(7)]

    assert await stage.everybody.transfers(stage.id("emergency"), size=size) == made[::-1]


@told_by(Verb.TRIGGER)
@pytest.mark.parametrize("size", [1, 2, 5])
async def test_paging_through_executions_finds_each_once(stage: Stage, size: int) -> None:
    made = [(await stage.teller.trigger(stage.rule())).fact for _ in range(5)]
    runs = await stage.everybody.executions(stage.rule(), size=size)

    assert [run.id for run in runs] == made[::-1]


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_paging_through_accounts_and_rules_finds_each_once(stage: Stage, size: int) -> None:
    pods = [await stage.world.account(f"pod {number}") for number in range(2)]
    rule = {"trigger": {"type": "MANUAL", "account_id": "income"}, "steps": [{"actions": [
        {"type": "FIXED", "amount_in_cents": 100, "source": "income", "destination": "savings"},
    ]}]}  # fmt: skip
    rules = [(await stage.world.rule(f"rule {number}", rule)).id for number in range(4)]

    accounts = [*pods[::-1], stage.id("emergency"), stage.id("savings"), stage.id("income")]
    assert await stage.everybody.accounts(size=size) == accounts
    assert [one.id for one in await stage.everybody.rules(size=size)] == [*rules[::-1], stage.rule()]


async def test_lists_without_entries_are_empty(stage: Stage) -> None:
    everybody, nobody = stage.everybody, stage.world.engine.new_id()

    for account_id in (stage.id("income"), nobody, "nonsense"):
        assert await everybody.transfers(account_id) == []
    for rule_id in (stage.rule(), nobody, "nonsense"):
        assert await everybody.executions(rule_id) == []
    for source_id in (stage.id("savings"), nobody, "nonsense"):
        assert await everybody.rules(source_id=source_id) == []
    assert await everybody.accounts(kind="EXTERNAL_ACCOUNT") == []


async def test_accounts_and_rules_are_found_by_kind_and_source(stage: Stage) -> None:
    everybody = stage.everybody

    assert await everybody.accounts(kind="POD") == [stage.id("emergency"), stage.id("savings")]
    assert await everybody.accounts(kind="INCOME_SOURCE") == [stage.id("income")]
    assert [one.id for one in await everybody.rules(source_id=stage.id("income"))] == [stage.rule()]


async def test_transfers_are_found_by_role_direction_origin_status_and_time(stage: Stage) -> None:
    await stage.on_monday()
    await stage.deposit("income", 500_000)
    await stage.work()
    await stage.wait(days=1)
    await stage.deposit("income", 700)

    async def amounts(**wanted: str) -> list[int]:
        return [one.amount for one in await stage.everybody.transfers(stage.id("income"), **wanted)]

    # The second deposit is settled by nobody yet, so no rule has moved it on.
    assert sorted(await amounts()) == [700, 100_000, 500_000]
    assert await amounts(role="source") == [100_000]
    assert await amounts(role="destination") == [700, 500_000]
    assert sorted(await amounts(role="either")) == [700, 100_000, 500_000]
    assert await amounts(direction="MONEY_IN") == [700, 500_000]
    assert await amounts(direction="INTERNAL") == [100_000]
    assert await amounts(direction="MONEY_OUT") == []
    assert await amounts(origin="DIRECT_DEPOSIT") == [700, 500_000]
    assert await amounts(origin="RULE") == [100_000]
    assert await amounts(origin="USER") == []
    assert sorted(await amounts(status="COMPLETE")) == [700, 100_000, 500_000]
    assert await amounts(status="PENDING") == []
    assert await amounts(since="2030-01-08T00:00:00Z") == [700]
    assert sorted(await amounts(until="2030-01-08T00:00:00+00:00")) == [100_000, 500_000]
    # Both ends belong to it, and any offset is read.
    assert await amounts(since="2030-01-08T09:00:00-05:00", until="2030-01-08T15:00:00+01:00") == [700]


@told_by(Verb.TRIGGER)
async def test_executions_are_found_by_status_by_what_started_them_and_by_time(stage: Stage) -> None:
    await stage.on_monday()
    await stage.deposit("income", 500_000)
    await stage.work()
    await stage.wait(days=1)
    asked = (await stage.teller.trigger(stage.rule())).fact

    async def ids(**wanted: str) -> list[str]:
        return [run.id for run in await stage.everybody.executions(stage.rule(), **wanted)]

    [newer, older] = await ids()
    assert newer == asked
    assert await ids(status="EXECUTED") == await ids(why="ON_FUNDS_TRANSFERRED") == [older]
    assert await ids(status="IN_PROGRESS") == await ids(why=ON_DEMAND) == [newer]
    assert await ids(status="PARTIAL") == await ids(status="FAILED") == await ids(why="SCHEDULED") == []
    assert await ids(since="2030-01-08T00:00:00Z") == [newer]
    assert await ids(until="2030-01-08T00:00:00Z") == [older]


async def test_what_happened_at_a_bank_is_listed_latest_first(stage: Stage) -> None:
    await stage.on_monday()
    bank = await stage.connect("bank", 50_000)
    for amount, description in ((500, "Salary"), (-200, "Coffee")):
        body = {"amount_in_cents": amount, "description": description}
        done = await stage.api.post(f"/sandbox/accounts/{bank}/transactions", body)
        assert done.status_code == 201
        await stage.wait(days=1)
    [coffee, salary] = await stage.everybody.outside(bank)

    assert (coffee.description, coffee.direction, coffee.amount) == ("Coffee", "MONEY_OUT", 200)
    assert (salary.description, salary.direction, salary.amount) == ("Salary", "MONEY_IN", 500)
    assert coffee.at - salary.at == timedelta(days=1)
    assert {one.account_id for one in (coffee, salary)} == {bank}
    assert await stage.everybody.outside(bank, direction="MONEY_IN") == [salary]
    assert (await stage.amounts())["bank"] == 50_300


async def test_an_account_tells_what_it_is_and_what_is_in_it(stage: Stage) -> None:
    await stage.on_monday()
    await stage.world.account("wages", AccountKind.INCOME_SOURCE, description="Where pay lands")
    await stage.deposit("wages", 12_345)
    card = await stage.connect("card", 80_000, external_account_type="LIABILITY", institution_name="A bank")
    figures = {"next_payment_minimum_in_cents": 2_500, "interest_rate_percentage": 19.99}
    assert (await stage.api.post(f"/sandbox/accounts/{card}/statement", figures)).status_code == 200
    await stage.wait(days=2)
    wages = await stage.everybody.account(stage.id("wages"))
    owed = await stage.everybody.account(card)

    assert (wages.kind, wages.external_kind, wages.description) == ("INCOME_SOURCE", None, "Where pay lands")
    assert (wages.current, wages.available, wages.can_be_source) == (12_345, 12_345, True)
    assert (owed.kind, owed.external_kind, owed.institution) == ("EXTERNAL_ACCOUNT", "LIABILITY", "A bank")
    assert (owed.current, owed.available) == (80_000, None)
    assert (owed.can_be_source, owed.can_be_destination) == (False, True)
    assert owed.balance["next_payment_minimum_in_cents"] == 2_500
    assert owed.balance["interest_rate_percentage"] == 19.99
    purses = await stage.everybody.purses()
    assert (purses["wages"].current, purses["card"].current) == (12_345, 80_000)


async def test_a_balance_that_the_bank_does_not_tell_says_why(stage: Stage) -> None:
    await stage.on_monday()
    bank = await stage.connect("bank", 50_000)
    assert (await stage.api.post(f"/sandbox/accounts/{bank}/state", {"state": "disconnected"})).status_code == 200
    assert (await stage.api.post(f"/accounts/{bank}/refresh")).status_code == 200

    purse = (await stage.everybody.purses())["bank"]
    assert (purse.current, purse.error) == (None, "DISCONNECTED_ACCOUNT")


async def test_ends_carry_names_and_kinds(stage: Stage) -> None:
    await stage.deposit("income", 3_000)
    await stage.work()
    [moved] = await stage.everybody.transfers(stage.id("emergency"))

    assert moved.source == End(stage.id("income"), "INCOME_SOURCE", "income")
    assert moved.destination == End(stage.id("emergency"), "POD", "emergency")
