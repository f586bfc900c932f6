"""Lists as PostgreSQL arrays, fast: batches send dozens of columns of hundreds of values.

Measured on settlement, psycopg's own dumper took a third of all Python time: it looks each value up, escapes it with a
regular expression, and finds out the element type. Here every list parameter is cast in its query
(`%(ids)s::uuid[]`), so the type is known and one join is enough. Most lists are sent as text. PostgreSQL reads that
letter by letter, so those of which there is much are sent in binary: ids, times, bytes, and long texts.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from struct import Struct
from typing import Any, Final, LiteralString, cast

from psycopg.adapt import AdaptersMap, Dumper
from psycopg.pq import Format

_LIST: Final = re.compile(r"%\((\w+)\)s::(uuid|timestamptz|bytea|text)\[\]")
_LONG: Final = 64
"""How many letters make a text a long one."""
_HEAD: Final = Struct(">iiIii")
"""Of an array in binary: how many dimensions, whether there are NULLs, the elements' type, how many, from 1 on."""
_NO_DIMENSION: Final = 12
"""Where the head of an empty array ends."""
_LENGTH: Final = Struct(">i")
_TIME: Final = Struct(">iq")
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NULL: Final = b"\xff\xff\xff\xff"
_ID: Final = "00000010"
"""The length of an id, in hexadecimal as the id itself."""
_NO_ID: Final = _NULL.hex()
_ID_BYTES: Final = 20
"""How long an id is with its length."""


@dataclass(frozen=True, slots=True)
class _InBinary:
    """A list that is sent in binary. Its type says how."""

    values: list[Any]


class Ids(_InBinary):
    """Ids as canonical text."""


class Times(_InBinary):
    """Times with a zone."""


class Blobs(_InBinary):
    """Bytes."""


class LongTexts(_InBinary):
    """Texts that would take long to quote, and long to read."""


_TYPES: Final[Mapping[str, type[_InBinary]]] = {"uuid": Ids, "timestamptz": Times, "bytea": Blobs, "text": LongTexts}


def typed(query: LiteralString, params: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Mark which of a statement's lists are sent in binary."""
    lists = _lists_of(query) if params else ()
    if params is None or not lists:
        return params
    sent = dict(params)
    for name, kind in lists:
        if isinstance(sent[name], list):
            values = cast("list[Any]", sent[name])
            if kind is not LongTexts or _is_long(values):
                sent[name] = kind(values)
    return sent


@cache
def _lists_of(query: LiteralString) -> Sequence[tuple[str, type[_InBinary]]]:
    return [(name, _TYPES[kind]) for name, kind in dict(_LIST.findall(query)).items()]


def _is_long(texts: list[str | None]) -> bool:
    return bool(texts) and texts[0] is not None and len(texts[0]) > _LONG


def _text(value: str) -> str:
    """Quote one element, so that nothing in it means anything to the array parser."""
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


_WRITERS: dict[type, Callable[[Any], str]] = {
    int: str,
    bool: lambda value: "t" if value else "f",
    bytes: lambda value: f'"\\\\x{value.hex()}"',
    date: date.isoformat,
    datetime: lambda value: f'"{value.isoformat()}"',
}


def array_text(values: list[Any]) -> str:
    """Write a list of one type (None among them is NULL) as array text. Subclasses of str are written as text."""
    nulls = values.count(None)
    if nulls == len(values):
        return "{" + ",".join(["NULL"] * nulls) + "}"
    sample: object = next(value for value in values if value is not None)
    write = _WRITERS.get(type(sample))
    if write is None:
        assert isinstance(sample, str), f"no array text for {type(sample).__name__}"
        return _texts(values, nulls)
    if isinstance(sample, datetime):
        # A batch has one time, or a few: each is written once.
        known = {value: "NULL" if value is None else write(value) for value in set(values)}
        return "{" + ",".join([known[value] for value in values]) + "}"
    return "{" + ",".join(["NULL" if value is None else write(value) for value in values]) + "}"


def _texts(values: list[Any], nulls: int) -> str:
    # Most are ids, names and constants, with nothing in them to quote: then two passes over all of them at once do.
    if not nulls:
        joined = '","'.join(values)
        if "\\" not in joined and joined.count('"') == 2 * (len(values) - 1):
            return f'{{"{joined}"}}'
    return "{" + ",".join(["NULL" if value is None else _text(value) for value in values]) + "}"


class ArrayDumper(Dumper):
    """Sends a list as array text of a type that the query names."""

    format = Format.TEXT
    oid = 0

    def dump(self, obj: list[Any]) -> bytes:
        """Write the list."""
        return array_text(obj).encode()


def _array(number: int, values: list[Any], body: bytes) -> bytes:
    if not values:
        return _HEAD.pack(0, 0, number, 0, 0)[:_NO_DIMENSION]
    return _HEAD.pack(1, None in values, number, len(values), 1) + body


class IdsDumper(Dumper):
    """Sends a list of ids."""

    format = Format.BINARY
    oid = 2951

    def dump(self, obj: Ids) -> bytes:
        """Write the list. Raises ValueError for what is no id."""
        ids, nulls = obj.values, obj.values.count(None)
        if nulls:
            digits = "".join([_NO_ID if one is None else _ID + one for one in ids])
        else:
            digits = _ID + _ID.join(ids) if ids else ""
        body = bytes.fromhex(digits.replace("-", ""))
        if len(body) != _ID_BYTES * len(ids) - (_ID_BYTES - len(_NULL)) * nulls:
            raise ValueError("an id has 32 hexadecimal digits")
        return _array(2950, ids, body)


class TimesDumper(Dumper):
    """Sends a list of times."""

    format = Format.BINARY
    oid = 1185

    def dump(self, obj: Times) -> bytes:
        """Write the list. A batch has one time, or a few: each is written once."""
        known = {
            value: _NULL if value is None else _TIME.pack(8, (value - _EPOCH) // _MICROSECOND)
            for value in set(obj.values)
        }
        return _array(1184, obj.values, b"".join([known[value] for value in obj.values]))


class BlobsDumper(Dumper):
    """Sends a list of bytes."""

    format = Format.BINARY
    oid = 1001

    def dump(self, obj: Blobs) -> bytes:
        """Write the list."""
        return _array(17, obj.values, _joined(obj.values))


class LongTextsDumper(Dumper):
    """Sends a list of texts."""

    format = Format.BINARY
    oid = 1009

    def dump(self, obj: LongTexts) -> bytes:
        """Write the list."""
        return _array(25, obj.values, _joined([None if value is None else value.encode() for value in obj.values]))


def _joined(values: list[bytes | None]) -> bytes:
    pack = _LENGTH.pack
    return b"".join([_NULL if value is None else pack(len(value)) + value for value in values])


def register(adapters: AdaptersMap) -> None:
    """Have lists sent in this way."""
    adapters.register_dumper(list, ArrayDumper)
    adapters.register_dumper(Ids, IdsDumper)
    adapters.register_dumper(Times, TimesDumper)
    adapters.register_dumper(Blobs, BlobsDumper)
    adapters.register_dumper(LongTexts, LongTextsDumper)
