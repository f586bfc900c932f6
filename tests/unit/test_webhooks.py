"""What webhooks decide without any server: filters, what follows from an attempt, ids and instants."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils import uuid7

from sluiceway.domain.ids import least_id
from sluiceway.domain.webhooks import (
    DELAYS,
    JITTER,
    LONGEST_ASKED,
    SILENT_AFTER,
    Because,
    Delivered,
    DeliveryStatus,
    EventKind,
    NotDelivered,
    Verdict,
    check_filters,
    decide,
    hears,
)

NOW = datetime(2027, 1, 31, 9, tzinfo=UTC)
DOWN = NotDelivered("It is down.")
GONE = NotDelivered("It is gone.", is_gone=True)


@pytest.mark.parametrize(
    ("filters", "heard"),
    [
        (["*"], set(EventKind)),
        (["rule.enabled"], {EventKind.RULE_ENABLED}),
        (["rule.*"], {EventKind.RULE_ENABLED, EventKind.RULE_DISABLED}),
        (["rule.enabled", "execution.*"], {"rule.enabled", "execution.finished", "execution.failed"}),
        (["rule.enabled", "rule.*"], {"rule.enabled", "rule.disabled"}),
    ],
)
def test_an_endpoint_hears_names_and_kinds(filters: list[str], heard: set[str]):
    assert check_filters(filters) == ()
    assert {kind for kind in EventKind if hears(filters, kind)} == heard


@pytest.mark.parametrize("wrong", ["", ".*", "rule", "rule.", "rules.*", "rule.enable", "RULE.*", "**", "*.on", "r*"])
def test_a_filter_that_means_no_event_is_refused(wrong: str):
    assert [problem.path for problem in check_filters(["rule.*", wrong])] == ["events/1"]
    assert not any(hears([wrong], kind) for kind in EventKind)


def test_no_filter_or_too_many_are_refused():
    assert [problem.path for problem in check_filters([])] == ["events"]
    assert [problem.path for problem in check_filters(["*"] * 51)] == ["events"]


def test_a_delivery_ends_it_and_forgets_the_failures():
    verdict = decide(Delivered(), attempts=7, failing_since=NOW - timedelta(days=9), now=NOW, jitter=1)

    assert verdict == Verdict(DeliveryStatus.DELIVERED)


@pytest.mark.parametrize("attempts", range(1, len(DELAYS) + 1))
@pytest.mark.parametrize("jitter", [0, 0.3, 1])
def test_each_failure_waits_longer_than_the_one_before_and_a_little_by_chance(attempts: int, jitter: float):
    verdict = decide(DOWN, attempts=attempts, failing_since=None, now=NOW, jitter=jitter)

    assert verdict.status is DeliveryStatus.PENDING
    assert verdict.failing_since == NOW
    assert verdict.retry_at == NOW + DELAYS[attempts - 1] * (1 + JITTER * jitter)


def test_the_attempts_span_about_three_days_and_then_it_is_given_up():
    assert timedelta(days=2.8) < sum(DELAYS, timedelta()) < timedelta(days=3)
    assert timedelta(days=3) < sum(DELAYS, timedelta()) * (1 + JITTER / 2) < timedelta(days=3.5)
    since = NOW - timedelta(days=3)

    verdict = decide(DOWN, attempts=len(DELAYS) + 1, failing_since=since, now=NOW, jitter=0)

    assert verdict == Verdict(DeliveryStatus.FAILED, failing_since=since)


@pytest.mark.parametrize(("asked", "waits"), [(2, 60), (90, 90), (10**9, LONGEST_ASKED.total_seconds()), (-5, 60)])
def test_who_asks_for_time_gets_it_within_bounds(asked: int, waits: float):
    busy = NotDelivered("It is busy.", timedelta(seconds=asked))

    verdict = decide(busy, attempts=2, failing_since=None, now=NOW, jitter=0)

    assert verdict.retry_at == NOW + timedelta(seconds=waits)


@pytest.mark.parametrize(
    ("outcome", "failing_for", "because"),
    [
        (GONE, timedelta(0), Because.GONE),
        (GONE, SILENT_AFTER, Because.GONE),
        (DOWN, SILENT_AFTER, Because.SILENT),
        (DOWN, SILENT_AFTER - timedelta(seconds=1), None),
    ],
)
@pytest.mark.parametrize("attempts", [1, len(DELAYS) + 1])
def test_who_is_gone_or_silent_for_five_days_is_disabled_and_loses_nothing(
    outcome: NotDelivered, failing_for: timedelta, because: Because | None, attempts: int
):
    verdict = decide(outcome, attempts=attempts, failing_since=NOW - failing_for, now=NOW, jitter=0)

    assert verdict.disabled is because
    if because is not None:
        assert verdict.status is DeliveryStatus.PENDING


@given(st.timedeltas(timedelta(0), timedelta(days=2_500_000)))
def test_the_least_id_of_an_instant_has_its_time(since: timedelta):
    at = datetime(1970, 1, 1, tzinfo=UTC) + since
    id_ = least_id(at)

    milliseconds = int(id_.replace("-", "")[:12], 16)
    assert timedelta(milliseconds=milliseconds) <= since < timedelta(milliseconds=milliseconds + 1)
    assert len(id_) == 36


def test_ids_that_are_made_lie_between_the_least_ids_around_them():
    before = datetime.now(UTC)
    made = str(uuid7())
    after = datetime.now(UTC)

    assert least_id(before) <= made < least_id(after + timedelta(milliseconds=1))
