"""The running balances of one plan: what was loaded, and what the plan has moved so far."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import NOTHING, Account, Balance, ReportedBalance
from sluiceway.domain.money import Cents
from sluiceway.domain.rules.model import Rule
from sluiceway.domain.rules.plans import Event, Snapshot
from sluiceway.domain.rules.trace import Why

TOO_OLD = ReportedBalance(error="BALANCE_TOO_OLD")


def open_funds(rule: Rule, event: Event, snapshot: Snapshot) -> "Funds":
    """Open the balances of a plan, in the way that the rule wants reported ones to be read."""
    if rule.max_balance_age is None:
        return Funds(rule, event, snapshot)
    return FreshFunds(rule, event, snapshot, rule.max_balance_age)


class Funds:
    """Balances as the plan goes along. It copies nothing that it does not change."""

    __slots__ = ("_accounts", "_changed", "_loaded", "_pods", "_stand_in", "_stand_in_for")

    def __init__(self, rule: Rule, event: Event, snapshot: Snapshot) -> None:
        self._accounts = snapshot.accounts
        self._loaded: Mapping[AccountId, Balance] = snapshot.balances
        self._pods = snapshot.holding_pods
        self._changed: dict[AccountId, Balance] = {}
        self._stand_in = event.transfer_amount if event.stands_in else None
        self._stand_in_for = rule.account_id

    def account(self, account_id: AccountId | None) -> Account | None:
        """Give an account that exists and is not deleted."""
        account = None if account_id is None else self._accounts.get(account_id)
        return None if account is None or account.is_deleted else account

    def why_unknown(self, account_id: AccountId) -> Why:  # noqa: ARG002 -- the account matters to FreshFunds
        """Say why the account's figures are unknown, where they are."""
        return Why.BALANCE_UNKNOWN

    def reported_at(self, account_id: AccountId | None) -> datetime | None:
        """Tell when a bank reported the account's figures, too long ago or not; None for those that we keep."""
        account = None if account_id is None else self._accounts.get(account_id)
        return None if account is None or account.is_kept else account.reported.updated_at

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

    def expected(self, account_id: AccountId) -> int:
        """Give what is on its way to the account; of a manual liability, what has come as far as its pod counts too."""
        expected = self.balance(account_id).expected_in
        pod_id = self._pods.get(account_id)
        if pod_id is None:
            return expected
        pod = self.balance(pod_id)
        return expected + pod.posted - pod.held_out + pod.expected_in

    def in_the_sums(self, account_id: AccountId) -> Cents | None:
        """Give the source balance that amounts are worked out from: available, or `executeAmount` in its place."""
        if self._stand_in is None or self._stand_in_for not in (None, account_id):
            return self.available(account_id)
        now, loaded = self.balance(account_id), self._loaded.get(account_id, NOTHING)
        moved_by_this_plan = (now.posted - now.held_out) - (loaded.posted - loaded.held_out)
        return Cents(self._stand_in + moved_by_this_plan)

    def move(self, source: AccountId, destination: AccountId, amount: Cents, *, waits: bool) -> None:
        """Count a move: at once between accounts that we keep; held and expected if a bank carries it or it waits."""
        # What goes to a manual liability goes as far as its pod.
        if self._pods:
            destination = self._pods.get(destination, destination)
        assert source != destination, "money does not move to where it is"
        is_at_once = not waits and self._accounts[source].is_kept and self._accounts[destination].is_kept
        before, after = self.balance(source), self.balance(destination)
        if is_at_once:
            self._changed[source] = Balance(before.posted - amount, before.held_out, before.expected_in)
            self._changed[destination] = Balance(after.posted + amount, after.held_out, after.expected_in)
        else:
            self._changed[source] = Balance(before.posted, before.held_out + amount, before.expected_in)
            self._changed[destination] = Balance(after.posted, after.held_out, after.expected_in + amount)


class FreshFunds(Funds):
    """Funds in which a balance that was reported too long ago counts as one that could not be had.

    A class of its own, so that rules that do not ask for it pay nothing for it.
    """

    __slots__ = ("_oldest",)

    def __init__(self, rule: Rule, event: Event, snapshot: Snapshot, max_age: timedelta) -> None:
        super().__init__(rule, event, snapshot)
        self._oldest = (snapshot.at or event.at) - max_age

    def account(self, account_id: AccountId | None) -> Account | None:
        """Give the account, its report replaced by an error where it is too old."""
        account = super().account(account_id)
        if account is None or account.is_kept or account.reported.error is not None:
            return account
        reported_at = account.reported.updated_at
        is_fresh = reported_at is not None and reported_at >= self._oldest
        return account if is_fresh else replace(account, reported=TOO_OLD)

    def why_unknown(self, account_id: AccountId) -> Why:
        """Tell a report that is too old from one that is missing."""
        account = self.account(account_id)
        is_too_old = account is not None and account.reported is TOO_OLD
        return Why.BALANCE_TOO_OLD if is_too_old else Why.BALANCE_UNKNOWN
