"""What /platform/v1 is sent: every spelling that is documented, and everything that is not right, refused by name."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.platform.client import Platform, assert_refused
from tests.api.platform.test_rules import saving
from tests.api.test_story import deposit

Change = Callable[[dict[str, Any]], None]
ACTION = ("steps", 0, "actions", 0)
LEAF = ("steps", 0, "conditions", "condition")
GONE = object()


def put(*path: str | int, to: Any) -> Change:
    def change(body: dict[str, Any]) -> None:
        place: Any = body
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to
        if to is GONE:
            del place[path[-1]]

    return change


RULES: dict[str, tuple[Change, str]] = {
    "no trigger": (put("trigger", to=GONE), "trigger is required"),
    "no steps": (put("steps", to=GONE), "steps is required"),
    "an empty list of steps": (put("steps", to=[]), "steps must have 1 to 100 entries"),
    "a name that is a number": (put("name", to=5), "name must be text"),
    "a name that is too long": (put("name", to="x" * 201), "name must have at most 200 characters"),
    "a status": (put("status", to="ENABLED"), "status is not a known field"),
    "a field in snake case": (put("approval_above_in_cents", to=1), "approval_above_in_cents is not a known field"),
    "an unknown trigger": (put("trigger", "type", to="REMOTE_API"), "trigger/type must be one of ON_FUNDS"),
    "a trigger without its account": (put("trigger", "accountId", to=None), "trigger/accountId is required"),
    "a schedule's field elsewhere": (put("trigger", "scheduleType", to="DAILY"), "trigger/scheduleType is not a known"),
    "a schedule without a start": (
        put("trigger", to={"type": "SCHEDULED", "scheduleType": "DAILY"}),
        "trigger/startDate is required",
    ),
    "a start without an offset": (
        put("trigger", to={"type": "SCHEDULED", "scheduleType": "DAILY", "startDate": "2031-01-01T00:00:00"}),
        "trigger/startDate must be a date and time with an offset",
    ),
    "an unknown schedule": (
        put("trigger", to={"type": "SCHEDULED", "scheduleType": "YEARLY", "startDate": "2031-01-01T00:00:00Z"}),
        "trigger/scheduleType must be one of",
    ),
    "an unknown zone": (
        put(
            "trigger",
            to={"type": "SCHEDULED", "scheduleType": "DAILY", "startDate": "2031-01-01T00:00:00Z", "zone": "../x"},
        ),
        "trigger/zone is not a name",
    ),
    "a step without actions": (put("steps", 0, "actions", to=[]), "steps/0/actions must have 1 to 100 entries"),
    "an unknown field in a step": (put("steps", 0, "name", to="x"), "steps/0/name is not a known field"),
    "an action in lower case": (put(*ACTION, "type", to="percentage"), "steps/0/actions/0/type must be one of FIXED"),
    "an action without words here": (put(*ACTION, "type", to="AVALANCHE"), "steps/0/actions/0/type must be one of"),
    "another action's field": (put(*ACTION, "amountInCents", to=5), "steps/0/actions/0/amountInCents is not a known"),
    "a percentage that is text": (put(*ACTION, "percentageValue", to="20"), "0/percentageValue must be a number"),
    "a percentage above 100": (put(*ACTION, "percentageValue", to=101), "percentageValue"),
    "an unknown target": (put(*ACTION, "percentageTarget", to="ALL"), "actions/0/percentageTarget must be one of"),
    "a source that is an id alone": (put(*ACTION, "source", to="x"), "steps/0/actions/0/source must be an object"),
    "a source of another type": (put(*ACTION, "source", "type", to="POD"), "source/type is not the type of this"),
    "an unknown account": (put(*ACTION, "destination", "id", to="nobody"), "no account with id 'nobody'"),
    "a limit without an amount": (put(*ACTION, "limit", to={"period": "PER_WEEK"}), "limit/amountInCents is required"),
    "an unknown period": (
        put(*ACTION, "limit", to={"period": "PER_DAY", "amountInCents": 1}),
        "limit/period must be one of",
    ),
    "a condition with two sides": (put(*LEAF, "valueFact", to="DATE"), "must have exactly one of value, valueFact"),
    "a condition without a side": (put(*LEAF, "value", to=None), "must have exactly one of value, valueFact"),
    "an unknown fact": (put(*LEAF, "fact", to="WEATHER"), "steps/0/conditions/condition/fact must be one of"),
    "a value with a fraction": (put(*LEAF, "value", to=1.5), "condition/value must be a whole number"),
    "an unknown field in a condition": (put(*LEAF, "value_fact", to="DATE"), "condition/value_fact is not a known"),
    "an unknown parameter": (put(*LEAF, "params", to={"cardId": "x"}), "condition/params/cardId is not a known field"),
    "a tree with two roots": (put("steps", 0, "conditions", "any", to=[{}]), "must have exactly one of"),
    "an empty any": (put("steps", 0, "conditions", to={"any": []}), "conditions/any must have 1 to 100 entries"),
    "conditions in a list": (put("steps", 0, "conditions", to=[]), "steps/0/conditions must be an object"),
}
COMMON = ("source", "destination", "groupIndex", "upToEnabled", "limit", "achDescription", "isDirectDeposit")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("name", RULES)
async def test_a_rule_that_is_not_right_is_refused_by_name(platform: Platform, name: str) -> None:
    change, says = RULES[name]
    body = saving(platform)
    change(body)

    assert_refused(await platform.post("/rules", body), 400, "INVALID_PARAMETERS", [says])
    if name not in ("no trigger", "no steps"):
        changed = await platform.patch(f"/rules/{platform.rule()}", body)
        assert_refused(changed, 400, "INVALID_PARAMETERS", [says])


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("field", COMMON)
async def test_every_common_field_of_an_action_must_be_there(platform: Platform, field: str) -> None:
    body = saving(platform)
    del body["steps"][0]["actions"][0][field]

    says = f"steps/0/actions/0/{field} is required, null where there is none"
    assert_refused(await platform.post("/rules", body), 400, "INVALID_PARAMETERS", says)


@pytest.mark.usefixtures("untouched")
async def test_conditions_nest_so_deep_and_no_deeper(platform: Platform) -> None:
    body = saving(platform)
    tree = body["steps"][0]["conditions"]
    for _ in range(17):
        tree = {"all": [tree]}
    body["steps"][0]["conditions"] = tree

    assert_refused(await platform.post("/rules", body), 400, "INVALID_PARAMETERS", ["nest"])


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("body", [{}, {"status": "ENABLED"}, [], "x"])
async def test_a_change_must_change_something_that_there_is(platform: Platform, body: Any) -> None:
    assert_refused(await platform.patch(f"/rules/{platform.rule()}", body), 400, "INVALID_PARAMETERS")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sourceAccountId": None}, "sourceAccountId is required"),
        ({"destinationAccountId": 5}, "destinationAccountId must be text"),
        ({"amountInCents": None}, "amountInCents is required"),
        ({"amountInCents": 99}, "amountInCents must be at least 100"),
        ({"amountInCents": 0}, "amountInCents must be from 1 to"),
        ({"amountInCents": "100"}, "amountInCents must be a whole number"),
        ({"amountInCents": 100.0}, "amountInCents must be a whole number"),
        ({"amountInCents": True}, "amountInCents must be a whole number"),
        ({"description": "Rent for May"}, "description must have at most 10 characters"),
        ({"description": "Rent-May"}, "description must hold only letters"),
        ({"description": "Miete\n"}, "description must hold only letters"),
        ({"description": "Müsli"}, "description must hold only letters"),
        ({"simulation": "true"}, "simulation must be true or false"),
        ({"simulate": True}, "simulate is not a known field"),
        ({"source_account_id": "x"}, "source_account_id is not a known field"),
    ],
)
async def test_a_transfer_that_is_not_right_is_refused_by_name(
    platform: Platform, change: dict[str, Any], says: str
) -> None:
    ends = {"sourceAccountId": platform.account("income"), "destinationAccountId": platform.account("savings")}
    body = ends | {"amountInCents": 100} | change

    assert_refused(await platform.post("/transfers", body), 400, "INVALID_PARAMETERS", [says])


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("spelling", ["nobody", "00000000-0000-7000-8000-000000000000"])
async def test_ends_that_are_not_there_are_told_apart(platform: Platform, spelling: str) -> None:
    income, savings = platform.account("income"), platform.account("savings")
    for source, destination, end in ((spelling, savings, "SOURCE"), (income, spelling, "DESTINATION")):
        body = {"sourceAccountId": source, "destinationAccountId": destination, "amountInCents": 100}
        assert_refused(await platform.post("/transfers", body), 400, f"TRANSFER_{end}_NOT_FOUND")
    same = {"sourceAccountId": income, "destinationAccountId": income, "amountInCents": 100}
    says = "destinationAccountId must differ from the source"
    assert_refused(await platform.post("/transfers", same), 400, "INVALID_PARAMETERS", says)


@pytest.mark.usefixtures("untouched")
async def test_a_trigger_that_is_not_right_is_refused_by_name(platform: Platform) -> None:
    path = f"/rules/{platform.rule()}/trigger"
    wrong: list[tuple[Any, str]] = [
        ({"executeAmount": -1}, "executeAmount must be from 0"),
        ({"executeAmount": 1.5}, "executeAmount must be a whole number"),
        ({"simulation": 1}, "simulation must be true or false"),
        ({"manual_execute_amount": 5}, "manual_execute_amount is not a known field"),
        ([], "request body must be an object"),
    ]
    for body, says in wrong:
        assert_refused(await platform.post(path, body), 400, "INVALID_PARAMETERS", [says])
    assert_refused(await platform.send("POST", path), 415, "UNSUPPORTED_MEDIA_TYPE")
    long = await platform.post(path, {}, key="k" * 256)
    assert_refused(long, 400, "INVALID_PARAMETERS", ["must have 1 to 255 visible ASCII characters"])
    for spelling in ("nobody", "00000000-0000-7000-8000-000000000000"):
        refused = await platform.post(f"/rules/{spelling}/trigger", {})
        assert_refused(refused, 404, "RULE_NOT_FOUND", "Rule does not exist or you don't have access to it")


@pytest.mark.parametrize("key", ["A.b_c:d/e|f-1", "spaces-are-not-in-it", "k" * 37])
async def test_keys_are_taken_as_documented_and_longer(platform: Platform, key: str) -> None:
    assert (await platform.post(f"/rules/{platform.rule()}/trigger", {}, key=key)).status_code == 202


@pytest.mark.parametrize(
    "query",
    [
        "accountIds={0}&accountIds={1}",
        "accountIds[]={0}&accountIds[]={1}",
        "accountIds%5B%5D={0}&accountIds%5B%5D={1}",
        "accountIds[0]={0}&accountIds[1]={1}",
        "accountIds[0]={0}&accountIds={1}&accountIds[]={1}",
    ],
)
async def test_a_list_is_read_in_every_spelling(platform: Platform, query: str) -> None:
    await deposit(platform.v1, 500_000)
    await platform.world.settle()
    asked = query.format(platform.account("savings"), platform.account("emergency"))
    answer = await platform.send("GET", f"/transfers?{asked}&direction=INTERNAL")

    assert [one["amountInCents"] for one in answer.json()["data"]["items"]] == [100_000]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        ("/accounts", "page=0", "page must be a whole number from 1 to 100000"),
        ("/accounts", "page=1.0", "page must be a whole number"),
        ("/accounts", "page=-1", "page must be a whole number"),
        ("/accounts", "pageSize=101", "pageSize must be a whole number from 1 to 100"),
        ("/accounts", "pageSize=", "pageSize must be a whole number"),
        ("/accounts", "page=1001&pageSize=100", "page reaches past entry 100000 of the list"),
        ("/accounts", "page=1&page=2", "query holds a parameter twice"),
        ("/accounts", "type=pod", "type must be one of INCOME_SOURCE, POD, EXTERNAL_ACCOUNT"),
        ("/accounts", "state=DELETED", "state must be one of ACTIVE, ALL"),
        ("/transfers", "", "accountIds is required"),
        ("/transfers", "accountIds[a]=x", "accountIds is required"),
        ("/transfers", "&".join(["accountIds=x"] * 101), "accountIds must have at most 100 entries"),
        ("/transfers", "&".join(["accountIds=x"] * 300), "query cannot be read"),
        ("/transfers", "accountIds=x&status=done", "status must be one of PENDING_APPROVAL"),
        ("/transfers", "accountIds=x&origin=UNKNOWN", "origin must be one of DIRECT_DEPOSIT"),
        ("/transfers", "accountIds=x&direction=in", "direction must be one of MONEY_IN, MONEY_OUT, INTERNAL"),
        ("/transfers", "accountIds=x&executionMode=live", "executionMode must be one of LIVE, SIMULATION, ALL"),
        ("/transfers", "accountIds=x&from=2024-04-23", "from must be a date and time"),
        ("/transfers", "accountIds=x&ruleExecutionId=a&rule_execution_id=a", "query holds a parameter twice"),
        ("/accounts/x/transfers", "accountRole=owner", "accountRole must be one of source, destination, either"),
        ("/rules/x/executions", "status=executed", "status must be one of IN_PROGRESS"),
        ("/rules/x/executions", "triggerType=API", "triggerType must be one of MANUAL, SEQUENCE_API"),
        ("/external-transactions", "", "accountIds is required"),
        ("/external-transactions", "accountIds=x&direction=INTERNAL", "direction must be one of MONEY_IN, MONEY_OUT"),
        ("/external-transactions", "accountIds=x&status=ERROR", "status must be one of PENDING, COMPLETE"),
        ("/audit-logs", "action=GET_CARD", "action must be one of GET_ACCOUNT"),
        ("/audit-logs", "action=get_account", "action must be one of GET_ACCOUNT"),
        ("/audit-logs", "apiKeyId=x&apiKeyId=y", "query holds a parameter twice"),
        ("/audit-logs", "from=2024-04-23", "from must be a date and time"),
        ("/audit-logs", "from=2024-04-23T00:00:00Z", "from must be within the last 90 days"),
        ("/audit-logs", "to=now", "to must be a date and time"),
        ("/audit-logs", "page=0", "page must be a whole number"),
        ("/audit-logs", "pageSize=101", "pageSize must be a whole number from 1 to 100"),
        ("/card-transactions", "", "accountId is required"),
        ("/card-transactions", "accountIds=x", "accountId is required"),
        ("/card-transactions", "accountId=x&accountId=y", "query holds a parameter twice"),
        ("/card-transactions", "accountId=x&from=2024-04-23", "from must be a date and time"),
        ("/card-transactions", "accountId=x&to=now", "to must be a date and time"),
        ("/card-transactions", "accountId=x&page=0", "page must be a whole number"),
        ("/card-transactions", "accountId=x&pageSize=101", "pageSize must be a whole number from 1 to 100"),
    ],
)
async def test_a_parameter_that_is_not_right_is_refused_by_name(
    platform: Platform, path: str, query: str, says: str
) -> None:
    assert_refused(await platform.send("GET", f"{path}?{query}"), 400, "INVALID_PARAMETERS", [says])


@pytest.mark.parametrize(
    "moment", ["2024-04-23T09:15:00+02:00", "2024-04-23T09:15:00%2B02:00", "2024-04-23t09:15:00.123456789z"]
)
async def test_a_moment_may_have_any_offset(platform: Platform, moment: str) -> None:
    for path in ("/transfers?accountIds=x&from=", f"/rules/{platform.rule()}/executions?to="):
        assert (await platform.send("GET", path + moment)).status_code == 200
