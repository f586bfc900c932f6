"""The combinations of a row, what the tables say of each, and making the calls."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import httpx
import msgspec

from tests.api.client import digest
from tests.api.matrix.bodies import BODIES
from tests.api.matrix.holdings import ALL, ALONE, NOTHING, OF_A_KEY, OF_NO_KEY, Credential, Holding, holdings_for
from tests.api.matrix.keys import Headers, headers_of
from tests.api.matrix.oracle import OURS, Answered, Row, Sent, Which, Words, verdict
from tests.api.matrix.spelling import SPELLINGS, Spelling, malformed, prefixed
from tests.api.matrix.stage import KINDS, Stage

SHOWN_BY_STRANGERS = (Which.LISTED, Which.FOREIGN, Which.UNKNOWN, Which.MALFORMED)
"""What people ask for whose credential is nobody's; lists of keys mean nothing to them."""
AT_ONCE: Final = 40
LOOKED_AT: Final = frozenset({"account", "bank_book", "feed"})
"""What a repeated call may touch: whoever opens an account looks at the bank again, as the first call may have died."""


@dataclass(frozen=True)
class Combination:
    """One call of the matrix."""

    words: Words
    row: Row
    holding: Holding
    credential: Credential
    which: Which
    sent: Sent

    @property
    def expected(self) -> Answered:
        """Look the answer up."""
        if self.credential is not Credential.VALID:
            return self.words.unauthorized
        return verdict(self.words, self.row, self.holding.held, self.which, self.sent)

    @property
    def is_used_up(self) -> bool:
        """Tell whether the call changes what it is about."""
        is_done = self.expected.status < 300 and self.which in OURS
        return is_done and self.sent is Sent.GOOD and self.row.method != "GET"

    @property
    def is_replayed(self) -> bool:
        """Tell whether the call gets an answer that was given before."""
        return self.sent is Sent.REPLAYED and self.expected.status < 300

    def __str__(self) -> str:
        """Say all that there is to know for making the call by hand."""
        row = self.row
        return (
            f"{self.words.name} {row.method} {row.path} ({row.name}): {self.credential.value} holding"
            f" {self.holding.name}; asked for {row.thing or 'nothing'}, {self.which.value}; sent {self.sent.value}"
        )


def combinations_of(words: Words, row: Row) -> list[Combination]:
    """List every combination of a row."""
    found = [
        Combination(words, row, holding, Credential.VALID, which, sent)
        for holding in holdings_for(row)
        for which in row.whiches
        for sent in row.sents
        if is_sensible(row, which, sent)
    ]
    strangers = [(credential, ALL) for credential in OF_NO_KEY]
    strangers += [
        (credential, holding) for credential in OF_A_KEY for holding in (ALL, ALONE[row.opened_by[0]], NOTHING)
    ]
    return found + [
        Combination(words, row, holding, credential, which, sent)
        for credential, holding in strangers
        for which in row.whiches
        for sent in row.sents
        if which in SHOWN_BY_STRANGERS and sent in (Sent.GOOD, Sent.REPLAYED, Sent.NOT_JSON)
        if is_sensible(row, which, sent)
    ]


def is_sensible(row: Row, which: Which, sent: Sent) -> bool:
    """Leave out replays of what was never answered, and the same fault in a body for everything there is."""
    match sent:
        case Sent.REPLAYED:
            return row.method == "POST" and which in OURS
        case Sent.UNKNOWN_FIELD | Sent.UNTYPED:
            return which in (Which.LISTED, Which.UNLISTED, Which.UNKNOWN)
        case _:
            return True


@dataclass(frozen=True)
class Prepared:
    """A call that is ready to be made."""

    method: str
    url: str
    headers: Headers
    content: bytes | None
    spelled: str | None
    """The id that is asked for, as it stands in the call."""


async def prepare(stage: Stage, one: Combination, spelling: Spelling) -> Prepared:
    """Write a call. Whatever it uses up is made for it here."""
    headers = await headers_of(stage, one.words, one.holding, one.credential) | {"X-Request-ID": "matrix"}
    thing, parent, spelled = one.row.thing, "", None
    if thing is not None:
        value = await stage.fresh(thing, one.which) if one.is_used_up else stage.id_of(thing, one.which)
        # The body belongs to the request that is repeated, to the letter.
        kind, spelling = KINDS[thing], prefixed if one.sent is Sent.REPLAYED else spelling
        spelled = spelling(kind, value)
        parent = spelling(KINDS["rule"], stage.id_of("rule", one.which))
        if one.which is Which.MALFORMED:
            spelled, parent = malformed(spelled), malformed(parent)
    names = {"id": spelled, "parent": parent, "listed": stage.id_of("account", Which.LISTED)}
    content = write_body(stage, one.words, one.row, one.sent, spelled)
    if content is not None:
        headers["Content-Type"] = "text/plain" if one.sent is Sent.UNTYPED else "application/json"
    if one.sent is Sent.REPLAYED:
        headers["Idempotency-Key"] = f"{one.row.name} {one.which.name}".replace(" ", "-")
    return Prepared(one.row.method, one.words.prefix + one.row.path.format(**names), headers, content, spelled)


def write_body(stage: Stage, words: Words, row: Row, sent: Sent, spelled: str | None) -> bytes | None:
    """Write what is sent."""
    if row.body is None:
        return None
    if sent is Sent.NOT_JSON:
        return b'{"'
    account = stage.id_of("account", Which.LISTED)
    body = BODIES[words.name][row.body](spelled or "", account, stage.pod)
    return msgspec.json.encode(body | ({"nonsense": 1} if sent is Sent.UNKNOWN_FIELD else {}))


async def send(stage: Stage, call: Prepared) -> httpx.Response:
    return await stage.api.http.request(call.method, call.url, headers=call.headers, content=call.content)


def answered(answer: httpx.Response) -> Answered:
    """Read how a call was answered."""
    if answer.status_code < 300:
        return Answered(answer.status_code)
    body = answer.json()
    return Answered(answer.status_code, body.get("code") or body["error"]["code"])


Essence = tuple[int, tuple[tuple[str, str], ...], bytes]
"""Status, headers and body."""


def essence(call: Prepared, answer: httpx.Response) -> Essence:
    """Give all of an answer, apart from how the id was spelled that was asked for."""
    headers = [(name, value) for name, value in answer.headers.multi_items() if name != "content-length"]
    body = answer.content if call.spelled is None else answer.content.replace(call.spelled.encode(), b"?")
    return answer.status_code, tuple(headers), body


@dataclass
class Run:
    """What was found while a row was tried."""

    stage: Stage
    wrong: list[str]
    said: dict[tuple[Answered, Sent | None], dict[Essence, str]]
    """Different answers that were said to be the same, each with a combination that got it."""
    count: int = 0

    async def leaving_all_as_it_is(self, combinations: Sequence[Combination], apart_from: Collection[str] = ()) -> None:
        """Make calls between two looks at every table."""
        before = await digest(self.stage.engine.database)
        for start in range(0, len(combinations), AT_ONCE):
            # Together, so that callers of every kind are told apart in one batch.
            await asyncio.gather(*(self.make(one) for one in combinations[start : start + AT_ONCE]))
        after = await digest(self.stage.engine.database)
        changed = [name for name in before if before[name] != after[name] and name not in apart_from]
        assert not changed, f"{combinations[0]} or one of the next {len(combinations)} wrote to {changed}"

    async def make(self, one: Combination) -> None:
        """Make a call and hold its answer against the table."""
        # Shifted with each round, so that no combination always comes with the same spelling.
        turn = self.count + self.count // len(SPELLINGS)
        call = await prepare(self.stage, one, SPELLINGS[turn % len(SPELLINGS)])
        self.count += 1
        answer = await send(self.stage, call)
        if answered(answer) != one.expected:
            self.wrong.append(f"{one}\n    answered {answered(answer)}, expected {one.expected}\n    {call}")
        if one.is_replayed:
            assert answer.headers.get("idempotent-replayed") == "true", one
        # Of what is not ours, and of what is refused, everybody hears the same, whatever there is.
        if one.expected.status >= 400 or one.which not in OURS:
            alike = (one.expected, one.sent if one.expected == one.words.invalid else None)
            self.said.setdefault(alike, {}).setdefault(essence(call, answer), str(one))


async def run_row(stage: Stage, words: Words, row: Row) -> Run:
    """Try all combinations of a row: refusals and readings, replays, and last what changes something."""
    combinations = combinations_of(words, row)
    for one in combinations:
        await headers_of(stage, words, one.holding, one.credential)
    for which in {one.which for one in combinations if one.sent is Sent.REPLAYED}:
        await answer_first(stage, words, row, which)
    run = Run(stage, [], {})
    await run.leaving_all_as_it_is([one for one in combinations if not one.is_used_up and not one.is_replayed])
    await run.leaving_all_as_it_is([one for one in combinations if one.is_replayed], apart_from=LOOKED_AT)
    for one in combinations:
        if one.is_used_up:
            await run.make(one)
    assert run.count == len(combinations)
    return run


async def answer_first(stage: Stage, words: Words, row: Row, which: Which) -> None:
    """Get the request answered that others will repeat."""
    one = Combination(words, row, ALL, Credential.VALID, which, Sent.GOOD)
    thing = row.thing
    if thing is not None:
        # What is used up here is what the repeated requests are about.
        stage.sets[which].ids[thing] = await stage.fresh(thing, which)
    first = await prepare(stage, Combination(words, row, ALL, Credential.VALID, which, Sent.REPLAYED), prefixed)
    answer = await send(stage, first)
    assert answered(answer) == Answered(row.status), f"{one}: {answer.text}"
