"""Query parameters and cursors that are not right."""

import pytest

from sluiceway.services.edge import Edge
from tests.api.client import Api, assert_refused, open_api
from tests.api.test_story import deposit
from tests.support import new_world


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        ("/accounts", "type=POD", "type: must be one of income_source, pod, external_account"),
        ("/accounts", "type=", "type: must be one of"),
        ("/accounts", "type=pod&type=pod", "query: holds a parameter twice"),
        ("/accounts", "type=%ff", "query: cannot be read"),
        ("/accounts", "&".join(f"a{number}=1" for number in range(6_000)), "query: cannot be read"),
        ("/accounts", "first=0", "first: must be a whole number"),
        ("/accounts", "first=1001", "first: must be a whole number"),
        ("/accounts", "after=x", "after: is not a cursor of this list"),
        ("/transfers", "", "account_id: is required"),
        ("/transfers", "account_id=x&direction=MONEY_IN", "direction: must be one of"),
        ("/transfers", "account_id=x&origin=DIRECT_DEPOSIT", "origin: must be one of paycheck"),
        ("/transfers", "account_id=x&origin=unknown", "origin: must be one of paycheck"),
        ("/transfers", "account_id=x&status=done", "status: must be one of"),
        (
            "/transfers",
            "account_id=x&execution_mode=SIMULATION",
            "execution_mode: must be one of live, simulation, all",
        ),
        ("/rule-executions", "rule_id=x&execution_mode=", "execution_mode: must be one of live, simulation, all"),
        ("/transfers", "account_id=x&account_role=owner", "account_role: must be one of"),
        ("/transfers", "account_id=x&first=101", "first: must be a whole number from 1 to 100"),
        ("/transfers", "account_id=x&first=1.0", "first: must be a whole number"),
        ("/transfers", "account_id=x&first=%C2%B2", "first: must be a whole number"),
        ("/transfers", "account_id=x&from=yesterday", "from: must be a date and time"),
        ("/transfers", "account_id=x&from=2024-04-23", "from: must be a date and time"),
        ("/transfers", "account_id=x&from=2024-04-23T09:15:00", "from: must be a date and time"),
        ("/transfers", "account_id=x&to=0001-01-01T00:00:00%2B14:00", "to: must be a date and time"),
        ("/transfers", "account_id=x&to=2024-13-01T00:00:00Z", "to: must be a date and time"),
        ("/transfers", "account_id=x&to=2026-W47-6T00:00:00Z", "to: must be a date and time"),
        ("/transfers", "account_id=x&to=2024-04-23x09:15:00Z", "to: must be a date and time"),
        ("/transfers", "account_id=x&to=2024-04-23T09:15:00%2B02:00:30", "to: must be a date and time"),
        ("/transfers", "account_id=x&to=%D9%A22024-04-23T09:15:00Z", "to: must be a date and time"),
        ("/rule-executions", "status=failed", "rule_id: is required"),
        ("/cards", "", "account_id: is required"),
        ("/cards", "account_id=x&status=ACTIVE", "status: must be one of active, inactive, frozen, stolen, lost"),
        ("/cards", "account_id=x&type=plastic", "type: must be one of virtual, physical"),
        ("/cards", "account_id=x&first=1001", "first: must be a whole number from 1 to 1000"),
        ("/cards", "account_id=x&after=x", "after: is not a cursor of this list"),
        ("/cards/x/transactions", "direction=money_in", "direction: must be one of debit, credit"),
        ("/cards/x/transactions", "status=pending", "status: must be one of complete, declined, all"),
        ("/cards/x/transactions", "first=101", "first: must be a whole number from 1 to 100"),
        ("/cards/x/transactions", "from=yesterday", "from: must be a date and time"),
        ("/cards/x/transactions", "after=x", "after: is not a cursor of this list"),
        ("/rule-executions", "rule_id=x&status=FAILED", "status: must be one of"),
        ("/rule-executions", "rule_id=x&trigger_type=remote_api", "trigger_type: must be one of"),
    ],
)
async def test_a_parameter_that_is_not_right_is_refused_by_name(api: Api, path: str, query: str, says: str) -> None:
    assert_refused(await api.send("GET", f"{path}?{query}"), 400, "invalid_parameters", [says])


@pytest.mark.parametrize(
    "moment",
    [
        "2024-04-23T09:15:00+02:00",  # the plus is a space to whoever reads it
        "2024-04-23T09:15:00%2B02:00",
        "2024-04-23t09:15:00.123456789z",
        "2024-04-23%2009:15:00-02:00",
        "2024-04-23T09:15Z",
    ],
)
async def test_a_moment_may_be_written_in_every_usual_way(api: Api, moment: str) -> None:
    query = f"account_id={api.account('income')}&from={moment}"

    assert (await api.send("GET", f"/transfers?{query}")).status_code == 200


async def test_a_moment_that_was_shown_is_in_the_range_that_it_begins_or_ends(api: Api) -> None:
    for _ in range(3):
        await deposit(api, 5_000)
    await api.world.settle()
    for path, owner in (
        ("/transfers", {"account_id": api.account("income")}),
        ("/rule-executions", {"rule_id": api.rule()}),
    ):
        for shown in (await api.get(path, **owner)).json()["data"]:
            at = shown["created_at"]
            found = (await api.get(path, **owner, **{"from": at, "to": at})).json()["data"]
            assert shown in found
            assert {other["created_at"] for other in found} == {at}


async def test_a_cursor_belongs_to_its_list_and_its_organization(api: Api) -> None:
    cursor = (await api.get("/accounts", first=1)).json()["page_info"]["end_cursor"]
    other = await new_world(api.world.engine, email="other@example.com")
    edge = Edge(api.world.engine)

    assert (await api.get("/accounts", after=cursor)).status_code == 200
    assert_refused(await api.get("/rules", after=cursor), 400, "invalid_parameters", ["after"])
    assert_refused(await api.get("/accounts", after=cursor.upper()), 400, "invalid_parameters", ["after"])
    async with open_api(other, edge) as theirs:
        assert_refused(await theirs.get("/accounts", after=cursor), 400, "invalid_parameters", ["after"])
