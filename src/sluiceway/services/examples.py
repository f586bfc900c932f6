"""Runs examples against a rule and says, field by field, what is not as expected. Pure: nothing moves anywhere."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final

import msgspec
import yaml
from msgspec import UNSET

from sluiceway.domain.ids import AccountId, TransferId
from sluiceway.domain.ledger import Book
from sluiceway.domain.rules import (
    ActionResult,
    ActionTrace,
    ErrorCode,
    Plan,
    PlannedTransfer,
    Rule,
    Snapshot,
    needs,
    plan,
)
from sluiceway.services.example_forms import (
    RULE_ID,
    ActionSeen,
    CapUse,
    Example,
    Form,
    NodeSeen,
    Seen,
    StepSeen,
    convert,
    write_transfer,
)

_NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not as expected, both sides written as in a scenario file."""

    field: str
    expected: str
    got: str


def compare(rule: Rule, example: Example) -> tuple[Plan, tuple[Difference, ...]]:
    """Plan a rule on what an example gives, exactly as in a live run; give the plan and what is not as expected."""
    snapshot = example.snapshot
    wanted = looked_at(rule, snapshot)
    # As in a live run, planning is given no account that `needs` did not name, or that holds what is paid to one that
    # it did: one that it forgot is missing here too.
    loaded = replace(
        snapshot,
        accounts={name: account for name, account in snapshot.accounts.items() if name in wanted},
        balances={name: balance for name, balance in snapshot.balances.items() if name in wanted},
    )
    planned = plan(RULE_ID, rule, example.event, loaded)
    return planned, tuple(_differences(example, planned))


def looked_at(rule: Rule, snapshot: Snapshot) -> frozenset[AccountId]:
    """Name the accounts that planning a rule looks at: what it needs, and the pods that hold what is paid to those."""
    needed = needs(rule).accounts
    return needed | {pod for liability, pod in snapshot.holding_pods.items() if liability in needed}


def _differences(example: Example, planned: Plan) -> Iterator[Difference]:
    expected = example.expected
    for field, wanted, got in (
        ("step", expected.step, planned.step),
        ("attempted", expected.attempted, planned.attempted),
        ("failed", expected.failed, planned.failed),
    ):
        if wanted is not UNSET and wanted != got:
            yield Difference(field, _show(wanted), _show(got))
    if expected.transfers is not UNSET:
        yield from _compare_rows("transfers", expected.transfers, [write_transfer(each) for each in planned.transfers])
    if expected.balances is not UNSET:
        yield from _compare_balances(expected.balances, _balances_after(example.snapshot, planned))
    yield from _compare_trace(example.trace, _trace_seen(planned))
    if expected.cap_uses is not UNSET:
        # Running totals have no order of their own.
        yield from _compare_rows(
            "cap_uses", sorted(expected.cap_uses, key=_show), sorted(_cap_uses(planned), key=_show)
        )


def _compare_rows(field: str, expected: Sequence[Form], got: Sequence[Form]) -> Iterator[Difference]:
    for index, (wanted, came) in enumerate(zip_longest(expected, got)):
        if wanted != came:
            yield Difference(f"{field}/{index}", _show_or_nothing(wanted), _show_or_nothing(came))


def _compare_balances(expected: Mapping[str, int | None], got: Mapping[AccountId, int | None]) -> Iterator[Difference]:
    for name, wanted in expected.items():
        came = got[AccountId(name)]
        if wanted != came:
            yield Difference(f"balances/{name}", _show(wanted), _show(came))


def _compare_trace(expected: Mapping[str, Seen | None], got: Mapping[str, Seen]) -> Iterator[Difference]:
    for path, wanted in expected.items():
        came = got.get(path)
        if wanted is None or came is None:
            if wanted is not came:
                yield Difference(f"trace/{path}", _show_or_nothing(wanted), _show_or_nothing(came))
            continue
        came_fields = msgspec.structs.asdict(came)
        for field, value in msgspec.structs.asdict(wanted).items():
            if value is not UNSET and value != came_fields[field]:
                yield Difference(f"trace/{path}/{field.rstrip('_')}", _show(value), _show(came_fields[field]))


def _trace_seen(planned: Plan) -> dict[str, Seen]:
    seen: dict[str, Seen] = {}
    for step in planned.trace.steps:
        seen[step.path] = StepSeen(step.result)
        seen.update({node.path: NodeSeen(node.result, node.left, node.right, node.why) for node in step.nodes})
    for action in planned.trace.actions:
        parted = f"{action.path}/parts/{action.part}"
        assert parted not in seen, "a trace tells of each part once"
        seen[parted] = _action_seen(action)
        # Most actions have one part, which goes by the action's own path.
        seen.setdefault(action.path, seen[parted])
    return seen


def _action_seen(action: ActionTrace) -> ActionSeen:
    return ActionSeen(
        from_=action.source,
        to=action.destination,
        result=ActionResult(action.result),
        asked=action.asked,
        cuts=tuple({cut.why: cut.to} for cut in action.cuts),
        moved=action.moved,
        available=action.available,
        why=action.why,
        error=None if action.error_code is None else ErrorCode(action.error_code),
    )


def _cap_uses(planned: Plan) -> list[CapUse]:
    return [
        convert(
            {
                "period": key.period.value,
                "starts_on": key.starts_on,
                "amount": used,
                "step": key.step,
                "group": key.group,
            },
            CapUse,
        )
        for key, used in planned.cap_uses.items()
    ]


def _balances_after(snapshot: Snapshot, planned: Plan) -> dict[AccountId, int | None]:
    """Apply the plan as settlement would, up to the hand-over to a bank, and give the available balances."""
    book = Book(snapshot.accounts, dict(snapshot.balances))
    for transfer in planned.transfers:
        if transfer.error_code is None:
            _apply(book, transfer, snapshot.holding_pods)
    return {name: book.available(name) for name in snapshot.accounts}


def _apply(book: Book, transfer: PlannedTransfer, holding_pods: Mapping[AccountId, AccountId]) -> None:
    source, amount = transfer.source, transfer.amount
    receiver = holding_pods.get(transfer.destination, transfer.destination)
    transfer_id = TransferId(f"{transfer.step}/{transfer.action}/{transfer.part}")
    source_is_kept, receiver_is_kept = (book.accounts[name].is_kept for name in (source, receiver))
    if source_is_kept and receiver_is_kept and not transfer.needs_approval:
        book.post(transfer_id, source, receiver, amount)
        return
    if source_is_kept:
        book.hold(transfer_id, source, receiver, amount)
    else:
        book.hold_outside(source, amount)
    book.expect(receiver, amount)


def _show_or_nothing(value: Form | None) -> str:
    return _NOTHING if value is None else _show(value)


def _show(value: object) -> str:
    """Write a value as it would stand in a scenario file, on one line."""
    plain = msgspec.to_builtins(value)
    shown = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=float("inf"))
    return shown.removesuffix("\n").removesuffix("\n...")
