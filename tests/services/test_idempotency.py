"""One effect and one answer for each key, however often, wherever and in whatever company it is sent."""

import asyncio
import random
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import cast

import psycopg
import pytest

from sluiceway.domain.access import EVERY, TransferPair
from sluiceway.domain.errors import IdempotencyKeyInUse, IdempotencyKeyMismatch, NotFound, RuleDisabled
from sluiceway.domain.ids import KeyId
from sluiceway.domain.ledger import AccountKind
from sluiceway.services import idempotency
from sluiceway.services.accounts import CreateAccount, NewAccount, create_account
from sluiceway.services.admission import TriggerRule, admit
from sluiceway.services.batching import Batcher
from sluiceway.services.deposits import Deposit, deposit
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency
from sluiceway.services.rules import disable_rule, enable_rule
from sluiceway.services.transfers import transfer
from sluiceway.storage.database import ConstraintViolated, Database, WriteTx, fetch_all
from sluiceway.storage.idempotency import CLAIMED, Claim
from sluiceway.storage.idempotency import claim as stored_claim
from tests.support import (
    PASSWORD,
    World,
    deadlocks,
    fixed,
    new_world,
    on_demand,
    plain_engine,
    somebody_waits,
)


@pytest.fixture
async def saving(world: World) -> World:
    """Make an account with money and a rule that moves a thousand of it on demand."""
    await world.account("income")
    await world.account("savings")
    await world.rule("save", on_demand("income", fixed(1_000, "income", "savings")))
    await world.deposit("income", 10_000_000)
    return world


async def count(world: World, table: str) -> int:
    async with world.engine.database.read() as tx:
        query = {"execution": "SELECT count(*) FROM execution", "idempotency": "SELECT count(*) FROM idempotency"}
        [(number,)] = await fetch_all(tx, query[table])
    return number


def told(answers: list[Answer | Exception]) -> list[tuple[bytes, bool]]:
    return [(answer.body, answer.is_replay) for answer in answers if isinstance(answer, Answer)]


async def test_a_key_repeated_within_a_batch_is_one_effect(saving: World):
    answers = await admit(saving.engine, [saving.trigger_command("save", key="k") for _ in range(4)])

    bodies = {body for body, _ in told(answers)}
    assert len(bodies) == 1
    assert [is_replay for _, is_replay in told(answers)] == [False, True, True, True]
    assert await saving.settle() == 1


async def test_a_key_repeated_in_a_later_batch_is_a_replay_byte_for_byte(saving: World):
    first = await saving.trigger("save", key="k")
    await saving.settle()
    again = await saving.trigger("save", key="k")

    assert isinstance(first, Answer)
    assert again == Answer(first.status, first.body, is_replay=True)
    assert await count(saving, "execution") == 1


async def test_fifty_at_once_over_two_processes_are_one_effect(saving: World, other_engine: Engine):
    elsewhere = replace(saving, engine=other_engine)

    answers = await asyncio.gather(*((saving, elsewhere)[n % 2].deposit("income", 5_000, "k") for n in range(50)))

    assert len({body for body, _ in told(answers)}) == 1
    assert [is_replay for _, is_replay in told(answers)].count(False) == 1
    assert len(told(answers)) == 50
    assert (await saving.balances())["income"] == 10_005_000


async def test_fifty_transfers_at_once_under_one_key_move_once(saving: World, other_engine: Engine):
    elsewhere = replace(saving, engine=other_engine)

    answers = await asyncio.gather(
        *((saving, elsewhere)[n % 2].transfer("income", "savings", 700, "k") for n in range(50))
    )

    assert [is_replay for _, is_replay in told(answers)].count(False) == 1
    assert (await saving.balances())["savings"] == 700


@pytest.mark.parametrize("is_same_batch", [True, False])
async def test_another_body_under_a_used_key_is_refused_and_has_no_effect(saving: World, is_same_batch: bool):
    commands = [saving.trigger_command("save", amount, "k") for amount in (1_000, 2_000)]

    if is_same_batch:
        first, second = await admit(saving.engine, commands)
    else:
        [[first], [second]] = [await admit(saving.engine, [command]) for command in commands]

    assert isinstance(first, Answer)
    assert isinstance(second, IdempotencyKeyMismatch)
    assert await count(saving, "execution") == 1


async def test_a_refusal_is_not_remembered_and_the_key_works_once_the_reason_is_gone(saving: World):
    rule = saving.rules["save"]
    await disable_rule(saving.engine, saving.organization_id, rule.id, "")
    refused = await saving.trigger("save", key="k")
    await enable_rule(saving.engine, saving.person, PASSWORD, rule.id, rule.fingerprint)

    allowed = await saving.trigger("save", key="k")
    again = await saving.trigger("save", key="k")

    assert isinstance(refused, RuleDisabled)
    assert isinstance(allowed, Answer)
    assert (allowed.is_replay, again) == (False, Answer(200, allowed.body, is_replay=True))


async def test_a_refused_call_does_not_speak_for_another_body_under_its_key(saving: World):
    wrong = replace(saving.trigger_command("save", 1_000, "k"), rule_id=saving.engine.new_id(), spelling="wrong")
    right = saving.trigger_command("save", 2_000, "k")

    refused, waiting = await admit(saving.engine, [wrong, right])
    [allowed] = await admit(saving.engine, [right])

    assert isinstance(refused, NotFound)
    assert isinstance(waiting, IdempotencyKeyInUse), "which says: try again"
    assert isinstance(allowed, Answer)


async def test_a_refusal_in_a_batch_leaves_its_neighbours_alone(saving: World):
    await saving.rule("off", on_demand("income", fixed(1_000, "income", "savings")), enabled=False)
    commands = [saving.trigger_command(rule, key=rule) for rule in ("save", "off")] + [saving.trigger_command("save")]

    first, second, third = await admit(saving.engine, commands)

    assert [type(answer) for answer in (first, second, third)] == [Answer, RuleDisabled, Answer]
    assert await count(saving, "idempotency") == 1
    assert await saving.settle() == 2


async def test_calls_without_a_key_are_never_taken_for_each_other(saving: World):
    answers = await admit(saving.engine, [saving.trigger_command("save") for _ in range(5)])

    assert len({body for body, _ in told(answers)}) == 5
    assert await count(saving, "idempotency") == 0


async def test_an_answer_is_replayed_after_its_rule_is_disabled(saving: World):
    first = await saving.trigger("save", key="k")
    await disable_rule(saving.engine, saving.organization_id, saving.rules["save"].id, "")

    again = await saving.trigger("save", key="k")

    assert isinstance(first, Answer)
    assert again == Answer(200, first.body, is_replay=True)


async def test_rotating_the_api_key_cannot_double_a_payment(saving: World):
    old, new = (replace(saving.principal(), key_id=KeyId(saving.engine.new_id())) for _ in range(2))
    commands = [saving.transfer_command("income", "savings", 900, "k", principal=who) for who in (old, new)]

    [[first], [again]] = [await transfer(saving.engine, [command]) for command in commands]

    assert isinstance(first, Answer)
    assert again == Answer(201, first.body, is_replay=True)
    assert (await saving.balances())["savings"] == 900


async def test_a_key_that_may_not_transfer_learns_nothing_from_a_replay(saving: World):
    await saving.transfer("income", "savings", 900, "k")
    narrow = saving.principal(TransferPair(EVERY, saving.accounts["income"]))

    [answer] = await transfer(saving.engine, [saving.transfer_command("income", "savings", 900, "k", principal=narrow)])

    assert type(answer).__name__ == "PermissionDenied"


async def test_organizations_and_operations_have_keys_of_their_own(saving: World):
    neighbour = await new_world(saving.engine)
    await neighbour.account("income")

    answers = [
        await saving.deposit("income", 500, "k"),
        await neighbour.deposit("income", 500, "k"),
        await saving.trigger("save", 500, "k"),
        await saving.transfer("income", "savings", 500, "k"),
    ]

    assert [is_replay for _, is_replay in told(answers)] == [False] * 4
    assert await count(saving, "idempotency") == 4


@pytest.mark.parametrize(
    "key", ["NULL", "", "a,b", "{a}", '"', "\\", '\\"', "' OR 1=1", "\n\t", "é𝄞", "%s", "$1", " k ", "k" * 255]
)
async def test_a_key_is_any_text(saving: World, key: str):
    first = await saving.deposit("income", 500, key)
    again = await saving.deposit("income", 500, key)

    assert isinstance(first, Answer)
    assert again == Answer(201, first.body, is_replay=True)
    async with saving.engine.database.read() as tx:
        assert (await fetch_all(tx, "SELECT key FROM idempotency")) == [(key,)]


async def test_keys_that_differ_only_in_case_or_space_are_different(saving: World):
    answers = [await saving.deposit("income", 500, key) for key in ("k", "K", "k ", " k")]

    assert [is_replay for _, is_replay in told(answers)] == [False] * 4


async def test_an_answer_keeps_every_byte(saving: World):
    body = bytes(range(256)) + b'"\\{}'
    command = replace(saving.trigger_command("save", key="k"), show=lambda _: Answer(299, body))

    [[first], [again]] = [await admit(saving.engine, [command]) for _ in range(2)]

    assert (first, again) == (Answer(299, body), Answer(299, body, is_replay=True))


async def test_batches_of_overlapping_keys_in_different_orders_never_deadlock(saving: World, database_url: str):
    rounds = [[f"round {number} key {n}" for n in range(60)] for number in range(6)]

    async def process(seed: int) -> list[Answer | Exception]:
        dice = random.Random(seed)
        answers: list[Answer | Exception] = []
        async with Database(database_url) as database:
            engine = plain_engine(database)
            batcher = Batcher[TriggerRule, Answer](partial(admit, engine))
            for keys in rounds:
                calls = [batcher.submit(saving.trigger_command("save", key=key)) for key in dice.sample(keys, 50)]
                answers += cast("list[Answer | Exception]", await asyncio.gather(*calls, return_exceptions=True))
        return answers

    batches = await asyncio.gather(*(process(seed) for seed in range(4)))

    answers = [answer for batch in batches for answer in batch]
    firsts = [body for body, is_replay in told(answers) if not is_replay]
    refused = {type(answer) for answer in answers if not isinstance(answer, Answer)}
    assert len(firsts) == len(set(firsts)) == await count(saving, "idempotency") == await count(saving, "execution")
    assert refused <= {IdempotencyKeyInUse}
    assert deadlocks(database_url) == 0


async def test_keys_are_claimed_in_one_order_whatever_the_order_of_the_calls(
    saving: World, other_engine: Engine, database_url: str
):
    holding = """
        INSERT INTO idempotency (organization_id, scope, key, body_hash, status, answer, created_at)
        VALUES (%s, 'trigger', 'm', '', 200, '', now())
    """

    def batch(*keys: str) -> list[TriggerRule]:
        return [saving.trigger_command("save", key=key) for key in keys]

    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute(holding, (saving.organization_id,))
        first = asyncio.create_task(admit(saving.engine, batch("b", "m", "a")))
        await somebody_waits(database_url, "claim")
        second = asyncio.create_task(admit(other_engine, batch("a", "b")))
        await somebody_waits(database_url, "claim", 2)
        began = asyncio.get_running_loop().time()
        await holder.rollback()
        answers = [*await first, *await second]

    assert asyncio.get_running_loop().time() - began < 0.9, "the server takes a second to find a deadlock"
    assert [is_replay for _, is_replay in told(answers)] == [False, False, False, True, True]


async def test_what_was_done_beside_keys_that_others_keep_sending_is_done_once(
    saving: World, monkeypatch: pytest.MonkeyPatch
):
    """Two deposits share a batch; one's key is taken again and again, and then its call fails once."""
    failures = iter([*[ConstraintViolated(CLAIMED, "taken")] * idempotency.ATTEMPTS, RuntimeError("tripped")])

    async def claim(tx: WriteTx, wanted: Collection[Claim], at: datetime) -> None:
        failure = next(failures, None) if wanted else None
        if failure is not None:
            raise failure
        await stored_claim(tx, wanted, at)

    monkeypatch.setattr(idempotency, "claim", claim)
    batcher = Batcher[Deposit, Answer](partial(deposit, saving.engine))
    before = (await saving.balances())["income"]

    answers = await asyncio.gather(
        batcher.submit(saving.deposit_command("income", 1_000)),
        batcher.submit(saving.deposit_command("income", 70, "k")),
        return_exceptions=True,
    )

    assert [type(answer) for answer in answers] == [Answer, RuntimeError]
    assert (await saving.balances())["income"] == before + 1_000


async def test_creating_an_account_twice_under_one_key_makes_one(saving: World, other_engine: Engine):
    command = CreateAccount(
        organization_id=saving.organization_id,
        account=NewAccount(AccountKind.POD, "Vacation"),
        idempotency=Idempotency("accounts", "k", b"vacation"),
        show=lambda record: Answer(201, record.account.id.encode()),
    )

    answers = await asyncio.gather(
        *(create_account(engine, command) for engine in (saving.engine, other_engine) for _ in range(10))
    )

    assert len({answer.body for answer in answers}) == 1
    async with saving.engine.database.read() as tx:
        assert await fetch_all(tx, "SELECT count(*) FROM account WHERE name = 'Vacation'") == [(1,)]
