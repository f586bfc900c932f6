"""Every operation of /platform/v1 with the right permission, without it, and with one for something else."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from sluiceway.api.platform.routes import OPERATIONS
from sluiceway.domain.access import EVERY, WITHOUT_RESOURCES, Grant, Permission, TransferPair
from sluiceway.domain.money import Cents
from tests.api.client import digest, only
from tests.api.platform.client import Platform, assert_refused
from tests.api.platform.test_rules import saving
from tests.api.test_story import deposit

P = Permission


class Row(NamedTuple):
    """An operation, the permission that opens it, and of which thing it is asked for."""

    name: str
    permission: Permission
    method: str
    path: str
    status: int
    resource: str | None = None
    body: str | None = None
    is_list: bool = False
    """Whether it shows a narrow key less instead of refusing it."""

    @property
    def also(self) -> set[Permission]:
        """Which other permission opens it: reading executions is a permission of its own elsewhere."""
        return {P.READ_RULE_EXECUTIONS} if "executions" in self.path else set()


RUN, RUNS = "/rules/{rule}/executions/{execution}", "/rules/{rule}/executions"
TABLE = [
    Row("list_accounts", P.READ_ACCOUNTS, "GET", "/accounts", 200, "account", is_list=True),
    Row("get_account", P.READ_ACCOUNTS, "GET", "/accounts/{account}", 200, "account"),
    Row("list_account_transfers", P.READ_TRANSFERS, "GET", "/accounts/{account}/transfers", 200, "account"),
    Row("list_transfers", P.READ_TRANSFERS, "GET", "/transfers?accountIds={account}", 200, "account"),
    Row("create_transfer", P.MANUAL_TRANSFER, "POST", "/transfers", 201, body="transfer"),
    Row("get_transfer", P.READ_TRANSFERS, "GET", "/transfers/{transfer}", 200, "account"),
    Row(
        "list_external_transactions",
        P.READ_TRANSFERS,
        "GET",
        "/external-transactions?accountIds={account}",
        200,
        "account",
    ),
    Row("list_rules", P.READ_RULES, "GET", "/rules", 200, "rule", is_list=True),
    Row("create_rule", P.CREATE_AND_EDIT_RULES, "POST", "/rules", 201, EVERY, body="rule"),
    Row("get_rule", P.READ_RULES, "GET", "/rules/{rule}", 200, "rule"),
    Row("update_rule", P.CREATE_AND_EDIT_RULES, "PATCH", "/rules/{rule}", 200, "rule", body="name"),
    Row("trigger_rule", P.TRIGGER_RULES, "POST", "/rules/{rule}/trigger", 202, "rule", body="nothing"),
    Row("list_rule_executions", P.READ_RULES, "GET", RUNS, 200, "rule"),
    Row("get_rule_execution", P.READ_RULES, "GET", RUN, 200, "rule"),
    Row("list_audit_logs", P.READ_AUDIT_LOGS, "GET", "/audit-logs", 200, EVERY),
]
ROWS = pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])


def test_the_table_holds_every_operation() -> None:
    assert [row.name for row in TABLE] == [each.name for each in OPERATIONS]
    assert all(each.permission in {row.permission, *row.also} for row, each in zip(TABLE, OPERATIONS, strict=True))


@dataclass
class Scene:
    """Something to point every operation at."""

    platform: Platform
    ids: dict[str, str]
    bodies: dict[str, Any]

    async def call(self, caller: Platform, row: Row) -> Any:
        body = None if row.body is None else self.bodies[row.body]
        return await caller.send(row.method, row.path.format(**self.ids), json=body)


@pytest_asyncio.fixture
async def scene(platform: Platform) -> Scene:
    """Let money arrive, so that there is an execution and a transfer."""
    await deposit(platform.v1, 100_000)
    await platform.world.settle()
    [run] = await platform.items(f"/rules/{platform.rule()}/executions")
    income, savings = platform.account("income"), platform.account("savings")
    [made] = await platform.items("/transfers", accountIds=savings)
    return Scene(
        platform,
        {"account": income, "rule": platform.rule(), "execution": run["id"], "transfer": made["id"]},
        {
            "transfer": {"sourceAccountId": income, "destinationAccountId": savings, "amountInCents": 100},
            "rule": saving(platform),
            "name": {"name": "Other"},
            "nothing": {},
        },
    )


@ROWS
async def test_the_right_permission_is_enough(scene: Scene, row: Row) -> None:
    for permission in (row.permission, *row.also):
        caller = await scene.platform.with_grants(permission)
        assert (await scene.call(caller, row)).status_code == row.status


@ROWS
async def test_no_other_permission_is(scene: Scene, row: Row) -> None:
    others = [each for each in Permission if each is not row.permission and each not in row.also]
    callers = [await scene.platform.with_grants(), await scene.platform.with_grants(*others)]
    before = await digest(scene.platform.world.engine.database)

    for caller in callers:
        refused = await scene.call(caller, row)
        message = "API key does not have required permissions to access this resource"
        assert_refused(refused, 403, "ACCESS_DENIED", message)
    assert_refused(await scene.call(scene.platform.with_secret(None), row), 401, "UNAUTHORIZED", "Unauthorized")
    assert await digest(scene.platform.world.engine.database) == before


NARROW = [row for row in TABLE if row.permission not in WITHOUT_RESOURCES and row.permission is not P.MANUAL_TRANSFER]


@pytest.mark.parametrize("row", NARROW, ids=[row.name for row in NARROW])
async def test_a_narrow_key_reaches_what_it_lists_and_nothing_else(scene: Scene, row: Row) -> None:
    listed = scene.ids.get(row.resource or "", "")
    fitting = await scene.platform.with_grants(only(row.permission, listed))
    other = await scene.platform.with_grants(only(row.permission, scene.platform.world.engine.new_id()))

    if row.is_list:
        assert [one["id"] for one in (await scene.call(fitting, row)).json()["data"]["items"]] == [listed]
        assert (await scene.call(other, row)).json()["data"]["items"] == []
        return
    assert_refused(await scene.call(other, row), 403, "ACCESS_DENIED")
    expected = 403 if row.resource == EVERY else row.status
    assert (await scene.call(fitting, row)).status_code == expected


@pytest.mark.parametrize(
    ("permission", "path"),
    [
        (P.READ_ACCOUNTS, "/accounts/{}"),
        (P.READ_RULES, "/rules/{}"),
        (P.READ_RULES, "/rules/{}/executions"),
        (P.READ_RULE_EXECUTIONS, "/rules/{}/executions/{}"),
        (P.READ_TRANSFERS, "/transfers/{}"),
        (P.READ_TRANSFERS, "/transfers?accountIds={}"),
        (P.READ_TRANSFERS, "/accounts/{}/transfers"),
        (P.READ_TRANSFERS, "/external-transactions?accountIds[]={}"),
    ],
)
async def test_a_narrow_key_cannot_tell_what_exists(scene: Scene, permission: Permission, path: str) -> None:
    caller = await scene.platform.with_grants(only(permission, scene.platform.world.engine.new_id()))

    for spelling in (*scene.ids.values(), "nonsense"):
        assert_refused(await caller.get(path.format(spelling, spelling)), 403, "ACCESS_DENIED")


async def test_a_key_for_one_rule_s_executions_reads_them_beside_those_of_the_rules_it_reads(scene: Scene) -> None:
    other = (await scene.platform.post("/rules", saving(scene.platform))).json()["data"]["id"]
    caller = await scene.platform.with_grants(
        only(P.READ_RULES, other), only(P.READ_RULE_EXECUTIONS, scene.ids["rule"])
    )

    for rule in (other, scene.ids["rule"]):
        assert (await caller.get(f"/rules/{rule}/executions")).status_code == 200
    assert_refused(await caller.get(f"/rules/{scene.ids['rule']}"), 403, "ACCESS_DENIED")


async def test_a_pair_bounds_what_a_key_may_move(scene: Scene) -> None:
    body = scene.bodies["transfer"]
    pair = TransferPair(body["sourceAccountId"], body["destinationAccountId"], Cents(2_500))
    caller = await scene.platform.with_grants((P.MANUAL_TRANSFER, Grant(pairs=(pair,))))
    turned = {
        "sourceAccountId": body["destinationAccountId"],
        "destinationAccountId": body["sourceAccountId"],
        "amountInCents": 100,
    }

    assert (await caller.post("/transfers", body | {"amountInCents": 2_500})).status_code == 201
    refused = await caller.post("/transfers", body | {"amountInCents": 2_501})
    assert_refused(refused, 403, "MAXIMUM_AMOUNT_EXCEEDED", ["2500"])
    simulated = await caller.post("/transfers", body | {"amountInCents": 2_501, "simulation": True})
    assert_refused(simulated, 403, "MAXIMUM_AMOUNT_EXCEEDED")
    assert_refused(await caller.post("/transfers", turned), 403, "ACCESS_DENIED")
