"""Reads a draft of a rule from a file: the canonical notation as YAML or JSON, accounts by any id or by name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from sluiceway.cli.failures import CommandFailed
from sluiceway.cli.plays import find_account
from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import Account
from sluiceway.domain.rules import Rule, read_rule

# The keys of the canonical notation that name an account.
_ACCOUNT_KEYS = frozenset(
    {
        "account_id",
        "value_account_id",
        "source",
        "destination",
        "account",
        "next_payment_minimum_account",
        "current_balance_account",
        "last_statement_balance_account",
    }
)


def read_draft(path: Path) -> object:
    """Read what a file says of a rule, as YAML or JSON: its definition, or all that `rules show --json` prints.

    Raises CommandFailed.
    """
    try:
        text = path.read_bytes()
    except OSError as failure:
        raise CommandFailed(f"{path} cannot be read: {failure.strerror}.") from failure
    try:
        written: object = yaml.load(text, _DraftLoader)  # noqa: S506 -- a SafeLoader that knows fewer types
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise CommandFailed(f"{path} is not YAML: {' '.join(str(problem).split())}") from problem
    if isinstance(written, dict) and "definition" in written:
        return cast("dict[str, object]", written)["definition"]
    return written  # pyright: ignore[reportUnknownVariableType]


def rule_of(written: object, accounts: Mapping[AccountId, Account]) -> Rule:
    """Read a rule in the canonical notation, its accounts by any spelling of their id, or by name.

    Raises CommandFailed, NotFound and InvalidParameters.
    """
    return read_rule(_with_ids(written, accounts))


def _with_ids(value: object, accounts: Mapping[AccountId, Account], key: str = "") -> object:
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {name: _with_ids(item, accounts, name) for name, item in fields.items()}
    if isinstance(value, list):
        return [_with_ids(item, accounts, key) for item in cast("list[object]", value)]
    return find_account(accounts, value) if isinstance(value, str) and key in _ACCOUNT_KEYS else value


_PLAIN_WORDS = (
    (("~", "n", ""), "null", r"(~|null|)$"),
    (("t", "f"), "bool", r"(true|false)$"),
    (tuple("-+0123456789"), "int", r"[-+]?(0|[1-9][0-9_]*)$"),
)


class _DraftLoader(yaml.SafeLoader):
    """The part of YAML that cannot surprise: null, true, false and whole numbers; 33.3333 stays exact as text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 -- that is how PyYAML is told, by first letter
        letter: [(f"tag:yaml.org,2002:{kind}", re.compile(pattern))]
        for letters, kind, pattern in _PLAIN_WORDS
        for letter in letters
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001 -- theirs
        """Read a mapping; a key that is there twice would quietly lose one of its values."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(problem=f"the key '{key}' is here twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)
