"""Who may do what, beside the matrix: what becomes of a key while it is used."""

from sluiceway.domain.access import Permission
from sluiceway.domain.ids import IdKind, format_id
from sluiceway.services.keys import revoke_key
from sluiceway.storage.credentials import list_keys
from tests.api.client import Api, assert_refused


async def test_a_revoked_key_is_refused_at_its_next_request(api: Api) -> None:
    caller = await api.with_grants(Permission.LIST_RULES)
    assert (await caller.get("/rules")).status_code == 200
    engine, organization_id = api.world.engine, api.world.organization_id
    async with engine.database.read() as tx:
        [key, *_] = await list_keys(tx, organization_id)
    await revoke_key(engine, organization_id, key.id, format_id(IdKind.KEY, key.id))

    assert_refused(await caller.get("/rules"), 401, "unauthorized")
