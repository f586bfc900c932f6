"""Runs in a network of its own, where every address answers and every packet is seen: who is called, by whatever calls.

Prints what was done and found as JSON. The real client, the machine's real resolver, and a name server that lies.
"""

import argparse
import asyncio
import json
import logging
import os
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sluiceway.domain.ids import EndpointId
from sluiceway.domain.ledger import AccountKind
from sluiceway.outbound import Answered, Limits, Message, Outbound, Policy, ask_amount, client, send_message
from sluiceway.services.delivering import tell
from sluiceway.services.edge import Edge
from sluiceway.services.gathering import gather, waiting_organizations
from sluiceway.storage.database import Database, WriteTx, fetch_all
from sluiceway.storage.keyring import ENDPOINT_SECRET
from sluiceway.storage.webhooks import insert_endpoint
from tests.abuse.forms import OURS as OURS_BY_NAME
from tests.abuse.forms import Form, forms
from tests.abuse.names import NO_ERROR, NO_SUCH_NAME, SERVER_FAILED, Lies, NameServer, Says
from tests.abuse.wires import NAMES, Canary, make_everywhere_here
from tests.api.app.client import Browser, open_browser
from tests.api.client import open_api
from tests.outbound.servers import AUTHORITIES, CERTIFICATE, QUESTION, SECRET
from tests.support import World, new_world, on_demand, plain_engine

PUBLIC: Final = "93.184.215.14"
PUBLIC_6: Final = "2606:4700::1111"
OURS: Final = (PUBLIC, PUBLIC_6)
NAME: Final = OURS_BY_NAME
"""What the certificate of our own server is for."""
INSIDE: Final = (
    *("127.0.0.1", "127.0.0.53", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.169.254"),
    *("0.0.0.0", "::1", "::", "fd00::1", "fe80::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),  # noqa: S104
)
QUICK: Final = Limits(connect_s=0.25, total_s=5)
AT_ONCE: Final = 24
HTTPS: Final = 443
MOST_LONG_LIES: Final = 300
MOST_ACTIONS: Final = 100
REDIRECTS: Final = (301, 302, 303, 307, 308)


@dataclass
class Found:
    """What was done, and what was wrong with what came of it."""

    figures: Counter[str] = field(default_factory=Counter[str])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    """When each part was over, counted from the beginning."""
    faults: list[str] = field(default_factory=list[str])

    def expect_nobody(self, canary: Canary, about: str, *, beside: Sequence[str] = ()) -> None:
        """Expect that nobody arrived anywhere, unless at these addresses' ordinary port."""
        for (address, port), count in canary.take().items():
            if address not in beside or port != HTTPS:
                self.figures["hits"] += count
                self.faults.append(f"{about}: {count} arrived at {address} port {port}")


# ------------------------------------------------------------------------------------------------------------- servers


@dataclass
class Ours:
    """A server at every public address. It answers what it is told to."""

    answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b'{"amountInCents": 1}'
    asked: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer once."""
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            writer.write(self.answer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # Whoever asked has gone.
        finally:
            writer.close()


@asynccontextmanager
async def public_server() -> AsyncGenerator[Ours]:
    """Answer with TLS wherever somebody is led to: only who is counted elsewhere was led astray."""
    identity = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    identity.load_cert_chain(CERTIFICATE)
    ours = Ours()
    listening = [await asyncio.start_server(ours.serve, host, HTTPS, ssl=identity) for host in ("0.0.0.0", "::")]  # noqa: S104
    yield ours
    for each in listening:
        each.close()


# --------------------------------------------------------------------------------------------------------------- lies


def _in_turn(*answers: Says) -> Lies:
    return lambda look: answers[look % len(answers)]


def _always(answer: Says) -> Lies:
    return lambda _: answer


def _many(last: str) -> Says:
    return Says([*(f"93.184.{number // 250}.{number % 250 + 1}" for number in range(511)), last])


LIES: Final[dict[str, Lies]] = {
    NAME.partition(".")[0]: _always(Says([PUBLIC])),
    "rebinding": _in_turn(Says([PUBLIC]), Says(["127.0.0.1"])),
    "rebound": _in_turn(Says(["10.0.0.1"]), Says([PUBLIC]), Says(["169.254.169.254"])),
    "mixed": _always(Says([PUBLIC, "127.0.0.1"])),
    "mixedfamilies": _always(Says([PUBLIC, "::1"])),
    "carried": _always(Says([PUBLIC_6, "::ffff:127.0.0.1"])),
    "chained": _in_turn(Says([PUBLIC], chain=1), Says(["127.0.0.1"], chain=1)),
    "longchain": _always(Says(["192.168.1.1"], chain=12)),
    "circle": _always(Says(chain=3, is_circle=True)),
    "many": _always(_many("10.0.0.1")),
    "manygood": _always(_many("93.184.99.1")),
    "nothingthen": _in_turn(Says(code=NO_SUCH_NAME), Says(["127.0.0.1"])),
    "brokenthen": _in_turn(Says(code=SERVER_FAILED), Says(["169.254.169.254"])),
    "emptythen": _in_turn(Says(code=NO_ERROR), Says(["::1"])),
    "glued": _always(Says([PUBLIC], beside=["127.0.0.1"])),
    "late": _in_turn(Says([PUBLIC]), Says(["127.0.0.1"], wait_s=0.05)),
}
"""By the first word of a name, up to a hyphen."""


# -------------------------------------------------------------------------------------------------------------- saving


async def save(world: World, found: Found, canary: Canary, names: NameServer, chosen: Sequence[Form]) -> None:
    """Try to save every form through every door that takes one."""
    engine = world.engine
    doors = 0
    async with open_browser(world) as browser, open_api(world, Edge(engine)) as api:
        await browser.sign_in()
        made = await browser.post("/rules", {"definition": _rule(browser, "https://tax.example/")})
        rule = made.json()["data"]
        v1 = api.rule("plain")
        for form in chosen:
            try:
                form.url.encode()
            except UnicodeEncodeError:
                continue
            body = {"definition": _rule(browser, form.url), "revision": rule["revision"]}
            answers = {
                "a new rule of the app": await browser.post("/rules", {"definition": body["definition"]}),
                "a new rule of v1": await api.post("/rules", _v1_rule(api.account, form.url)),
                "a changed rule of v1": await api.put(f"/rules/{v1}", _v1_rule(api.account, form.url)),
                "a webhook": await browser.post("/webhooks", {"url": form.url, "events": ["*"]}),
            }
            if form.is_plain:
                answers["a changed rule of the app"] = await browser.send("PUT", f"/rules/{rule['id']}", json=body)
            doors = max(doors, len(answers))
            for door, answer in answers.items():
                found.figures["saves"] += 1
                if form.is_plain and answer.status_code not in (400, 422):
                    found.faults.append(f"{form.url!a} was saved as {door}: {answer.status_code} {answer.text[:150]}")
                if not form.is_plain and answer.status_code >= 500:
                    found.faults.append(f"{form.url!a} broke {door}: {answer.text[:150]}")
            if not form.is_plain and answers["a webhook"].is_success:
                endpoint = answers["a webhook"].json()["data"]["endpoint"]["id"]
                await browser.post(f"/webhooks/{endpoint}/disable")
    found.figures["doors"] = doors
    found.expect_nobody(canary, "while saving")
    if names.looks:
        found.faults.append(f"saving looks up names: {list(names.looks)[:3]}")


def _rule(browser: Browser, url: str) -> dict[str, Any]:
    income, savings = browser.account("income"), browser.account("savings")
    action = {"type": "REMOTE_AMOUNT", "url": url, "source": income, "destination": savings}
    trigger = {"type": "MANUAL", "account_id": income}
    return {"name": "Ask", "trigger": trigger, "steps": [{"conditions": None, "actions": [action]}]}


def _v1_rule(account: Any, url: str) -> dict[str, Any]:
    action = {
        "type": "remote_amount",
        "url": url,
        "group_index": 0,
        "up_to_enabled": False,
        "source": {"id": account("income"), "type": "income_source"},
        "destination": {"id": account("savings"), "type": "pod"},
    }
    trigger = {"type": "MANUAL", "account_id": account("income")}
    return {"status": "disabled", "trigger": trigger, "steps": [{"conditions": None, "actions": [action]}]}


# ------------------------------------------------------------------------------------------------------------- sending


async def send(outbound: Outbound, found: Found, canary: Canary, chosen: Sequence[Form]) -> None:
    """Ask every form for an amount, and send it a message, as if it had been saved."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def both(form: Form) -> None:
        async with turns:
            question = replace(QUESTION, url=form.url)
            asked = await ask_amount(outbound, question, datetime.now(UTC), limits=QUICK)
            sent = await send_message(
                outbound, Message(form.url, (SECRET,), "m", "{}"), datetime.now(UTC), limits=QUICK
            )
        found.figures["sends"] += 2
        reason = getattr(asked, "reason", "")
        wanted = "was not asked" if form.is_plain else "could not be reached"
        if isinstance(asked, Answered) or wanted not in reason:
            found.faults.append(f"{form.url!a}: {asked}")
        if getattr(sent, "reason", None) is None and "NotDelivered" not in type(sent).__name__:
            found.faults.append(f"{form.url!a}: a message was delivered")

    await asyncio.gather(*(both(form) for form in chosen))
    found.expect_nobody(canary, "while sending")


async def work_through(world: World, found: Found, canary: Canary, chosen: Sequence[Form]) -> None:
    """Have rules and endpoints in the database that name every form, and let a worker do what is due."""
    engine = world.engine
    nowhere = replace(world, engine=replace(engine, outbound=None))
    plain = [form.url for form in chosen if form.is_plain and form.is_storable]
    ordinary = [form.url for form in chosen if not form.is_plain]
    batches = [plain[at : at + MOST_ACTIONS] for at in range(0, len(plain), MOST_ACTIONS)] + [[url] for url in ordinary]
    for number, urls in enumerate(batches):
        actions = [{"type": "REMOTE_AMOUNT", "url": url, "source": "income", "destination": "savings"} for url in urls]
        await nowhere.rule(f"rule {number}", on_demand("income", *actions))
        await nowhere.trigger(f"rule {number}")
    await world.settle()
    while await waiting_organizations(engine):
        if not await gather(engine, world.organization_id):
            break
    await world.settle()

    async def listen(tx: WriteTx) -> None:
        for url in (*plain, *ordinary):
            endpoint_id = EndpointId(engine.new_id())
            sealed = engine.keyring.seal(ENDPOINT_SECRET, world.organization_id, endpoint_id, SECRET)
            await insert_endpoint(
                *(tx, world.organization_id, endpoint_id), url=url, events=["*"], secret=sealed, at=engine.now()
            )

    await engine.database.write(listen)
    await world.deposit("income", 100)
    await tell(engine, world.organization_id)
    async with engine.database.read() as tx:
        [[moved]] = await fetch_all(tx, "SELECT count(*) FROM transfer WHERE execution_id IS NOT NULL")
        [[told]] = await fetch_all(tx, "SELECT count(*) FROM webhook_delivery WHERE status = 'DELIVERED'")
        [[answered]] = await fetch_all(tx, "SELECT count(*) FROM remote_amount WHERE amount IS NOT NULL")
        [[tried]] = await fetch_all(tx, "SELECT count(*) FROM webhook_delivery WHERE attempts > 0")
        [[refused]] = await fetch_all(tx, "SELECT count(*) FROM remote_amount WHERE amount IS NULL")
    found.figures["planted"] = len(plain) + len(ordinary)
    found.figures["planted_asked"] = int(refused)
    found.figures["planted_sent"] = int(tried)
    if moved or told or answered:
        found.faults.append(f"planted URLs led to {moved} transfers, {told} messages and {answered} amounts")
    if refused < len(plain) or tried < len(plain):
        found.faults.append(f"of {len(plain)} planted URLs, {refused} were come to by rules and {tried} by messages")
    found.expect_nobody(canary, "while working")


# ------------------------------------------------------------------------------------------------------------ rebinding


async def rebind(outbound: Outbound, found: Found, canary: Canary, times: int) -> None:
    """Ask names that lie, so many times; each is looked up once for each request, and only public addresses are met."""
    turns = asyncio.Semaphore(AT_ONCE)
    liars = [lie for lie in LIES if lie != NAME.partition(".")[0]]
    short = [lie for lie in liars if not lie.startswith("many")]
    limits = Limits(connect_s=0.3, total_s=0.6)

    async def once(number: int) -> None:
        # Five hundred addresses take their time: a few dozen of those are enough.
        liar = liars[number % len(liars)] if number < MOST_LONG_LIES else short[number % len(short)]
        # Some names twice in a row, as who waits for the second answer does.
        url = f"https://{liar}-{number // (2 * len(short))}.example/"
        async with turns:
            asked = await ask_amount(outbound, replace(QUESTION, url=url), datetime.now(UTC), limits=limits)
        found.figures["rebindings"] += 1
        found.figures["let_through"] += "the connection failed" in getattr(asked, "reason", "")
        if isinstance(asked, Answered):
            found.faults.append(f"{url} gave an amount")

    await asyncio.gather(*(once(number) for number in range(times)))
    seen = canary.take()
    for (address, port), count in seen.items():
        if port == HTTPS and (address in OURS or address.startswith("93.184.")):
            found.figures["public_visits"] += count
            continue
        found.figures["hits"] += count
        found.faults.append(f"a name that lies led {count} to {address} port {port}")
    if not found.figures["public_visits"]:
        found.faults.append("no name that lies led anywhere: the check checks nothing")


async def redirect(outbound: Outbound, found: Found, canary: Canary, ours: Ours) -> None:
    """Be led inside by a server that we may ask."""
    usual = ours.answer
    for status in REDIRECTS:
        for inside in INSIDE:
            host = f"[{inside}]" if ":" in inside else inside
            headers = (
                f"Location: https://{host}/\r\nRefresh: 0; url=https://{host}/\r\nContent-Location: https://{host}/"
            )
            ours.answer = f"HTTP/1.1 {status} Go\r\n{headers}\r\nContent-Length: 0\r\n\r\n".encode()
            asked = await ask_amount(outbound, replace(QUESTION, url=f"https://{NAME}/"), datetime.now(UTC))
            found.figures["redirects"] += 1
            if isinstance(asked, Answered) or str(status) not in asked.reason:
                found.faults.append(f"{status} to {inside}: {asked}")
    ours.answer = usual
    found.expect_nobody(canary, "while being redirected", beside=OURS)


async def look_the_same(outbound: Outbound, found: Found) -> None:
    """Hold what is said of a name that leads inside, and how long it takes, against one that leads nowhere."""
    told: dict[str, tuple[object, float]] = {}
    limits = Limits(connect_s=0.4, total_s=5)
    for name in ("inside.example", "nothingthen-same.example", "circle-same.example", "many-same.example"):
        began = time.monotonic()
        asked = await ask_amount(outbound, replace(QUESTION, url=f"https://{name}/"), datetime.now(UTC), limits=limits)
        told[name] = (asked, time.monotonic() - began)
    if len({str(asked) for asked, _ in told.values()}) != 1:
        found.faults.append(f"what leads inside is told apart by its reason: {told}")
    seconds = [took for _, took in told.values()]
    found.figures["told_apart_by_ms"] = round(1000 * (max(seconds) - min(seconds)))
    if min(seconds) < limits.connect_s * 0.95:
        found.faults.append(f"what leads inside is told apart by its time: {told}")


async def run(url: str, chosen: Sequence[Form], times: int) -> Found:
    """Do all of it."""
    found = Found()
    authorities = ssl.create_default_context(cafile=str(CERTIFICATE))
    names = NameServer(LIES, lambda look: Says([INSIDE[look % len(INSIDE)], INSIDE[(look + 7) % len(INSIDE)]]))
    await names.serve(*NAMES)
    canary = Canary()
    began = time.monotonic()

    def done(what: str) -> None:
        found.seconds[what] = round(time.monotonic() - began, 1)

    async with public_server() as ours, Database(url) as database, Outbound(Policy(), None, authorities) as outbound:
        checking = Outbound(Policy(), None, AUTHORITIES)
        engine = replace(plain_engine(database), outbound=checking)
        world = await new_world(engine)
        await world.account("income", AccountKind.INCOME_SOURCE)
        await world.account("savings")
        await world.rule("plain", on_demand("income", {**_fixed(), "source": "income", "destination": "savings"}))
        await world.deposit("income", 1_000_000)
        await save(world, found, canary, names, chosen)
        done("saving")
        await send(outbound, found, canary, chosen)
        done("sending")
        await work_through(replace(world, engine=replace(engine, outbound=outbound)), found, canary, chosen)
        done("working")
        # That somebody who comes is seen, and what is allowed is reached: or none of it would say anything.
        asked = await ask_amount(outbound, replace(QUESTION, url=f"https://{NAME}/"), datetime.now(UTC))
        if not isinstance(asked, Answered) or canary.take() != {(PUBLIC, HTTPS): 1}:
            found.faults.append(f"the canary sees nothing, or nothing is reached: {asked}")
        await redirect(outbound, found, canary, ours)
        await look_the_same(outbound, found)
        found.expect_nobody(canary, "while names were told apart", beside=OURS)
        done("telling apart")
        await rebind(outbound, found, canary, times)
        done("rebinding")
    canary.close()
    found.figures["vectors"] = len(chosen)
    found.figures["looks"] = sum(names.looks.values())
    found.figures.setdefault("hits", 0)
    return found


def _fixed() -> dict[str, Any]:
    return {"type": "FIXED", "amount_in_cents": 100}


def main() -> None:
    """Read how much is wanted, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.abuse.inside")
    parser.add_argument("--one-in", type=int, default=1, help="take one form in so many")
    parser.add_argument("--rebindings", type=int, default=300)
    parser.add_argument("--without-guard", action="store_true", help="look at no address, to see that the canary sees")
    wanted = parser.parse_args()
    if wanted.without_guard:
        client.check_addresses = lambda *_: None  # type: ignore[assignment]
        client.check_connection = lambda *_: None  # type: ignore[assignment]
    # Each refusal is told to the operator, thousands of them here.
    logging.disable(logging.WARNING)
    every = forms()
    chosen = [form for number, form in enumerate(every) if not form.is_plain or number % wanted.one_in == 0]
    with tempfile.TemporaryDirectory() as folder:
        make_everywhere_here(Path(folder))
        found = asyncio.run(run(os.environ["DATABASE_URL"], chosen, wanted.rebindings))
    json.dump({"figures": found.figures, "faults": found.faults, "seconds": found.seconds}, sys.stdout)


if __name__ == "__main__":
    main()
