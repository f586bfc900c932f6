"""The canaries' run: a process that says all that it can, canaries in every input, and then a look everywhere."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
from psycopg import sql

from sluiceway.outbound import Outbound, read_policy
from sluiceway.services.webhooks import create_endpoint, rotate_secret
from tests.abuse.asked import Operation
from tests.abuse.canaries import LOGGED, Aviary, Canary, Kind, Watcher, look_at_tables, sow_bodies, sow_heads
from tests.abuse.lines import Line, written
from tests.abuse.stage import OWN_PAGE, Stage, open_stage
from tests.e2e.processes import free_port
from tests.outbound.servers import AUTHORITIES, Server, replying, serving
from tests.support import on_demand

PAGES: Final = ("/", "/map", "/rules", "/settings", "/sign-in")
OLD_ENOUGH_S: Final = 1.0
TOLD: Final = {Kind.TEXT, Kind.HELD, Kind.PATH, Kind.REASON, Kind.REQUEST_ID}
"""What the app shows to an admin: what was written to be shown, and in the audit log what was called and why."""


@asynccontextmanager
async def talkative(url: str, aviary: Aviary, log_format: str = "json") -> AsyncGenerator[tuple[Stage, Server, str]]:
    """Serve with everything logged and told, beside a server that hears messages and is asked for amounts."""
    token = aviary.word("METRICS_TOKEN", Kind.SHOWN)
    metrics = f"127.0.0.1:{free_port()}"
    async with AsyncExitStack() as stack:
        heard = await stack.enter_async_context(serving(replying(200, b'{"amountInCents": 100}')))
        stage = await stack.enter_async_context(
            open_stage(
                url,
                with_worker=True,
                LOG_LEVEL="debug",
                LOG_FORMAT=log_format,
                METRICS=metrics,
                METRICS_TOKEN=token,
                REMOTE_ALLOW=f"http://127.0.0.1:{heard.port}",
            )
        )
        yield stage, heard, metrics


async def sow_secrets(stage: Stage, heard: Server, aviary: Aviary) -> None:
    """Make every kind of secret that we make, and use each: keys, tokens, rules' and webhooks' secrets, sessions."""
    world = stage.town.api.world
    address = f"http://127.0.0.1:{heard.port}"
    engine = replace(stage.engine, outbound=Outbound(read_policy(address), None, AUTHORITIES))
    _, first = await create_endpoint(
        *(engine, world.organization_id, f"{address}/hook?token={aviary.word('a webhook', Kind.TEXT)}", ["*"])
    )
    aviary.hold(first, "a webhook's secret")
    endpoint, dead = await create_endpoint(
        *(engine, world.organization_id, f"{address}/gone?token={aviary.word('a dead webhook', Kind.TEXT)}", ["*"])
    )
    aviary.hold(dead, "another webhook's secret")
    _, renewed = await rotate_secret(engine, world.organization_id, endpoint.id, endpoint.id)
    aviary.hold(renewed, "a renewed secret")
    for secret, place in (
        (stage.town.api.secret, "an API key"),
        (stage.town.small_secret, "a small API key"),
        (stage.town.remote.token, "an access token"),
        (stage.town.remote.secret, "a rule's secret"),
    ):
        assert secret is not None, "the town has one of each"
        aviary.sown.append(Canary(_tail(secret), place, Kind.SHOWN))
    await world.account(
        "numbered",
        routing_number=aviary.digits("a routing number", 9),
        account_number=aviary.digits("an account number", 17),
    )
    asks = {
        "type": "REMOTE_AMOUNT",
        "url": f"{address}/amount?token={aviary.word('a remote service', Kind.TEXT)}",
        "source": "income",
        "destination": "savings",
    }
    asking = replace(world, engine=engine)
    await asking.rule("asks", on_demand("income", asks))
    await asking.trigger("asks")


async def hold_what_is_kept(stage: Stage, aviary: Aviary) -> None:
    """Look for what is kept because it has to be shown to others, wherever else it could be."""
    async with await psycopg.AsyncConnection.connect(stage.url) as conn:
        for table in ("rule", "webhook_endpoint", "totp"):
            query = sql.SQL("SELECT secret FROM {} WHERE secret IS NOT NULL").format(sql.Identifier(table))
            rows = await conn.execute(query)
            for (secret,) in await rows.fetchall():
                # The end of a seal, whatever letters are in it: base64url has the underscore too.
                aviary.sown.append(Canary(secret[-24:], f"a secret of a {table}", Kind.HELD))


def _tail(secret: str) -> str:
    """Take so much of a secret as is its own, and has no letters that others would write otherwise."""
    return secret.rpartition("_")[2][-24:]


async def sign_ins(stage: Stage, aviary: Aviary) -> None:
    """Show passwords, codes and tokens that are wrong, from browsers that call themselves something."""
    async with Line(stage.port) as line:
        for path, body in (
            (
                "/app/sign-in",
                {"email": stage.town.api.world.person.email, "password": aviary.word("sign-in", Kind.SHOWN)},
            ),
            ("/app/sign-in", {"email": "nobody@example.com", "password": aviary.word("sign-in of nobody", Kind.SHOWN)}),
            ("/app/sign-in/totp", {"code": aviary.word("a code", Kind.SHOWN)}),
            ("/app/invitation", {"token": aviary.word("an invitation", Kind.SHOWN)}),
            (
                "/app/invitation/accept",
                {"token": aviary.word("another", Kind.SHOWN), "password": aviary.word("a new password", Kind.SHOWN)},
            ),
        ):
            headers = {
                "content-type": "application/json",
                "user-agent": aviary.word("a browser", Kind.BROWSER),
                **OWN_PAGE,
            }
            heard = await line.ask(written("POST", path, headers, json.dumps(body).encode()))
            aviary.expect_none(f"the answer of {path}", heard.body)


async def look_around(stage: Stage, heard: Server, metrics: str, aviary: Aviary) -> Mapping[str, Any]:
    """Look wherever a canary could have got to; tell how much was looked through."""
    await hold_what_is_kept(stage, aviary)
    token = next(canary.word for canary in aviary.sown if canary.place == "METRICS_TOKEN")
    cookie = await stage.cookie()
    async with httpx.AsyncClient(timeout=30) as http:
        figures = await http.get(f"http://{metrics}/metrics", headers={"Authorization": f"Bearer {token}"})
        figures.raise_for_status()
        refused = await http.get(f"http://{metrics}/metrics", headers={"Authorization": f"Bearer {token}x"})
        pages = [
            await http.get(f"{stage.serving.url}{page}", headers={"Accept": "text/html", "Cookie": cookie})
            for page in PAGES
        ]
        log = await http.get(f"{stage.serving.url}/app/audit-log/export?format=jsonl", headers={"Cookie": cookie})
    aviary.expect_none("the figures", figures.content)
    aviary.expect_none("the refusal of figures", refused.content)
    for page, answer in zip(PAGES, pages, strict=True):
        aviary.expect_none(f"the page {page}", answer.content)
    aviary.expect_none("the audit log", log.content, but={Kind.PATH, Kind.REASON, Kind.REQUEST_ID})
    for request in heard.requests:
        body = request.partition(b"\r\n\r\n")[2]
        aviary.expect_none("a message or a question", body, but={Kind.TEXT})
    kept = await look_at_tables(stage, aviary)
    said = stage.serving.output
    aviary.expect_none("the log", said, but=LOGGED)
    return {
        "kept": {name: sorted(kinds) for name, kinds in kept.items()},
        "log_lines": said.count("\n"),
        "messages": len(heard.requests),
        "figures": figures.text.count("\n"),
    }


async def sow(stage: Stage, heard: Server, aviary: Aviary, asked: list[Operation]) -> Watcher:
    """Sow everything, and watch PostgreSQL's sessions meanwhile."""
    watcher = Watcher(stage.url)
    watching = asyncio.create_task(watcher.watch())
    try:
        await sow_secrets(stage, heard, aviary)
        await sign_ins(stage, aviary)
        await sow_bodies(stage, asked, aviary)
        await sow_heads(stage, asked, aviary)
        await stage.town.everything_due()
        await asyncio.sleep(OLD_ENOUGH_S)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    aviary.expect_none("PostgreSQL's list of sessions", "\n".join(watcher.seen))
    return watcher


def search_files(folder: Path, aviary: Aviary) -> int:
    """Search files for what is kept nowhere at all, and expect none; return how many bytes that were."""
    size = 0
    for file in folder.rglob("*"):
        if file.is_file():
            held = file.read_bytes()
            size += len(held)
            aviary.expect_none(file.name, held, but=set(Kind) - {Kind.SHOWN, Kind.NOTHING})
    return size
