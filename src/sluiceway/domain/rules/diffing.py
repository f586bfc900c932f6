"""What an edit changed, in words: node by node, with the path of each in the revision where it stands."""

from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from typing import NamedTuple, assert_never

from sluiceway.domain.rules import model as m
from sluiceway.domain.rules.outlining import ALL_OF, ANY_OF, ordered_actions
from sluiceway.domain.rules.words import Currencies, Names, Words, group_in_words, quoted


class ChangeKind(StrEnum):
    """What happened to a node."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


class Change(NamedTuple):
    """One change. `path` is where the node stands now, or stood if it is gone; `before` and `after` are its words."""

    kind: ChangeKind
    path: str
    before: str | None
    after: str | None


class _Node(NamedTuple):
    """A part of a rule. Two nodes with one key are the same; two with one shape can be revisions of each other."""

    path: str
    key: Hashable
    shape: Hashable
    text: str
    children: "tuple[_Node, ...]"


def diff(before: m.Rule, after: m.Rule, names: Names, currencies: Currencies | None = None) -> list[Change]:
    """Say what is different in `after`. Empty exactly when the two are the same rule."""
    old, new = _Reader(before, names, currencies), _Reader(after, names, currencies)
    return _between(old.parts(), new.parts())


class _Reader:
    def __init__(self, rule: m.Rule, names: Names, currencies: Currencies | None) -> None:
        self.rule = rule
        self.words = Words(rule, names, currencies)

    def parts(self) -> list[_Node]:
        rule = self.rule
        texts: list[_Node] = []
        for path, text in (("name", rule.name), ("description", rule.description)):
            if text is not None:
                texts.append(_Node(path, (path, text), path, f"{path}: {quoted(text)}", ()))
        steps = [self.step(index, step) for index, step in enumerate(rule.steps)]
        keys = {
            "approval_above_in_cents": rule.approval_above,
            "max_balance_age_in_minutes": rule.max_balance_age,
        }
        set_ = [(path, value) for path, value in keys.items() if value is not None]
        settings = [
            _Node(path, (path, value), path, said, ())
            for (path, value), said in zip(set_, self.words.settings(), strict=True)
        ]
        trigger = _Node("trigger", ("trigger", rule.trigger), "trigger", self.words.trigger(), ())
        return [*texts, trigger, *steps, *settings]

    def step(self, index: int, step: m.Step) -> _Node:
        path = f"steps/{index}"
        conditions = () if step.condition is None else (self.condition(step.condition, f"{path}/conditions", "if "),)
        actions = tuple(self.action(index, at, step) for at in ordered_actions(step))
        text = f"step {index + 1}: {self.said(index, step)}"
        # What comes first in a step says nothing else in another place: the place is no part of the key.
        return _Node(path, ("step", step), "step", text, (*conditions, *actions))

    def said(self, index: int, step: m.Step) -> str:
        head = "" if step.condition is None else f"if {self.words.condition(step.condition)}, "
        return head + ", then ".join(self.words.action(index, at) for at in ordered_actions(step))

    def action(self, index: int, at: int, step: m.Step) -> _Node:
        action = step.actions[at]
        groups = [group.number for group in step.groups]
        mark = f"({group_in_words(groups.index(action.group) + 1)}) " if len(groups) > 1 else ""
        text = mark + self.words.action(index, at)
        return _Node(f"steps/{index}/actions/{at}", ("action", action), type(action.amount).__name__, text, ())

    def condition(self, condition: m.Condition, path: str, mark: str = "") -> _Node:
        match condition:
            case m.Comparison():
                return _Node(path, condition, mark or "comparison", f"{mark}{self.words.comparison(condition)}", ())
            case m.AllOf(children):
                key, title = "all", ALL_OF
            case m.AnyOf(children):
                key, title = "any", ANY_OF
            case _:
                assert_never(condition)
        nodes = tuple(self.condition(child, f"{path}/{key}/{index}") for index, child in enumerate(children))
        return _Node(path, condition, mark or "group", f"{mark}{title}: {self.words.condition(condition)}", nodes)


def _between(old: Sequence[_Node], new: Sequence[_Node]) -> list[Change]:
    gone = list(old)
    come = list(new)
    for block in SequenceMatcher(
        None, [n.key for n in old], [n.key for n in new], autojunk=False
    ).get_matching_blocks():
        for offset in range(block.size):
            gone.remove(old[block.a + offset])
            come.remove(new[block.b + offset])
    changes: list[tuple[int, Change]] = []
    place = {node.path: index for index, node in enumerate(new)}
    for node in list(come):
        if same := next((each for each in gone if each.key == node.key), None):
            gone.remove(same)
            come.remove(node)
            changes.append((place[node.path], Change(ChangeKind.MOVED, node.path, same.text, node.text)))
    for node in list(come):
        if former := next((each for each in gone if each.shape == node.shape), None):
            gone.remove(former)
            come.remove(node)
            changes += [(place[node.path], change) for change in _within(former, node)]
    changes += [(place[node.path], Change(ChangeKind.ADDED, node.path, None, node.text)) for node in come]
    removed = [Change(ChangeKind.REMOVED, node.path, node.text, None) for node in gone]
    return [*(change for _, change in sorted(changes, key=lambda each: each[0])), *removed]


def _within(old: _Node, new: _Node) -> list[Change]:
    """Say what is different between two revisions of a node: of its parts, where only those differ."""
    is_joined_alike = type(old.key) is type(new.key)
    if old.children and new.children and is_joined_alike and (found := _between(old.children, new.children)):
        return found
    return [Change(ChangeKind.CHANGED, new.path, old.text, new.text)]
