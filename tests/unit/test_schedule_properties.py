"""What holds for any schedule, any zone and any instant, with examples found by Hypothesis."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sluiceway.domain.schedule import Schedule, ScheduleType, latest_missed, next_fire, occurrences
from tests.unit.schedule_oracle import DAY, expected_next, utc, wall

TICK = timedelta(microseconds=1)
ZONES = [
    "UTC", "Africa/Cairo", "Africa/Casablanca", "America/Havana", "America/New_York", "America/Sao_Paulo",
    "America/St_Johns", "Asia/Kathmandu", "Asia/Tehran", "Australia/Lord_Howe", "Europe/Dublin", "Pacific/Apia",
    "Pacific/Chatham", "Pacific/Kwajalein",
]  # fmt: skip

any_kind = st.sampled_from(ScheduleType)
any_zone = st.sampled_from(ZONES)
any_wall = st.datetimes()
any_offset = st.timedeltas(-DAY + TICK, DAY - TICK).map(timezone) | any_zone.map(ZoneInfo) | st.just(UTC)
any_instant = st.datetimes(timezones=any_offset)
any_schedule = st.builds(Schedule, any_kind, any_wall, any_zone)

# Since 1973 every zone has been whole minutes away from UTC, which is what the walk of minutes can follow.
modern_wall = st.datetimes(wall("1975-01-01"), wall("2090-01-01"))
modern_instant = st.datetimes(wall("1975-01-01"), wall("2090-01-01"), timezones=st.just(UTC))
modern_schedule = st.builds(Schedule, any_kind, modern_wall, any_zone)


def since_year_one(moment: datetime) -> timedelta:
    """Place an aware instant on a line without ends, where two may be compared that no calendar can hold."""
    offset = moment.utcoffset()
    assert offset is not None
    return moment.replace(tzinfo=None) - wall("0001-01-01") - offset


@given(any_schedule, any_instant)
def test_the_next_occurrence_is_strictly_after_and_never_before_the_start(schedule: Schedule, after: datetime) -> None:
    found = next_fire(schedule, after)

    if found is not None:
        assert since_year_one(found.at) > since_year_one(after)
        assert found.nominal >= schedule.start
        assert found.at.tzinfo is UTC
        assert found.nominal.tzinfo is None


@given(any_schedule, any_instant)
def test_the_clock_shows_the_nominal_time_or_has_just_skipped_it(schedule: Schedule, after: datetime) -> None:
    found = next_fire(schedule, after)
    assume(found is not None and wall("0001-01-03") < found.nominal < wall("9999-12-29"))
    assert found is not None
    zone = ZoneInfo(schedule.zone)

    shown = found.at.astimezone(zone).replace(tzinfo=None)
    shown_before = (found.at - TICK).astimezone(zone).replace(tzinfo=None)

    assert shown_before < found.nominal <= shown
    assert shown == found.nominal or (shown - shown_before > TICK and found.at.microsecond == 0)


@given(modern_schedule, modern_instant)
@example(Schedule(ScheduleType.DAILY, wall("2011-12-01 00:00"), "Pacific/Apia"), utc("2011-12-30 09:59"))
@example(Schedule(ScheduleType.DAILY, wall("2011-12-01 00:01"), "Pacific/Apia"), utc("2011-12-30 10:00"))
@example(Schedule(ScheduleType.DAILY, wall("1993-08-01 00:00"), "Pacific/Kwajalein"), utc("1993-08-21 11:00"))
@example(Schedule(ScheduleType.EVERY_OTHER_WEEK, wall("2026-01-09 02:30"), "Europe/Dublin"), utc("2026-12-26"))
@settings(deadline=None)  # The walk is slow on purpose.
def test_no_occurrence_is_missed_between_an_instant_and_the_next(schedule: Schedule, after: datetime) -> None:
    assert next_fire(schedule, after) == expected_next(schedule, after)


@given(any_schedule, any_instant)
def test_along_a_chain_names_and_instants_only_grow(schedule: Schedule, after: datetime) -> None:
    chain = list(occurrences(schedule, after, utc("9999-12-31 23:59:59.999999"), 12))

    assert all(earlier.nominal < later.nominal and earlier.at < later.at for earlier, later in pairwise(chain))
    for earlier, later in pairwise(chain):
        assert next_fire(schedule, later.at - TICK) == later
        assert next_fire(schedule, earlier.at + (later.at - earlier.at) / 2) == later


@given(any_schedule, any_instant, st.timedeltas(-DAY, 120 * DAY))
def test_the_latest_missed_is_the_last_of_the_list(schedule: Schedule, after: datetime, downtime: timedelta) -> None:
    assume(utc("0001-01-05") < after < utc("9999-08-01"))
    until = after.astimezone(UTC) + downtime

    listed = list(occurrences(schedule, after, until, 1000))

    assert latest_missed(schedule, after, until) == (listed[-1] if listed else None)


@given(any_schedule, any_instant, any_instant)
def test_the_latest_missed_has_nothing_after_it(schedule: Schedule, after: datetime, until: datetime) -> None:
    latest = latest_missed(schedule, after, until)

    following = next_fire(schedule, after if latest is None else latest.at)
    if latest is not None:
        assert since_year_one(after) < since_year_one(latest.at) <= since_year_one(until)
    assert following is None or since_year_one(following.at) > since_year_one(until)


@given(any_schedule, modern_instant)
def test_asking_twice_or_in_another_zone_gives_the_same_answer(schedule: Schedule, after: datetime) -> None:
    elsewhere = after.astimezone(ZoneInfo("Australia/Lord_Howe"))

    assert next_fire(schedule, after) == next_fire(schedule, after) == next_fire(schedule, elsewhere)
