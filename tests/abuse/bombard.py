"""Asks every operation everything that is in the tables, and sees that nothing came of it."""

import random
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from sluiceway.api.http import MAX_BODY
from tests.abuse.asked import Operation
from tests.abuse.bodies import REFUSED, Case, leaf_bodies, whole_bodies
from tests.abuse.heads import (
    HEADERS,
    ODD_HEADERS,
    ODD_QUERIES,
    QUERIES,
    SMUGGLED,
    carrier,
    smuggled,
    smuggling,
    with_header,
)
from tests.abuse.judged import HUNG_UP, Seen
from tests.abuse.lines import Line, written
from tests.abuse.stage import Stage

JSON: Final = {"content-type": "application/json"}
STREAMS: Final = {"/app/events"}
"""What has no end of its own."""
REFUSED_BY_HEADS: Final = REFUSED | {501}
BY_CREDENTIAL: Final = REFUSED | {401, 429}

T = TypeVar("T")


@asynccontextmanager
async def leaving_no_trace(stage: Stage, seen: Seen, about: str) -> AsyncGenerator[None]:
    """Expect that what happens meanwhile changes nothing in the database."""
    before = await stage.digest()
    yield
    after = await stage.digest()
    changed = sorted(table for table in after if before[table] != after[table])
    if changed:
        seen.faults.append(f"{about}: refused, and yet something has changed in {', '.join(changed)}")


async def ask_bodies(
    stage: Stage, asked: Sequence[Operation], seen: Seen, choose: Callable[[list[Case]], list[Case]]
) -> int:
    """Send every operation bodies that are wrong as a whole and in each of their values; return how many."""
    count = 0
    for operation in asked:
        cases = choose([*whole_bodies(operation), *leaf_bodies(operation)])
        count += len(cases)
        async with Line(stage.port) as line:
            await _send(line, operation, [case for case in cases if case.is_refused], seen)
    return count


async def ask_odd_bodies(
    stage: Stage, asked: Sequence[Operation], seen: Seen, choose: Callable[[list[Case]], list[Case]]
) -> int:
    """Send what is odd and may be right: whatever is done then, nothing breaks."""
    count = 0
    for operation in asked:
        cases = [case for case in choose([*whole_bodies(operation), *leaf_bodies(operation)]) if not case.is_refused]
        count += len(cases)
        async with Line(stage.port) as line:
            await _send(line, operation, cases, seen)
    return count


async def _send(line: Line, operation: Operation, cases: Iterable[Case], seen: Seen) -> None:
    for case in cases:
        named = {name.lower() for name in case.headers}
        # Pieces of a body that says how long it is in some way of its own.
        whole = None if named & {"content-length", "transfer-encoding"} else b"".join(case.pieces)
        head = written(operation.method, operation.target, {**operation.headers, **case.headers}, whole)
        heard = await line.ask(head, *(case.pieces if whole is None else ()))
        # Who is told while still sending may find the line closed, and the answer with it.
        refused = REFUSED | {HUNG_UP} if sum(map(len, case.pieces)) > MAX_BODY else REFUSED
        seen.note(case.name, operation, heard, refused if case.is_refused else None)


async def ask_heads(
    stage: Stage, asked: Sequence[Operation], seen: Seen, choose: Callable[[list[str]], list[str]]
) -> int:
    """Send every operation heads and queries that are wrong, and to those that only read, odd ones."""
    count = 0
    for operation in asked:
        async with Line(stage.port) as line:
            for name in choose(list(HEADERS)):
                is_credential = name == "the credential twice"
                if is_credential and "authorization" not in {each.lower() for each in operation.headers}:
                    continue  # It is by something else that these know who asks.
                heard = await line.ask(with_header(operation, HEADERS[name]))
                allowed = BY_CREDENTIAL if is_credential else REFUSED_BY_HEADS
                seen.note(name, operation, heard, allowed)
                count += 1
            if operation.method != "GET" or operation.path in STREAMS:
                continue
            for name in choose(list(QUERIES)):
                head = written("GET", f"{operation.target}?{QUERIES[name]}", operation.headers)
                seen.note(name, operation, await line.ask(head), REFUSED)
                count += 1
            for name in choose(list(ODD_QUERIES)):
                head = written("GET", f"{operation.target}?{ODD_QUERIES[name]}", operation.headers)
                seen.note(name, operation, await line.ask(head), None)
                count += 1
            for name in choose(list(ODD_HEADERS)):
                seen.note(name, operation, await line.ask(with_header(operation, ODD_HEADERS[name])), None)
                count += 1
    return count


async def smuggle(stage: Stage, asked: Sequence[Operation], seen: Seen) -> int:
    """Hide a request in others, in every way; return how many were tried."""
    count = 0
    by_label = {operation.label: operation for operation in asked}
    hidden_target = by_label["v1 GET /accounts"]
    for operation in asked:
        hidden = smuggled(hidden_target.target, hidden_target.headers)
        async with Line(stage.port) as line:
            for way in smuggling(hidden):
                count += 1
                for heard in await line.say(carrier(operation, way)):
                    seen.note(way.name, operation, heard, None)
                    if heard.headers.get("x-request-id") == SMUGGLED:
                        seen.faults.append(f"{operation.label}, {way.name}: what was hidden is answered")
    return count


def some_of(every: int, number: int) -> Callable[[list[T]], list[T]]:
    """Choose one in so many, others for another number."""
    chance = random.Random(number)
    return lambda cases: cases if every == 1 else [case for case in cases if chance.randrange(every) == 0]
