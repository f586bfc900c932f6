"""What is counted adds up, also over several processes, and its documentation names every figure."""

from pathlib import Path

import pytest

from sluiceway.cli.metrics import written
from sluiceway.services.measuring import GAUGES
from sluiceway.services.tally import COUNTERS, DISTRIBUTIONS, NOW, WAITING, Tally, of_the_past

OPERATE = Path(__file__).parents[2] / "docs" / "howto" / "operate.md"


def test_what_several_processes_have_counted_adds_up():
    total = Tally()
    for count in (3, 4):
        one = Tally()
        one.add("requests", "v1", "2xx", by=count)
        one.batch("triggers", 128, 0.02)
        total.absorb(one.copy())

    assert total.counted("requests") == {("v1", "2xx"): 7}
    assert sum(total.spread("batch_items")["triggers",][:-1]) == 2
    assert total.spread("batch_items")["triggers",][-1] == 256


def test_what_has_ended_keeps_what_it_counted_and_not_what_it_had_at_a_moment():
    one = Tally()
    one.add("refused", by=2)
    one.add(WAITING, "triggers", by=5)

    assert {name for name, _, _ in of_the_past(one.copy())} == {"refused"}


@pytest.mark.parametrize(("value", "place"), [(0.0, 0), (1.0, 0), (1.5, 1), (512.0, 9), (513.0, 10)])
def test_a_range_holds_its_upper_end(value: float, place: int):
    tally = Tally()
    tally.observe("batch_items", value, "x")

    [values] = tally.spread("batch_items").values()
    assert values.index(1.0) == place


def test_it_is_written_as_prometheus_reads_it():
    tally = Tally()
    tally.add_each("executions", ["executed", "executed", "failed"])
    tally.batch("triggers", 3, 0.02)
    text = written([tally], {"database_up": 1.0}).decode()

    assert 'sluiceway_executions_total{ending="executed"} 2.0' in text
    assert "sluiceway_refused_total 0.0" in text
    assert 'sluiceway_batch_items_bucket{kind="triggers",le="2.0"} 0.0' in text
    assert 'sluiceway_batch_items_bucket{kind="triggers",le="4.0"} 1.0' in text
    assert 'sluiceway_batch_items_bucket{kind="triggers",le="+Inf"} 1.0' in text
    assert 'sluiceway_batch_items_sum{kind="triggers"} 3.0' in text
    assert "sluiceway_database_up 1.0" in text
    assert "sluiceway_workers" not in text


def test_every_figure_is_documented():
    page = OPERATE.read_text()

    for catalogue, suffix in ((COUNTERS, "_total"), (DISTRIBUTIONS, ""), (NOW, ""), (GAUGES, "")):
        for name, metric in catalogue.items():
            assert f"`sluiceway_{name}{suffix}`" in page
            assert metric.says in page
