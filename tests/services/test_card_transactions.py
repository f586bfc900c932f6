"""What cards do: purchases that are paid or declined, refunds, and fifty of them at once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sluiceway.domain.access import Grant, Permission, Principal
from sluiceway.domain.cards import Card, CardKind, CardStatus, CardTransactionStatus, DeclineReason, Subtype
from sluiceway.domain.errors import CardRefused, IdempotencyKeyMismatch, NotFound, PermissionDenied, Refusal
from sluiceway.domain.ids import CardId, CardTransactionId, KeyId
from sluiceway.domain.transfers import Direction
from sluiceway.rails.sandbox_issuer import SandboxIssuer
from sluiceway.services.card_transactions import (
    list_transactions_of_account,
    list_transactions_of_card,
    use_cards,
)
from sluiceway.services.cards import switch_pod
from sluiceway.services.edge import Edge
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer
from tests.cards import give_back, issue, moved_by, pay, purchase, refund, stand, use
from tests.services.town import Town, check, new_town
from tests.support import fixed, new_world, whenever_money_arrives


@pytest.fixture
async def town(engine: Engine) -> Town:
    """Make a town with $100.00 in a pod."""
    town = await new_town(engine)
    await town.account("pod")
    await town.account("jar")
    await town.deposit("pod", 10_000)
    return town


@pytest.fixture
async def card(town: Town) -> Card:
    """Issue a card on the pod."""
    return await issue(town, "pod")


async def decline_next(town: Town, card: Card, times: int = 1) -> None:
    issuer = SandboxIssuer(town.engine.database)
    await issuer.decline_next(town.organization_id, card.id, town.engine.new_id(), times)


def owner(town: Town) -> Principal:
    every = Grant(is_for_every=True)
    return Principal(town.organization_id, KeyId("k"), {Permission.READ_CARDS: every, Permission.READ_TRANSFERS: every})


async def test_a_purchase_is_posted_at_once_from_the_pod_to_the_world(town: Town, card: Card):
    paid = await pay(town, card, 4_250)

    assert (paid.status, paid.subtype, paid.direction) == (
        CardTransactionStatus.COMPLETE,
        Subtype.PURCHASE,
        Direction.MONEY_OUT,
    )
    assert paid.created_at == paid.completed_at == await town.now()
    assert await town.figures("pod") == (5_750, 0, 0)
    assert await moved_by(town, card.id) == [(4_250, True)]
    assert await list_transactions_of_card(town.engine, owner(town), card.id, "", limit=9) == [paid]
    assert len(await town.transfers()) == 1, "what a card does is no transfer; there is the deposit alone"
    await check(town)


async def test_the_last_cent_can_be_paid_and_not_one_more(town: Town, card: Card):
    declined = await pay(town, card, 10_001)
    paid = await pay(town, card, 10_000)
    again = await pay(town, card, 1)

    assert (declined.decline_reason, declined.completed_at) == (DeclineReason.INSUFFICIENT_FUNDS, None)
    assert (paid.decline_reason, again.decline_reason) == (None, DeclineReason.INSUFFICIENT_FUNDS)
    assert await town.figures("pod") == (0, 0, 0)
    assert await moved_by(town, card.id) == [(10_000, True)]
    await check(town)


async def test_a_card_cannot_pay_with_what_is_promised_to_a_transfer(town: Town, card: Card):
    await town.connect("bank")
    await town.send("pod", "bank", 6_000)

    assert (await pay(town, card, 4_001)).decline_reason is DeclineReason.INSUFFICIENT_FUNDS
    assert (await pay(town, card, 4_000)).decline_reason is None
    assert await town.figures("pod") == (6_000, 6_000, 0)


@pytest.mark.parametrize("status", [each for each in CardStatus if each is not CardStatus.ACTIVE])
async def test_a_card_that_is_not_active_does_not_pay_and_is_still_paid_back(
    town: Town, card: Card, status: CardStatus
):
    paid = await pay(town, card, 1_000)
    await stand(town, card, status)
    declined = await pay(town, card, 1_000)
    given = await give_back(town, card, 1_000, paid)

    assert declined.decline_reason is DeclineReason.CARD_NOT_ACTIVE
    assert not isinstance(given, Refusal)
    assert await town.figures("pod") == (10_000, 0, 0)
    await check(town)


async def test_a_card_pays_until_its_last_day_in_new_york(town: Town, card: Card):
    await town.until("2029-07-31 23:59")
    paid = await pay(town, card, 1_000)
    await town.until("2029-08-01 00:00")
    declined = await pay(town, card, 1_000)

    assert (paid.decline_reason, declined.decline_reason) == (None, DeclineReason.CARD_EXPIRED)


async def test_the_issuer_declines_as_many_as_it_was_asked_to(town: Town, card: Card):
    other = await issue(town, "pod")
    await decline_next(town, card, 2)
    reasons = [(await pay(town, each, 100)).decline_reason for each in (card, other, card, card)]

    declined = DeclineReason.ISSUER_DECLINED
    assert reasons == [declined, None, declined, None]
    assert await town.figures("pod") == (9_800, 0, 0)
    await check(town)


async def test_the_issuer_declines_within_a_batch_in_order(town: Town, card: Card):
    await decline_next(town, card)
    await decline_next(town, card)
    shown = []
    await use(town, *(purchase(town, card, 100 + n, shown=shown) for n in range(3)))

    assert [each.decline_reason for each in shown] == [DeclineReason.ISSUER_DECLINED] * 2 + [None]


async def test_a_repeated_purchase_is_answered_again_and_declines_nothing_more(town: Town, card: Card):
    await decline_next(town, card)
    first = await use(town, purchase(town, card, 100, "mine"))
    again = await use(town, purchase(town, card, 100, "mine"))
    other = await pay(town, card, 100)

    assert isinstance(first[0], Answer)
    assert isinstance(again[0], Answer)
    assert first[0].body == again[0].body
    assert (first[0].is_replay, again[0].is_replay) == (False, True)
    assert b"DECLINED" in first[0].body
    assert other.decline_reason is None


async def test_a_purchase_that_died_after_its_issuer_had_declined_it_is_declined_again(town: Town, card: Card):
    await decline_next(town, card)
    dying = replace(town.engine, new_id=lambda: (_ for _ in ()).throw(RuntimeError("killed")))
    with pytest.raises(RuntimeError):
        await use_cards(dying, [purchase(town, card, 100, "mine")])

    [answer] = await use(town, purchase(town, card, 100, "mine"))
    assert isinstance(answer, Answer)
    assert b"DECLINED" in answer.body
    assert (await pay(town, card, 100)).decline_reason is None


async def test_one_key_pays_once_and_another_amount_is_refused(town: Town, card: Card):
    same = purchase(town, card, 100, "mine")
    [one, two, other] = await use(town, same, same, purchase(town, card, 101, "mine"))

    assert isinstance(one, Answer)
    assert isinstance(two, Answer)
    assert (two.body, two.is_replay) == (one.body, True)
    assert isinstance(other, IdempotencyKeyMismatch)
    assert await town.figures("pod") == (9_900, 0, 0)


async def test_a_refund_is_posted_from_the_world_and_fires_no_rule(town: Town, card: Card):
    await town.rule("save", whenever_money_arrives("pod", fixed(100, "pod", "jar")))
    paid = await pay(town, card, 3_000)
    given = await give_back(town, card, 1_000, paid)
    freely = await give_back(town, card, 5)

    assert not isinstance(given, Refusal)
    assert not isinstance(freely, Refusal)
    assert (given.subtype, given.direction, given.purchase_id) == (Subtype.REFUND, Direction.MONEY_IN, paid.id)
    assert freely.purchase_id is None
    assert await town.settle() == 0
    assert await moved_by(town, card.id) == [(3_000, True), (1_000, False), (5, False)]
    assert await town.figures("pod") == (8_005, 0, 0)
    await check(town)


async def test_of_a_purchase_at_most_all_is_given_back_in_one_batch_or_in_many(town: Town, card: Card):
    paid = await pay(town, card, 1_000)
    answers = await use(town, *(refund(town, card, amount, paid) for amount in (600, 500, 300)))
    rest = [await give_back(town, card, amount, paid) for amount in (101, 100, 1)]

    assert [type(answer) for answer in answers] == [Answer, CardRefused, Answer]
    assert [isinstance(each, CardRefused) for each in rest] == [True, False, True]
    assert await town.figures("pod") == (10_000, 0, 0)
    await check(town)


async def test_what_was_declined_or_given_back_or_paid_by_another_card_cannot_be_refunded(town: Town, card: Card):
    other = await issue(town, "pod")
    theirs = await pay(town, other, 100)
    declined = await pay(town, card, 10_000_000)
    given = await give_back(town, card, 100)
    neighbour = await new_world(town.engine)
    await neighbour.account("pod")
    await neighbour.deposit("pod", 1_000)
    foreign = await pay(replace(town, organization_id=neighbour.organization_id), await issue(neighbour, "pod"), 100)
    assert not isinstance(given, Refusal)

    for wrong in (declined, given):
        assert isinstance(await give_back(town, card, 1, wrong), CardRefused)
    for unknown in (theirs, foreign, CardTransactionId(town.engine.new_id())):
        refused = await give_back(town, card, 1, unknown)
        assert isinstance(refused, NotFound)
    await check(town)


async def test_a_card_that_is_not_there_leaves_its_neighbours_alone(town: Town, card: Card):
    unknown = replace(card, id=CardId(town.engine.new_id()))
    answers = await use(
        town,
        purchase(town, card, 100),
        purchase(town, unknown, 100),
        replace(purchase(town, card, 100), card_id=None, spelling="nonsense"),
        refund(town, unknown, 100),
        purchase(town, card, 100),
    )

    assert [type(answer) for answer in answers] == [Answer, NotFound, NotFound, NotFound, Answer]
    assert await town.figures("pod") == (9_800, 0, 0)


async def test_fifty_purchases_at_once_pay_for_half_and_not_a_cent_more(town: Town, card: Card, other_engine: Engine):
    other = await issue(town, "pod")
    edges = [Edge(town.engine), Edge(replace(other_engine, now=town.engine.now))]
    wanted = [purchase(town, (card, other)[n % 2], 400, key=f"key {n}") for n in range(50)]

    answers = await asyncio.gather(*(edges[n % 2].use_card(each) for n, each in enumerate(wanted)))
    again = await asyncio.gather(*(edges[(n + 1) % 2].use_card(each) for n, each in enumerate(wanted)))
    for edge in edges:
        await edge.close()

    assert [answer.body.endswith(b"COMPLETE") for answer in answers].count(True) == 25
    assert [answer.body for answer in again] == [answer.body for answer in answers]
    assert await town.figures("pod") == (0, 0, 0)
    assert len(await moved_by(town, card.id)) + len(await moved_by(town, other.id)) == 25
    await check(town)


async def test_purchases_refunds_transfers_and_changes_of_status_never_lock_each_other_out(
    town: Town, other_engine: Engine
):
    elsewhere = replace(town, engine=replace(other_engine, now=town.engine.now))
    await town.deposit("jar", 10_000)
    cards = [await issue(town, name, CardKind.OMNI_CARD) for name in ("pod", "jar")]

    async def spend(of: Town, order: list[Card]) -> None:
        for _ in range(10):
            await use(of, *(purchase(of, each, 10) for each in order), refund(of, order[0], 5))

    async def switch(of: Town) -> None:
        for name in ("jar", "pod") * 5:
            await switch_pod(of.engine, of.organization_id, cards[0].id, "", of.accounts[name], name)
            await stand(of, cards[1], CardStatus.FROZEN)
            await stand(of, cards[1], CardStatus.ACTIVE)

    async def send(of: Town) -> None:
        for source, destination in [("pod", "jar"), ("jar", "pod")] * 5:
            await of.send(source, destination, 100)

    await asyncio.gather(
        spend(town, cards), spend(elsewhere, cards[::-1]), switch(town), send(elsewhere), spend(elsewhere, cards)
    )

    await check(town)


async def test_lists_are_newest_first_and_filtered_as_asked(town: Town, card: Card):
    await town.deposit("jar", 1_000)
    omni = await issue(town, "pod", CardKind.OMNI_CARD)
    first = await pay(town, omni, 100)
    await town.wait(days=1)
    declined = await pay(town, omni, 10_000_000)
    given = await give_back(town, omni, 40, first)
    await switch_pod(town.engine, town.organization_id, omni.id, "", town.accounts["jar"], "jar")
    await town.wait(days=1)
    elsewhere = await pay(town, omni, 200)
    by_other = await pay(town, card, 300)
    engine, who = town.engine, owner(town)

    async def of_card(**wanted: object) -> list[object]:
        return list(await list_transactions_of_card(engine, who, omni.id, "", limit=9, **wanted))  # type: ignore[arg-type]

    async def of_pod(account: str = "pod", **wanted: object) -> list[object]:
        listed = list_transactions_of_account(engine, who, town.accounts[account], limit=9, **wanted)  # type: ignore[arg-type]
        return list(await listed)

    assert await of_card() == [elsewhere, given, first]
    assert await of_card(status=None) == [elsewhere, given, declined, first]
    assert await of_card(status=CardTransactionStatus.DECLINED) == [declined]
    assert await of_card(direction=Direction.MONEY_IN) == [given]
    assert await of_card(from_at=elsewhere.created_at) == [elsewhere]
    assert await of_card(to_at=first.created_at) == [first]
    assert await of_card(before_id=elsewhere.id) == [given, first]
    assert await of_card(from_at=datetime(2040, 1, 1, tzinfo=UTC)) == []
    assert await of_pod() == [by_other, given, first]
    assert await of_pod(card_id=omni.id) == [given, first]
    assert await of_pod(card_id=CardId(engine.new_id())) == []
    assert await of_pod(offset=1) == [given, first]
    assert await of_pod(card_id=omni.id, offset=1) == [first]
    assert await of_pod("jar") == [elsewhere]
    assert await of_pod(to_at=first.created_at, card_id=omni.id) == [first]


async def test_a_key_for_one_account_sees_what_a_card_did_there(town: Town):
    await town.deposit("jar", 1_000)
    omni = await issue(town, "pod", CardKind.OMNI_CARD)
    await pay(town, omni, 100)
    await switch_pod(town.engine, town.organization_id, omni.id, "", town.accounts["jar"], "jar")
    there = await pay(town, omni, 200)

    def narrow(account: str) -> Principal:
        grant = Grant(resources=frozenset({town.accounts[account]}))
        return Principal(
            town.organization_id, KeyId("k"), {Permission.READ_CARDS: grant, Permission.READ_TRANSFERS: grant}
        )

    assert await list_transactions_of_card(town.engine, narrow("jar"), omni.id, "", limit=9) == [there]
    with pytest.raises(PermissionDenied):
        await list_transactions_of_card(town.engine, narrow("pod"), omni.id, "", limit=9)
    with pytest.raises(PermissionDenied):
        await list_transactions_of_account(town.engine, narrow("pod"), town.accounts["jar"], limit=9)


async def test_the_largest_amounts_fit(town: Town, card: Card):
    await town.deposit("pod", 10**13)

    assert (await pay(town, card, 10**13)).decline_reason is None
    assert not isinstance(await give_back(town, card, 10**13), Refusal)
    assert await town.figures("pod") == (10**13 + 10_000, 0, 0)
