"""Permissions as they are typed: `sluiceway keys create --permission`."""

import pytest
import typer

from sluiceway.cli.keys import read_grants
from sluiceway.domain.access import WITHOUT_RESOURCES, Grant, Permission
from sluiceway.domain.ids import IdKind, format_id

THING = "01890a5d-ac96-774b-bcce-b302099a8057"
ACCOUNT, RULE = format_id(IdKind.ACCOUNT, THING), format_id(IdKind.RULE, THING)
OF_ACCOUNTS = (Permission.READ_ACCOUNTS, Permission.READ_TRANSFERS, Permission.READ_CARDS)
OF_RULES = (
    Permission.READ_RULES,
    Permission.TRIGGER_RULES,
    Permission.READ_RULE_EXECUTIONS,
    Permission.CREATE_AND_EDIT_RULES,
)


def test_every_permission_is_for_accounts_or_rules_or_pairs_or_the_whole() -> None:
    assert {*OF_ACCOUNTS, *OF_RULES, Permission.MANUAL_TRANSFER, *WITHOUT_RESOURCES} == set(Permission)


@pytest.mark.parametrize(
    ("permission", "own", "other"),
    [*((permission, ACCOUNT, RULE) for permission in OF_ACCOUNTS), *((each, RULE, ACCOUNT) for each in OF_RULES)],
)
def test_a_permission_takes_ids_of_what_it_is_for_and_no_others(permission: Permission, own: str, other: str) -> None:
    assert read_grants([f"{permission}:{own}"]) == {permission: Grant(resources=frozenset({THING}))}
    with pytest.raises(typer.BadParameter, match="is not the id of"):
        read_grants([f"{permission}:{other}"])
