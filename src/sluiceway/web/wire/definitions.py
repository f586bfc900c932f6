"""A rule in the app is the project's own notation, with ids as the app writes them everywhere."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from sluiceway.domain.ids import IdKind, canonical_uuid, format_id, parse_id
from sluiceway.domain.rules import VOCABULARY, Field, FieldKind, Rule, write_rule

Definition = dict[str, Any]


def _account_keys(fields: Sequence[Field]) -> set[str]:
    found: set[str] = set()
    for field in fields:
        if field.kind is FieldKind.ACCOUNT:
            found.add(field.key)
        found |= _account_keys(field.fields)
        for option in field.options:
            found |= _account_keys(option.fields)
    return found


ACCOUNT_KEYS: Final = frozenset({"account_id", "value_account_id"}).union(
    *(_account_keys(form.fields) for form in (*VOCABULARY.triggers, *VOCABULARY.actions))
)
"""Under which keys of the notation accounts are named."""


def show_definition(rule: Rule) -> Definition:
    """Write a rule in the notation."""
    return cast("Definition", _walk(write_rule(rule), lambda text: format_id(IdKind.ACCOUNT, text)))


def show_part(part: Mapping[str, Any]) -> Definition:
    """Write a part of a rule that is in the notation."""
    return cast(
        "Definition", _walk(part, lambda text: format_id(IdKind.ACCOUNT, text) if canonical_uuid(text) else text)
    )


def read_definition(written: object) -> Any:  # noqa: ANN401 -- JSON that has not been read yet
    """Write the ids of a definition as the domain knows them. What names no account stays, and is found to."""
    return _walk(written, lambda text: parse_id(IdKind.ACCOUNT, text) or text)


def read_account(text: object) -> object:
    """Read one account's id likewise."""
    return (parse_id(IdKind.ACCOUNT, text) or text) if isinstance(text, str) else text


def read_answers(fields: Sequence[Field], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Write the ids among the answers to a recipe's questions as the domain knows them."""
    accounts = {field.key for field in fields if field.kind is FieldKind.ACCOUNT}
    return {key: read_account(value) if key in accounts else read_definition(value) for key, value in answers.items()}


def _walk(value: object, write: Callable[[str], str], key: str = "") -> object:
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, object]", value)
        return {name: _walk(item, write, name) for name, item in fields.items()}
    if isinstance(value, list):
        return [_walk(item, write, key) for item in cast("Sequence[object]", value)]
    return write(value) if isinstance(value, str) and key in ACCOUNT_KEYS else value
