"""The demo's accounts by short name, those that Sluiceway keeps and those at the sandbox bank; and its cards."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from sluiceway.domain.cards import CardKind, CardType
from sluiceway.domain.ids import CardId
from sluiceway.domain.ledger import AccountKind, ExternalKind, ReportedBalance
from sluiceway.domain.money import Cents, parse_percent
from sluiceway.services.accounts import NewAccount

HOUSEHOLD: Final = "Sample Household"
STUDIO: Final = "Sample Studio"
LOAN: Final = "loan"
LOAN_PAYMENT: Final = Cents(338_40)
LOAN_RATE: Final = parse_percent("6.49")
LOAN_DEBT: Final = Cents(14_200_00)

_BANK: Final = "Sandbox Bank"


@dataclass(frozen=True, slots=True)
class SampleAccount:
    """One account. `holds_for` is the short name of the liability whose payments wait in it, listed before it."""

    new: NewAccount
    holds_for: str | None = None


def _kept(kind: AccountKind, name: str, owner: str, description: str, holds_for: str | None = None) -> SampleAccount:
    new = NewAccount(kind, name, description=f"Sample data: {description}", beneficiary_name=owner)
    return SampleAccount(new, holds_for)


def _outside(kind: ExternalKind, name: str, owner: str, reported: ReportedBalance) -> SampleAccount:
    return SampleAccount(
        NewAccount(
            AccountKind.EXTERNAL_ACCOUNT,
            name,
            external_kind=kind,
            description="Sample data: kept by the sandbox bank",
            beneficiary_name=owner,
            institution_name=_BANK,
            reported=reported,
        )
    )


_INCOME, _POD = AccountKind.INCOME_SOURCE, AccountKind.POD
_DEPOSITORY, _LIABILITY = ExternalKind.DEPOSITORY, ExternalKind.LIABILITY

ACCOUNTS: Final[dict[str, SampleAccount]] = {
    "income": _kept(_INCOME, "Income", HOUSEHOLD, "where pay arrives"),
    "savings": _kept(_POD, "Savings", HOUSEHOLD, "a fifth of every deposit"),
    "emergency": _kept(_POD, "Emergency fund", HOUSEHOLD, "fills up slowly"),
    "bills": _kept(_POD, "Bills", HOUSEHOLD, "what rent, utilities, the card and the loan are paid from"),
    "groceries": _kept(_POD, "Groceries", HOUSEHOLD, "a tenth of every paycheck"),
    "vacation": _kept(_POD, "Vacation", HOUSEHOLD, "$50 of every paycheck"),
    "checking": _outside(_DEPOSITORY, "Checking", HOUSEHOLD, ReportedBalance(balance=Cents(640_00))),
    "card": _outside(
        _LIABILITY,
        "Credit card",
        HOUSEHOLD,
        ReportedBalance(
            balance=Cents(842_17),
            last_statement_balance=Cents(642_17),
            last_statement_date=date(2025, 12, 20),
            next_payment_minimum=Cents(25_00),
            next_payment_due_date=date(2026, 1, 14),
            interest_rate=parse_percent("22.99"),
        ),
    ),
    LOAN: _outside(
        _LIABILITY,
        "Car loan",
        HOUSEHOLD,
        ReportedBalance(
            balance=LOAN_DEBT,
            next_payment_minimum=LOAN_PAYMENT,
            interest_rate=LOAN_RATE,
            original_loan_amount=Cents(18_500_00),
        ),
    ),
    "loan_pod": _kept(_POD, "Car loan payments", HOUSEHOLD, "where the lender collects", holds_for=LOAN),
    "studio_income": _kept(_INCOME, "Client payments", STUDIO, "what clients pay"),
    "tax": _kept(_POD, "Tax", STUDIO, "set aside for the tax office"),
    "operating": _kept(_POD, "Operating", STUDIO, "what the studio's bills are paid from"),
    "owners_pay": _kept(_POD, "Owner's pay", STUDIO, "paid out every other week"),
    "business_checking": _outside(_DEPOSITORY, "Business checking", STUDIO, ReportedBalance(balance=Cents(2_150_00))),
}


@dataclass(frozen=True, slots=True)
class SampleCard:
    """One card, on the account of that short name. Its id is always the same, because its number follows from it."""

    id: CardId
    account: str
    kind: CardKind
    type: CardType
    holder_name: str


CARDS: Final[dict[str, SampleCard]] = {
    "groceries": SampleCard(
        CardId("01900000-0000-7000-8000-00000000ca4d"), "groceries", CardKind.DEBIT_CARD, CardType.VIRTUAL, HOUSEHOLD
    ),
}
