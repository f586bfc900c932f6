"""Trying rules, as the app asks for it and writes it: scenarios, backtests and forecasts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple, cast

from msgspec import Meta, Struct

from sluiceway.api.http import read_instant
from sluiceway.domain.access import Role
from sluiceway.domain.clocks import day_in_words
from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import AccountId, IdKind, OrganizationId, RuleId, format_id, parse_id
from sluiceway.domain.ledger import Account
from sluiceway.domain.money import MAX_CENTS
from sluiceway.domain.money import Cents as Minor
from sluiceway.domain.playing import Detected, Run
from sluiceway.domain.playing import Expectation as Foreseen
from sluiceway.domain.revisions import RuleRecord
from sluiceway.domain.rules import Fields, Rule, format_money, read_rule, visible
from sluiceway.domain.runs import Change
from sluiceway.services.backtest import BacktestResult
from sluiceway.services.forecast import AccountForecast, ForecastResult
from sluiceway.services.forecast import RuleForecast as RuleOutlook
from sluiceway.services.scenarios import Scenario, ScenarioResult
from sluiceway.web.wire.expectations import Expectation, show_expectation
from sluiceway.web.wire.runs import AccountEnd, RuleEnd, RunShown, Sum, account_end, read_account_ids, run_shown
from sluiceway.web.wire.shapes import Cents, Day, Moment, show, show_moment

MOST_ACCOUNTS: Final = 200
MOST_DAYS: Final = 366
SHOWN_RUNS: Final = 100

# The keys of the notation that name an account.
_ACCOUNT_KEYS: Final = frozenset(
    {
        "account_id",
        "value_account_id",
        "source",
        "destination",
        "account",
        "next_payment_minimum_account",
        "current_balance_account",
        "last_statement_balance_account",
    }
)

AtLeastZero = Annotated[int, Meta(ge=0, le=MAX_CENTS)]
Balance = Annotated[int, Meta(ge=-MAX_CENTS, le=MAX_CENTS)]
Days = Annotated[int, Meta(ge=1, le=MOST_DAYS)]


class SupposedBalance(Struct, rename="camel"):
    """Suppose that so much is there (of a liability: owed), before what the scenario lets arrive."""

    account_id: str
    amount_in_cents: Balance


class Tried(Struct, rename="camel"):
    """Which rule is tried: one that is kept, a draft, or a draft in the place of one that is kept."""

    rule_id: str | None = None
    rule: dict[str, Any] | None = None


class TryScenario(Tried, rename="camel"):
    """Suppose that this happens. What is not supposed is as it is."""

    amount_in_cents: Annotated[int, Meta(ge=1, le=MAX_CENTS)] | None = None
    at: Moment | None = None
    balances: list[SupposedBalance] | None = None
    stale_account_ids: list[str] | None = None
    failing_account_ids: list[str] | None = None
    remote_amount_in_cents: AtLeastZero | None = None


class RunBacktest(Tried, rename="camel"):
    """Try a rule on what really happened in the last days."""

    days: Days = 30
    remote_amount_in_cents: AtLeastZero | None = None


class RunForecast(Struct, rename="camel"):
    """Play the enabled rules forward, by days of the organization's time zone.

    `detects`: what came and went regularly is taken to go on.
    """

    days: Days = 90
    detects: bool = True


class ChangeShown(Struct, rename="camel"):
    """What a run does to one account once everything has arrived; null where a balance is unknown."""

    account: AccountEnd
    currency: str
    is_debt: bool
    before_in_cents: Cents | None
    comes_in_in_cents: Cents
    goes_out_in_cents: Cents
    after_in_cents: Cents | None


class ScenarioShown(Struct, rename="camel"):
    """What would happen. `setsOff`: the rules that its moves would start. `came`: what a test of it would expect."""

    run: RunShown
    changes: list[ChangeShown]
    sets_off: list[RuleEnd]
    came: Expectation


class PlayedRun(Struct, rename="camel"):
    """A run that would have been."""

    at: Moment
    moved: list[Sum]
    failed: int
    is_matched: bool


class Compared(Struct, rename="camel"):
    """What would have come to an account, beside what really did by the rule that is replaced."""

    account: AccountEnd
    currency: str
    would_in_cents: Cents
    did_in_cents: Cents | None


class BacktestShown(Struct, rename="camel"):
    """What a rule would have done. `notes`: what has to be known to read it rightly."""

    said: str
    from_at: Moment
    to_at: Moment
    run_count: int
    compared: list[Compared]
    runs: list[PlayedRun]
    notes: list[str]


class ForecastLine(Struct, rename="camel"):
    """What becomes of one account: what is available, of a debt owed, at the end of each day; null: unknown."""

    account: AccountEnd
    currency: str
    is_debt: bool
    today_in_cents: Cents | None
    end_in_cents: Cents | None
    lowest_in_cents: Cents | None
    lowest_at: Moment | None
    floor_in_cents: Cents
    below_on: Day | None
    daily_in_cents: list[Cents | None]


class RuleForecast(Struct, rename="camel"):
    """What one rule does in all, in words."""

    rule: RuleEnd
    said: str


class Expected(Struct, rename="camel"):
    """What is taken to come, or to go where negative."""

    account: AccountEnd
    amount_in_cents: Cents
    currency: str
    said: str


class ForecastShown(Struct, rename="camel"):
    """What is to be expected. `blame`: the first rule that fails for lack of funds."""

    said: str
    blame: str | None
    days: list[Day]
    accounts: list[ForecastLine]
    rules: list[RuleForecast]
    expected: list[Expected]
    notes: list[str]


class Supposed(NamedTuple):
    """A scenario as it was read."""

    rule_id: RuleId | None
    spelling: str
    draft: Rule | None
    amount: Minor | None
    at: datetime | None
    balances: dict[AccountId, Minor]
    stale: frozenset[AccountId]
    failing: frozenset[AccountId]
    remote_amount: Minor | None

    def scenario(self, organization_id: OrganizationId, rule: Rule, revision: int) -> Scenario:
        """Suppose it of a rule."""
        return Scenario(
            organization_id=organization_id,
            rule=rule,
            rule_id=self.rule_id,
            revision=revision,
            amount=self.amount,
            at=self.at,
            balances=self.balances,
            stale=self.stale,
            failing=self.failing,
            remote_amount=self.remote_amount,
        )


def read_scenario(body: object) -> Supposed:
    """Read a scenario. Raises InvalidParameters, and NotFound for a malformed id of a rule."""
    fields = Fields.of(body, "")
    rule_id, spelling, draft = _tried(fields)
    at = fields.text_or_none("at", 40)
    rows = _rows(fields, "balances")
    balances: dict[AccountId, Minor] = {}
    for index, row in enumerate(rows):
        each = Fields.of(row, f"balances/{index}")
        [account_id] = read_account_ids([each.text("accountId", 100)], "balances")
        balances[account_id] = Minor(each.whole("amountInCents", -MAX_CENTS, MAX_CENTS))
        each.end()
    read = Supposed(
        rule_id,
        spelling,
        draft,
        fields.cents_or_none("amountInCents", low=1),
        None if at is None else read_instant(at, "at"),
        balances,
        _accounts(fields, "staleAccountIds"),
        _accounts(fields, "failingAccountIds"),
        fields.cents_or_none("remoteAmountInCents", low=0),
    )
    fields.end()
    return read


class Backtested(NamedTuple):
    """A backtest as it was read."""

    rule_id: RuleId | None
    spelling: str
    draft: Rule | None
    days: int
    remote_amount: Minor | None


def read_backtest(body: object) -> Backtested:
    """Read which rule is to be tried on which days. Raises InvalidParameters and NotFound."""
    fields = Fields.of(body, "")
    rule_id, spelling, draft = _tried(fields)
    days = fields.whole("days", 1, MOST_DAYS) if fields.has("days") else 30
    read = Backtested(rule_id, spelling, draft, days, fields.cents_or_none("remoteAmountInCents", low=0))
    fields.end()
    return read


def read_forecast(body: object) -> tuple[int, bool]:
    """Read how far to look, and whether what was regular is taken to go on. Raises InvalidParameters."""
    fields = Fields.of(body, "")
    days = fields.whole("days", 1, MOST_DAYS) if fields.has("days") else 90
    detects = fields.flag("detects") if fields.has("detects") else True
    fields.end()
    return days, detects


def show_scenario(result: ScenarioResult, role: Role) -> bytes:
    """Write what would happen."""
    changes = [_change(each) for each in result.changes]
    sets_off = [_rule_end(each) for each in result.sets_off]
    return show(ScenarioShown(run_shown(result.view, role), changes, sets_off, show_expectation(result.planned)))


def show_backtest(result: BacktestResult) -> bytes:
    """Write what a rule would have done."""
    moved, accounts = result.moved, result.accounts
    compared = [
        Compared(
            account=account_end(account_id, accounts),
            currency=accounts[account_id].currency,
            would_in_cents=moved.get(account_id, Minor(0)),
            did_in_cents=None if result.replaces is None else result.really_moved.get(account_id, Minor(0)),
        )
        for account_id in result.destinations
    ]
    return show(
        BacktestShown(
            said=_backtest_said(result),
            from_at=show_moment(result.start),
            to_at=show_moment(result.until),
            run_count=len(result.runs),
            compared=compared,
            runs=[_played(run, accounts) for run in result.runs[-SHOWN_RUNS:][::-1]],
            notes=_backtest_notes(result),
        )
    )


def show_forecast(result: ForecastResult) -> bytes:
    """Write what is to be expected."""
    accounts = {each.account.id: each.account for each in result.accounts}
    rules = [
        RuleForecast(
            rule=RuleEnd(
                format_id(IdKind.RULE, each.record.id), visible(each.record.rule.name or "A rule without a name")
            ),
            said=_rule_said(each),
        )
        for each in result.rules
    ]
    return show(
        ForecastShown(
            said=_forecast_said(result),
            blame=_blame(result),
            days=[day.isoformat() for day in result.days],
            accounts=[_line(each) for each in result.accounts if each.account.is_listed],
            rules=rules,
            expected=[_expected(each, accounts) for each in result.expectations],
            notes=_forecast_notes(result),
        )
    )


def _rule_end(record: RuleRecord) -> RuleEnd:
    return RuleEnd(format_id(IdKind.RULE, record.id), visible(record.rule.name or "A rule without a name"))


def _tried(fields: Fields) -> tuple[RuleId | None, str, Rule | None]:
    spelling, written = fields.text_or_none("ruleId", 100), fields.raw("rule", None)
    draft = None if written is None else read_rule(_our_ids(written))
    if spelling is None:
        return None, "", draft
    found = parse_id(IdKind.RULE, spelling)
    if found is None:
        raise NotFound(IdKind.RULE, spelling)
    return RuleId(found), spelling, draft


def _our_ids(value: object, key: str = "") -> object:
    """Spell the accounts of a rule as we keep them."""
    if isinstance(value, dict):
        return {name: _our_ids(item, name) for name, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_our_ids(item, key) for item in cast("list[object]", value)]
    if isinstance(value, str) and key in _ACCOUNT_KEYS:
        return parse_id(IdKind.ACCOUNT, value) or value
    return value


def _rows(fields: Fields, key: str) -> Sequence[Any]:
    return () if fields.raw(key, None) is None else fields.rows(key, 0, MOST_ACCOUNTS)


def _accounts(fields: Fields, key: str) -> frozenset[AccountId]:
    spellings = [row if isinstance(row, str) else "" for row in _rows(fields, key)]
    return frozenset(read_account_ids(spellings, key))


def _change(change: Change) -> ChangeShown:
    return ChangeShown(
        account=AccountEnd(format_id(IdKind.ACCOUNT, change.account_id), visible(change.name)),
        currency=change.currency,
        is_debt=change.is_debt,
        before_in_cents=change.before,
        comes_in_in_cents=change.comes_in,
        goes_out_in_cents=change.goes_out,
        after_in_cents=change.after,
    )


def _played(run: Run, accounts: Mapping[AccountId, Account]) -> PlayedRun:
    sums: dict[str, int] = {}
    for transfer in run.transfers:
        if transfer.error_code is None:
            currency = accounts[transfer.source].currency
            sums[currency] = sums.get(currency, 0) + transfer.amount
    moved = [Sum(amount, currency) for currency, amount in sorted(sums.items())]
    return PlayedRun(show_moment(run.at), moved, run.failed, is_matched=run.step is not None)


def _backtest_said(result: BacktestResult) -> str:
    days = (result.until - result.start).days
    if not result.runs:
        return f"In the last {days} days it would not have run."
    sums: dict[str, int] = {}
    for account_id, amount in result.moved.items():
        currency = result.accounts[account_id].currency
        sums[currency] = sums.get(currency, 0) + amount
    moved = " and ".join(format_money(amount, currency) for currency, amount in sorted(sums.items())) or "nothing"
    return f"In the last {days} days it would have run {_times(len(result.runs))} and moved {moved}."


def _backtest_notes(result: BacktestResult) -> list[str]:
    notes: list[str] = []
    if result.conditions_not_met:
        notes.append(f"{_times(result.conditions_not_met)} the conditions of no step would have been met.")
    if result.failed:
        notes.append(f"{_times(result.failed)} something would have failed.")
    if result.shortfalls:
        notes.append(
            f"{_times(len(result.shortfalls))} money would have been missing that was really paid out: "
            f"the first time on {day_in_words(result.shortfalls[0].at.astimezone(result.zone).date())}."
        )
    if result.runs_set_off:
        notes.append(f"Its moves would have started other rules {_times(result.runs_set_off)}.")
    if result.amounts_unknown:
        notes.append(f"{_times(result.amounts_unknown)} it would have asked a service whose answer nobody knows.")
    if result.approvals:
        notes.append(f"{_times(result.approvals)} a person would have had to approve; that counts as done at once.")
    if result.external:
        names = ", ".join(visible(result.accounts[account_id].name) for account_id in result.external)
        notes.append(f"What banks reported back then is not known: {names} stand as they are reported now.")
    return [note[:1].upper() + note[1:] for note in notes]


def _line(each: AccountForecast) -> ForecastLine:
    account = each.account
    return ForecastLine(
        account=AccountEnd(format_id(IdKind.ACCOUNT, account.id), visible(account.name)),
        currency=account.currency,
        is_debt=account.is_liability,
        today_in_cents=each.today,
        end_in_cents=each.end,
        lowest_in_cents=None if each.lowest is None or account.is_liability else each.lowest.available,
        lowest_at=None if each.lowest is None else show_moment(each.lowest.at),
        floor_in_cents=account.floor,
        below_on=None if each.below_on is None else each.below_on.isoformat(),
        daily_in_cents=list(each.daily),
    )


def _forecast_said(result: ForecastResult) -> str:
    days = (result.until - result.at).days
    first = result.first_below
    if first is None or first.below_on is None:
        return f"In the next {days} days no account falls below its floor."
    floor = format_money(first.account.floor, first.account.currency)
    return f"{visible(first.account.name)} falls below its floor of {floor} on {day_in_words(first.below_on)}."


def _rule_said(each: RuleOutlook) -> str:
    if not each.runs:
        return "does not run"
    sums = " and ".join(format_money(amount, currency) for currency, amount in sorted(each.moved.items()))
    failed = f"; {_times(each.failed)} something fails" if each.failed else ""
    return f"runs {_times(each.runs)} and moves {sums or 'nothing'}{failed}"


def _blame(result: ForecastResult) -> str | None:
    lack = result.first_lack
    if lack is None:
        return None
    names = {each.record.id: each.record.rule.name for each in result.rules}
    name = visible(names.get(lack.rule_id) or "A rule without a name")
    return f"The first rule that lacks money is “{name}”, on {day_in_words(result.day(lack.at))}."


def _forecast_notes(result: ForecastResult) -> list[str]:
    notes: list[str] = []
    if result.is_paused:
        notes.append("Everything is paused; this is as if it ran.")
    overpaid = [each.account for each in result.accounts if each.account.is_liability and (each.end or 0) < 0]
    if overpaid:
        names = " and ".join(visible(account.name) for account in overpaid)
        notes.append(
            "What lenders will state next is not known, so the last statement is paid each time: "
            f"{names} would be paid more than is owed."
        )
    if result.approvals:
        notes.append(f"{result.approvals} transfers would wait for a person; they count as approved at once.")
    if result.amounts_unknown:
        notes.append(f"{_times(result.amounts_unknown)} a rule would ask a service whose answer nobody knows.")
    if result.stopped:
        notes.append(f"{_times(result.stopped)} a chain of rules would reach its limit and stop.")
    return [note[:1].upper() + note[1:] for note in notes]


def _expected(each: Foreseen, accounts: Mapping[AccountId, Account]) -> Expected:
    account = accounts.get(each.account_id)
    said = "as you told"
    if isinstance(each, Detected):
        said = f"{each.rhythm.lower().replace('_', ' ')}, seen {_times(len(each.times))}"
        if each.description:
            said = f"{visible(each.description)}: {said}"
    return Expected(
        account=account_end(each.account_id, accounts),
        amount_in_cents=each.amount,
        currency="USD" if account is None else account.currency,
        said=said,
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
