"""The overview in the app's words."""

from datetime import tzinfo
from typing import Final, Literal

from msgspec import Struct

from sluiceway.domain.access import Role
from sluiceway.domain.attention import Need, NeedKind, title_of
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.rules import visible
from sluiceway.domain.transfers import LegPurpose
from sluiceway.domain.unassigned import Unassigned
from sluiceway.services.overview import FallsDue, Fires, Overview, Settles
from sluiceway.services.runs import RunSummary
from sluiceway.web.wire.accounts import AccountsAct, accounts_acts
from sluiceway.web.wire.shapes import Cents, Day, Moment, moved_in_words, show_moment, show_moment_or_none

NeedName = Literal["PAUSED", "APPROVALS", "FAILED_RUN", "FEED", "DRAFT", "WEBHOOK"]
_SUBJECTS: Final = {
    NeedKind.FAILED_RUN: IdKind.EXECUTION,
    NeedKind.FEED: IdKind.ACCOUNT,
    NeedKind.DRAFT: IdKind.RULE,
    NeedKind.WEBHOOK: IdKind.ENDPOINT,
}
_PURPOSES: Final = {
    LegPurpose.PULL: "Arrives",
    LegPurpose.PUSH: "Reaches its bank",
    LegPurpose.REVERSAL: "Goes back",
}


class PartShown(Struct, rename="camel"):
    """What is left of one arrival of money."""

    transfer_id: str
    description: str | None
    at: Moment
    amount_in_cents: Cents
    left_in_cents: Cents


class UnassignedShown(Struct, rename="camel"):
    """What lies in one income source, with the arrivals that it is left of, the latest first.

    `olderInCents`: how much of it is of arrivals before those.
    """

    account_id: str
    account_name: str
    currency: str
    amount_in_cents: Cents
    parts: list[PartShown]
    older_in_cents: Cents


class Total(Struct, rename="camel"):
    """A sum in one currency."""

    currency: str
    amount_in_cents: Cents


class NeedShown(Struct, rename="camel"):
    """Something that needs a person. `action`: what would fix it, as it stands on a button.

    `subjectId`: of the run, account, rule or webhook that it is about; null where it is about several.
    """

    kind: NeedName
    title: str
    detail: str
    action: str
    subject_id: str | None
    rule_id: str | None
    at: Moment | None


class ComingShown(Struct, rename="camel"):
    """Something that will happen in the next days: a schedule fires, a payment settles, a debt falls due.

    One of `ruleId`, `transferId` and `accountId` names it. Of what falls due only the day is known. `on`: a day of the
    organization's time zone. `moved`: from which day banks have moved it, in words.
    """

    at: Moment | None
    on: Day
    said: str
    moved: str | None
    amount_in_cents: Cents | None
    currency: str | None
    rule_id: str | None = None
    transfer_id: str | None = None
    account_id: str | None = None


class LastRun(Struct, rename="camel"):
    """A run that has just been."""

    id: str
    rule_id: str
    title: str
    ending: str
    said: str
    at: Moment


class CountsShown(Struct, rename="camel"):
    """How much there is, up to a thousand of each: what a beginner has still to do follows from it."""

    accounts: int
    income_sources: int
    rules: int
    enabled_rules: int


class OverviewShown(Struct, rename="camel"):
    """The first page. `totals`: unassigned money by currency; `coming`: the next seven days, in order."""

    now: Moment
    totals: list[Total]
    unassigned: list[UnassignedShown]
    needs: list[NeedShown]
    coming: list[ComingShown]
    runs: list[LastRun]
    counts: CountsShown
    is_paused: bool
    can: list[AccountsAct]


def show_overview(found: Overview, role: Role) -> OverviewShown:
    """Show the first page."""
    totals: dict[str, int] = {}
    for each in found.unassigned:
        totals[each.currency] = totals.get(each.currency, 0) + each.amount
    coming = [
        *(_fires(each, found.zone) for each in found.fires),
        *(_settles(each, found.zone) for each in found.settles),
        *map(_falls_due, found.falls_due),
    ]
    return OverviewShown(
        now=show_moment(found.now),
        totals=[Total(currency, amount) for currency, amount in sorted(totals.items())],
        unassigned=[_unassigned(each, visible(found.names[each.account_id])) for each in found.unassigned],
        needs=[_need(each) for each in found.needs],
        coming=sorted(coming, key=lambda each: (each.on, each.at or "")),
        runs=[_run(each) for each in found.runs],
        counts=CountsShown(found.accounts, found.income_sources, found.rules, found.enabled_rules),
        is_paused=found.is_paused,
        can=accounts_acts(role),
    )


def _unassigned(found: Unassigned, name: str) -> UnassignedShown:
    return UnassignedShown(
        account_id=format_id(IdKind.ACCOUNT, found.account_id),
        account_name=name,
        currency=found.currency,
        amount_in_cents=found.amount,
        parts=[
            PartShown(
                format_id(IdKind.TRANSFER, part.transfer_id),
                None if part.description is None else visible(part.description),
                show_moment(part.at),
                part.amount,
                part.left,
            )
            for part in found.parts
        ],
        older_in_cents=found.older,
    )


def _need(need: Need) -> NeedShown:
    kind = _SUBJECTS.get(need.kind)
    return NeedShown(
        kind=need.kind.value,
        title=need.title,
        detail=need.detail,
        action=need.action,
        subject_id=None if kind is None or need.subject_id is None else format_id(kind, need.subject_id),
        rule_id=None if need.rule_id is None else format_id(IdKind.RULE, need.rule_id),
        at=show_moment_or_none(need.at),
    )


def _fires(fires: Fires, zone: tzinfo) -> ComingShown:
    return ComingShown(
        at=show_moment(fires.at),
        on=fires.at.astimezone(zone).date().isoformat(),
        said=f"{title_of(fires.rule_name)} runs",
        moved=None,
        amount_in_cents=None,
        currency=None,
        rule_id=format_id(IdKind.RULE, fires.rule_id),
    )


def _settles(settles: Settles, zone: tzinfo) -> ComingShown:
    source, destination = (
        "outside" if name is None else visible(name) for name in (settles.source_name, settles.destination_name)
    )
    return ComingShown(
        at=show_moment(settles.at),
        on=settles.at.astimezone(zone).date().isoformat(),
        said=f"{_PURPOSES[settles.purpose]}: {source} to {destination}",
        moved=moved_in_words(settles.moved_from, zone),
        amount_in_cents=settles.amount,
        currency=settles.currency,
        transfer_id=format_id(IdKind.TRANSFER, settles.transfer_id),
    )


def _falls_due(due: FallsDue) -> ComingShown:
    return ComingShown(
        at=None,
        on=due.on.isoformat(),
        said=f"The minimum payment of {visible(due.account_name)} is due",
        moved=None,
        amount_in_cents=due.minimum,
        currency=due.currency,
        account_id=format_id(IdKind.ACCOUNT, due.account_id),
    )


def _run(run: RunSummary) -> LastRun:
    execution = run.execution
    return LastRun(
        id=format_id(IdKind.EXECUTION, execution.id),
        rule_id=format_id(IdKind.RULE, execution.rule_id),
        title=run.title,
        ending=run.ending.value,
        said=run.said,
        at=show_moment(execution.created_at),
    )
