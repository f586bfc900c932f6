"""The part of YAML that scenario files may use: what cannot surprise, each scenario with the line it stands on."""

import re
from collections.abc import Iterator
from typing import cast

import yaml

_NULLS = frozenset({"", "~", "null"})
_FLAGS = {"true": True, "false": False}
_WHOLE_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_MAX_DEPTH = 100
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


def entries(text: str | bytes) -> Iterator[tuple[int, object]]:
    """Give each scenario with its line: the entries of a list, or whole documents."""
    for top in yaml.compose_all(text, yaml.BaseLoader):
        for node in top.value if isinstance(top, yaml.SequenceNode) else [top]:
            yield node.start_mark.line + 1, _value(node)


def _value(node: yaml.Node, depth: int = 0) -> object:
    """Take the part of YAML that cannot surprise: null, true, false and whole numbers; other plain words are text.

    So `33.3333` stays exact and no float ever is, `2026-03-02` and `no` are what they look like, `010` is not eight.
    """
    if node.tag not in _PLAIN_TAGS:
        raise _at(node, f"the tag {node.tag} is not known")
    if depth > _MAX_DEPTH:
        raise _at(node, "nests too deep")
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, depth + 1) for child in node.value]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, depth)
    written: str = node.value
    is_plain = cast("yaml.ScalarNode", node).style is None
    if is_plain and written in _NULLS:
        return None
    if is_plain and _WHOLE_NUMBER.fullmatch(written):
        return int(written)
    return _FLAGS.get(written, written) if is_plain else written


def _mapping(node: yaml.MappingNode, depth: int) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _at(key, "a key must be a word")
        if key.value in values:
            raise _at(key, f"the key '{key.value}' is here twice")
        values[key.value] = _value(value, depth + 1)
    return values


def _at(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
