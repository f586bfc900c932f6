"""The map in the app's words: accounts, the ways of rules between them, and one run to replay."""

from typing import Final, Literal

from msgspec import Struct

from sluiceway.api.http import Choice
from sluiceway.domain.access import Role
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.domain.rules import format_money, visible
from sluiceway.domain.transfer_stories import STATUS_WORDS
from sluiceway.domain.transfers import Transfer
from sluiceway.services.money_map import Edge, EdgeState, MoneyMap, Period, RunOnMap, name_of
from sluiceway.web.wire.accounts import AccountsAct, AccountShown, accounts_acts, show_account
from sluiceway.web.wire.shapes import Cents, Day, Moment, show_moment

PERIOD_WORDS: Final = {
    Period.THIS_MONTH: "This month",
    Period.LAST_7_DAYS: "Last 7 days",
    Period.LAST_30_DAYS: "Last 30 days",
    Period.LAST_90_DAYS: "Last 90 days",
    Period.LAST_365_DAYS: "Last 365 days",
}
PERIOD: Final = Choice(
    "period", {period.value: period for period in Period}, "Over which days what moved is counted; 30 unless said."
)
STATE_WORDS: Final = {
    EdgeState.ENABLED: "enabled",
    EdgeState.DISABLED: "off",
    EdgeState.FAILED: "failed last time",
}
PeriodName = Literal["THIS_MONTH", "LAST_7_DAYS", "LAST_30_DAYS", "LAST_90_DAYS", "LAST_365_DAYS"]
EdgeStateName = Literal["ENABLED", "DISABLED", "FAILED"]
_MOST_WEIGHT: Final = 100


class EdgeShown(Struct, rename="camel"):
    """A rule's way from one account to another. `said`: the whole of it in a sentence.

    `weight`: how much moved on it in the period, from 0 to 100 of what moved on the widest way of its currency.
    """

    id: str
    rule_id: str
    source_id: str
    destination_id: str
    label: str
    state: EdgeStateName
    state_word: str
    said: str
    moved_in_cents: Cents
    returned_in_cents: Cents
    transfers: int
    currency: str
    weight: int
    failed_run_id: str | None


class MapRule(Struct, rename="camel"):
    """A rule of the map, in a sentence."""

    id: str
    title: str
    sentence: str
    is_enabled: bool


class PeriodShown(Struct):
    """A period that can be chosen."""

    name: PeriodName
    word: str


class MapShown(Struct, rename="camel"):
    """The map. What moved is of the days `from` to `to`, both included (UTC, by the organization's clock)."""

    now: Moment
    period: PeriodName
    from_day: Day
    to_day: Day
    periods: list[PeriodShown]
    nodes: list[AccountShown]
    edges: list[EdgeShown]
    rules: list[MapRule]
    can: list[AccountsAct]


class MoveShown(Struct, rename="camel"):
    """One transfer of a run. Null is somebody outside."""

    id: str
    source_id: str | None
    destination_id: str | None
    amount_in_cents: Cents
    currency: str
    status: str
    status_word: str
    said: str


class RunOnMapShown(Struct, rename="camel"):
    """One run to replay on the map, with what it moved in that order."""

    id: str
    rule_id: str
    title: str
    at: Moment
    moves: list[MoveShown]


def show_map(found: MoneyMap, role: Role) -> MapShown:
    """Show the map."""
    names = {node.record.account.id: visible(node.record.name) for node in found.nodes}
    currencies = {node.record.account.id: node.record.account.currency for node in found.nodes}
    widest: dict[str, int] = {}
    for edge in found.edges:
        currency = currencies[edge.source]
        widest[currency] = max(widest.get(currency, 0), edge.moved.amount)
    return MapShown(
        now=show_moment(found.now),
        period=found.period.value,
        from_day=found.from_day.isoformat(),
        to_day=found.to_day.isoformat(),
        periods=[PeriodShown(period.value, word) for period, word in PERIOD_WORDS.items()],
        nodes=[show_account(node, found.now) for node in found.nodes],
        edges=[
            _edge(
                edge,
                (names[edge.source], names[edge.destination]),
                currencies[edge.source],
                widest[currencies[edge.source]],
                PERIOD_WORDS[found.period],
            )
            for edge in found.edges
        ],
        rules=[
            MapRule(format_id(IdKind.RULE, each.id), name_of(each), found.sentences[each.id], each.is_enabled)
            for each in found.rules
        ],
        can=accounts_acts(role),
    )


def _edge(edge: Edge, ends: tuple[str, str], currency: str, widest: int, period: str) -> EdgeShown:
    rule_id = format_id(IdKind.RULE, edge.rule.id)
    source_id, destination_id = (format_id(IdKind.ACCOUNT, each) for each in (edge.source, edge.destination))
    moved = format_money(edge.moved.amount, currency) if edge.moved.amount else "nothing"
    back = f", of which {format_money(edge.moved.returned, currency)} came back" if edge.moved.returned else ""
    word = STATE_WORDS[edge.state]
    return EdgeShown(
        id=f"{rule_id}/{source_id}/{destination_id}",
        rule_id=rule_id,
        source_id=source_id,
        destination_id=destination_id,
        label=edge.label,
        state=edge.state.value,
        state_word=word.capitalize(),
        said=(
            f"{name_of(edge.rule)}, {word}: {edge.label} from {ends[0]} to {ends[1]}. {period}: {moved} moved{back}."
        ),
        moved_in_cents=edge.moved.amount,
        returned_in_cents=edge.moved.returned,
        transfers=edge.moved.transfers,
        currency=currency,
        weight=_MOST_WEIGHT * edge.moved.amount // widest if widest else 0,
        failed_run_id=None if edge.failed_run is None else format_id(IdKind.EXECUTION, edge.failed_run.id),
    )


def show_run(run: RunOnMap) -> RunOnMapShown:
    """Show a run to replay."""
    execution = run.execution
    return RunOnMapShown(
        id=format_id(IdKind.EXECUTION, execution.id),
        rule_id=format_id(IdKind.RULE, execution.rule_id),
        title=visible(execution.rule_name or "A rule without a name"),
        at=show_moment(execution.created_at),
        moves=[_move(each) for each in run.transfers],
    )


def _move(transfer: Transfer) -> MoveShown:
    source = "outside" if transfer.source is None else visible(transfer.source.name)
    destination = "outside" if transfer.destination is None else visible(transfer.destination.name)
    return MoveShown(
        id=format_id(IdKind.TRANSFER, transfer.id),
        source_id=None if transfer.source is None else format_id(IdKind.ACCOUNT, transfer.source.id),
        destination_id=None if transfer.destination is None else format_id(IdKind.ACCOUNT, transfer.destination.id),
        amount_in_cents=transfer.amount,
        currency=transfer.currency,
        status=transfer.status.value,
        status_word=STATUS_WORDS[transfer.status],
        said=f"{format_money(transfer.amount, transfer.currency)} from {source} to {destination}",
    )
