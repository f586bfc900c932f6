"""MANUAL_TRANSFER is held for pairs: every source with every destination and amount, for every kind of pair."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
import pytest_asyncio

from sluiceway.domain.access import EVERY, Grant, Permission, TransferPair
from sluiceway.domain.money import Cents
from tests.api.client import digest
from tests.api.matrix.bodies import platform_transfer, v1_transfer
from tests.api.matrix.calls import answered
from tests.api.matrix.keys import new_key
from tests.api.matrix.oracle import Answered, Which, Words
from tests.api.matrix.rows_platform import NO_SOURCE
from tests.api.matrix.rows_platform import WORDS as PLATFORM
from tests.api.matrix.rows_v1 import NOT_FOUND
from tests.api.matrix.rows_v1 import WORDS as V1
from tests.api.matrix.spelling import malformed
from tests.api.matrix.stage import Stage

OURS = ("savings", "income", "emergency")
ENDS = (*OURS, "foreign", "unknown", "malformed")
AMOUNTS = (100, 2_500, 2_501)


@dataclass(frozen=True)
class Entry:
    """An entry of a key: from where to where, `*` for anywhere, and at most how much."""

    source: str
    target: str
    maximum: int | None = None


KEYS: dict[str, Sequence[Entry]] = {
    "no pair": (),
    "from anywhere to anywhere": (Entry(EVERY, EVERY),),
    "from anywhere to anywhere, a maximum": (Entry(EVERY, EVERY, 2_500),),
    "from one": (Entry("savings", EVERY),),
    "from one, a maximum": (Entry("savings", EVERY, 2_500),),
    "to one": (Entry(EVERY, "savings"),),
    "a pair": (Entry("savings", "income"),),
    "pairs that do not combine": (Entry("savings", "income"), Entry("income", "emergency", 100)),
    "the larger of two maxima": (Entry("savings", "income", 100), Entry("savings", "income", 2_500)),
    "a maximum, and none": (Entry("savings", "income", 100), Entry("savings", EVERY)),
    "a wider one that is smaller": (Entry("savings", "income"), Entry("savings", EVERY, 100)),
    "pairs of what is not ours": (Entry("foreign", "unknown"), Entry("savings", "foreign"), Entry("unknown", "income")),
}
VERDICTS: dict[str, dict[str, Answered]] = {
    "v1": {
        "outside": V1.forbidden,
        "too much": V1.forbidden,
        "no source": NOT_FOUND,
        "no destination": NOT_FOUND,
        "senseless": V1.invalid,
        "moved": Answered(201),
    },
    "platform": {
        "outside": PLATFORM.forbidden,
        "too much": Answered(403, "MAXIMUM_AMOUNT_EXCEEDED"),
        "no source": NO_SOURCE,
        "no destination": Answered(400, "TRANSFER_DESTINATION_NOT_FOUND"),
        "senseless": PLATFORM.invalid,
        "moved": Answered(201),
    },
}
WRITERS = {"v1": v1_transfer, "platform": platform_transfer}


def verdict(entries: Sequence[Entry], source: str, target: str, amount: int) -> str:
    """Say what the documents say: the pair, its maximum, the source, the destination, and then what is senseless."""
    fitting = [entry for entry in entries if entry.source in (EVERY, source) and entry.target in (EVERY, target)]
    if not fitting:
        return "outside"
    if all(entry.maximum is not None and amount > entry.maximum for entry in fitting):
        return "too much"
    if source not in OURS:
        return "no source"
    if target not in OURS:
        return "no destination"
    return "senseless" if source == target else "moved"


@dataclass
class Pairs:
    """The ids behind the names, and keys that are made already."""

    stage: Stage
    ids: dict[str, str]
    secrets: dict[str, str] = field(default_factory=dict)

    async def secret(self, name: str) -> str:
        """Make the key of an entry of the table."""
        if name not in self.secrets:
            pairs = [
                TransferPair(
                    self.ids.get(entry.source, EVERY),
                    self.ids.get(entry.target, EVERY),
                    None if entry.maximum is None else Cents(entry.maximum),
                )
                for entry in KEYS[name]
            ]
            grants = {Permission.MANUAL_TRANSFER: Grant(pairs=tuple(pairs))}
            _, self.secrets[name] = await new_key(self.stage.engine, self.stage.world.organization_id, grants)
        return self.secrets[name]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pairs(stage: Stage) -> Pairs:
    """Put money into our accounts."""
    ids = {name: str(stage.world.accounts[name]) for name in OURS}
    for name in OURS:
        await stage.world.deposit(name, 10_000_000)
    await stage.world.settle()
    foreign, unknown = stage.id_of("account", Which.FOREIGN), stage.id_of("account", Which.UNKNOWN)
    return Pairs(stage, ids | {"foreign": foreign, "unknown": unknown, "malformed": malformed(unknown)})


@pytest.mark.parametrize("words", [V1, PLATFORM], ids=["v1", "platform"])
@pytest.mark.parametrize("key", KEYS)
async def test_a_pair_allows_what_it_names(pairs: Pairs, words: Words, key: str) -> None:
    headers = {"Authorization": f"{words.scheme} {await pairs.secret(key)}", "X-Request-ID": "matrix"}
    cases = [(*case, verdict(KEYS[key], *case)) for case in product(ENDS, ENDS, AMOUNTS)]
    wrong: list[Any] = []
    refusals: set[str] = set()

    async def move(source: str, target: str, amount: int, expected: str) -> None:
        body = WRITERS[words.name](pairs.ids[source], pairs.ids[target], amount)
        sent = await pairs.stage.api.http.post(f"{words.prefix}/transfers", headers=headers, json=body)
        if answered(sent) != VERDICTS[words.name][expected]:
            wrong.append((source, target, amount, expected, sent.text))
        if expected == "outside":
            refusals.add(sent.text)

    before = await digest(pairs.stage.engine.database)
    for case in cases:
        if case[-1] != "moved":
            await move(*case)
    assert await digest(pairs.stage.engine.database) == before
    for case in cases:
        if case[-1] == "moved":
            await move(*case)
    assert not wrong, f"{len(wrong)} of {len(cases)}: {wrong[:5]}"
    assert len(refusals) <= 1, "whatever is outside is refused alike"


@pytest.mark.parametrize("words", [V1, PLATFORM], ids=["v1", "platform"])
async def test_a_maximum_is_named_to_whom_it_binds(pairs: Pairs, words: Words) -> None:
    headers = {"Authorization": f"{words.scheme} {await pairs.secret('the larger of two maxima')}"}
    body = WRITERS[words.name](pairs.ids["savings"], pairs.ids["income"], 2_501)
    bodies = [body, body | {"simulation": True}] if words is PLATFORM else [body]

    for sent in bodies:
        answer = await pairs.stage.api.http.post(f"{words.prefix}/transfers", headers=headers, json=sent)
        assert answered(answer) == VERDICTS[words.name]["too much"]
        assert "at most 2500 cents" in answer.json()["error"]["message"]
