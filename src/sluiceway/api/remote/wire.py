"""The words of the remote API: accounts with dollars, and what a program that runs a rule is told.

As the page "API Documentation" of the product shows them; nowhere else are amounts anything but whole cents.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final, Literal, NoReturn

import msgspec
from msgspec import Struct

from sluiceway.api.http import Call
from sluiceway.domain.accounts import AccountRecord
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import ExecutionId, IdKind, RuleId, format_id, to_base32
from sluiceway.domain.ledger import AccountKind
from sluiceway.domain.rules import TriggerType
from sluiceway.services.admission import TriggerRule
from sluiceway.services.idempotency import Answer

# Dollars travel as JSON numbers, written from Decimal: exact, and never a float.
encode: Final = msgspec.json.Encoder(decimal_format="number").encode

AccountType = Literal["Pod", "Income Source", "Account"]
TYPES: Final[dict[AccountKind, AccountType]] = {
    AccountKind.POD: "Pod",
    AccountKind.INCOME_SOURCE: "Income Source",
    AccountKind.EXTERNAL_ACCOUNT: "Account",
}

ANY_BODY: Final = b"any"


class Balance(Struct, rename="camel"):
    """What is in an account, in dollars; null where it is not known. `error`: why its bank gave none."""

    amount_in_dollars: Decimal | None
    error: str | None


class Account(Struct):
    """An account with its balance."""

    id: str
    name: str
    balance: Balance
    type: AccountType


class Accounts(Struct):
    """All accounts that the token sees, newest first. `errors` is always empty."""

    accounts: list[Account]
    errors: list[str]


class AccountsAnswer(Struct, rename="camel"):
    """The answer to a request for accounts."""

    message: Literal["OK"]
    request_id: str
    data: Accounts


class Requested(Struct, rename="camel"):
    """The run that was started: its execution's id, as the other APIs know it."""

    request_id: str


class TriggerAnswer(Struct):
    """The answer to a request for a run."""

    code: Literal["OK"]
    message: str
    data: Requested


def show_accounts(call: Call, records: list[AccountRecord]) -> bytes:
    """Write all accounts."""
    return encode(AccountsAnswer("OK", call.request_id, Accounts([_account(record) for record in records], [])))


def _account(record: AccountRecord) -> Account:
    account = record.account
    cents = account.current(record.balance)
    balance = Balance(None if cents is None else show_dollars(cents), account.reported.error)
    return Account(format_id(IdKind.ACCOUNT, account.id), record.name, balance, TYPES[account.kind])


def show_dollars(cents: int) -> Decimal:
    """Write cents as dollars in the shortest form: 25342.77, 137.9, -0.05, 12."""
    whole, fraction = divmod(abs(cents), 100)
    digits = f"{whole}.{fraction:02}".rstrip("0").rstrip(".")
    return Decimal(f"-{digits}" if cents < 0 else digits)


def read_trigger(call: Call) -> TriggerRule:
    """Read the request for a run. Its body is ignored, as documented: two that differ in it are the same request."""
    rule_id = _unknown_rule(call) if call.id is None else RuleId(call.id)
    shown = f"ru_{to_base32(rule_id)}"

    def show(execution_id: ExecutionId) -> Answer:
        message = f"Rule with id {shown} has been triggered"
        return Answer(200, encode(TriggerAnswer("OK", message, Requested(execution_id))))

    return TriggerRule(
        organization_id=call.principal.organization_id,
        rule_id=rule_id,
        spelling=call.spelling,
        trigger_type=TriggerType.REMOTE_API,
        amount=None,
        act=call.act,
        idempotency=None if call.idempotency is None else replace(call.idempotency, body_hash=ANY_BODY),
        show=show,
    )


def _unknown_rule(call: Call) -> NoReturn:
    raise NotFound(IdKind.RULE, call.spelling)
