"""An organization whose money is real has no sandbox: every control is refused, with a key for everything."""

import pytest

from sluiceway.services.edge import Edge
from tests.api.client import digest, open_api
from tests.api.matrix.bodies import SANDBOX
from tests.api.matrix.oracle import Row, Which
from tests.api.matrix.rows_sandbox import ROWS, WORDS
from tests.api.matrix.stage import Stage
from tests.api.matrix.tables import served
from tests.support import new_world

CONTROLS = served(WORDS, ROWS)


@pytest.mark.parametrize("row", CONTROLS, ids=[row.name for row in CONTROLS])
async def test_a_live_organization_refuses_the_sandbox(stage: Stage, row: Row) -> None:
    world = await new_world(stage.engine, is_sandbox=False, email=f"{row.name}@example.com")
    async with open_api(world, Edge(stage.engine)) as live:
        own = await world.account("income")
        before = await digest(stage.engine.database)

        for asked in (own, stage.id_of("account", Which.FOREIGN), stage.engine.new_id()):
            for key in ({}, {"Idempotency-Key": "mine"}):
                body = None if row.body is None else SANDBOX[row.body](asked, own, own)
                headers = key if row.method == "POST" else {}
                answer = await live.send(row.method, f"/sandbox{row.path.format(id=asked)}", json=body, headers=headers)
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "sandbox_only")
        assert await digest(stage.engine.database) == before
