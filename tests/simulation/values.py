"""SQL's values in Python: NULL is None, a condition is True, False or None. What generated code calls by name."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

INFINITY: Final = datetime.max.replace(tzinfo=UTC)
MINUS_INFINITY: Final = datetime.min.replace(tzinfo=UTC)
_TIMES: Final = {"infinity": INFINITY, "-infinity": MINUS_INFINITY}


def eq(a: Any, b: Any) -> bool | None:
    return None if a is None or b is None else a == b


def ne(a: Any, b: Any) -> bool | None:
    return None if a is None or b is None else a != b


def lt(a: Any, b: Any) -> bool | None:
    return None if a is None or b is None else a < b


def le(a: Any, b: Any) -> bool | None:
    return None if a is None or b is None else a <= b


def gt(a: Any, b: Any) -> bool | None:
    return None if a is None or b is None else a > b


def ge(a: Any, b: Any) -> bool | None:
    return None if a is None or b is None else a >= b


def not3(a: bool | None) -> bool | None:
    return None if a is None else not a


def and3(*parts: bool | None) -> bool | None:
    return False if False in parts else None if None in parts else True


def or3(*parts: bool | None) -> bool | None:
    return True if True in parts else None if None in parts else False


def add(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return None
    if a is INFINITY or a is MINUS_INFINITY:
        return a
    if isinstance(b, int) and isinstance(a, date):
        return a + timedelta(days=b)
    return b + a if isinstance(a, timedelta) else a + b


def sub(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return None
    if isinstance(a, date) and not isinstance(a, datetime):
        return a - timedelta(days=b) if isinstance(b, int) else (a - b).days
    return a - b


def mul(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a * b


def div(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return None
    # Integers are cut towards zero, as the server does.
    return int(a / b) if isinstance(a, int) and isinstance(b, int) else a / b


def neg(a: Any) -> Any:
    return None if a is None else -a


def concat(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return None
    if isinstance(a, bytes | list):
        return a + b
    return text(a) + text(b)


def coalesce(*values: Any) -> Any:
    for value in values:
        if value is not None:
            return value
    return None


def least(*values: Any) -> Any:
    return min((value for value in values if value is not None), default=None)


def greatest(*values: Any) -> Any:
    return max((value for value in values if value is not None), default=None)


def nullif(a: Any, b: Any) -> Any:
    return None if a == b else a


def in_list(a: Any, values: Iterable[Any]) -> bool | None:
    """Look for a value among others, as IN and = ANY do, which know nothing where a NULL is among what is not equal."""
    if values is None or a is None:
        return None
    found = list(values)
    return True if a in found else None if None in found else False


def scalar(rows: Sequence[tuple[Any, ...]]) -> Any:
    assert len(rows) <= 1, "more than one row returned by a subquery used as an expression"
    return rows[0][0] if rows else None


def text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value)


def key_of(value: Any, key: Any) -> Any:
    """`value ->> key`."""
    found = part_of(value, key)
    return found if found is None or isinstance(found, str) else text(found)


def epoch(value: datetime | timedelta | None) -> float | None:
    if value is None:
        return None
    return value.total_seconds() if isinstance(value, timedelta) else value.timestamp()


def at_zone(value: datetime | None, zone: str | None) -> datetime | None:
    """`value AT TIME ZONE zone`: wall time, of an instant."""
    if value is None or zone is None:
        return None
    return value.astimezone(UTC if zone == "UTC" else ZoneInfo(zone)).replace(tzinfo=None)


def replaced(value: str | None, was: str, becomes: str) -> str | None:
    return None if value is None else value.replace(was, becomes)


def part_of(value: Any, place: Any) -> Any:
    """`value -> place`."""
    if isinstance(value, str):
        value = json.loads(value)
    if isinstance(value, dict):
        return value.get(place)
    return value[place] if isinstance(value, list) and isinstance(place, int) and place < len(value) else None


def type_of(value: Any) -> str | None:
    """`jsonb_typeof`, of what is not JSON's null."""
    if value is None:
        return None
    kinds = ((dict, "object"), (list, "array"), (str, "string"), (bool, "boolean"), (int | float, "number"))
    return next(name for kind, name in kinds if isinstance(value, kind))


def format_text(pattern: str, *values: Any) -> str:
    return pattern.replace("%%s", "%s") % tuple("" if value is None else text(value) for value in values)


def concat_ws(separator: str, *values: Any) -> str:
    return separator.join(text(value) for value in values if value is not None)


def hex_of(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def num_nonnulls(*values: Any) -> int:
    return counted(list(values))


def like(value: str | None, pattern: str) -> bool | None:
    """`LIKE`, as far as it is used: a beginning, a middle or an end."""
    if value is None:
        return None
    return re.fullmatch(re.escape(pattern.replace("%%", "%")).replace("%", ".*"), value, re.DOTALL) is not None


def matches(value: str | None, pattern: str) -> bool | None:
    return None if value is None else re.search(pattern, value) is not None


def truncated(unit: str | None, moment: datetime | None) -> datetime | None:
    """`date_trunc`: the beginning of a week, a month or a year."""
    if unit is None or moment is None:
        return None
    midnight = datetime(moment.year, moment.month, moment.day, tzinfo=getattr(moment, "tzinfo", None))
    match unit.lower():
        case "week":
            return midnight - timedelta(days=midnight.weekday())
        case "month":
            return midnight.replace(day=1)
        case _:
            assert unit.lower() == "year", unit
            return midnight.replace(month=1, day=1)


def sha256(value: bytes | None) -> bytes | None:
    return None if value is None else hashlib.sha256(value).digest()


def md5(value: Any) -> str | None:
    return None if value is None else hashlib.md5(value if isinstance(value, bytes) else value.encode()).hexdigest()  # noqa: S324 -- as the server does


def uuid_send(value: str) -> bytes:
    return bytes.fromhex(value.replace("-", ""))


def int8send(value: int) -> bytes:
    return value.to_bytes(8, "big", signed=True)


def string_to_array(value: str | None, separator: str) -> list[str] | None:
    if value is None:
        return None
    return value.split(separator) if value else []


# Casts, by the type's name.


def _to_time(value: Any) -> Any:
    if isinstance(value, str):
        if value in _TIMES:
            return _TIMES[value]
        read = datetime.fromisoformat(value.removesuffix("Z"))
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return value


def _to_date(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).date() if value.tzinfo else value.date()
    return date.fromisoformat(value) if isinstance(value, str) else value


def _to_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str | bytes) else getattr(value, "obj", value)


def to_interval(value: Any) -> Any:
    """Read hours, minutes and seconds, as defaults and checks have them."""
    if not isinstance(value, str):
        return value
    hours, minutes, seconds = map(int, value.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


CASTS: Final[dict[str, Callable[[Any], Any]]] = {
    "TIMESTAMPTZ": _to_time,
    "DATE": _to_date,
    "JSONB": _to_json,
    "BIGINT": int,
    "INT": int,
    "SMALLINT": int,
    "DOUBLE": float,
    "TEXT": lambda value: value if isinstance(value, str) else text(value),
    "INTERVAL": to_interval,
}
"""What is not here stays as it is: ids are text, json is what was sent."""


def cast(value: Any, kind: str) -> Any:
    """Cast a value that is not NULL by itself."""
    change = CASTS.get(kind)
    return value if value is None or change is None else change(value)


def total(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def lowest(values: list[Any]) -> Any:
    return least(*values)


def highest(values: list[Any]) -> Any:
    return greatest(*values)


def counted(values: list[Any]) -> int:
    return sum(value is not None for value in values)


def all_of(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    return all(known) if known else None


def any_of(values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    return any(known) if known else None


def joined(values: list[Any], separator: str) -> Any:
    known = [text(value) for value in values if value is not None]
    return separator.join(known) if known else None


def listed(values: list[Any]) -> list[Any] | None:
    return values or None


def unnested(*columns: Sequence[Any] | None) -> list[tuple[Any, ...]]:
    """Rows of arrays side by side, which are equally long throughout the program."""
    if len(columns) == 1:
        return [(value,) for value in columns[0] or ()]
    return list(zip(*[column or () for column in columns], strict=True))


def hashed(rows: Iterable[tuple[Any, ...]], places: Sequence[int]) -> dict[tuple[Any, ...], list[tuple[Any, ...]]]:
    """Keep rows by some of their values; a NULL is equal to nothing."""
    found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in rows:
        key = tuple([row[place] for place in places])
        if None not in key:
            found.setdefault(key, []).append(row)
    return found


def full_joined(
    left: Sequence[tuple[Any, ...]],
    right: Sequence[tuple[Any, ...]],
    places: Sequence[tuple[int, int]],
    left_width: int,
    right_width: int,
) -> list[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Pair rows whose values at these places agree; who finds nobody is paired with NULLs."""
    by_key = hashed(right, [place for _, place in places])
    pairs: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = []
    seen: set[tuple[Any, ...]] = set()
    for row in left:
        key = tuple([row[place] for place, _ in places])
        seen.add(key)
        pairs += [(row, other) for other in by_key.get(key, ())] or [(row, (None,) * right_width)]
    for row in right:
        if tuple([row[place] for _, place in places]) not in seen:
            pairs.append(((None,) * left_width, row))
    return pairs


def running_sums(found: list[tuple[Any, Any, Any]]) -> list[Any]:
    """`sum(value) OVER (PARTITION BY part ORDER BY key)`: rows with the same key count together."""
    sums: dict[tuple[Any, Any], Any] = {}
    groups: dict[Any, list[tuple[Any, Any]]] = {}
    for part, key, value in found:
        groups.setdefault(part, []).append((key, 0 if value is None else value))
    for part, members in groups.items():
        members.sort(key=lambda member: member[0])
        so_far = 0
        for key, value in members:
            so_far += value
            sums[part, key] = so_far
    return [sums[part, key] for part, key, _ in found]


def sort_rows(rows: list[Any], ways: Sequence[tuple[bool, bool]], at: int) -> None:
    """Sort by the keys that each row has at `at`; a way is (descending, NULLs first)."""
    for number in range(len(ways) - 1, -1, -1):
        descending, nulls_first = ways[number]
        nulls_low = nulls_first != descending

        def key(row: Any, number: int = number, nulls_low: bool = nulls_low) -> Any:
            value = row[at][number]
            return (value is None) != nulls_low, value

        rows.sort(key=key, reverse=descending)
