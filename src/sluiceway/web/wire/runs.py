"""Runs as the app writes them: in lists, and told node by node with every value, limit and move."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from sluiceway.api.http import Choice, Instant, Named
from sluiceway.domain.access import Role
from sluiceway.domain.endings import ENDING_WORDS, Ending, Outcome, Waiting
from sluiceway.domain.executions import Execution
from sluiceway.domain.ids import (
    AccountId,
    IdKind,
    TransferId,
    derive_transfer_id,
    format_id,
    parse_id,
    to_base32,
)
from sluiceway.domain.ledger import Account
from sluiceway.domain.rules import Move, Node, Trace, visible
from sluiceway.domain.runs import Ladder, RunView
from sluiceway.domain.transfer_stories import STATUS_WORDS
from sluiceway.domain.transfers import Mode, Transfer
from sluiceway.services.runs import RunPage, RunSummary
from sluiceway.web.wire.shapes import (
    Cents,
    Moment,
    encode,
    read_body,
    show,
    show_moment,
    show_moment_or_none,
    show_page,
)

LATE: Final = timedelta(minutes=1)
"""From when on a run is said to have been late."""

NOBODY: Final = "00000000-0000-0000-0000-000000000000"
"""The id that nothing has."""
RULE: Final = Named("ruleId", IdKind.RULE, "Only runs of this rule.")
ACCOUNT: Final = Named("accountId", IdKind.ACCOUNT, "Only runs of rules that name this account.")
ENDING: Final = Choice("ending", {ending.value: ending for ending in Ending}, "Only runs that ended so.")
MODE: Final = Choice(
    "mode", {mode.value: mode for mode in Mode}, "Only real runs, or only simulations. Without it, both."
)
FROM: Final = Instant("from", "Not before this moment, which may have any offset.")
TO: Final = Instant("to", "Not after this moment, which may have any offset.", is_end=True)

EndingWord = Literal[
    "MOVED",
    "NOTHING_TO_MOVE",
    "CONDITIONS_NOT_MET",
    "WAITING",
    "MOVED_IN_PART",
    "BLOCKED_BY_LIMIT",
    "CANCELLED",
    "FAILED",
    "SIMULATED",
]


class Sum(Struct, rename="camel"):
    """An amount with its currency."""

    amount_in_cents: Cents
    currency: str


class AccountEnd(Struct, rename="camel"):
    """An account by its name; `id` null: somebody outside."""

    id: str | None
    name: str


class RuleEnd(Struct, rename="camel"):
    """A rule by its name; `id` null: a draft."""

    id: str | None
    name: str


class RunListed(Struct, rename="camel"):
    """A run in a list. `said`: how it ended, in a sentence."""

    id: str
    rule: RuleEnd
    is_simulation: bool
    ending: EndingWord
    ending_word: str
    said: str
    created_at: Moment
    moved: list[Sum]


class Wait(Struct, rename="camel"):
    """One thing that a run waits for."""

    kind: Literal["TURN", "PAUSED", "RETRY", "APPROVAL", "BANK"]
    said: str
    until: Moment | None


class Seen(Struct, rename="camel"):
    """A value that a run saw: cents where there is a currency, else a day; null: unknown."""

    fact: str
    value: int | None
    currency: str | None
    said: str


class LimitShown(Struct, rename="camel"):
    """What lowered an amount, and to what."""

    reason: str
    to_in_cents: Cents
    said: str


class MoveShown(Struct, rename="camel"):
    """What an action did: asked, limited by, moved. A pay-down has one for each debt."""

    part: int
    source: AccountEnd
    destination: AccountEnd | None
    currency: str
    result: Literal["moved", "skipped", "incomplete", "error"]
    asked_in_cents: Cents | None
    limits: list[LimitShown]
    moved_in_cents: Cents
    available_in_cents: Cents | None
    reason: str | None
    error_code: str | None
    title: str
    said: str
    transfer_id: str | None


class NodeShown(Struct, rename="camel"):
    """A node of the rule as it ran. `result` of steps and conditions; `said` is empty where the run did not come."""

    path: str
    kind: Literal["step", "all", "any", "comparison", "action"]
    depth: int
    words: str
    is_reached: bool
    result: Literal["true", "false", "unknown"] | None
    said: str
    seen: list[Seen]
    reported_at: Moment | None
    age_in_seconds: int | None
    moves: list[MoveShown]


class RungShown(Struct, rename="camel"):
    """One action on a ladder."""

    path: str
    part: int
    title: str
    asked_in_cents: Cents | None
    moved_in_cents: Cents
    left_in_cents: Cents | None


class LadderShown(Struct, rename="camel"):
    """The running balance of one source through a run; null where it was unknown."""

    account: AccountEnd
    currency: str
    start_in_cents: Cents | None
    rungs: list[RungShown]
    remainder_in_cents: Cents | None


class RunTransfer(Struct, rename="camel"):
    """A transfer that a run made, as it stands now."""

    id: str
    source: AccountEnd
    destination: AccountEnd
    amount_in_cents: Cents
    currency: str
    status: str
    said: str


class RunShown(Struct, rename="camel"):
    """A run with everything that is said of it. `id` null: it was only tried out, and is kept nowhere.

    `amountInCents`: what arrived, or was given by hand, where it began with an amount.
    """

    id: str | None
    rule: RuleEnd
    revision: int
    revision_now: int | None
    is_simulation: bool
    cause: str
    amount_in_cents: Cents | None
    cause_transfer_id: str | None
    created_at: Moment
    scheduled_for: Moment | None
    late_in_seconds: int | None
    finished_at: Moment | None
    ending: EndingWord
    ending_word: str
    said: str
    waits: list[Wait]
    changed_since: str | None
    trigger: str
    sentences: list[str]
    nodes: list[NodeShown]
    ladders: list[LadderShown]
    transfers: list[RunTransfer]
    explanation: list[str]
    older_id: str | None
    newer_id: str | None
    can: list[Literal["runAgain", "tryToday"]]


class TraceFile(Struct, rename="camel"):
    """A run to take along: its trace as it is kept, and all that is said of it, so that it can be drawn again."""

    id: str
    rule_id: str
    revision: int
    created_at: Moment
    said: str
    explanation: list[str]
    trace: dict[str, Any] | None
    run: RunShown


def read_named(query: Mapping[str, str], named: Named) -> str | None:
    """Read which thing is wanted, None: any. A malformed id names nothing, and not everything."""
    return named.read(query) or (NOBODY if named.name in query else None)


def show_runs(page: RunPage) -> bytes:
    """Write a page of runs."""
    cursor = None if page.next_id is None else to_base32(page.next_id)
    return show_page([show_listed(run) for run in page.runs], cursor)


def show_listed(run: RunSummary) -> RunListed:
    """Write a run in a list."""
    execution = run.execution
    return RunListed(
        id=format_id(IdKind.EXECUTION, execution.id),
        rule=RuleEnd(format_id(IdKind.RULE, execution.rule_id), run.title),
        is_simulation=execution.mode is Mode.SIMULATION,
        ending=_word(run.ending),
        ending_word=ENDING_WORDS[run.ending],
        said=run.said,
        created_at=show_moment(execution.created_at),
        moved=_moved(run.outcome),
    )


def show_run(view: RunView, role: Role) -> bytes:
    """Write a run."""
    return show(run_shown(view, role))


def run_shown(view: RunView, role: Role) -> RunShown:
    """Write a run, with what somebody of this role may do from here."""
    facts, execution = view.facts, view.facts.execution
    is_recorded = facts.is_recorded
    late = None
    if execution.scheduled_for is not None and execution.created_at - execution.scheduled_for > LATE:
        late = int((execution.created_at - execution.scheduled_for).total_seconds())
    return RunShown(
        id=format_id(IdKind.EXECUTION, execution.id) if is_recorded else None,
        rule=RuleEnd(_id(IdKind.RULE, None if execution.rule_id == NOBODY else execution.rule_id), view.title),
        revision=execution.revision,
        revision_now=None if facts.now is None or facts.now.deleted_at is not None else facts.now.revision,
        is_simulation=execution.mode is Mode.SIMULATION,
        cause=view.cause,
        amount_in_cents=execution.transfer_amount,
        cause_transfer_id=_id(IdKind.TRANSFER, facts.cause_id),
        created_at=show_moment(execution.created_at),
        scheduled_for=show_moment_or_none(execution.scheduled_for),
        late_in_seconds=late,
        finished_at=show_moment_or_none(execution.finished_at),
        ending=_word(view.ending),
        ending_word=ENDING_WORDS[view.ending],
        said=view.ending_said,
        waits=[_wait(wait) for wait in view.waits],
        changed_since=view.changed_since,
        trigger=view.trigger,
        sentences=list(view.sentences),
        nodes=[_node(view, node) for node in view.nodes],
        ladders=[_ladder(ladder) for ladder in view.ladders],
        transfers=[_transfer(transfer) for transfer in facts.transfers],
        explanation=list(view.explanation),
        older_id=_id(IdKind.EXECUTION, facts.older_id),
        newer_id=_id(IdKind.EXECUTION, facts.newer_id),
        can=_can(view, role),
    )


def show_trace(view: RunView) -> bytes:
    """Write the trace as it is kept, for programs, with what it belongs to."""
    execution = view.facts.execution
    trace = execution.trace
    return encode(
        TraceFile(
            id=format_id(IdKind.EXECUTION, execution.id),
            rule_id=format_id(IdKind.RULE, execution.rule_id),
            revision=execution.revision,
            created_at=show_moment(execution.created_at),
            said=view.ending_said,
            explanation=list(view.explanation),
            trace=None if trace is None else _raw(trace),
            run=_taken_along(run_shown(view, Role.VIEWER)),
        )
    )


def read_file(body: object) -> RunShown:
    """Read a run that was taken along, as it says that it was. Raises InvalidParameters for what is no such file.

    Nothing in it is believed but its shape: it may come from anywhere, and what it names need not be here.
    """
    return _taken_along(read_body(body, TraceFile).run)


def _taken_along(run: RunShown) -> RunShown:
    """Leave out what is of the place where a run is kept: its neighbours, today's rule, what may be done there."""
    return replace(run, older_id=None, newer_id=None, changed_since=None, revision_now=None, can=[])


def _raw(trace: Trace) -> dict[str, Any]:
    steps = [{**step._asdict(), "nodes": [node._asdict() for node in step.nodes]} for step in trace.steps]
    actions = [{**action._asdict(), "cuts": [cut._asdict() for cut in action.cuts]} for action in trace.actions]
    return {"steps": steps, "actions": actions}


def account_end(account_id: AccountId, accounts: Mapping[AccountId, Account]) -> AccountEnd:
    """Name an account."""
    account = accounts.get(account_id)
    return AccountEnd(format_id(IdKind.ACCOUNT, account_id), "A deleted account" if account is None else account.name)


def ends_of(transfer: Transfer) -> tuple[AccountEnd, AccountEnd]:
    """Name both ends of a transfer; somebody unknown outside is just that."""
    found = [
        AccountEnd(None, "Outside") if end is None else AccountEnd(format_id(IdKind.ACCOUNT, end.id), visible(end.name))
        for end in (transfer.source, transfer.destination)
    ]
    return found[0], found[1]


def read_account_ids(spellings: Iterable[str], path: str) -> list[AccountId]:
    """Read ids of accounts; a malformed one is kept as it is, and names nothing."""
    return [AccountId(parse_id(IdKind.ACCOUNT, spelling) or f"{path}:{spelling}") for spelling in spellings]


def _can(view: RunView, role: Role) -> list[Any]:
    now = view.facts.now
    if not view.facts.is_recorded or now is None or now.deleted_at is not None or not role.covers(Role.WRITER):
        return []
    return ["runAgain", "tryToday"] if now.is_enabled else ["tryToday"]


def _node(view: RunView, node: Node) -> NodeShown:
    age = view.age_of(node)
    results: dict[bool | None, Literal["true", "false", "unknown"]] = {True: "true", False: "false", None: "unknown"}
    has_result = node.is_reached and node.kind != "action"
    return NodeShown(
        path=node.path,
        kind=_word(node.kind),
        depth=node.depth,
        words=node.words,
        is_reached=node.is_reached,
        result=results[node.result] if has_result else None,
        said=node.said,
        seen=[Seen(seen.fact, seen.value, seen.currency, seen.said) for seen in node.seen],
        reported_at=show_moment_or_none(node.reported_at),
        age_in_seconds=None if age is None else int(age.total_seconds()),
        moves=[_move(view, move) for move in node.moves],
    )


def _move(view: RunView, move: Move) -> MoveShown:
    accounts, execution = view.facts.accounts, view.facts.execution
    return MoveShown(
        part=move.part,
        source=account_end(move.source, accounts),
        destination=None if move.destination is None else account_end(move.destination, accounts),
        currency=move.currency,
        result=_word(move.result),
        asked_in_cents=move.asked,
        limits=[LimitShown(limit.why.value, limit.to, limit.said) for limit in move.limits],
        moved_in_cents=move.moved,
        available_in_cents=move.available,
        reason=None if move.why is None else move.why.value,
        error_code=move.error_code,
        title=move.title,
        said=f"{move.said[:1].upper()}{move.said[1:]}.",
        transfer_id=_id(IdKind.TRANSFER, _made(execution, move)),
    )


def _made(execution: Execution, move: Move) -> TransferId | None:
    """Find the transfer that an action made, by what its id is derived from."""
    _, step, _, action = move.path.split("/")
    derived = derive_transfer_id(execution.id, int(step), int(action), move.part)
    return derived if derived in execution.transfer_ids else None


def _ladder(ladder: Ladder) -> LadderShown:
    return LadderShown(
        account=AccountEnd(format_id(IdKind.ACCOUNT, ladder.account_id), ladder.name),
        currency=ladder.currency,
        start_in_cents=ladder.start,
        rungs=[RungShown(*rung) for rung in ladder.rungs],
        remainder_in_cents=ladder.remainder,
    )


def _transfer(transfer: Transfer) -> RunTransfer:
    source, destination = ends_of(transfer)
    return RunTransfer(
        id=format_id(IdKind.TRANSFER, transfer.id),
        source=source,
        destination=destination,
        amount_in_cents=transfer.amount,
        currency=transfer.currency,
        status=transfer.status.value,
        said=STATUS_WORDS[transfer.status],
    )


def _wait(wait: Waiting) -> Wait:
    return Wait(_word(wait.kind), wait.said, show_moment_or_none(wait.until))


def _moved(outcome: Outcome) -> list[Sum]:
    return [Sum(each.amount, each.currency) for each in outcome.moved]


def _word(value: object) -> Any:  # noqa: ANN401 -- one of the words that a structure lists
    return str(value)


def _id(kind: IdKind, value: str | None) -> str | None:
    return None if value is None else format_id(kind, value)
