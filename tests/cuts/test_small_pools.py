"""Stories of the API and of the worker, told with a pool of one connection and of two: nobody starves."""

import pytest

from tests.cuts.small_pools import tell

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

SOME = {
    1: ("tests/api/test_real_server.py", "tests/api/stories/test_triggers.py"),
    2: ("tests/api/stories/test_money_arrives.py",),
}
"""All of them are told in the long run."""


@pytest.mark.parametrize("connections", SOME)
def test_stories_end_well_with_few_connections(connections: int):
    passed, failed = tell(SOME[connections], connections)

    assert failed == ""
    assert passed
