"""What somebody expects of a rule's test: the form that asks for it, how it is read, and what really came of it."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from sluiceway.domain.executions import explain
from sluiceway.domain.ids import AccountId, IdKind, format_id, parse_id
from sluiceway.domain.money import MAX_CENTS
from sluiceway.domain.money import Cents as Minor
from sluiceway.domain.rules import Choice, ErrorCode, Field, FieldKind, Plan, refuse
from sluiceway.services.example_forms import Expected, TransferSeen
from sluiceway.web.wire.shapes import read_body

MOVES: Final = "MOVES"
APPROVAL: Final = "APPROVAL"
MOST_STEPS: Final = 999
MOST_TRANSFERS: Final = 100
EXPECTATION: Final = (
    Field(
        "step", "Which step runs", FieldKind.NUMBER, "Left empty: none, and nothing moves.", is_required=False, low=1
    ),
    Field(
        "transfers",
        "Transfers, in this order",
        FieldKind.LIST,
        is_required=False,
        low=0,
        high=MOST_TRANSFERS,
        fields=(
            Field("fromAccountId", "From", FieldKind.ACCOUNT),
            Field("toAccountId", "To", FieldKind.ACCOUNT),
            Field("amountInCents", "Amount", FieldKind.AMOUNT, low=0, high=MAX_CENTS),
            Field(
                "ends",
                "What becomes of it",
                FieldKind.CHOICE,
                choices=(
                    Choice(MOVES, "It moves"),
                    Choice(APPROVAL, "It waits for a person"),
                    *(Choice(code.value, f"It fails. {explain(code)}") for code in ErrorCode),
                ),
                default=MOVES,
            ),
        ),
    ),
)
"""As the vocabulary has forms of actions: a page draws it, and knows nothing of what is in it."""


class TransferExpected(Struct, rename="camel", forbid_unknown_fields=True):
    """A transfer that is expected. `ends`: `MOVES`, `APPROVAL` (it waits for a person), or the code of its failure."""

    from_account_id: str
    to_account_id: str
    amount_in_cents: Annotated[int, Meta(ge=0, le=MAX_CENTS)]
    ends: str = MOVES


class Expectation(Struct, rename="camel", forbid_unknown_fields=True):
    """What is expected: which step runs, counted from 1 (null: none does), and all its transfers in order."""

    step: Annotated[int, Meta(ge=1, le=MOST_STEPS)] | None
    transfers: Annotated[list[TransferExpected], Meta(max_length=MOST_TRANSFERS)]


class _Asked(Struct):
    expect: Expectation


def read_expectation(written: object) -> Expected:
    """Read what is expected. Raises InvalidParameters."""
    asked = read_body({"expect": written}, _Asked).expect
    if asked.step is None and asked.transfers:
        refuse("expect/step", "must be the number of a step, where something is to move")
    transfers = tuple(_transfer(place, each) for place, each in enumerate(asked.transfers))
    return Expected(step=None if asked.step is None else asked.step - 1, transfers=transfers)


def _transfer(place: int, asked: TransferExpected) -> TransferSeen:
    path = f"expect/transfers/{place}"
    if asked.ends not in (MOVES, APPROVAL, *ErrorCode):
        refuse(f"{path}/ends", f"must be {MOVES}, {APPROVAL} or the code of a failure")
    return TransferSeen(
        _account(asked.from_account_id, f"{path}/fromAccountId"),
        _account(asked.to_account_id, f"{path}/toAccountId"),
        asked.amount_in_cents,
        None if asked.ends in (MOVES, APPROVAL) else ErrorCode(asked.ends),
        asked.ends == APPROVAL,
    )


def _account(spelling: str, path: str) -> str:
    found = parse_id(IdKind.ACCOUNT, spelling)
    if found is None:
        refuse(path, "names no account")
    return found


def show_expectation(planned: Plan) -> Expectation:
    """Write what came of a run as what somebody could expect."""
    return Expectation(
        None if planned.step is None else planned.step + 1,
        [
            TransferExpected(
                _end(each.source),
                _end(each.destination),
                Minor(each.amount),
                APPROVAL if each.needs_approval else MOVES if each.error_code is None else each.error_code.value,
            )
            for each in planned.transfers
        ],
    )


def _end(account_id: AccountId) -> str:
    return format_id(IdKind.ACCOUNT, account_id)
