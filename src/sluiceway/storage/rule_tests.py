"""Owns the table rule_test: what people expect of a rule."""

import json
from datetime import datetime
from typing import Any, NamedTuple

from sluiceway.domain.ids import OrganizationId, RuleId, RuleTestId
from sluiceway.storage.database import ReadTx, WriteTx, fetch_all, fetch_one
from sluiceway.storage.queries import load

QUERIES = load(__file__)


class RuleTest(NamedTuple):
    """A test of a rule. `example`: what is given and expected, in the notation of scenario files."""

    id: RuleTestId
    name: str
    example: dict[str, Any]
    created_at: datetime


async def keep_test(tx: WriteTx, organization_id: OrganizationId, rule_id: RuleId, test: RuleTest) -> bool:
    """Keep a test with a rule; tell whether it is kept: not where the rule has one of this name."""
    row = {
        "organization_id": organization_id,
        "id": test.id,
        "rule_id": rule_id,
        "name": test.name,
        "example": json.dumps(test.example),
        "created_at": test.created_at,
    }
    return await fetch_one(tx, QUERIES["keep_test"], row) is not None


async def delete_test(tx: WriteTx, organization_id: OrganizationId, rule_id: RuleId, test_id: RuleTestId) -> bool:
    """Delete a test of a rule; tell whether there was one."""
    row = {"organization_id": organization_id, "id": test_id, "rule_id": rule_id}
    return await fetch_one(tx, QUERIES["delete_test"], row) is not None


async def list_tests(tx: ReadTx, organization_id: OrganizationId, rule_id: RuleId) -> list[RuleTest]:
    """Read the tests of a rule, in the order in which they were kept."""
    row = {"organization_id": organization_id, "rule_id": rule_id}
    return [RuleTest(*found) for found in await fetch_all(tx, QUERIES["list_tests"], row)]
