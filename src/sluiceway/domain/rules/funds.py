"""The running balances of one plan: what was loaded, and what the plan has moved so far."""

from collections.abc import Mapping

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import NOTHING, Account, Balance
from sluiceway.domain.money import Cents
from sluiceway.domain.rules.model import Rule
from sluiceway.domain.rules.plans import Event


class Funds:
    """Balances as the plan goes along. It copies nothing that it does not change."""

    __slots__ = ("_accounts", "_changed", "_loaded", "_stand_in", "_stand_in_for")

    def __init__(
        self, rule: Rule, event: Event, accounts: Mapping[AccountId, Account], balances: Mapping[AccountId, Balance]
    ) -> None:
        self._accounts = accounts
        self._loaded = balances
        self._changed: dict[AccountId, Balance] = {}
        self._stand_in = event.transfer_amount if event.stands_in else None
        self._stand_in_for = rule.account_id

    def account(self, account_id: AccountId | None) -> Account | None:
        """Give an account that exists and is not deleted."""
        account = None if account_id is None else self._accounts.get(account_id)
        return None if account is None or account.is_deleted else account

    def balance(self, account_id: AccountId) -> Balance:
        """Give the account's running balance."""
        return self._changed.get(account_id) or self._loaded.get(account_id, NOTHING)

    def available(self, account_id: AccountId) -> Cents | None:
        """Give what can be spent from the account now; None when it is unknown."""
        account = self.account(account_id)
        return None if account is None else account.available(self.balance(account_id))

    def current(self, account_id: AccountId) -> Cents | None:
        """Give the current balance (for a liability the debt); None when it is unknown."""
        account = self.account(account_id)
        return None if account is None else account.current(self.balance(account_id))

    def in_the_sums(self, account_id: AccountId) -> Cents | None:
        """Give the source balance that amounts are worked out from: available, or `executeAmount` in its place."""
        if self._stand_in is None or self._stand_in_for not in (None, account_id):
            return self.available(account_id)
        now, loaded = self.balance(account_id), self._loaded.get(account_id, NOTHING)
        moved_by_this_plan = (now.posted - now.held_out) - (loaded.posted - loaded.held_out)
        return Cents(self._stand_in + moved_by_this_plan)

    def move(self, source: AccountId, destination: AccountId, amount: Cents) -> None:
        """Count a move: at once between accounts that we keep; held and expected when a bank has to carry it."""
        is_internal = self._accounts[source].is_kept and self._accounts[destination].is_kept
        before, after = self.balance(source), self.balance(destination)
        if is_internal:
            self._changed[source] = Balance(before.posted - amount, before.held_out, before.expected_in)
            self._changed[destination] = Balance(after.posted + amount, after.held_out, after.expected_in)
        else:
            self._changed[source] = Balance(before.posted, before.held_out + amount, before.expected_in)
            self._changed[destination] = Balance(after.posted, after.held_out, after.expected_in + amount)
