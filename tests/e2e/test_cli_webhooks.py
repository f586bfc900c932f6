"""Webhooks on the command line: from the endpoint to the message that a real server delivers."""

import asyncio
import json

import pytest
from standardwebhooks import Webhook

from sluiceway.domain.ids import IdKind, format_id, parse_id
from sluiceway.domain.ledger import AccountKind
from sluiceway.services.delivering import tell
from sluiceway.storage.database import Database
from tests.e2e.processes import run
from tests.outbound.servers import allowing, replying, serving
from tests.support import World, new_world, real_engine
from tests.taxes import headers

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
async def world(database: Database) -> World:
    world = await new_world(real_engine(database))
    await world.account("income", AccountKind.INCOME_SOURCE)
    return world


async def test_the_life_of_an_endpoint(world: World, database_url: str):
    async def sluiceway(*words: str, status: int = 0) -> str:
        allow = f"http://127.0.0.1:{server.port}"
        ran = await asyncio.to_thread(
            run, "webhooks", *words, "--database-url", database_url, ALLOW_UNSAFE_POSTGRES="1", REMOTE_ALLOW=allow
        )
        assert ran.returncode == status, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        return ran.stdout + ran.stderr

    async def send() -> None:
        engine = real_engine(world.engine.database, outbound=outbound)
        await tell(engine, world.organization_id)

    async with serving(replying(200)) as server, allowing(server) as outbound:
        url = f"http://127.0.0.1:{server.port}/hook"
        assert "There are no endpoints" in await sluiceway("list")
        made = json.loads(await sluiceway("create", url, "--events", "transfer.*,rule.enabled", "--json"))
        endpoint = made["id"]
        assert endpoint == format_id(IdKind.ENDPOINT, parse_id(IdKind.ENDPOINT, endpoint) or "")
        assert made["events"] == ["transfer.*", "rule.enabled"]
        assert "the URL does not begin with https://" in await sluiceway(
            "create", "http://example.com/", "--events", "*", status=1
        )
        assert "there is no event 'transfer.made'" in await sluiceway(
            "create", url, "--events", "transfer.made", status=1
        )

        await world.deposit("income", 12_345)
        await send()
        [request] = server.requests
        told = Webhook(made["secret"]).verify(request.partition(b"\r\n\r\n")[2], headers(request))
        assert (told["type"], told["data"]["amount_in_cents"]) == ("transfer.created", 12_345)

        [delivery] = json.loads(await sluiceway("deliveries", "--endpoint", endpoint, "--json"))
        assert (delivery["status"], delivery["attempts"]) == ("delivered", 1)
        assert delivery["message_id"] == headers(request)["webhook-id"]
        assert "There are no deliveries." in await sluiceway("deliveries", "--failed")

        await sluiceway("resend", delivery["id"])
        await send()
        assert "1 message is sent again." in await sluiceway("replay", "--from", "2026-01-01", "--endpoint", endpoint)
        await send()
        assert [headers(each)["webhook-id"] for each in server.requests] == [delivery["message_id"]] * 3

        rotated = await sluiceway("rotate", endpoint)
        assert made["secret"] not in rotated
        assert "whsec_" in rotated
        assert "whsec_" not in await sluiceway("show", endpoint)
        await sluiceway("disable", endpoint)
        assert "disabled" in await sluiceway("list")
        assert "the endpoint is disabled" in await sluiceway("resend", delivery["id"], status=1)
        await sluiceway("enable", endpoint)
        assert "enabled" in await sluiceway("show", endpoint)
        assert "There is no webhook endpoint with the id 'ep_x'." in await sluiceway("show", "ep_x", status=1)
        assert "There is no delivery with the id 'dlv_x'." in await sluiceway("resend", "dlv_x", status=1)
