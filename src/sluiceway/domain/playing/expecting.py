"""What is expected to come and go by itself: told by a person, or seen in the past and projected on.

Seen means: at least three times at regular distances, and still going on.
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import median_low
from typing import NamedTuple, assert_never

from sluiceway.domain.ids import AccountId
from sluiceway.domain.money import Cents
from sluiceway.domain.playing.events import MoneyArrives, MoneyLeaves
from sluiceway.domain.schedule import Schedule, occurrences

FEWEST = 3
"""How often something has to be seen before it counts as regular."""

MAX_OCCURRENCES = 10_000
_DAY = timedelta(days=1)
_SIMILAR = 10
"""Amounts are similar when the larger exceeds the smaller by at most one tenth."""


class Rhythm(StrEnum):
    """How often something comes."""

    WEEKLY = "WEEKLY"
    EVERY_TWO_WEEKS = "EVERY_TWO_WEEKS"
    TWICE_A_MONTH = "TWICE_A_MONTH"
    MONTHLY = "MONTHLY"


class _Distance(NamedTuple):
    """From one time to the next in days: the mean, and each. Paydays before a weekend shift single ones."""

    least_mean: float
    most_mean: float
    least: float
    most: float


# A mean of 14 days is every two weeks; twice a month is 15.2 in the long run and not below 14.6 in three months.
_DISTANCES = {
    Rhythm.WEEKLY: _Distance(6.5, 7.5, 5, 9),
    Rhythm.EVERY_TWO_WEEKS: _Distance(13.5, 14.5, 11, 17),
    Rhythm.TWICE_A_MONTH: _Distance(14.5, 16.0, 11, 19),
    Rhythm.MONTHLY: _Distance(28.5, 32.5, 25, 36),
}


class Seen(NamedTuple):
    """Money that really came to an account (or went, where negative), and what it was called."""

    at: datetime
    account_id: AccountId
    amount: Cents
    description: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """What a person expects: an amount that comes by schedule (or goes, where negative)."""

    account_id: AccountId
    amount: Cents
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Detected:
    """What was seen to come regularly (or go, where negative), with its middle amount. `times` are oldest first."""

    account_id: AccountId
    amount: Cents
    description: str | None
    rhythm: Rhythm
    times: tuple[datetime, ...]


Expectation = Told | Detected


def detect(seen: Iterable[Seen], now: datetime) -> list[Detected]:
    """Find what came regularly and is still going on: of one account and description, or else of similar amounts."""
    named: dict[tuple[AccountId, bool, str], list[Seen]] = {}
    for each in seen:
        name = (each.description or "").strip().casefold()
        named.setdefault((each.account_id, each.amount > 0, name), []).append(each)
    found: list[Detected] = []
    for (_, _, name), group in named.items():
        together = _regular(group, now) if name else None
        clusters = [group] if together else _similar(group)
        found += [regular for cluster in clusters if (regular := _regular(cluster, now)) is not None]
    return sorted(found, key=lambda each: (each.account_id, each.times[0], each.amount))


def expected_events(
    expectations: Iterable[Expectation], after: datetime, until: datetime
) -> list[MoneyArrives | MoneyLeaves]:
    """Project expectations onto (after, until], in order of time; what comes at one instant before what goes."""
    events = [
        MoneyArrives(at, each.account_id, each.amount)
        if each.amount > 0
        else MoneyLeaves(at, each.account_id, Cents(-each.amount))
        for each in expectations
        for at in times_of(each, after, until)
    ]
    return sorted(events, key=lambda event: (event.at, isinstance(event, MoneyLeaves)))


def times_of(expectation: Expectation, after: datetime, until: datetime) -> list[datetime]:
    """List when an expectation comes true in (after, until]."""
    match expectation:
        case Told(schedule=schedule):
            return [fired.at for fired in occurrences(schedule, after, until, MAX_OCCURRENCES)]
        case Detected():
            return [at for at in _goes_on(expectation, until) if after < at <= until]
        case _:
            assert_never(expectation)


def _similar(group: Sequence[Seen]) -> Iterator[list[Seen]]:
    """Divide into clusters of similar amounts, the smallest of each being the measure."""
    cluster: list[Seen] = []
    for each in sorted(group, key=lambda each: abs(each.amount)):
        if cluster and abs(each.amount) * _SIMILAR > abs(cluster[0].amount) * (_SIMILAR + 1):
            yield cluster
            cluster = []
        cluster.append(each)
    if cluster:
        yield cluster


def _regular(group: Sequence[Seen], now: datetime) -> Detected | None:
    if len(group) < FEWEST:
        return None
    times = sorted(each.at for each in group)
    rhythm = _rhythm(times)
    if rhythm is None or (now - times[-1]) / _DAY > 1.5 * _DISTANCES[rhythm].most_mean:
        return None
    latest = max(group, key=lambda each: each.at)
    amount = median_low(each.amount for each in group)
    return Detected(latest.account_id, amount, latest.description, rhythm, tuple(times))


def _rhythm(times: Sequence[datetime]) -> Rhythm | None:
    distances = [(later - earlier) / _DAY for earlier, later in pairwise(times)]
    mean = sum(distances) / len(distances)
    for rhythm, (least_mean, most_mean, least, most) in _DISTANCES.items():
        if least_mean <= mean <= most_mean and least <= min(distances) and max(distances) <= most:
            return rhythm
    return None


def _goes_on(detected: Detected, until: datetime) -> Iterator[datetime]:
    last = detected.times[-1]
    match detected.rhythm:
        case Rhythm.WEEKLY:
            return _every(last, 7 * _DAY, until)
        case Rhythm.EVERY_TWO_WEEKS:
            return _every(last, 14 * _DAY, until)
        case Rhythm.MONTHLY:
            return _on_days(last, [median_low(at.day for at in detected.times)], 15 * _DAY, until)
        case Rhythm.TWICE_A_MONTH:
            # The two paydays take turns, so every second one is the same.
            days = [median_low(at.day for at in detected.times[first::2]) for first in (0, 1)]
            return _on_days(last, sorted(days), 7 * _DAY, until)
        case _:
            assert_never(detected.rhythm)


def _every(last: datetime, distance: timedelta, until: datetime) -> Iterator[datetime]:
    at = last + distance
    while at <= until:
        yield at
        at += distance


def _on_days(last: datetime, days: Sequence[int], at_least: timedelta, until: datetime) -> Iterator[datetime]:
    """Go through the days of months, clamped to the month's end; none so soon after `last` that it is the same one."""
    year, month = last.year, last.month
    while (year, month) <= (until.year, until.month):
        for day in days:
            at = last.replace(year=year, month=month, day=min(day, monthrange(year, month)[1]))
            if at - last >= at_least and at <= until:
                yield at
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004 -- December
