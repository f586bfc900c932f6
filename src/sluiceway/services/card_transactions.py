"""What cards do: purchases and refunds, posted at once to and from the world, or declined; and reading them.

They are no transfers, and fire no rules: what a card is paid back is no income.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import assert_never

from sluiceway.domain.access import Permission, Principal, require, visible
from sluiceway.domain.ach import eastern_day
from sluiceway.domain.audit import Act
from sluiceway.domain.cards import (
    Card,
    CardTransaction,
    CardTransactionStatus,
    DeclineReason,
    Subtype,
    why_declined,
    why_not_refunded,
)
from sluiceway.domain.errors import CardRefused, NotFound, Refusal, SandboxOnly
from sluiceway.domain.ids import AccountId, CardId, CardTransactionId, IdKind, KeyId, OrganizationId
from sluiceway.domain.money import Cents
from sluiceway.domain.transfers import Direction, Party
from sluiceway.rails import Authorization
from sluiceway.services.cards import get_card
from sluiceway.services.engine import Engine
from sluiceway.services.idempotency import Answer, Idempotency, run_idempotently
from sluiceway.services.movements import Movements
from sluiceway.storage import card_transactions as stored
from sluiceway.storage.accounts import AccountKey, OwnAccounts, lock_accounts, own_accounts, reopen_accounts
from sluiceway.storage.card_transactions import CardTransactionKey, NewCardTransaction, Refundable
from sluiceway.storage.cards import CardKey, lock_cards
from sluiceway.storage.database import WriteTx
from sluiceway.storage.organizations import find_organizations
from sluiceway.storage.outbox import EventKind


@dataclass(frozen=True, slots=True)
class Purchase:
    """Pay somebody with a card."""

    organization_id: OrganizationId
    card_id: CardId | None
    spelling: str
    amount: Cents
    description: str
    key_id: KeyId | None
    idempotency: Idempotency | None
    show: Callable[[CardTransaction], Answer]
    act: Act | None = None


@dataclass(frozen=True, slots=True)
class PurchaseToRefund:
    """A purchase as a caller names it."""

    id: CardTransactionId | None
    spelling: str


@dataclass(frozen=True, slots=True)
class Refund:
    """Pay a card back: for a purchase, of which at most all can be given back, or for nothing in particular."""

    organization_id: OrganizationId
    card_id: CardId | None
    spelling: str
    amount: Cents
    description: str
    purchase: PurchaseToRefund | None
    key_id: KeyId | None
    idempotency: Idempotency | None
    show: Callable[[CardTransaction], Answer]
    act: Act | None = None


CardUse = Purchase | Refund


@dataclass(frozen=True, slots=True)
class _Asked:
    """A use of a card, and whether the card's issuer lets it through."""

    use: CardUse
    is_let_through: bool

    @property
    def organization_id(self) -> OrganizationId:
        """Whose card it is."""
        return self.use.organization_id

    @property
    def idempotency(self) -> Idempotency | None:
        """The key that the caller sent."""
        return self.use.idempotency

    @property
    def act(self) -> Act | None:
        """What the audit log says of it."""
        return self.use.act


async def use_cards(engine: Engine, uses: Sequence[CardUse]) -> list[Answer | Refusal]:
    """Post a batch of purchases and refunds in one transaction; an answer or a refusal for each, in order.

    A purchase that cannot be paid is answered as well: it is recorded as declined, with a reason, and moves nothing.
    Refusals: SandboxOnly, NotFound, CardRefused for a refund of more than was paid, and those of idempotency.
    """
    let_through = await _ask_issuers(engine, uses)
    asked = [_Asked(use, is_let_through) for use, is_let_through in zip(uses, let_through, strict=True)]

    async def effect(tx: WriteTx, active: Sequence[_Asked]) -> list[Answer | Refusal]:
        return await _use(engine, tx, active)

    return await run_idempotently(engine, asked, effect)


async def _ask_issuers(engine: Engine, uses: Sequence[CardUse]) -> list[bool]:
    """Ask about each purchase. A repeated call asks about the same purchase again, so it is given the same answer."""
    async with engine.database.read() as tx:
        organizations = await find_organizations(tx, {use.organization_id for use in uses})
    answers = [True] * len(uses)
    for organization in organizations.values():
        issuer = engine.issuer_of(organization)
        asked = [
            (index, Authorization(use.organization_id, use.card_id, _purchase_key(engine, use), use.amount))
            for index, use in enumerate(uses)
            if isinstance(use, Purchase) and use.card_id is not None and use.organization_id == organization.id
        ]
        if issuer is None or not asked:
            continue
        told = await issuer.authorize([authorization for _, authorization in asked])
        for (index, _), is_let_through in zip(asked, told, strict=True):
            answers[index] = is_let_through
    return answers


def _purchase_key(engine: Engine, use: Purchase) -> str:
    sent = use.idempotency
    if sent is None:
        return engine.new_id()
    # Another body is another purchase: a call that was refused may be sent again, corrected, with its key.
    told = f"{sent.scope} {sent.key} {sent.body_hash.hex()}"
    return blake2b(told.encode(), digest_size=16).hexdigest()


async def _use(engine: Engine, tx: WriteTx, active: Sequence[_Asked]) -> list[Answer | Refusal]:
    uses = [asked.use for asked in active]
    organization_ids = {use.organization_id for use in uses}
    organizations = await find_organizations(tx, organization_ids)
    own = await own_accounts(tx, organization_ids)
    cards = await lock_cards(tx, [(use.organization_id, use.card_id) for use in uses if use.card_id is not None])
    # After the cards: what has been refunded of their purchases changes under their locks only.
    purchases = await stored.find_card_transactions(tx, _purchases(uses))
    accounts = {(card.organization_id, card.account_id) for card in cards.values()}
    accounts |= {(key[0], found.transaction.account.id) for key, found in purchases.items()}
    accounts |= {(key[0], each.world) for key, each in own.items()}
    books = await lock_accounts(tx, accounts)
    counter = _Counter(Movements(engine, organizations, books, {}, engine.now()), own, cards, purchases)
    answers = [counter.serve(asked) for asked in active]
    await counter.write(tx)
    return answers


def _purchases(uses: Sequence[CardUse]) -> list[CardTransactionKey]:
    return [
        (use.organization_id, use.purchase.id)
        for use in uses
        if isinstance(use, Refund) and use.purchase is not None and use.purchase.id is not None
    ]


@dataclass(slots=True)
class _Counter:
    """Decides the uses of a batch, one after the other, over running balances and running refunds."""

    movements: Movements
    own: dict[tuple[OrganizationId, str], OwnAccounts]
    cards: dict[CardKey, Card]
    purchases: dict[CardTransactionKey, Refundable]
    reopened: set[AccountKey] = field(default_factory=set[AccountKey])

    def serve(self, asked: _Asked) -> Answer | Refusal:
        use = asked.use
        organization = self.movements.organizations[use.organization_id]
        if self.movements.engine.issuer_of(organization) is None:
            return SandboxOnly()
        card = None if use.card_id is None else self.cards.get((use.organization_id, use.card_id))
        if card is None:
            return NotFound(IdKind.CARD, use.spelling)
        match use:
            case Purchase():
                return self._pay(card, use, is_let_through=asked.is_let_through)
            case Refund():
                return self._give_back(card, use)
            case _:
                assert_never(use)

    def _pay(self, card: Card, use: Purchase, *, is_let_through: bool) -> Answer:
        book = self.movements.books[card.organization_id]
        spendable = book.spendable(card.account_id)
        assert spendable is not None, "what a pod holds is known"
        today = eastern_day(self.movements.clocks[card.organization_id])
        reason = why_declined(card, use.amount, spendable=spendable, today=today, is_let_through=is_let_through)
        made = self._record(card, use, card.account_id, Subtype.PURCHASE, reason)
        if reason is None:
            book.post_by_card(made.id, card.account_id, self._world(card, card.account_id), use.amount)
        return use.show(made)

    def _give_back(self, card: Card, use: Refund) -> Answer | Refusal:
        # To where the purchase was paid from, wherever the card pays from now.
        account_id, named = card.account_id, use.purchase
        if named is not None:
            key = None if named.id is None else (use.organization_id, named.id)
            found = None if key is None else self.purchases.get(key)
            if key is None or found is None or found.transaction.card_id != card.id:
                return NotFound(IdKind.CARD_TRANSACTION, named.spelling)
            refunded = self.movements.refunded.get(key, found.refunded)
            why_not = why_not_refunded(found.transaction, refunded, use.amount)
            if why_not is not None:
                return CardRefused(why_not)
            self.movements.refunded[key] = refunded + use.amount
            account_id = found.transaction.account.id
        made = self._record(card, use, account_id, Subtype.REFUND, None)
        book = self.movements.books[card.organization_id]
        book.post_by_card(made.id, self._world(card, account_id), account_id, use.amount)
        self._reopen(card.organization_id, account_id)
        return use.show(made)

    def _reopen(self, organization_id: OrganizationId, account_id: AccountId) -> None:
        """Bring back an account that has been deleted since: what comes back has to be somewhere."""
        is_deleted = self.movements.books[organization_id].accounts[account_id].is_deleted
        if is_deleted and (organization_id, account_id) not in self.reopened:
            self.reopened.add((organization_id, account_id))
            self.movements.tell(organization_id, EventKind.ACCOUNT_REOPENED, account_id)

    def _world(self, card: Card, account_id: AccountId) -> AccountId:
        currency = self.movements.books[card.organization_id].accounts[account_id].currency
        return self.own[card.organization_id, currency].world

    def _record(
        self, card: Card, use: CardUse, account_id: AccountId, subtype: Subtype, reason: DeclineReason | None
    ) -> CardTransaction:
        new = NewCardTransaction(
            organization_id=card.organization_id,
            id=CardTransactionId(self.movements.engine.new_id()),
            card_id=card.id,
            account_id=account_id,
            direction=Direction.MONEY_OUT if subtype is Subtype.PURCHASE else Direction.MONEY_IN,
            subtype=subtype,
            status=CardTransactionStatus.COMPLETE if reason is None else CardTransactionStatus.DECLINED,
            decline_reason=reason,
            amount=use.amount,
            description=use.description,
            purchase_id=use.purchase.id if isinstance(use, Refund) and use.purchase is not None else None,
            key_id=use.key_id,
        )
        self.movements.card_transactions.append(new)
        account = self.movements.books[card.organization_id].accounts[account_id]
        # Whatever comes back brings its account back, so nobody is shown a deleted one that holds money.
        is_deleted = account.is_deleted and subtype is not Subtype.REFUND
        at = self.movements.clocks[card.organization_id]
        return CardTransaction(
            organization_id=new.organization_id,
            id=new.id,
            card_id=card.id,
            card_kind=card.kind,
            account=Party(account.id, account.name, account.kind, is_deleted),
            direction=new.direction,
            subtype=subtype,
            status=new.status,
            decline_reason=reason,
            amount=use.amount,
            currency=account.currency,
            description=use.description,
            purchase_id=new.purchase_id,
            created_at=at,
            completed_at=at if reason is None else None,
        )

    async def write(self, tx: WriteTx) -> None:
        # First: the schema lets no deleted account hold money.
        for organization_id, account_id in sorted(self.reopened):
            await reopen_accounts(tx, organization_id, [account_id], self.movements.clocks[organization_id])
        await self.movements.write(tx)


# ------------------------------------------------------------------------------------------------------------- reading


async def list_transactions_of_card(
    engine: Engine,
    principal: Principal,
    card_id: CardId | None,
    spelling: str,
    *,
    direction: Direction | None = None,
    status: CardTransactionStatus | None = CardTransactionStatus.COMPLETE,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    before_id: CardTransactionId | None = None,
    limit: int,
) -> list[CardTransaction]:
    """List what a card has done, newest first; without a status, what was declined as well.

    Raises NotFound and PermissionDenied as `get_card` does. A key for some accounts only sees what the card did there.
    """
    card = await get_card(engine, principal, card_id, spelling)
    async with engine.database.read() as tx:
        return await stored.transactions_of_card(
            tx,
            principal.organization_id,
            card.id,
            account_ids=visible(principal, Permission.READ_CARDS),
            direction=direction,
            status=status,
            from_at=from_at,
            to_at=to_at,
            before_id=before_id,
            limit=limit,
        )


async def list_transactions_of_account(
    engine: Engine,
    principal: Principal,
    account_id: AccountId,
    *,
    card_id: CardId | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
    offset: int = 0,
    limit: int,
) -> list[CardTransaction]:
    """List what cards, or one card, have moved from and to an account, newest first; nothing that was declined.

    Raises PermissionDenied for an account whose transfers the principal may not see.
    """
    require(principal, Permission.READ_TRANSFERS, account_id)
    async with engine.database.read() as tx:
        return await stored.transactions_of_account(
            tx,
            principal.organization_id,
            account_id,
            card_id=card_id,
            from_at=from_at,
            to_at=to_at,
            offset=offset,
            limit=limit,
        )
