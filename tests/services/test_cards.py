"""Cards: issued on pods, frozen, lost, switched; and what becomes of them when their account goes."""

import asyncio
from dataclasses import replace

import pytest

from sluiceway.domain.access import Grant, Permission, Principal
from sluiceway.domain.cards import Card, CardKind, CardStatus, CardType
from sluiceway.domain.errors import (
    AccountNotEmpty,
    CardRefused,
    InvalidParameters,
    NotFound,
    PermissionDenied,
    Refusal,
    SandboxOnly,
)
from sluiceway.domain.ids import AccountId, CardId, KeyId
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.services.accounts import delete_account
from sluiceway.services.cards import every_card, get_card, list_cards, switch_pod
from sluiceway.services.engine import Engine
from tests.cards import give_back, issue, pay, stand, use
from tests.cards import purchase as purchase_of
from tests.services.town import Town, check, new_town
from tests.support import World, new_world


async def the_card(world: World, card: Card) -> Card:
    [found] = [each for each in await every_card(world.engine, world.organization_id) if each.id == card.id]
    return found


async def switch(world: World, card: Card, account: str) -> Card:
    account_id = world.accounts.get(account, AccountId(account))
    return await switch_pod(world.engine, world.organization_id, card.id, card.id, account_id, account)


async def delete(world: World, account: str) -> None:
    await delete_account(world.engine, world.organization_id, world.accounts[account], account)


@pytest.fixture
async def town(engine: Engine) -> Town:
    """Make a town with two pods, one of them with money."""
    town = await new_town(engine)
    await town.account("income", AccountKind.INCOME_SOURCE)
    await town.account("groceries")
    await town.account("travel")
    await town.deposit("groceries", 10_000)
    return town


async def test_a_card_is_issued_at_the_organizations_time_and_can_be_told_apart(town: Town):
    one, other = await issue(town, "groceries"), await issue(town, "groceries", card_type=CardType.PHYSICAL)

    assert (one.status, other.status) == (CardStatus.ACTIVE, CardStatus.INACTIVE)
    assert one.created_at == await town.now()
    assert one.expires_on.isoformat() == "2029-07-31"
    assert one.last_four.isdigit()
    assert await every_card(town.engine, town.organization_id) == [one, other]


async def test_a_card_is_issued_on_a_pod_and_nowhere_else(town: Town):
    await town.account("bank", AccountKind.EXTERNAL_ACCOUNT, external_kind=ExternalKind.DEPOSITORY)
    await town.account("gone")
    await delete(town, "gone")
    town.accounts["nobody's"] = AccountId(town.engine.new_id())

    for account in ("income", "bank"):
        with pytest.raises(InvalidParameters) as refused:
            await issue(town, account)
        assert refused.value.problems[0].path == "account_id"
    for account in ("gone", "nobody's"):
        with pytest.raises(NotFound):
            await issue(town, account)
    assert await every_card(town.engine, town.organization_id) == []


async def test_a_live_organization_has_nobody_who_issues_cards(town: Town):
    live = await new_world(town.engine, is_sandbox=False)
    await live.account("pod")
    with pytest.raises(SandboxOnly):
        await issue(live, "pod")
    card = await issue(town, "groceries")
    theirs = replace(card, organization_id=live.organization_id)

    for attempt in (stand(live, theirs, CardStatus.FROZEN), switch(live, theirs, "pod")):
        with pytest.raises(SandboxOnly):
            await attempt
    assert [type(answer) for answer in await use(live, purchase_of(live, theirs, 1))] == [SandboxOnly]


async def test_one_key_issues_one_card_however_often_and_at_once(town: Town, other_engine: Engine):
    elsewhere = replace(town, engine=replace(other_engine, now=town.engine.now))
    made = await asyncio.gather(
        *(issue(each, "groceries", key="once") for each in (town, elsewhere, town, elsewhere)), return_exceptions=True
    )

    [card] = await every_card(town.engine, town.organization_id)
    # Who is answered from memory is shown nothing anew.
    assert {each.id for each in made if isinstance(each, Card)} == {card.id}


async def test_a_status_changes_until_it_is_final(town: Town):
    card = await issue(town, "groceries")
    for status in (CardStatus.FROZEN, CardStatus.INACTIVE, CardStatus.ACTIVE, CardStatus.LOST, CardStatus.LOST):
        assert (await stand(town, card, status)).status is status

    with pytest.raises(CardRefused):
        await stand(town, card, CardStatus.ACTIVE)
    assert (await the_card(town, card)).status is CardStatus.LOST


async def test_what_has_no_card_cannot_be_changed(town: Town):
    neighbour = await new_world(town.engine)
    await neighbour.account("pod")
    theirs = await issue(neighbour, "pod")

    for wrong in (theirs, replace(theirs, id=CardId(town.engine.new_id()))):
        with pytest.raises(NotFound):
            await stand(town, wrong, CardStatus.FROZEN)
        with pytest.raises(NotFound):
            await switch(town, wrong, "travel")


async def test_an_omni_card_pays_from_the_pod_that_it_was_switched_to(town: Town):
    await town.deposit("travel", 5_000)
    card = await issue(town, "groceries", CardKind.OMNI_CARD)
    first = await pay(town, card, 1_000)
    await switch(town, card, "travel")
    second = await pay(town, card, 2_000)

    assert (first.account.name, second.account.name) == ("groceries", "travel")
    assert await town.balances() == {"income": 0, "groceries": 9_000, "travel": 3_000}
    # What comes back for a purchase goes to where it was paid from, everything else to where the card is now.
    await give_back(town, card, 400, first)
    await give_back(town, card, 30)
    assert await town.balances() == {"income": 0, "groceries": 9_400, "travel": 3_030}
    await check(town)


async def test_a_card_is_switched_to_a_pod_that_is_there(town: Town):
    await town.account("gone")
    await delete(town, "gone")
    omni, debit = await issue(town, "groceries", CardKind.OMNI_CARD), await issue(town, "groceries")

    for account in ("gone", town.engine.new_id()):
        with pytest.raises(NotFound):
            await switch(town, omni, account)
    with pytest.raises(InvalidParameters):
        await switch(town, omni, "income")
    with pytest.raises(CardRefused):
        await switch(town, debit, "travel")
    assert (await the_card(town, omni)).account_id == town.accounts["groceries"]


async def test_an_account_stays_while_an_active_card_pays_from_it(town: Town):
    card = await issue(town, "travel")
    with pytest.raises(AccountNotEmpty):
        await delete(town, "travel")
    await stand(town, card, CardStatus.FROZEN)
    await delete(town, "travel")

    with pytest.raises(CardRefused, match="its account is deleted"):
        await stand(town, card, CardStatus.ACTIVE)
    await check(town)


async def test_an_account_is_deleted_or_its_card_made_active_but_never_both(town: Town, other_engine: Engine):
    elsewhere = replace(town, engine=replace(other_engine, now=town.engine.now))
    for number in range(10):
        await town.account(f"pod {number}")
        card = await issue(town, f"pod {number}", card_type=CardType.PHYSICAL)
        ended = await asyncio.gather(
            delete(town, f"pod {number}"), stand(elsewhere, card, CardStatus.ACTIVE), return_exceptions=True
        )
        assert [isinstance(each, Refusal) for each in ended].count(True) == 1, ended
    await check(town)


async def test_what_comes_back_for_an_account_that_has_gone_brings_it_back(town: Town):
    card = await issue(town, "groceries")
    paid = await pay(town, card, 10_000)
    await stand(town, card, CardStatus.STOLEN)
    await delete(town, "groceries")
    given = await give_back(town, card, 2_500, paid)

    assert not isinstance(given, Refusal)
    assert await town.figures("groceries") == (2_500, 0, 0)
    assert await town.events("account.reopened") == [town.accounts["groceries"]]
    assert not given.account.is_deleted
    await check(town)


async def test_a_key_for_some_accounts_reads_their_cards_and_cannot_tell_what_else_there_is(town: Town):
    mine, other = await issue(town, "groceries"), await issue(town, "travel")
    grant = Grant(resources=frozenset({town.accounts["groceries"]}))
    narrow = Principal(town.organization_id, KeyId("k"), {Permission.READ_CARDS: grant})
    every = Principal(town.organization_id, KeyId("k"), {Permission.READ_CARDS: Grant(is_for_every=True)})
    unknown = CardId(town.engine.new_id())

    assert await get_card(town.engine, narrow, mine.id, "") == mine
    assert await get_card(town.engine, every, other.id, "") == other
    for card_id in (other.id, unknown, None):
        with pytest.raises(PermissionDenied):
            await get_card(town.engine, narrow, card_id, "")
    for card_id in (unknown, None):
        with pytest.raises(NotFound):
            await get_card(town.engine, every, card_id, "")
    assert await list_cards(town.engine, narrow, town.accounts["groceries"], limit=9) == [mine]
    with pytest.raises(PermissionDenied):
        await list_cards(town.engine, narrow, town.accounts["travel"], limit=9)
