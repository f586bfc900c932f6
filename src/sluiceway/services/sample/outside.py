"""What happens to the sample household and studio outside Sluiceway, from January 2026 to March 2027.

Times are Eastern. No two things happen in the same minute, and nothing when payments settle, so their order is not left
to chance.
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple

from sluiceway.domain.ach import EASTERN
from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import NO_CENTS, Cents, percent_of
from sluiceway.services.sample.accounts import HOUSEHOLD, LOAN, LOAN_DEBT, LOAN_PAYMENT, LOAN_RATE, STUDIO
from sluiceway.storage.bank_rows import BankEvent, EventKind

FIRST_MONTH: Final = date(2026, 1, 1)
LAST_DAY: Final = date(2027, 3, 31)
"""Nothing is planned after this day."""
_MONTHS: Final = 15


class _Every(NamedTuple):
    """Something that happens every so many days from a first one, with the amounts in turn; positive is in."""

    account: str
    first: date
    days: int
    at: time
    amounts: tuple[int, ...]
    what: str


class _Monthly(NamedTuple):
    """Something that happens on a day of each month, with the amounts in turn from January; positive is in."""

    account: str
    day: int
    at: time
    amounts: tuple[int, ...]
    what: str


class _Once(NamedTuple):
    """Something that happens on one day; positive is in."""

    account: str
    on: date
    at: time
    amount: int
    what: str


_REGULAR: Final = (
    # The household is paid every other Friday.
    _Every("income", date(2026, 1, 9), 14, time(6, 5), (2_480_00,), "Payroll: Sample Employer"),
    # Groceries are paid by debit card, the rest by credit card.
    _Every("checking", date(2026, 1, 6), 7, time(17, 41), (-96_18, -118_43, -104_75, -121_07), "Corner market"),
    _Every("card", date(2026, 1, 6), 7, time(12, 12), (-12_50, -13_95, -11_80), "Sandwich shop"),
    _Every("card", date(2026, 1, 8), 6, time(19, 47), (-48_20, -31_65, -66_90, -39_15), "Restaurant"),
    _Every("card", date(2026, 1, 7), 9, time(16, 23), (-46_38, -43_91, -51_27), "Fuel"),
    _Every("card", date(2026, 1, 12), 12, time(15, 34), (-22_49, -9_99, -35_10), "Pharmacy"),
    _Every("card", date(2026, 1, 17), 17, time(11, 19), (-27_95, -18_50), "Bookshop"),
    _Every("card", date(2026, 1, 24), 31, time(14, 38), (-112_80, -74_35, -139_00), "Clothes"),
    # The studio has three clients: a retainer, and two who pay by project.
    _Every("studio_income", date(2026, 1, 15), 19, time(10, 26), (1_432_75, 965_50, 2_100_25, 619_99), "Client Birch"),
    _Every("studio_income", date(2026, 1, 27), 33, time(11, 7), (3_250_50, 2_743_33, 3_905_01), "Client Cedar"),
    _Every("business_checking", date(2026, 1, 12), 14, time(9, 53), (-1_400_00,), "Owner's salary"),
)
_EACH_MONTH: Final = (
    _Monthly("bills", 3, time(7, 11), (-1_450_00,), "Rent"),
    _Monthly(
        "bills", 14, time(7, 22),
        (-128_41, -131_06, -109_77, -88_12, -74_50, -91_38, -117_93, -121_60, -96_04, -79_85, -86_19, -119_27),
        "Electricity and gas",
    ),
    _Monthly("bills", 18, time(7, 33), (-65_00,), "Internet"),
    _Monthly("bills", 22, time(7, 44), (-48_00,), "Phone"),
    _Monthly("loan_pod", 26, time(7, 55), (-LOAN_PAYMENT,), "Car loan payment"),
    _Monthly("card", 2, time(3, 15), (-15_99,), "Streaming"),
    _Monthly("checking", 12, time(6, 14), (250_00,), "Evening course, taught"),
    _Monthly("checking", 19, time(18, 28), (-60_00, -40_00, -80_00), "Cash"),
    _Monthly("income", 4, time(6, 36), (34_20, 28_75, 41_05), "Cash back"),
    _Monthly("studio_income", 7, time(9, 17), (1_800_00,), "Client Ash, retainer"),
    _Monthly("operating", 2, time(9, 8), (-290_00,), "Desk"),
    _Monthly("operating", 16, time(9, 24), (-74_99,), "Design software"),
    _Monthly("operating", 25, time(9, 42), (-150_00,), "Bookkeeper"),
)  # fmt: skip
_ONCE: Final = (
    # Two days before a pull settles: it comes back with R01.
    _Once("checking", date(2026, 2, 7), time(14, 2), -812_40, "Car repair"),
    _Once("income", date(2026, 3, 17), time(6, 47), 612_00, "Tax refund"),
    _Once("vacation", date(2026, 7, 10), time(8, 3), -580_00, "Cabin"),
    _Once("tax", date(2026, 4, 15), time(8, 51), -4_200_00, "Estimated tax"),
    _Once("tax", date(2026, 6, 15), time(8, 51), -3_600_00, "Estimated tax"),
    _Once("tax", date(2026, 9, 15), time(8, 51), -4_800_00, "Estimated tax"),
    _Once("tax", date(2027, 1, 15), time(8, 51), -5_200_00, "Estimated tax"),
)
_OWNERS: Final = {"income": HOUSEHOLD, "studio_income": STUDIO}
_KEPT: Final = frozenset({"income", "bills", "loan_pod", "vacation", "studio_income", "tax", "operating"})
_CARD_CLOSES: Final = (20, time(22, 0))
_LENDER_BOOKS: Final = (26, time(10, 1))


def outside_events(ids: Mapping[str, AccountId], since: datetime) -> list[BankEvent]:
    """List all that will happen from an instant on, in order, each with an id that is always the same."""
    each = [*_listed(), *_statements(), *_loan()]
    coming = sorted((at, account, kind, amount, what) for at, account, kind, amount, what in each if at > since)
    return [
        BankEvent(
            id=_event_id(number),
            kind=kind,
            account_id=ids[account],
            at=at,
            amount=amount,
            description=what,
            payee_name=_OWNERS.get(account) if kind is EventKind.DEPOSIT else None,
        )
        for number, (at, account, kind, amount, what) in enumerate(coming, 1)
    ]


class _Happens(NamedTuple):
    """One thing at its time."""

    at: datetime
    account: str
    kind: EventKind
    amount: int
    what: str | None


def _listed() -> Iterator[_Happens]:
    for one in _REGULAR:
        count = (LAST_DAY - one.first).days // one.days + 1
        for number in range(count):
            on = one.first + timedelta(days=one.days * number)
            yield _happens(one.account, on, one.at, one.amounts[number % len(one.amounts)], one.what)
    for each in _EACH_MONTH:
        for number, on in enumerate(_days(each.day)):
            yield _happens(each.account, on, each.at, each.amounts[number % len(each.amounts)], each.what)
    for once in _ONCE:
        yield _happens(once.account, once.on, once.at, once.amount, once.what)


def _happens(account: str, on: date, at: time, amount: int, what: str) -> _Happens:
    """Tell what Sluiceway keeps as a deposit or a withdrawal, and what the bank keeps as a movement there."""
    if account not in _KEPT:
        return _Happens(_instant(on, at), account, EventKind.TRANSACTION, amount, what)
    kind = EventKind.DEPOSIT if amount > 0 else EventKind.WITHDRAWAL
    return _Happens(_instant(on, at), account, kind, abs(amount), what)


def _statements() -> Iterator[_Happens]:
    day, at = _CARD_CLOSES
    for on in _days(day):
        yield _Happens(_instant(on, at), "card", EventKind.STATEMENT, NO_CENTS, "Statement")


def _loan() -> Iterator[_Happens]:
    """Let the lender book each payment that it has collected, and a month's interest on what is owed."""
    day, at = _LENDER_BOOKS
    debt = LOAN_DEBT
    for on in _days(day):
        interest = Cents(percent_of(debt, LOAN_RATE) // 12)
        yield _Happens(_instant(on, at), LOAN, EventKind.TRANSACTION, -interest, "Interest")
        yield _Happens(_instant(on, at) + timedelta(minutes=1), LOAN, EventKind.TRANSACTION, LOAN_PAYMENT, "Payment")
        debt = Cents(debt + interest - LOAN_PAYMENT)


def _days(day: int) -> Iterator[date]:
    """Give a day of each month."""
    on = FIRST_MONTH
    for _ in range(_MONTHS):
        yield on.replace(day=day)
        on += timedelta(days=monthrange(on.year, on.month)[1])


def _instant(on: date, at: time) -> datetime:
    return datetime.combine(on, at, EASTERN)


def _event_id(number: int) -> str:
    return f"01900000-0000-7000-8000-{number:012}"
