"""Words that stand for secrets and private things, put into every input, and looked for where they may not be.

Each is its own, so that whoever finds one knows which way it came.
"""

import asyncio
import json
import random
import re
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from sluiceway.storage.archive import open_archive
from tests.abuse.asked import Operation, leaves, with_token
from tests.abuse.lines import Heard, Line, written
from tests.abuse.stage import Stage
from tests.e2e.processes import run

_LETTERS: Final = string.ascii_letters + string.digits
_MADE: Final = re.compile(rb"cnry[A-Za-z0-9]{18}", re.IGNORECASE)
SECRET_FIELDS: Final = re.compile(
    r"password|(?<!error)(?<!return)code|token|secret|credential|signature|clientData|authenticatorData", re.IGNORECASE
)
"""Fields of bodies in which people and programs show what only they know."""


class Kind(Enum):
    """What a canary stands for: where it may be kept, and whether who sent it may be told it again."""

    SHOWN = "something that only its owner knows, shown to us: kept nowhere, and never told again"
    HELD = "the seal of a secret that we have to show to others: kept in its column alone"
    NUMBER = "the number of somebody's bank account"
    TEXT = "what somebody writes to be kept and shown"
    PATH = "part of an address"
    REASON = "what a call is for"
    REQUEST_ID = "a caller's own name for a request, which is how it is found again in the log"
    KEY = "an idempotency key"
    BROWSER = "what a browser calls itself"
    NOTHING = "what nobody asked for"


TOLD_AGAIN: Final = {Kind.TEXT, Kind.NUMBER, Kind.PATH, Kind.REQUEST_ID, Kind.HELD}
"""Which may stand in answers: of a refusal too, where it says what is wrong with what."""
LOGGED: Final = {Kind.REQUEST_ID}

COLUMNS: Final[Mapping[Kind, frozenset[str]]] = {
    Kind.SHOWN: frozenset(),
    Kind.NOTHING: frozenset(),
    Kind.HELD: frozenset({"webhook_endpoint.secret", "webhook_endpoint.previous_secret", "rule.secret", "totp.secret"}),
    Kind.NUMBER: frozenset({"account.account_number", "account.routing_number"}),
    Kind.PATH: frozenset({"audit_entry.path"}),
    Kind.REASON: frozenset({"audit_entry.reason"}),
    Kind.REQUEST_ID: frozenset({"audit_entry.request_id"}),
    Kind.KEY: frozenset({"idempotency.key"}),
    Kind.BROWSER: frozenset({"session.user_agent"}),
}
"""Where each kind may be kept. For text, see `TEXT_COLUMNS`."""
TEXT_COLUMNS: Final = frozenset(
    {
        *(f"account.{name}" for name in ("name", "description", "icon", "beneficiary_name", "institution_name")),
        "account_target.name",
        "api_key.name",
        *(
            "bank_account.holder_name",
            "bank_event.description",
            "bank_event.payee_name",
            "bank_report.description",
            "bank_report.payee_name",
        ),
        *("card.holder_name", "card_transaction.description", "external_transaction.description"),
        "idempotency.answer",
        *("invitation.email", "organization.name", "passkey.name"),
        "rule_revision.definition",
        *("rule_test.name", "rule_test.example"),
        "transfer.description",
        *("webhook_delivery.body", "webhook_endpoint.url"),
    }
)
"""Where what somebody wrote is kept: in its own column, in an answer to be given again, in a message about it."""


@dataclass(frozen=True)
class Canary:
    """One word, where it was put, and what it stands for."""

    word: str
    place: str
    kind: Kind


@dataclass
class Aviary:
    """All of them, and what was wrong."""

    number: int
    sown: list[Canary] = field(default_factory=list[Canary])
    faults: list[str] = field(default_factory=list[str])
    accepted: int = 0
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.number)

    def word(self, place: str, kind: Kind) -> str:
        """Make a canary for a place."""
        word = "cnry" + "".join(self._chance.choice(_LETTERS) for _ in range(18))
        self.sown.append(Canary(word, place, kind))
        return word

    def hold(self, secret: str, place: str) -> str:
        """Take a secret that was made for one, by what follows its prefix: it is kept sealed, and so nowhere."""
        self.sown.append(Canary(secret.rpartition("_")[2][-24:], place, Kind.SHOWN))
        return secret

    def digits(self, place: str, count: int) -> str:
        """Make a canary that is a number."""
        word = "".join(self._chance.choice(string.digits) for _ in range(count))
        self.sown.append(Canary(word, place, Kind.NUMBER))
        return word

    def looked_for(self, text: bytes | str, *, but: Iterable[Kind] = ()) -> list[Canary]:
        """Find those in a text that may not be there."""
        held = text.encode() if isinstance(text, str) else text
        spared = set(but)
        # One walk for all those that are made here, however much there is to look through.
        there = {found.lower() for found in _MADE.findall(held)}
        return [each for each in self.sown if each.kind not in spared and self._is_there(each, there, held)]

    @staticmethod
    def _is_there(canary: Canary, there: set[bytes], held: bytes) -> bool:
        word = canary.word.encode()
        return word.lower() in there if _MADE.fullmatch(word) else word in held

    def expect_none(self, where: str, text: bytes | str, *, but: Iterable[Kind] = ()) -> None:
        """Expect none of them in a text, but those of some kinds."""
        self.faults += [f"{where} holds {each.kind.name} of {each.place}" for each in self.looked_for(text, but=but)]


# -------------------------------------------------------------------------------------------------------------- sowing


def fields(operation: Operation) -> Iterator[tuple[tuple[str | int, ...], Kind]]:
    """List where a body of an operation takes text, and what would stand there."""
    for path, value in leaves(operation.body):
        if path and isinstance(value, str):
            is_secret = any(SECRET_FIELDS.search(str(name)) for name in path)
            yield path, Kind.SHOWN if is_secret else Kind.TEXT


async def sow_bodies(stage: Stage, asked: Iterable[Operation], aviary: Aviary) -> None:
    """Put a canary into each text that an operation takes, and into a field that it does not."""
    for operation in asked:
        if not operation.schema:
            continue
        bodies: list[tuple[bytes, Canary]] = []
        for path, kind in fields(operation):
            word = aviary.word(f"{operation.label} {'/'.join(map(str, path))}", kind)
            bodies.append((with_token(operation.body, path, _fitting(operation, path, word)), aviary.sown[-1]))
        if operation.schema:
            word = aviary.word(f"{operation.label}, an unknown field", Kind.NOTHING)
            bodies.append((json.dumps({**operation.body, "note": word}).encode(), aviary.sown[-1]))
            word = aviary.word(f"{operation.label}, half a body", Kind.NOTHING)
            bodies.append((f'{{"note": "{word}"'.encode(), aviary.sown[-1]))
        async with Line(stage.port) as line:
            for body, canary in bodies:
                headers = {**operation.headers, "content-type": "application/json"}
                heard = await line.ask(written(operation.method, operation.target, headers, body))
                aviary.accepted += 200 <= heard.status < 300
                _judge(aviary, canary, operation, heard)


def _fitting(operation: Operation, path: tuple[str | int, ...], word: str) -> bytes:
    name = str(path[-1]).lower()
    if name == "email":
        return json.dumps(f"{word.lower()}@example.com").encode()
    if name == "url":
        return json.dumps(f"https://hooks.example/{word}?token={word}").encode()
    return json.dumps(word).encode()


async def sow_heads(stage: Stage, asked: Iterable[Operation], aviary: Aviary) -> None:
    """Put canaries into the headers, paths and queries of every operation, whoever asks."""
    for operation in asked:
        if operation.path == "/app/events":
            continue
        places = {
            "user-agent": Kind.NOTHING,
            "referer": Kind.NOTHING,
            "x-whatever": Kind.NOTHING,
            "x-request-id": Kind.REQUEST_ID,
            "x-called-reason": Kind.REASON,
            "x-forwarded-for": Kind.NOTHING,
            "x-forwarded-host": Kind.NOTHING,
            "origin": Kind.NOTHING,
            "authorization": Kind.SHOWN,
            "x-sequence-access-token": Kind.SHOWN,
            "x-sequence-signature": Kind.SHOWN,
            "cookie": Kind.SHOWN,
        }
        async with Line(stage.port) as line:
            for name, kind in places.items():
                word = aviary.word(f"{operation.label}, {name}", kind)
                canary = aviary.sown[-1]
                value = {"authorization": f"ApiKey sk_{word}", "cookie": f"sluiceway-session={word}; other={word}"}
                # Of what changes something, only what is refused for its caller.
                headers = dict(operation.headers) if operation.method == "GET" or kind is Kind.SHOWN else {}
                headers[name] = value.get(name, word)
                heard = await line.ask(written(operation.method, operation.target, headers, None))
                _judge(aviary, canary, operation, heard)
            word = aviary.word(f"{operation.label}, the query", Kind.NOTHING)
            canary = aviary.sown[-1]
            if operation.method == "GET":
                target = f"{operation.target}?token={word}&{word}=1"
                _judge(aviary, canary, operation, await line.ask(written("GET", target, operation.headers, None)))
            word = aviary.word(f"{operation.label}, the path", Kind.PATH)
            canary = aviary.sown[-1]
            target = operation.target.rpartition("/")[0] + f"/{word}"
            _judge(
                aviary, canary, operation, await line.ask(written(operation.method, target, operation.headers, b"{}"))
            )


def _judge(aviary: Aviary, canary: Canary, operation: Operation, heard: Heard) -> None:
    if heard.status >= 500 or not heard.status:
        aviary.faults.append(f"{canary.place}: {heard.status} {heard.body[:200]!r}")
    said = repr(dict(heard.headers)).encode() + heard.body
    if canary.kind not in TOLD_AGAIN and canary.word.encode() in said:
        aviary.faults.append(f"{canary.place} comes back in {heard.status} {heard.body[:200]!r}")


# ------------------------------------------------------------------------------------------------------------- looking


async def look_at_tables(stage: Stage, aviary: Aviary) -> dict[str, set[str]]:
    """Look into every column; expect each canary where its kind may be kept. Tell what was kept where."""
    kept: dict[str, set[str]] = {}
    async with await psycopg.AsyncConnection.connect(stage.url) as conn:
        columns = await conn.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY 1, 2"
        )
        for table, column, kind in await columns.fetchall():
            name = sql.Identifier(column)
            text = sql.SQL("encode({}, 'escape')").format(name) if kind == "bytea" else sql.SQL("{}::text").format(name)
            query = sql.SQL("SELECT {} FROM {} WHERE {} IS NOT NULL").format(text, sql.Identifier(table), name)
            held = "\n".join(row[0] for row in await (await conn.execute(query)).fetchall())
            _look_at_column(f"{table}.{column}", held, aviary, kept)
    return kept


async def look_at_backup(stage: Stage, aviary: Aviary, file: Path) -> dict[str, set[str]]:
    """Have a backup of it all written into a file, and look into that as into the tables. Tell what was kept where."""
    told = await asyncio.to_thread(run, "backup", "--to", str(file), "--no-verify", DATABASE_URL=stage.url)
    assert told.returncode == 0, told.stderr
    aviary.expect_none("what `backup` says", told.stdout + told.stderr)
    kept: dict[str, set[str]] = {}
    with open_archive(file, None) as archive:
        aviary.expect_none("a backup's manifest", archive.manifest.as_json())
        for table in archive.manifest.tables:
            rows = [line.split(b"\t") for line in b"".join(archive.pieces(table)).splitlines()]
            for place, column in enumerate(table.columns):
                held = b"\n".join(_as_kept(row[place]) for row in rows)
                _look_at_column(f"{table.name}.{column}", held, aviary, kept)
    return kept


def _as_kept(field: bytes) -> bytes:
    """Read the bytes that COPY writes as hexadecimal digits; other text as it is written."""
    return bytes.fromhex(field[3:].decode()) if field.startswith(rb"\\x") else field


def _look_at_column(column: str, held: str | bytes, aviary: Aviary, kept: dict[str, set[str]]) -> None:
    for canary in aviary.looked_for(held):
        kept.setdefault(column, set()).add(canary.kind.name)
        if column not in (TEXT_COLUMNS if canary.kind is Kind.TEXT else COLUMNS[canary.kind]):
            aviary.faults.append(f"{column} holds {canary.kind.name} of {canary.place}")


@dataclass
class Watcher:
    """Looks at what PostgreSQL says that its sessions are doing, again and again."""

    url: str
    seen: set[str] = field(default_factory=set[str])
    looks: int = 0

    async def watch(self) -> None:
        """Look until cancelled."""
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as conn:
            while True:
                rows = await conn.execute("SELECT query, application_name, client_hostname FROM pg_stat_activity")
                self.seen |= {str(row) for row in await rows.fetchall()}
                self.looks += 1
                await asyncio.sleep(0.005)


def injected(mark: str) -> dict[str, Any]:
    """Write text that would begin a line of its own, command a terminal, or end a string, if it were let."""
    line = json.dumps({"event": mark, "level": "error"})
    return {
        "lines": f"a\r\n{line}\r\n{mark} began",
        "terminal": f"\x1b[2J\x1b]0;{mark}\x07\x9b31m",
        "ends a string": f'", "event": "{mark}", "x": "',
        "separators": f"a\u2028{mark}\u2029\u0085{mark}",
        "direction": f"\u202e{mark}\u2066",
        "format": f"%s %d {{0}} {{{mark}}} %({mark})s ${{jndi:{mark}}}",
    }
