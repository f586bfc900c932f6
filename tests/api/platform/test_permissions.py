"""Who may do what in /platform/v1, beside the matrix: permissions that are held together."""

from sluiceway.domain.access import Permission
from tests.api.client import only
from tests.api.platform.client import Platform, assert_refused
from tests.api.platform.test_rules import saving


async def test_a_key_for_one_rule_s_executions_reads_them_beside_those_of_the_rules_it_reads(
    platform: Platform,
) -> None:
    other = (await platform.post("/rules", saving(platform))).json()["data"]["id"]
    caller = await platform.with_grants(
        only(Permission.READ_RULES, other), only(Permission.READ_RULE_EXECUTIONS, platform.rule())
    )

    for rule in (other, platform.rule()):
        assert (await caller.get(f"/rules/{rule}/executions")).status_code == 200
    assert_refused(await caller.get(f"/rules/{platform.rule()}"), 403, "ACCESS_DENIED")
