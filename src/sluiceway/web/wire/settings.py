"""How an organization is set up, as a page shows and changes it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from sluiceway.domain.access import Role
from sluiceway.domain.money import MAX_CENTS, Cents
from sluiceway.domain.rules import PaymentSide, refuse
from sluiceway.storage.ach import Limit, Period
from sluiceway.storage.organizations import Organization
from sluiceway.web.wire.shapes import ZONES, Moment, show, show_moment_or_none

Side = Literal["CREDIT", "DEBIT"]
PeriodName = Literal["DAY", "MONTH"]
Change = Literal["pause", "resume", "setWaits", "setLimits", "setTimeZone"]
LONGEST_S: Final = int(timedelta(days=30).total_seconds())
MOST_TRANSFERS: Final = 1_000_000
SIDES: Final = {PaymentSide.CREDIT: "Sent to other banks", PaymentSide.DEBIT: "Taken from other banks"}
PERIODS: Final = {Period.DAY: "in a day", Period.MONTH: "in a month"}

Seconds = Annotated[int, Meta(ge=0, le=LONGEST_S)]


class LimitShown(Struct, rename="camel"):
    """How much may go to or come from other banks in a period (null: as much as there is), and how much has."""

    side: Side
    period: PeriodName
    label: str
    amount_in_cents: int | None
    transfers: int | None
    used_amount_in_cents: int
    used_transfers: int


class SettingsShown(Struct, rename="camel"):
    """How the organization is set up. `can`: what whoever asks may change.

    `timeZone`: the IANA zone in which its people read times; `timeZones`: those to choose from.
    """

    name: str
    is_sandbox: bool
    currency: str
    time_zone: str
    time_zones: list[str]
    paused_at: Moment | None
    minimum_transfer_in_cents: int
    approval_lasts_in_seconds: int
    handover_delay_in_seconds: int
    limits: list[LimitShown]
    can: list[Change]


class NewWaits(Struct, rename="camel", forbid_unknown_fields=True):
    """How long a transfer waits for a person, and how long a payment can be cancelled before it goes out."""

    approval_lasts_in_seconds: Annotated[int, Meta(ge=60, le=LONGEST_S)]
    handover_delay_in_seconds: Seconds


class NewTimeZone(Struct, rename="camel", forbid_unknown_fields=True):
    """The IANA zone in which the organization's people read times."""

    time_zone: str


class NewLimit(Struct, rename="camel", forbid_unknown_fields=True):
    """How much may go to or come from other banks in a period; null: as much as there is."""

    side: Side
    period: PeriodName
    amount_in_cents: Annotated[int, Meta(ge=0, le=MAX_CENTS)] | None
    transfers: Annotated[int, Meta(ge=0, le=MOST_TRANSFERS)] | None


def read_waits(wanted: NewWaits) -> tuple[timedelta, timedelta]:
    """Read the two waits."""
    return timedelta(seconds=wanted.approval_lasts_in_seconds), timedelta(seconds=wanted.handover_delay_in_seconds)


def read_limit(wanted: NewLimit) -> Cents | None:
    """Read a limit's amount. Raises InvalidParameters where nothing could ever be moved without saying so."""
    if wanted.amount_in_cents == 0:
        refuse("amountInCents", "must be above zero; to stop everything, pause")
    return None if wanted.amount_in_cents is None else Cents(wanted.amount_in_cents)


def show_settings(organization: Organization, limits: Sequence[Limit], role: Role, currency: str) -> bytes:
    """Show how the organization is set up."""
    by_key = {(limit.side, limit.period): limit for limit in limits}
    return show(
        SettingsShown(
            name=organization.name,
            is_sandbox=organization.is_sandbox,
            currency=currency,
            time_zone=organization.time_zone,
            time_zones=ZONES if organization.time_zone in ZONES else [organization.time_zone, *ZONES],
            paused_at=show_moment_or_none(organization.paused_at),
            minimum_transfer_in_cents=organization.minimum_transfer,
            approval_lasts_in_seconds=int(organization.approval_lasts.total_seconds()),
            handover_delay_in_seconds=int(organization.handover_delay.total_seconds()),
            limits=[_limit(side, period, by_key.get((side, period))) for side in SIDES for period in PERIODS],
            can=_changes(organization, role),
        )
    )


def _changes(organization: Organization, role: Role) -> list[Change]:
    if not role.covers(Role.ADMIN):
        return []
    others: list[Change] = ["setWaits", "setLimits", "setTimeZone"]
    if organization.stopped_for is not None:
        return others  # Whoever runs the server lets its money move again.
    return ["pause" if organization.paused_at is None else "resume", *others]


def _limit(side: PaymentSide, period: Period, limit: Limit | None) -> LimitShown:
    return LimitShown(
        side=side.value,
        period=period.value,
        label=f"{SIDES[side]} {PERIODS[period]}",
        amount_in_cents=limit and limit.amount,
        transfers=limit and limit.transfers,
        used_amount_in_cents=0 if limit is None else limit.used_amount,
        used_transfers=0 if limit is None else limit.used_transfers,
    )
