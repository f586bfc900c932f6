"""Statements as PostgreSQL itself has parsed them: its node trees, read from the body of a function."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_TOKEN: Final = re.compile(r'\{|\}|\(|\)|"(?:[^"\\]|\\.)*"|(?:[^\s(){}"\\]|\\.)+')


@dataclass(slots=True)
class Node:
    """One node: its kind, and its fields by name. A field is a node, a list, or the word that was written."""

    kind: str
    fields: dict[str, object] = field(default_factory=dict)

    def __getitem__(self, name: str) -> object:
        """Give a field that nodes of this kind have."""
        return self.fields[name]

    def number(self, name: str) -> int:
        """Give a field that is a number."""
        return int(str(self.fields[name]))

    def node(self, name: str) -> "Node | None":
        """Give a field that is a node, or nothing."""
        value = self.fields.get(name)
        return value if isinstance(value, Node) else None

    def nodes(self, name: str) -> "list[Node]":
        """Give a field that is a list of nodes; an empty one is written as nothing."""
        value = self.fields.get(name)
        return [one for one in value if isinstance(one, Node)] if isinstance(value, list) else []


def read_tree(text: str) -> object:
    """Read what `nodeToString` wrote."""
    tokens = _TOKEN.findall(text)
    value, end = _read(tokens, 0)
    assert end == len(tokens), "there is one value in a tree"
    return value


def _read(tokens: list[str], at: int) -> tuple[object, int]:
    token = tokens[at]
    if token == "{":
        node, at = Node(tokens[at + 1]), at + 2
        while tokens[at] != "}":
            name, at = tokens[at].removeprefix(":"), at + 1
            values: list[object] = []
            # A constant's bytes stand behind its length, so a field may have several words.
            while tokens[at] != "}" and not tokens[at].startswith(":"):
                value, at = _read(tokens, at)
                values.append(value)
            node.fields[name] = values[0] if len(values) == 1 else values
        return node, at + 1
    if token == "(":
        values, at = [], at + 1
        while tokens[at] != ")":
            value, at = _read(tokens, at)
            values.append(value)
        return values, at + 1
    return token, at + 1


def walk(value: object) -> Iterator[Node]:
    """Give every node of a tree, each before those below it."""
    if isinstance(value, Node):
        yield value
        for below in value.fields.values():
            yield from walk(below)
    elif isinstance(value, list):
        for below in value:
            yield from walk(below)
