"""Every key is sent many times at once to two servers on one database, and one of them is killed: one effect a key.

Who was cut off sends again, to the other. Whoever is answered hears the first answer, or that the key is in use.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sluiceway.domain.ids import IdKind, format_id
from sluiceway.services.keys import create_key, every_grant
from sluiceway.storage.database import Database
from tests.concurrency.talking import Heard, Line
from tests.e2e.processes import Serving
from tests.invariants import violations
from tests.support import World, new_world, plain_engine

COPIES: Final = 50
KEYS_AT_ONCE: Final = 2
AMOUNT: Final = 100
_MOST_TRIES: Final = 200


@dataclass
class Storm:
    """What came of it."""

    keys: int
    sent: int = 0
    originals: int = 0
    replays: int = 0
    in_use: int = 0
    unavailable: int = 0
    cut_off: int = 0
    kills: int = 0
    violations: list[str] = field(default_factory=list[str])
    bodies: dict[int, set[bytes]] = field(default_factory=dict[int, set[bytes]])
    answered: defaultdict[int, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))


async def storm(database_url: str, servers: Sequence[Serving], keys: int, kills: int, dice: random.Random) -> Storm:
    """Send each of `keys` keys fifty times at once; so many times, kill one of the servers and start it again."""
    found = Storm(keys)
    async with Database(database_url) as database:
        engine = plain_engine(database)
        world = await new_world(engine)
        for pod in ("a", "b"):
            await world.account(pod)
        await world.deposit("a", keys * AMOUNT)
        _, secret = await create_key(engine, world.organization_id, "client", every_grant(), rate_limit=None)
        headers = {"Authorization": f"ApiKey {secret}"}
        body = {
            "source_account_id": format_id(IdKind.ACCOUNT, world.accounts["a"]),
            "destination_account_id": format_id(IdKind.ACCOUNT, world.accounts["b"]),
            "amount_in_cents": AMOUNT,
        }
        lines = [Line(server.url, headers) for server in servers for _ in range(KEYS_AT_ONCE * COPIES // 2)]
        try:
            for numbers in _parts(keys, kills):
                killing = asyncio.create_task(_kill(servers[0], numbers, dice, found))
                for start in range(0, len(numbers), KEYS_AT_ONCE):
                    copies = [number for number in numbers[start : start + KEYS_AT_ONCE] for _ in range(COPIES)]
                    dice.shuffle(lines)
                    await asyncio.gather(
                        *[_send(lines, index, number, body, found) for index, number in enumerate(copies)]
                    )
                await killing
        finally:
            for line in lines:
                line.hang_up()
        await _judge(world, found)
    return found


def _parts(keys: int, count: int) -> list[range]:
    """Cut the numbers of the keys into so many parts."""
    return [range(keys * part // count, keys * (part + 1) // count) for part in range(count)]


async def _kill(server: Serving, numbers: range, dice: random.Random, found: Storm) -> None:
    """Kill a server when the first copies of a key have been answered, and start it again."""
    number = dice.choice(numbers[: max(1, len(numbers) // 2)])
    await found.answered[number].wait()
    await asyncio.to_thread(server.kill)
    found.kills += 1
    await asyncio.to_thread(server.start)


async def _send(lines: Sequence[Line], index: int, number: int, body: dict[str, object], found: Storm) -> None:
    """Send one copy, again and again until it is answered with the effect of its key."""
    for attempt in range(_MOST_TRIES):
        # Whoever is cut off turns to another server: the lines are shuffled.
        line = lines[index] if attempt == 0 else Line(lines[(index + attempt) % len(lines)].url, lines[index].headers)
        found.sent += 1
        try:
            heard = await line.ask("POST", "/api/v1/transfers", body, Idempotency_Key=f"storm-{number}")
        except (OSError, EOFError):
            found.cut_off += 1
            await asyncio.sleep(0.02)
            continue
        finally:
            if attempt:
                line.hang_up()
        if heard.status == 201:
            is_replay = heard.headers.get("idempotent-replayed") == "true"
            found.replays += is_replay
            found.originals += not is_replay
            found.bodies.setdefault(number, set()).add(heard.body)
            found.answered[number].set()
            return
        _not_done(heard, found)
        await asyncio.sleep(float(heard.headers.get("retry-after", "0")) / 10)
    found.violations.append(f"key {number} was never answered")


def _not_done(heard: Heard, found: Storm) -> None:
    found.in_use += heard.status == 409
    found.unavailable += heard.status == 503
    is_known = heard.status in (409, 503) and heard.headers.get("retry-after", "").isdecimal()
    if heard.status == 409:
        is_known = is_known and heard.json()["error"]["code"] == "idempotency_key_in_use"
    if not is_known:
        found.violations.append(f"an answer that nobody should be given: {heard}")


async def _judge(world: World, found: Storm) -> None:
    done = [each for each in await world.transfers() if each.source is not None]
    shown = Counter(len(bodies) for bodies in found.bodies.values())
    expected = {
        "one transfer for each key": len(done) == found.keys,
        "everything has moved once": await world.balances() == {"a": 0, "b": found.keys * AMOUNT},
        "every key has one answer, byte for byte": shown == {1: found.keys},
        "no key has more than one original": found.originals <= found.keys,
        "a server was killed": found.kills > 0,
    }
    counts = {name: getattr(found, name) for name in ("keys", "sent", "originals", "replays", "kills")}
    found.violations += [f"not true: {sentence}: {counts}" for sentence, is_true in expected.items() if not is_true]
    found.violations += [f"not true: {sentence}" for sentence in await violations(world.engine.database)]
