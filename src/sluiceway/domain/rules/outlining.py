"""A rule as an outline and as one sentence: the same words as `describe`, each line with the path of what it says.

The outline is what a person reviews: everything that is in the canonical form is in its lines.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple, assert_never

from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.words import Currencies, Names, Words, group_in_words, quoted

ALL_OF = "all of these"
ANY_OF = "at least one of these"


class LineKind(StrEnum):
    """What a line of an outline says."""

    NAME = "name"
    DESCRIPTION = "description"
    TRIGGER = "trigger"
    STEP = "step"
    GROUP = "group"
    COMPARISON = "comparison"
    ACTION = "action"
    SETTING = "setting"


class Line(NamedTuple):
    """One line: the path of the node that it says in words (`steps/0/conditions/all/1`), and how deep it stands."""

    path: str
    kind: LineKind
    depth: int
    text: str


def sentence(rule: m.Rule, names: Names, currencies: Currencies | None = None) -> str:
    """Say the whole rule as one sentence; what holds for every step follows as sentences of its own."""
    words = Words(rule, names, currencies)
    starts = f"{words.trigger()}, "
    joins = "if " if isinstance(rule.trigger, m.Scheduled) else "and "
    said: list[str] = []
    for index, step in enumerate(rule.steps):
        moves = _moves(words, index, step)
        if index == 0:
            said.append(starts + (f"{joins}{words.part(step.condition)}, {moves}" if step.condition else moves))
        else:
            said.append(f"if {words.part(step.condition)}, {moves}" if step.condition else moves)
    return " ".join([f"{'; otherwise '.join(said)}.", *words.settings()])


def trigger_in_words(rule: m.Rule, names: Names) -> str:
    """Say what starts a rule."""
    return Words(rule, names, None).trigger()


def outline(rule: m.Rule, names: Names, currencies: Currencies | None = None) -> list[Line]:
    """Say the rule line by line: name, description, what starts it, its steps in their order, its settings."""
    words = Words(rule, names, currencies)
    lines: list[Line] = []
    if rule.name is not None:
        lines.append(Line("name", LineKind.NAME, 0, f"Called {quoted(rule.name)}"))
    if rule.description:
        lines.append(Line("description", LineKind.DESCRIPTION, 0, f"Described as {quoted(rule.description)}"))
    lines.append(Line("trigger", LineKind.TRIGGER, 0, words.trigger()))
    for index, step in enumerate(rule.steps):
        lines += _step(words, rule, index, step)
    settings = [
        path
        for path, value in (
            ("approval_above_in_cents", rule.approval_above),
            ("max_balance_age_in_minutes", rule.max_balance_age),
        )
        if value is not None
    ]
    lines += [Line(path, LineKind.SETTING, 0, said) for path, said in zip(settings, words.settings(), strict=True)]
    return lines


def ordered_actions(step: m.Step) -> list[int]:
    """List the places of a step's actions in the order in which they run."""
    return sorted(range(len(step.actions)), key=lambda at: step.actions[at].group)


def _moves(words: Words, index: int, step: m.Step) -> str:
    together = [[words.action(index, placed.at) for placed in group.actions] for group in step.groups]
    return ", then ".join(" and ".join(moves) for moves in together)


def _step(words: Words, rule: m.Rule, index: int, step: m.Step) -> Iterator[Line]:
    path = f"steps/{index}"
    yield Line(path, LineKind.STEP, 0, _head(rule, index, step))
    if step.condition is not None:
        yield from _condition(words, step.condition, f"{path}/conditions", 1)
    groups = [group.number for group in step.groups]
    for at in ordered_actions(step):
        mark = f"({group_in_words(groups.index(step.actions[at].group) + 1)}) " if len(groups) > 1 else ""
        yield Line(f"{path}/actions/{at}", LineKind.ACTION, 1, f"{mark}{words.action(index, at)}")


def _head(rule: m.Rule, index: int, step: m.Step) -> str:
    if step.condition is not None:
        return "If" if index == 0 else "Otherwise, if"
    return "Otherwise" if index > 0 else "Always" if len(rule.steps) > 1 else "Do this"


def _condition(words: Words, condition: m.Condition, path: str, depth: int) -> Iterator[Line]:
    match condition:
        case m.Comparison():
            yield Line(path, LineKind.COMPARISON, depth, words.comparison(condition) + _idle(words, condition))
            return
        case m.AllOf(children):
            key, title = "all", ALL_OF
        case m.AnyOf(children):
            key, title = "any", ANY_OF
        case _:
            assert_never(condition)
    yield Line(path, LineKind.GROUP, depth, title)
    for index, child in enumerate(children):
        yield from _condition(words, child, f"{path}/{key}/{index}", depth + 1)


def _idle(words: Words, leaf: m.Comparison) -> str:
    """Name the accounts that a comparison names without looking at them: they are signed too."""
    right = leaf.value if isinstance(leaf.value, m.Fact) else None
    is_left_idle = leaf.fact not in m.ACCOUNT_FACTS and (right not in m.ACCOUNT_FACTS or leaf.right_account_id)
    idle = [
        words.account(account_id)
        for account_id, is_idle in (
            (leaf.account_id, is_left_idle),
            (leaf.right_account_id, right not in m.ACCOUNT_FACTS),
        )
        if account_id is not None and is_idle
    ]
    return f" ({' and '.join(idle)} named here to no effect)" if idle else ""
