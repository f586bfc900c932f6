"""Parts of a rule that somebody has set aside: kept where they were taken from, and doing nothing until put back.

They are in no revision of the rule, so nobody reviews them and no run sees them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.ids import AccountId
from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.notation import MAX_DEPTH, read_action, read_condition, read_step
from sluiceway.domain.rules.words import Currencies, Names, Words

_NO_TRIGGER: Final = m.Manual(AccountId(""))


class AsideKind(StrEnum):
    """What was set aside."""

    CONDITION = "condition"
    ACTION = "action"
    STEP = "step"


@dataclass(frozen=True, slots=True)
class Aside:
    """A part in the notation, where it was taken from (`steps/0/actions/1`), and what somebody noted about it.

    It may be as incomplete as a draft.
    """

    kind: AsideKind
    path: str
    part: Mapping[str, Any]
    note: str | None = None


def asides_in_words(
    asides: Iterable[Aside], trigger: m.Trigger | None, names: Names, currencies: Currencies | None = None
) -> list[str]:
    """Say each in the words that the rule with this trigger, if it has one yet, would have for it."""
    return [_in_words(aside, trigger or _NO_TRIGGER, names, currencies) for aside in asides]


def _in_words(aside: Aside, trigger: m.Trigger, names: Names, currencies: Currencies | None) -> str:
    try:
        step = _READERS[aside.kind](aside.part, aside.path)
    except InvalidParameters:
        return f"{_KINDS[aside.kind]} that is not filled in"
    words = Words(m.Rule(trigger, (step,)), names, currencies)
    moves = " and ".join(words.action(0, at) for at in range(len(step.actions)))
    if step.condition is None:
        return moves
    return f"if {words.condition(step.condition)}" + (f", {moves}" if moves else "")


_READERS: Final[Mapping[AsideKind, Callable[[object, str], m.Step]]] = {
    AsideKind.CONDITION: lambda part, path: m.Step(read_condition(part, path, MAX_DEPTH), ()),
    AsideKind.ACTION: lambda part, path: m.Step(None, (read_action(part, path),)),
    AsideKind.STEP: read_step,
}
_KINDS: Final = {AsideKind.CONDITION: "a condition", AsideKind.ACTION: "a move", AsideKind.STEP: "a step"}
