"""Whoever guesses passwords and keys as fast as they can: what they get, and what everybody else notices of it."""

import asyncio
import json
import random
import string
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from sluiceway.services.keys import PREFIX, checksum
from tests.abuse.lines import Heard, Line, written
from tests.abuse.stage import OWN_PAGE, Stage

_LETTERS: Final = string.ascii_letters + string.digits
GUESSERS: Final = 16

Ask = Callable[[Line, int], Awaitable[Heard]]


@dataclass
class Flood:
    """What guessers were answered."""

    statuses: Counter[int] = field(default_factory=Counter[int])


@asynccontextmanager
async def flooding(stage: Stage, ask: Ask, guessers: int = GUESSERS) -> AsyncGenerator[Flood]:
    """Let so many guess, each as fast as it is answered, for as long as this lasts."""
    flood = Flood()
    is_over = False

    async def guess(first: int) -> None:
        number = first
        async with Line(stage.port) as line:
            while not is_over:
                flood.statuses[(await ask(line, number)).status] += 1
                number += guessers

    running = [asyncio.create_task(guess(first)) for first in range(guessers)]
    try:
        yield flood
    finally:
        is_over = True
        await asyncio.gather(*running)


def sign_in(email: str, password: str, **headers: str) -> bytes:
    """Write an attempt to sign in."""
    body = json.dumps({"email": email, "password": password}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return written("POST", "/app/sign-in", {"content-type": "application/json", **OWN_PAGE, **named}, body)


def from_everywhere(line: Line, number: int) -> Awaitable[Heard]:
    """Guess a password, each time for somebody else and from somewhere else, as a proxy that is believed says."""
    address = f"2001:db8:{number % 65_536:x}:{number // 65_536:x}::1"
    return line.ask(sign_in(f"somebody{number}@example.com", "a guess", x_forwarded_for=address))


def keys(secret: str, number: int) -> Sequence[str]:
    """Write keys that are not ours, and some that nearly are."""
    chance = random.Random(number)
    body = "".join(chance.choice(_LETTERS) for _ in range(len(secret) - len(PREFIX) - 6))
    at = chance.randrange(len(PREFIX), len(secret))
    return (
        f"{PREFIX}{body}{checksum(body)}",
        f"{PREFIX}{body}{'0' * 6}",
        secret[:-1],
        secret + "0",
        secret[:at] + chance.choice(_LETTERS.replace(secret[at], "")) + secret[at + 1 :],
        secret.swapcase(),
        f"{PREFIX}{'0' * (len(secret) - len(PREFIX))}",
        secret.replace(PREFIX, "at_"),
    )


def guessing_keys(secret: str) -> Ask:
    """Guess keys for every generation in turn."""

    def ask(line: Line, number: int) -> Awaitable[Heard]:
        key = keys(secret, number // 8)[number % 8]
        target, headers = (
            ("/api/v1/accounts", {"authorization": f"ApiKey {key}"}),
            ("/platform/v1/accounts", {"authorization": f"Bearer {key}"}),
            ("/sandbox/clock", {"authorization": f"ApiKey {key}"}),
        )[number % 3]
        return line.ask(written("GET", target, headers))

    return ask


async def p99_ms(stage: Stage, times: int) -> float:
    """Read accounts by API, one time after the other; tell how long the slowest of a hundred takes."""
    headers = {"authorization": f"ApiKey {stage.town.api.secret}"}
    seconds: list[float] = []
    async with Line(stage.port) as line:
        for _ in range(times):
            began = time.monotonic()
            heard = await line.ask(written("GET", "/api/v1/accounts", headers))
            assert heard.status == 200, heard
            seconds.append(time.monotonic() - began)
            await asyncio.sleep(0.005)
    return round(1000 * sorted(seconds)[int(0.99 * (times - 1))], 1)
