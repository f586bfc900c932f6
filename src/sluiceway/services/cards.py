"""Cards: issue one on a pod, change how it stands, switch its pod, read it; what they pay is in `card_transactions`."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sluiceway.domain.access import Permission, Principal, require, visible
from sluiceway.domain.audit import Act
from sluiceway.domain.cards import Card, CardKind, CardStatus, CardType, first_status, require_change, require_switch
from sluiceway.domain.errors import NotFound, PermissionDenied, Refusal, SandboxOnly
from sluiceway.domain.ids import AccountId, CardId, IdKind, OrganizationId
from sluiceway.domain.ledger import Account, AccountKind
from sluiceway.domain.rules import refuse
from sluiceway.rails import CardIssuer
from sluiceway.services.audit_log import do
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency, KeyTaken, run_idempotently
from sluiceway.services.once import claim_plan, find_answer
from sluiceway.storage import cards as stored
from sluiceway.storage.accounts import find_account, lock_accounts
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import Organization, find_organizations


@dataclass(frozen=True, slots=True)
class IssueCard:
    """Issue a card on a pod. `show` writes the answer, which is remembered under the idempotency key."""

    organization_id: OrganizationId
    account_id: AccountId | None
    spelling: str
    kind: CardKind
    type: CardType
    holder_name: str
    idempotency: Idempotency | None
    show: Callable[[Card], Answer]
    act: Act | None = None


async def issue_card(engine: Engine, command: IssueCard) -> Answer:
    """Issue a card: a virtual one pays at once, a physical one when it has been made active.

    Raises SandboxOnly, NotFound, InvalidParameters for an account that is no pod, and the refusals of idempotency.
    """
    organization, issuer = await _issuing(engine, command.organization_id)
    # What was answered is answered again, whatever has become of the pod; another body must not come as far as a plan.
    is_answered = await find_answer(engine, organization.id, command.idempotency) is not None
    card = None if is_answered else await _issue(engine, organization, issuer, command)

    async def effect(tx: WriteTx, _: object) -> list[Answer | Refusal]:
        if card is None:
            # The answer that was there a moment ago has been forgotten since.
            raise KeyTaken
        await _lock_pod(tx, organization.id, card.account_id, command.spelling)
        # Under the pod's lock: whoever has issued it under the same key has answered too.
        if await stored.find_card(tx, organization.id, card.id) is not None:
            raise KeyTaken
        await stored.insert_card(tx, card)
        return [command.show(card)]

    [answer] = await run_idempotently(engine, [command], effect)
    if isinstance(answer, Refusal):
        raise answer
    return answer


async def _issue(engine: Engine, organization: Organization, issuer: CardIssuer, command: IssueCard) -> Card:
    """Let the issuer issue a card, the same one for the same key and body."""
    account_id = await _find_pod(engine, organization.id, command.account_id, command.spelling)
    at = organization.clock.read(engine.now())
    card_id = CardId(await claim_plan(engine, organization.id, command.idempotency, engine.new_id))
    issued = await issuer.issue(organization.id, card_id, at)
    return Card(
        organization_id=organization.id,
        id=card_id,
        account_id=account_id,
        kind=command.kind,
        type=command.type,
        status=first_status(command.type),
        last_four=issued.last_four,
        holder_name=command.holder_name,
        expires_on=issued.expires_on,
        created_at=at,
    )


async def set_card_status(
    engine: Engine,
    organization_id: OrganizationId,
    card_id: CardId | None,
    spelling: str,
    status: CardStatus,
    *,
    act: Act | None = None,
) -> Card:
    """Change how a card stands. Raises SandboxOnly, NotFound, and CardRefused where it has to stay as it is."""
    await _issuing(engine, organization_id)

    async def work(tx: WriteTx) -> Card:
        card = await _lock_card(tx, organization_id, card_id, spelling)
        # The account too: who deletes it looks for active cards under the same lock.
        books = await lock_accounts(tx, [(organization_id, card.account_id)])
        account = books[organization_id].accounts[card.account_id]
        require_change(card, status, is_account_deleted=account.is_deleted)
        changed = replace(card, status=status)
        await stored.set_card(tx, changed)
        return changed

    return await do(engine, act, work)


async def switch_pod(
    engine: Engine,
    organization_id: OrganizationId,
    card_id: CardId | None,
    spelling: str,
    account_id: AccountId | None,
    account_spelling: str,
    *,
    act: Act | None = None,
) -> Card:
    """Let an omni card pay from another pod from now on.

    Raises SandboxOnly, NotFound, InvalidParameters for an account that is no pod, and CardRefused.
    """
    await _issuing(engine, organization_id)

    async def work(tx: WriteTx) -> Card:
        card = await _lock_card(tx, organization_id, card_id, spelling)
        require_switch(card)
        if account_id is None:
            raise NotFound(IdKind.ACCOUNT, account_spelling)
        await _lock_pod(tx, organization_id, account_id, account_spelling)
        changed = replace(card, account_id=account_id)
        await stored.set_card(tx, changed)
        return changed

    return await do(engine, act, work)


async def _issuing(engine: Engine, organization_id: OrganizationId) -> tuple[Organization, CardIssuer]:
    """Find who issues an organization's cards. Raises SandboxOnly for one that has nobody."""
    async with engine.database.read() as tx:
        organization = (await find_organizations(tx, [organization_id]))[organization_id]
    issuer = engine.issuer_of(organization)
    if issuer is None:
        raise SandboxOnly
    return organization, issuer


async def _lock_card(tx: WriteTx, organization_id: OrganizationId, card_id: CardId | None, spelling: str) -> Card:
    cards = {} if card_id is None else await stored.lock_cards(tx, [(organization_id, card_id)])
    for card in cards.values():
        return card
    raise NotFound(IdKind.CARD, spelling)


async def _find_pod(
    engine: Engine, organization_id: OrganizationId, account_id: AccountId | None, spelling: str
) -> AccountId:
    """Look before anything is issued, so that what will be refused leaves nothing behind."""
    async with engine.database.read() as tx:
        record = None if account_id is None else await find_account(tx, organization_id, account_id)
    return _require_pod(None if record is None else record.account, spelling).id


async def _lock_pod(tx: WriteTx, organization_id: OrganizationId, account_id: AccountId, spelling: str) -> None:
    books = await lock_accounts(tx, [(organization_id, account_id)])
    _require_pod(books[organization_id].accounts.get(account_id), spelling)


def _require_pod(account: Account | None, spelling: str) -> Account:
    if account is None or account.is_deleted or not account.is_listed:
        raise NotFound(IdKind.ACCOUNT, spelling)
    if account.kind is not AccountKind.POD:
        refuse("account_id", "is not a pod")
    return account


# ------------------------------------------------------------------------------------------------------------- reading


async def find_card(engine: Engine, organization_id: OrganizationId, card_id: CardId | None, spelling: str) -> Card:
    """Find a card of an organization. Raises NotFound."""
    card = None
    if card_id is not None:
        async with engine.database.read() as tx:
            card = await stored.find_card(tx, organization_id, card_id)
    if card is None:
        raise NotFound(IdKind.CARD, spelling)
    return card


async def every_card(engine: Engine, organization_id: OrganizationId) -> list[Card]:
    """List all cards of an organization, oldest first."""
    async with engine.database.read() as tx:
        return await stored.every_card(tx, organization_id)


async def get_card(engine: Engine, principal: Principal, card_id: CardId | None, spelling: str) -> Card:
    """Read a card. Raises NotFound, and PermissionDenied unless the key may read the cards of its account.

    A key for some accounts only is refused alike for a card of others and for one that does not exist.
    """
    seen = visible(principal, Permission.READ_CARDS)
    card = None
    if card_id is not None:
        async with engine.database.read() as tx:
            card = await stored.find_card(tx, principal.organization_id, card_id)
    if seen is not None and (card is None or card.account_id not in seen):
        raise PermissionDenied
    if card is None:
        raise NotFound(IdKind.CARD, spelling)
    return card


async def list_cards(
    engine: Engine,
    principal: Principal,
    account_id: AccountId,
    *,
    status: CardStatus | None = None,
    card_type: CardType | None = None,
    before_id: CardId | None = None,
    limit: int,
) -> list[Card]:
    """List the cards of an account, newest first. Raises PermissionDenied for one whose cards the key may not read."""
    require(principal, Permission.READ_CARDS, account_id)
    async with engine.database.read() as tx:
        return await stored.list_cards(
            tx,
            principal.organization_id,
            account_id,
            status=status,
            card_type=card_type,
            before_id=before_id,
            limit=limit,
        )
