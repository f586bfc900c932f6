"""What narrow keys are shown of what there is: lists leave out the rest, and an execution is its own rule's."""

import pytest

from sluiceway.domain.access import Permission
from tests.api.matrix.holdings import ALL, ALL_LISTED, ALONE, ALONE_LISTED, Holding
from tests.api.matrix.keys import secret_of
from tests.api.matrix.oracle import Which
from tests.api.matrix.stage import Stage, uuid_of

READERS = {"accounts": Permission.READ_ACCOUNTS, "rules": Permission.READ_RULES}
LISTERS = {"accounts": Permission.LIST_ACCOUNTS, "rules": Permission.LIST_RULES}


async def listed(stage: Stage, path: str, word: str, holding: Holding) -> set[str]:
    """List all there is."""
    headers = {"Authorization": f"{word} {await secret_of(stage, holding)}"}
    answer = await stage.api.http.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return {uuid_of(one["id"]) for one in (data["items"] if isinstance(data, dict) else data)}


def ours(stage: Stage, kind: str) -> set[str]:
    return (
        {*stage.world.accounts.values(), *stage.all_of("bank")}
        if kind == "accounts"
        else {rule.id for rule in stage.world.rules.values()}
    )


@pytest.mark.parametrize("kind", READERS)
async def test_a_list_shows_a_narrow_key_what_it_lists_and_is_ours(stage: Stage, kind: str) -> None:
    path = f"/platform/v1/{kind}?pageSize=100"
    one = stage.sets[Which.LISTED]
    mine = one.accounts if kind == "accounts" else one.rules

    for narrow in (ALONE_LISTED[READERS[kind]], ALL_LISTED):
        assert await listed(stage, path, "Bearer", narrow) == mine
    for wide in (ALONE[READERS[kind]], ALL):
        assert await listed(stage, path, "Bearer", wide) == ours(stage, kind)


@pytest.mark.parametrize("kind", LISTERS)
async def test_listing_is_a_permission_of_its_own_in_v1(stage: Stage, kind: str) -> None:
    for holding in (ALONE[LISTERS[kind]], ALL_LISTED, ALL):
        assert await listed(stage, f"/api/v1/{kind}?first=100", "ApiKey", holding) == ours(stage, kind)


@pytest.mark.parametrize("permission", [Permission.READ_RULES, Permission.READ_RULE_EXECUTIONS])
async def test_an_execution_is_found_with_its_own_rule_alone(stage: Stage, permission: Permission) -> None:
    rule, other = (stage.id_of("rule", which) for which in (Which.LISTED, Which.UNLISTED))
    mine, others = (stage.id_of("execution", which) for which in (Which.LISTED, Which.UNLISTED))
    elsewhere = (others, stage.id_of("execution", Which.FOREIGN), stage.id_of("execution", Which.UNKNOWN))

    for holding, forbidden in ((ALONE[permission], 404), (ALONE_LISTED[permission], 403)):
        headers = {"Authorization": f"Bearer {await secret_of(stage, holding)}", "X-Request-ID": "matrix"}

        async def read(rule_id: str, execution_id: str, headers: dict[str, str] = headers) -> tuple[int, bytes]:
            path = f"/platform/v1/rules/{rule_id}/executions/{execution_id}"
            answer = await stage.api.http.get(path, headers=headers)
            return answer.status_code, answer.content

        said = {await read(rule, execution) for execution in elsewhere}
        assert [status for status, _ in said] == [404]
        assert (await read(rule, mine))[0] == 200
        assert (await read(other, mine))[0] == forbidden
