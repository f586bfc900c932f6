"""Admins say who is told what happens; the log says how that went, and messages are sent again."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest_asyncio

from sluiceway.storage.database import Database
from tests.api.app.client import Browser, assert_refused, open_browser
from tests.services.post import Post, posting
from tests.support import plain_engine


@pytest_asyncio.fixture
async def post(database: Database, database_url: str) -> AsyncGenerator[Post]:
    async with posting(plain_engine(database), database_url) as made:
        yield made


@pytest_asyncio.fixture
async def boss(post: Post) -> AsyncGenerator[Browser]:
    async with open_browser(post.world) as browser:
        yield await browser.sign_in()


async def add(boss: Browser, post: Post, *events: str) -> dict[str, Any]:
    made = await boss.post("/webhooks", {"url": post.url("hook"), "events": list(events)})
    assert made.status_code == 201, made.text
    return made.json()["data"]


async def test_a_webhook_hears_of_a_deposit_and_the_log_says_so(boss: Browser, post: Post) -> None:
    made = await add(boss, post, "transfer.*")
    await post.happen()
    await post.tell()

    log = (await boss.get("/deliveries")).json()["data"]

    assert made["secret"].startswith("whsec_")
    assert made["endpoint"]["state"] == "ENABLED"
    assert [(each["kind"], each["status"], each["attempts"]) for each in log] == [("transfer.created", "DELIVERED", 1)]
    assert log[0]["url"] == post.url("hook")
    assert '"type": "transfer.created"' in log[0]["body"]


async def test_the_log_goes_on_where_it_stopped(boss: Browser, post: Post) -> None:
    await add(boss, post, "*")
    await post.happen(3)
    await post.tell()

    first = (await boss.get("/deliveries", limit=2)).json()
    second = (await boss.get("/deliveries", limit=2, cursor=first["nextCursor"])).json()

    assert [len(first["data"]), len(second["data"]), second["nextCursor"]] == [2, 1, None]
    assert {each["id"] for each in first["data"]}.isdisjoint({each["id"] for each in second["data"]})


async def test_a_message_is_sent_again(boss: Browser, post: Post) -> None:
    await add(boss, post, "*")
    await post.happen()
    await post.tell()
    [delivery] = (await boss.get("/deliveries")).json()["data"]

    resent = await boss.post(f"/deliveries/{delivery['id']}/resend")
    await post.tell()

    assert resent.status_code == 200, resent.text
    assert len(post.heard()) == 2
    assert post.heard()[0] == post.heard()[1]


async def test_what_happened_before_is_replayed(boss: Browser, post: Post) -> None:
    await post.happen(2)
    made = await add(boss, post, "*")
    span = {"fromAt": "2020-01-01T00:00:00Z", "toAt": "2100-01-01T00:00:00Z"}

    told = (await boss.post(f"/webhooks/{made['endpoint']['id']}/replay", span)).json()["data"]
    backwards = await boss.post(
        f"/webhooks/{made['endpoint']['id']}/replay", {"fromAt": span["toAt"], "toAt": span["fromAt"]}
    )

    assert told == {"messages": 2}
    assert_refused(backwards, 400, "INVALID_PARAMETERS")


async def test_a_secret_is_rotated_and_an_endpoint_disabled_and_enabled(boss: Browser, post: Post) -> None:
    made = await add(boss, post, "*")
    at = f"/webhooks/{made['endpoint']['id']}"

    rotated = (await boss.post(f"{at}/rotate")).json()["data"]
    off = (await boss.post(f"{at}/disable")).json()["data"]
    on = (await boss.post(f"{at}/enable")).json()["data"]

    assert rotated["secret"] != made["secret"]
    assert rotated["endpoint"]["oldSecretUntil"]
    assert (off["state"], off["reason"]) == ("DISABLED", "Somebody disabled it.")
    assert on["state"] == "ENABLED"


async def test_an_address_that_nobody_may_be_told_at_is_refused(boss: Browser) -> None:
    refused = await boss.post("/webhooks", {"url": "http://192.168.1.1/", "events": ["*"]})

    assert assert_refused(refused, 400, "INVALID_PARAMETERS")["errors"][0]["path"] == "url"


async def test_events_that_do_not_exist_are_refused_where_they_stand(boss: Browser, post: Post) -> None:
    refused = await boss.post("/webhooks", {"url": post.url("hook"), "events": ["*", "rain"]})

    assert assert_refused(refused, 400, "INVALID_PARAMETERS")["errors"][0]["path"] == "events/1"
