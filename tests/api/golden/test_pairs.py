"""That a golden pair cannot pass by chance: whatever differs is found."""

import re
from typing import Any

import pytest

from tests.api.golden.pairs import Bindings, Differences, read_message

ONE, OTHER = "01a22030-dbff-7349-86a7-ca820e0a923c", "01a22030-dbff-7349-86a7-ca820e0a923d"


@pytest.mark.parametrize(
    ("expected", "actual", "says"),
    [
        ({"a": 1}, {}, "are missing"),
        ({}, {"a": 1}, "documented nowhere"),
        ({"a": 1}, {"a": 2}, "is not"),
        ({"a": 1}, {"a": "1"}, "is not"),
        ({"a": 1}, {"a": 1.0}, "is not"),
        ({"a": 1}, {"a": True}, "is not"),
        ({"a": 1.0}, {"a": True}, "is not"),
        ({"a": False}, {"a": 0}, "is not"),
        ({"a": None}, {"a": ""}, "is not"),
        ({"a": None}, {"a": False}, "is not"),
        ({"a": "POD"}, {"a": "pod"}, "is not"),
        ({"a": "POD"}, {"a": "PODS"}, "is not"),
        ({"a": "."}, {"a": "x"}, "is not"),
        ({"a": "{datetime}"}, {"a": "2030-01-01"}, "is not"),
        ({"a": "{datetime}"}, {"a": None}, "is not"),
        ({"a": "{text}"}, {"a": ""}, "is not"),
        ({"a": "{account}"}, {"a": "acc_01M7Z2PR6YETSARSZJBMGPYDVH"}, "is not"),
        ({"a": "{account:x}", "b": "{account:x}"}, {"a": ONE, "b": OTHER}, "is not"),
        ({"a": "{date:x}", "b": "{date:x}"}, {"a": "2030-01-01", "b": "2030-01-02"}, "is not"),
        ({"a": [1]}, {"a": [1, 1]}, "entries"),
        ({"a": [1]}, {"a": {}}, "no list"),
        ({"a": {}}, {"a": []}, "no object"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, "a.*.c is documented nowhere"),
    ],
)
def test_a_difference_is_found(expected: Any, actual: Any, says: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(says)):
        Differences(Bindings("platform")).compare(expected, actual)


def test_what_is_the_same_is_the_same() -> None:
    differences = Differences(Bindings("platform"), frozenset({"a.*.more"}), frozenset({"cut"}))
    differences.compare(
        {"a": [{"id": "{account:x}", "at": "{datetime}"}], "b": "is {account:x}.", "c": 12.5, "d": 3, "cut": {}},
        {
            "a": [{"id": ONE, "at": "2030-01-01T00:00:00.000Z", "more": 1}],
            "b": f"is {ONE}.",
            "c": 12.5,
            "d": 3,
            "cut": {"e": 1},
        },
    )

    assert differences.unused == set()


def test_an_id_is_written_as_each_generation_writes_it() -> None:
    spelled = {}
    for generation in ("v1", "platform", "remote"):
        bindings = Bindings(generation)
        bindings.bind("rule", "x", "00000000-0000-0000-0000-00000000001f")
        bindings.bind("execution", "x", "00000000-0000-0000-0000-00000000001f")
        spelled[generation] = bindings.fill("{rule:x} {execution:x}")

    uuid, base32 = "00000000-0000-0000-0000-00000000001f", "0000000000000000000000000Z"
    assert spelled == {
        "v1": f"rule_{base32} rex_{base32}",
        "platform": f"{uuid} {uuid}",
        "remote": f"ru_{base32} {uuid}",
    }


def test_a_message_is_read_as_it_is_written() -> None:
    message = read_message("POST /x\nA: b: c\n\n{}\n")

    assert message == ("POST /x", {"A": "b: c"}, "{}")
