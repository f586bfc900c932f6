"""Who may do what: every operation, tried with every permission, none, other resources, and no key at all."""

from dataclasses import dataclass
from typing import Any

import pytest

from sluiceway.api.sandbox.routes import OPERATIONS as SANDBOX_OPERATIONS
from sluiceway.api.v1.routes import OPERATIONS as V1_OPERATIONS
from sluiceway.domain.access import EVERY, WITHOUT_RESOURCES, Grant, Permission, TransferPair
from sluiceway.domain.ids import AccountId, IdKind, TransferId, format_id, parse_id
from sluiceway.services.keys import revoke_key
from sluiceway.storage.credentials import list_keys
from tests.api.client import Api, assert_refused, digest, only
from tests.api.outside import connect, on_monday, told, work
from tests.api.outside import transfer as transfer_of
from tests.api.test_story import body_003, deposit
from tests.support import new_world

P = Permission


@dataclass(frozen=True)
class Row:
    """One operation as the sources describe it: its permission, and which resource a narrow key must list."""

    name: str
    method: str
    path: str
    permission: Permission
    resource: str | None = None
    body: str | None = None
    status: int = 200


# Written by hand from seeds 000 to 003 and product facts 2.2: this table is the oracle, the code is what is tested.
TABLE = (
    Row("list_accounts", "GET", "/accounts", P.LIST_ACCOUNTS),
    Row("get_account", "GET", "/accounts/{account}", P.READ_ACCOUNTS, "account"),
    Row("create_income_source", "POST", "/accounts/income-sources", P.CREATE_AND_EDIT_ACCOUNTS, None, "name", 201),
    Row("create_pod", "POST", "/accounts/pods", P.CREATE_AND_EDIT_ACCOUNTS, None, "name", 201),
    Row(
        "create_external_account", "POST", "/accounts/external-accounts", P.CREATE_AND_EDIT_ACCOUNTS, None, "card", 201
    ),
    Row("delete_account", "DELETE", "/accounts/{spare}", P.CREATE_AND_EDIT_ACCOUNTS),
    Row("refresh_account", "POST", "/accounts/{account}/refresh", P.READ_ACCOUNTS, "account", "nothing"),
    Row("list_transfers", "GET", "/transfers?account_id={account}", P.READ_TRANSFERS, "account"),
    Row("create_transfer", "POST", "/transfers", P.MANUAL_TRANSFER, None, "transfer", 201),
    Row("get_transfer", "GET", "/transfers/{transfer}", P.READ_TRANSFERS, "account"),
    Row("cancel_transfer", "POST", "/transfers/{waiting}/cancel", P.MANUAL_TRANSFER, None, "nothing"),
    Row("list_rules", "GET", "/rules", P.LIST_RULES),
    Row("create_rule", "POST", "/rules", P.CREATE_AND_EDIT_RULES, EVERY, "rule", 201),
    Row("get_rule", "GET", "/rules/{rule}", P.READ_RULES, "rule"),
    Row("replace_rule", "PUT", "/rules/{rule}", P.CREATE_AND_EDIT_RULES, "rule", "rule"),
    Row("delete_rule", "DELETE", "/rules/{rule}", P.CREATE_AND_EDIT_RULES, "rule"),
    Row("trigger_rule", "POST", "/rules/{rule}/trigger", P.TRIGGER_RULES, "rule", "nothing"),
    Row("list_executions", "GET", "/rule-executions?rule_id={rule}", P.READ_RULE_EXECUTIONS, "rule"),
    Row("get_execution", "GET", "/rule-executions/{execution}", P.READ_RULE_EXECUTIONS, "rule"),
    Row("get_trace", "GET", "/rule-executions/{execution}/trace", P.READ_RULE_EXECUTIONS, "rule"),
    Row("read_clock", "GET", "/sandbox/clock", P.SANDBOX),
    Row("freeze_clock", "POST", "/sandbox/clock/freeze", P.SANDBOX, None, "nothing"),
    Row("resume_clock", "POST", "/sandbox/clock/resume", P.SANDBOX, None, "nothing"),
    Row("advance_clock", "POST", "/sandbox/clock/advance", P.SANDBOX, None, "days"),
    Row("create_external_account", "POST", "/sandbox/external-accounts", P.SANDBOX, None, "connect", 201),
    Row("set_statement", "POST", "/sandbox/accounts/{card}/statement", P.SANDBOX, None, "statement"),
    Row("create_transaction", "POST", "/sandbox/accounts/{card}/transactions", P.SANDBOX, None, "transaction", 201),
    Row("set_account_state", "POST", "/sandbox/accounts/{card}/state", P.SANDBOX, None, "state"),
    Row("create_deposit", "POST", "/sandbox/deposits", P.SANDBOX, None, "deposit", 201),
    Row("create_withdrawal", "POST", "/sandbox/withdrawals", P.SANDBOX, None, "deposit", 201),
    Row("settle_transfer", "POST", "/sandbox/transfers/{handed_over}/settle", P.SANDBOX, None, "nothing"),
    Row("return_transfer", "POST", "/sandbox/transfers/{handed_over}/return", P.SANDBOX, None, "return"),
    Row("create_failure", "POST", "/sandbox/failures", P.SANDBOX, None, "failure", 201),
)
ROWS = pytest.mark.parametrize("row", TABLE, ids=[row.name for row in TABLE])


def test_no_operation_is_missing_from_the_table() -> None:
    operations = (*V1_OPERATIONS, *SANDBOX_OPERATIONS)

    assert [(row.name, row.permission) for row in TABLE] == [(each.name, each.permission) for each in operations]


@dataclass
class Scene:
    """Something to point every operation at."""

    api: Api
    ids: dict[str, str]
    bodies: dict[str, Any]

    async def call(self, caller: Api, row: Row) -> Any:
        body = None if row.body is None else self.bodies[row.body]
        return await caller.send(row.method, row.path.format(**self.ids), json=body)


@pytest.fixture
async def scene(api: Api) -> Scene:
    """Let money arrive, so that there is an execution and a transfer; hand one to the bank, and keep one waiting."""
    await on_monday(api)
    card = await connect(api, "Card", external_account_type="LIABILITY")
    await deposit(api, 100_000)
    await work(api)
    handed_over = await transfer_of(api, api.account("income"), card, 2_000)
    await work(api)
    waiting = await transfer_of(api, api.account("income"), card, 3_000)
    [execution] = (await api.get("/rule-executions", rule_id=api.rule())).json()["data"]
    transfer = TransferId(parse_id(IdKind.TRANSFER, execution["transfer_ids"][0]) or "")
    income, savings = api.account("income"), api.account("savings")
    return Scene(
        api,
        {
            "account": api.world.accounts["income"],
            "spare": api.world.accounts["emergency"],
            "rule": api.world.rules["auto_save"].id,
            "execution": execution["id"],
            "transfer": transfer,
            "card": card,
            "handed_over": handed_over,
            "waiting": waiting,
        },
        {
            "name": {"nickname": "New"},
            "card": {"nickname": "Card", "external_account_type": "LIABILITY"},
            "transfer": {"source_account_id": income, "destination_account_id": savings, "amount_in_cents": 100},
            "rule": body_003(api),
            "nothing": {},
            "deposit": {"account_id": income, "amount_in_cents": 100},
            "days": {"days": 1},
            "connect": {"name": "Bank", "external_account_type": "DEPOSITORY"},
            "statement": {"next_payment_minimum_in_cents": 5},
            "transaction": {"amount_in_cents": 5},
            "state": {"state": "frozen"},
            "return": {"code": "R02"},
            "failure": {"call": "reports", "fault": "unavailable"},
        },
    )


@ROWS
async def test_the_right_permission_is_enough(scene: Scene, row: Row) -> None:
    caller = await scene.api.with_grants(row.permission)

    assert (await scene.call(caller, row)).status_code == row.status


@ROWS
async def test_no_other_permission_is(scene: Scene, row: Row) -> None:
    callers = [
        await scene.api.with_grants(),
        *[await scene.api.with_grants(permission) for permission in Permission if permission is not row.permission],
        await scene.api.with_grants(*(permission for permission in Permission if permission is not row.permission)),
        scene.api.with_secret(None),
    ]
    before = await digest(scene.api.world.engine.database)

    for caller in callers[:-1]:
        refused = await scene.call(caller, row)
        assert_refused(refused, 403, "forbidden", ["This API key does not have the required permission."])
    assert_refused(await scene.call(callers[-1], row), 401, "unauthorized")
    assert await digest(scene.api.world.engine.database) == before


NARROW = [row for row in TABLE if row.permission not in WITHOUT_RESOURCES and row.permission is not P.MANUAL_TRANSFER]


@pytest.mark.parametrize("row", NARROW, ids=[row.name for row in NARROW])
async def test_a_narrow_key_reaches_what_it_lists_and_nothing_else(scene: Scene, row: Row) -> None:
    listed = scene.ids.get(row.resource or "", "")
    fitting = await scene.api.with_grants(only(row.permission, listed))
    other = await scene.api.with_grants(only(row.permission, scene.api.world.engine.new_id()))
    empty = await scene.api.with_grants(only(row.permission))
    before = await digest(scene.api.world.engine.database)

    for caller in (other, empty) if row.resource != EVERY else (fitting, other, empty):
        assert_refused(await scene.call(caller, row), 403, "forbidden")
    assert await digest(scene.api.world.engine.database) == before
    if row.resource != EVERY:
        assert (await scene.call(fitting, row)).status_code == row.status


@pytest.mark.parametrize(
    ("permission", "path"),
    [
        (P.READ_ACCOUNTS, "/accounts/{}"),
        (P.READ_RULES, "/rules/{}"),
        (P.READ_RULE_EXECUTIONS, "/rule-executions/{}"),
        (P.READ_RULE_EXECUTIONS, "/rule-executions?rule_id={}"),
        (P.READ_TRANSFERS, "/transfers/{}"),
        (P.READ_TRANSFERS, "/transfers?account_id={}"),
    ],
)
async def test_a_narrow_key_cannot_tell_what_exists(api: Api, permission: Permission, path: str) -> None:
    caller = await api.with_grants(only(permission, api.world.engine.new_id()))

    for spelling in (api.rule(), api.account("income"), api.world.engine.new_id(), "nonsense"):
        assert_refused(await caller.get(path.format(spelling)), 403, "forbidden")


async def test_a_pair_is_not_torn_apart(api: Api) -> None:
    await deposit(api, 100_000, "savings")
    income, savings, emergency = (api.world.accounts[name] for name in ("income", "savings", "emergency"))
    pairs = (TransferPair(savings, income, None), TransferPair(savings, emergency, None), TransferPair(income, savings))
    caller = await api.with_grants((P.MANUAL_TRANSFER, Grant(pairs=pairs)))

    async def move(source: AccountId, destination: AccountId) -> int:
        body = {"source_account_id": source, "destination_account_id": destination, "amount_in_cents": 100}
        return (await caller.post("/transfers", body)).status_code

    assert await move(savings, income) == 201
    assert await move(savings, emergency) == 201
    assert await move(income, emergency) == 403
    assert await move(emergency, savings) == 403


async def test_a_pair_has_a_maximum(api: Api) -> None:
    await deposit(api, 100_000, "savings")
    ends = {"source_account_id": api.account("savings"), "destination_account_id": api.account("income")}
    pair = TransferPair(api.world.accounts["savings"], EVERY, 2_500)  # type: ignore[arg-type]
    caller = await api.with_grants((P.MANUAL_TRANSFER, Grant(pairs=(pair,))))

    assert (await caller.post("/transfers", ends | {"amount_in_cents": 2_500})).status_code == 201
    refused = await caller.post("/transfers", ends | {"amount_in_cents": 2_501})
    assert_refused(refused, 403, "forbidden", ["at most 2500 cents"])


async def test_a_revoked_key_is_refused_at_its_next_request(api: Api) -> None:
    caller = await api.with_grants(P.LIST_RULES)
    assert (await caller.get("/rules")).status_code == 200
    engine, organization_id = api.world.engine, api.world.organization_id
    async with engine.database.read() as tx:
        [key, *_] = await list_keys(tx, organization_id)
    await revoke_key(engine, organization_id, key.id, format_id(IdKind.KEY, key.id))

    assert_refused(await caller.get("/rules"), 401, "unauthorized")


async def test_permission_comes_before_replay(api: Api) -> None:
    first = await api.post(f"/rules/{api.rule()}/trigger", {}, key="mine")
    other = await api.with_grants(P.LIST_RULES)
    again = await api.with_grants(P.TRIGGER_RULES)

    assert_refused(await other.post(f"/rules/{api.rule()}/trigger", {}, key="mine"), 403, "forbidden")
    assert (await again.post(f"/rules/{api.rule()}/trigger", {}, key="mine")).content == first.content


SANDBOX_ROWS = [row for row in TABLE if row.path.startswith("/sandbox")]


async def test_live_organizations_refuse_the_sandbox(scene: Scene, live: Api) -> None:
    before = await digest(live.world.engine.database)
    for row in SANDBOX_ROWS:
        for key in (None, "mine"):
            headers = {} if key is None or row.method == "GET" else {"Idempotency-Key": key}
            body = None if row.body is None else scene.bodies[row.body]
            path = row.path.format(**scene.ids | {"card": live.account("income")})
            assert_refused(await live.send(row.method, path, json=body, headers=headers), 403, "sandbox_only")
    assert await digest(live.world.engine.database) == before


async def test_what_belongs_to_others_is_not_found_in_the_sandbox(scene: Scene) -> None:
    other = await new_world(scene.api.world.engine, email="other@example.com")
    caller = await scene.api.with_grants(P.SANDBOX, world=other)
    await told(caller, "/sandbox/clock/freeze")
    before = await digest(scene.api.world.engine.database)

    for row in SANDBOX_ROWS:
        if "{" in row.path or row.body == "deposit":
            assert_refused(await scene.call(caller, row), 404, "resource_not_found")
    assert await digest(scene.api.world.engine.database) == before
