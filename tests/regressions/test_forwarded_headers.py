"""X-Forwarded-Proto, -Host and -Prefix were believed from everybody, and any text was kept as an address.

Whoever could have a page cached chose with the prefix from where its scripts were loaded; and a lie about the scheme
made a cookie without `Secure` or one that the browser dropped.
"""

import httpx
import pytest

from sluiceway.services.edge import Edge
from sluiceway.settings import Settings
from sluiceway.storage.database import Database
from sluiceway.wiring import application
from tests.api.app.client import HOST, OWN_PAGE
from tests.support import PASSWORD, first_story, plain_engine

LIES = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "<b>\x9b31m", **OWN_PAGE}


@pytest.mark.parametrize(("peer", "is_believed"), [("127.0.0.1", True), ("203.0.113.9", False)])
async def test_a_stranger_decides_neither_about_the_cookie_nor_about_the_address(
    database: Database, peer: str, is_believed: bool
):
    world = await first_story(plain_engine(database))
    edge = Edge(world.engine)
    transport = httpx.ASGITransport(application(edge, Settings()), client=(peer, 40_000))
    async with httpx.AsyncClient(transport=transport, base_url=HOST) as http:
        body = {"email": world.person.email, "password": PASSWORD}
        headers = [(name.encode(), value.encode("latin-1")) for name, value in LIES.items()]
        signed_in = await http.post("/app/sign-in", json=body, headers=headers)
        cookie = signed_in.headers["set-cookie"]
        mine = {"Cookie": cookie.partition(";")[0], **({"X-Forwarded-Proto": "https"} if is_believed else {})}
        shown = await http.get("/app/security", headers=mine)
    await edge.close()

    assert cookie.startswith("__Host-") == ("; Secure" in cookie) == is_believed
    assert {each["address"] for each in shown.json()["data"]["sessions"]} == {peer}
