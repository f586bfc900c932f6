"""Bad input: each is refused with its status and code, and leaves the database as it was. Nothing gives a 500."""

import copy
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from sluiceway.domain.ids import IdKind, format_id
from tests.api.client import Api, assert_refused, digest
from tests.api.test_story import body_003
from tests.support import first_story

CENTS = {
    "text": b'"100"',
    "a fraction that is whole": b"1.0",
    "true": b"true",
    "more than a float holds": b"1e400",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "negative": b"-1",
    "above ten trillion": b"10000000000001",
    "more than 64 bits": b"9" * 30,
    "five thousand digits": b"9" * 5000,
    "a list": b"[]",
    "an exponent": b"1e2",
}

BODIES = {
    "nothing": b"",
    "half an object": b'{"nickname": "x"',
    "two values": b"{} {}",
    "a list": b"[]",
    "text": b'"nickname"',
    "null": b"null",
    "a trailing comma": b'{"nickname": "x",}',
    "single quotes": b"{'nickname': 'x'}",
    "a byte order mark": b'\xef\xbb\xbf{"nickname": "x"}',
    "UTF-16": '{"nickname": "x"}'.encode("utf-16"),
    "bytes that are not UTF-8": b'{"nickname": "\xff"}',
    "an encoded surrogate": b'{"nickname": "\xed\xa0\x80"}',
    "a raw control character": b'{"nickname": "a\x00b"}',
    "an escaped NUL": b'{"nickname": "a\\u0000b"}',
    "a lone surrogate": b'{"nickname": "\\ud800"}',
    "a lone surrogate in a key": b'{"nickname": "x", "\\udfff": 1}',
    "the same key twice": b'{"nickname": "x", "nickname": "y"}',
    "the same key twice, further down": b'{"nickname": "x", "more": [{"a": 1, "a": 1}]}',
    "33 levels": b'{"nickname": "x", "more": ' + b"[" * 33 + b"]" * 33 + b"}",
    "a hundred thousand levels": b"[" * 100_000,
    "a huge number in a field that nobody reads": b'{"nickname": "x", "more": 1e400}',
    "a name of 201 characters": json.dumps({"nickname": "x" * 201}).encode(),
    "an empty name": b'{"nickname": ""}',
    "a name of spaces": b'{"nickname": "  "}',
    "a name that is a number": b'{"nickname": 5}',
    "a name that is null": b'{"nickname": null}',
    "no name": b"{}",
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in BODIES.items()])
async def test_a_body_that_is_not_right_is_refused(api: Api, body: bytes) -> None:
    assert_refused(await api.post_raw("/accounts/pods", body), 400, "invalid_parameters")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("amount", [pytest.param(amount, id=name) for name, amount in CENTS.items()])
async def test_an_amount_that_is_not_whole_cents_in_range_is_refused(api: Api, amount: bytes) -> None:
    ends = b'"source_account_id": "%s", "destination_account_id": "%s"' % (
        api.account("income").encode(),
        api.account("savings").encode(),
    )
    for path, body in (
        (f"/rules/{api.rule()}/trigger", b'{"manual_execute_amount": %s}' % amount),
        ("/transfers", b'{%s, "amount_in_cents": %s}' % (ends, amount)),
        (
            "/sandbox/deposits",
            b'{"account_id": "%s", "amount_in_cents": %s}' % (api.account("income").encode(), amount),
        ),
    ):
        assert_refused(await api.post_raw(path, body), 400, "invalid_parameters")


@pytest.mark.usefixtures("unchanged")
async def test_nothing_and_less_than_the_minimum_cannot_be_transferred(api: Api) -> None:
    ends = {"source_account_id": api.account("income"), "destination_account_id": api.account("savings")}
    for amount in (0, 99):
        refused = await api.post("/transfers", ends | {"amount_in_cents": amount})
        assert_refused(refused, 400, "invalid_parameters", ["amount_in_cents"])
    deposit = {"account_id": api.account("income"), "amount_in_cents": 0}
    assert_refused(await api.post("/sandbox/deposits", deposit), 400, "invalid_parameters", ["amount_in_cents"])


Change = Callable[[dict[str, Any], Api], object]


def at(*path: str | int, to: Any) -> Change:
    def change(body: dict[str, Any], _: Api) -> None:
        place: Any = body
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


def without(*path: str | int) -> Change:
    def change(body: dict[str, Any], _: Api) -> None:
        place: Any = body
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


LEAF = ("steps", 0, "conditions", "condition")
ACTION = ("steps", 0, "actions", 0)
RULES: dict[str, tuple[Change, str]] = {
    "no status": (without("status"), "status: is required"),
    "an unknown status": (at("status", to="paused"), "status: must be one of enabled, disabled"),
    "a status that is a list": (at("status", to=[]), "status: must be one of"),
    "no trigger": (without("trigger"), "trigger: is required"),
    "a trigger that is text": (at("trigger", to="MANUAL"), "trigger: must be an object"),
    "an unknown trigger": (at("trigger", "type", to="ON_TUESDAYS"), "trigger/type: must be one of"),
    "a trigger without its account": (without("trigger", "account_id"), "trigger/account_id: is required"),
    "an unknown field in the trigger": (at("trigger", "start", to="now"), "trigger/start: is not a known field"),
    "a schedule without a start": (
        at("trigger", to={"type": "SCHEDULED", "schedule_type": "DAILY"}),
        "trigger/start_date: is required",
    ),
    "an unknown zone": (
        at(
            "trigger",
            to={
                "type": "SCHEDULED",
                "schedule_type": "DAILY",
                "start_date": "2026-01-01T00:00:00Z",
                "zone": "../passwd",
            },
        ),
        "trigger/zone: is not a name",
    ),
    "a start that is no time": (
        at("trigger", to={"type": "SCHEDULED", "schedule_type": "DAILY", "start_date": "tomorrow"}),
        "trigger/start_date: must be a date and time",
    ),
    "a start before the calendar": (
        at(
            "trigger",
            to={
                "type": "SCHEDULED",
                "schedule_type": "DAILY",
                "start_date": "0001-01-01T00:00:00+14:00",
                "zone": "UTC",
            },
        ),
        "trigger/start_date: must be a date and time",
    ),
    "no steps": (at("steps", to=[]), "steps: must have 1 to 100 entries"),
    "steps that are an object": (at("steps", to={}), "steps: must be a list"),
    "101 steps": (lambda body, _: body.update(steps=body["steps"][:1] * 101), "steps: must have 1 to 100 entries"),
    "a step without actions": (at("steps", 0, "actions", to=[]), "steps/0/actions: must have 1 to 100 entries"),
    "an unknown field in the rule": (at("enabled", to=True), "enabled: is not a known field"),
    "an unknown field in a step": (at("steps", 0, "else", to=[]), "steps/0/else: is not a known field"),
    "an unknown field in a leaf": (at(*LEAF, "values", to=1), "condition/values: is not a known field"),
    "an unknown field beside a leaf": (at("steps", 0, "conditions", "note", to=1), "conditions/note: is not a known"),
    "two kinds of condition": (at("steps", 0, "conditions", "all", to=[]), "must have exactly one of"),
    "a condition that is a list": (at("steps", 0, "conditions", to=[]), "steps/0/conditions: must be an object"),
    "an unknown fact": (at(*LEAF, "fact", to="WEATHER"), "condition/fact: must be one of"),
    "an unknown operator": (at(*LEAF, "operator", to="IS"), "condition/operator: must be one of"),
    "no value": (without(*LEAF, "value"), "must have exactly one of value, value_fact"),
    "a value that is text": (at(*LEAF, "value", to="50000"), "condition/value: must be a whole number"),
    "a value with a fraction": (at(*LEAF, "value", to=1.5), "condition/value: must be a whole number"),
    "an unknown account in a condition": (at(*LEAF, "params", to={"account_id": "acc_1"}), "no account with id"),
    "an unknown action": (at(*ACTION, "type", to="PERCENTAGE"), "actions/0/type: must be one of fixed_amount"),
    "an unknown field in an action": (at(*ACTION, "amount", to=1), "actions/0/amount: is not a known field"),
    "a percentage above 100": (at(*ACTION, "percentage_value", to=100.5), "percentage_value: a percentage is from 0"),
    "a percentage as text": (at(*ACTION, "percentage_value", to="20"), "percentage_value: must be a number"),
    "a percentage that is true": (at(*ACTION, "percentage_value", to=True), "percentage_value: must be a number"),
    "seven decimals": (at(*ACTION, "percentage_value", to=0.1234567), "percentage_value: a percentage has at most"),
    "an unknown target": (at(*ACTION, "percentage_target", to="ALL"), "percentage_target: must be one of"),
    "no source": (without(*ACTION, "source"), "actions/0/source: is required"),
    "a source that is text": (at(*ACTION, "source", to="acc_1"), "actions/0/source: must be an object"),
    "an unknown type of account": (at(*ACTION, "source", "type", to="POD"), "source/type: must be one of"),
    "an account under another type": (
        at(*ACTION, "source", "type", to="pod"),
        "source/type: is not the type of this account",
    ),
    "a malformed account id": (at(*ACTION, "destination", "id", to="acc_1"), "no account with id 'acc_1'"),
    "an id of a rule": (
        lambda body, api: body["steps"][0]["actions"][0]["destination"].update(id=api.rule()),
        "no account with id",
    ),
    "the same source and destination": (
        lambda body, _: body["steps"][0]["actions"][0].update(
            destination=dict(body["steps"][0]["actions"][0]["source"])
        ),
        "the source and the destination are the same account",
    ),
    "a group index that is text": (at(*ACTION, "group_index", to="0"), "group_index: must be a whole number"),
    "a flag that is 1": (at(*ACTION, "up_to_enabled", to=1), "up_to_enabled: must be true or false"),
    "an unknown period": (
        at(*ACTION, "limit", to={"period": "PER_DAY", "amount_in_cents": 1}),
        "limit/period: must be one of",
    ),
    "a debt in other words": (
        at(*ACTION, to={"type": "snowball", "amount_in_cents": 1, "liabilities": [{"account": "x"}]}),
        "source: is required",
    ),
    "a nickname of 201 characters": (at("nickname", to="x" * 201), "nickname: must have at most 200"),
    "a lone surrogate in the description": (at("description", to="\ud800"), "description: must not contain"),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("change", "says"), [pytest.param(*case, id=name) for name, case in RULES.items()])
async def test_a_rule_that_is_not_right_is_refused_with_its_place(api: Api, change: Change, says: str) -> None:
    body = copy.deepcopy(body_003(api))
    change(body, api)

    assert_refused(await api.post_raw("/rules", json.dumps(body).encode()), 400, "invalid_parameters", [says])
    replaced = await api.send("PUT", f"/rules/{api.rule()}", content=json.dumps(body), headers=JSON)
    assert_refused(replaced, 400, "invalid_parameters", [says])


JSON = {"Content-Type": "application/json"}


async def test_a_rule_may_not_use_a_deleted_account(api: Api) -> None:
    body = body_003(api)
    await api.delete(f"/accounts/{api.account('savings')}")

    assert_refused(await api.post("/rules", body), 400, "invalid_parameters", ["is deleted"])


async def test_money_does_not_move_to_or_from_a_deleted_account(api: Api) -> None:
    await api.delete(f"/accounts/{api.account('savings')}")
    before = await digest(api.world.engine.database)
    ends = {"source_account_id": api.account("income"), "destination_account_id": api.account("savings")}
    says = [f"Account with id '{api.account('savings')}' was not found."]

    refused = await api.post("/transfers", ends | {"amount_in_cents": 100})
    assert_refused(refused, 404, "resource_not_found", says)
    deposit = {"account_id": api.account("savings"), "amount_in_cents": 100}
    assert_refused(await api.post("/sandbox/deposits", deposit), 404, "resource_not_found", says)
    assert await digest(api.world.engine.database) == before


@pytest.mark.usefixtures("unchanged")
async def test_a_transfer_goes_elsewhere(api: Api) -> None:
    ends = {"source_account_id": api.account("income"), "destination_account_id": api.account("income")}
    refused = await api.post("/transfers", ends | {"amount_in_cents": 100})
    assert_refused(refused, 400, "invalid_parameters", ["destination_account_id: must differ"])


@pytest.mark.usefixtures("unchanged")
async def test_ids_that_name_nothing_are_not_found_as_they_were_spelled(api: Api) -> None:
    new_id = api.world.engine.new_id()
    for path, name in (
        ("/accounts/{}", "Account"),
        ("/rules/{}", "Rule"),
        ("/rule-executions/{}", "Rule execution"),
        ("/rule-executions/{}/trace", "Rule execution"),
        ("/transfers/{}", "Transfer"),
        ("/cards/{}", "Card"),
        ("/cards/{}/transactions", "Card"),
    ):
        for spelling in (
            "1",
            "x" * 500,
            "acc_",
            "rule_" + "Z" * 26,
            new_id,
            "txr_" + "0" * 25,
            "card_1",
            "\u0000",
            "é",
        ):
            answer = await api.get(path.format(quote(spelling)))
            assert_refused(answer, 404, "resource_not_found", [f"{name} with id '{spelling}' was not found."])
    refused = await api.post("/rules/nonsense/trigger", {})
    assert_refused(refused, 404, "resource_not_found", ["Rule with id 'nonsense' was not found."])


@pytest.mark.usefixtures("unchanged")
async def test_an_id_of_another_kind_names_nothing(api: Api) -> None:
    for path in (f"/rules/{api.account('income')}", f"/accounts/{api.rule()}", f"/transfers/{api.rule()}"):
        assert_refused(await api.get(path), 404, "resource_not_found")


async def test_what_belongs_to_others_and_what_does_not_exist_look_alike(api: Api) -> None:
    other = await first_story(api.world.engine)
    theirs, nobody = other.accounts["income"], api.world.engine.new_id()
    their_rule = format_id(IdKind.RULE, other.rules["auto_save"].id)
    before = await digest(api.world.engine.database)

    def told(text: str, spelling: str) -> str:
        return text.replace(spelling, "ID")

    for method, path, body in (
        ("GET", "/accounts/{}", None),
        ("DELETE", "/accounts/{}", None),
        ("GET", "/transfers?account_id={}", None),
        ("GET", "/cards?account_id={}", None),
        ("POST", "/sandbox/cards", {"account_id": "{}", "type": "virtual", "holder_name": "Holder"}),
        ("GET", "/rules?source_id={}", None),
        ("POST", "/transfers", {"source_account_id": "{}", "destination_account_id": api.account("savings")}),
        ("POST", "/transfers", {"source_account_id": api.account("savings"), "destination_account_id": "{}"}),
        ("POST", "/sandbox/deposits", {"account_id": "{}"}),
    ):
        answers: list[tuple[int, str]] = []
        for spelling in (theirs, nobody):
            sent = None if body is None else {key: value.format(spelling) for key, value in body.items()}
            is_money = sent is not None and "type" not in sent
            amount = sent | {"amount_in_cents": 100} if sent is not None and is_money else sent
            answer = await api.with_headers(X_Request_ID="same").send(method, path.format(spelling), json=amount)
            answers.append((answer.status_code, told(answer.text, spelling)))
        assert answers[0] == answers[1]
    unknown_rule = format_id(IdKind.RULE, nobody)
    for method, path in (
        ("GET", "/rules/{}"),
        ("DELETE", "/rules/{}"),
        ("POST", "/rules/{}/trigger"),
        ("GET", "/rule-executions?rule_id={}"),
    ):
        pair = [await api.with_headers(X_Request_ID="same").send(method, path.format(spelling), json={})
                for spelling in (their_rule, unknown_rule)]  # fmt: skip
        assert pair[0].status_code == pair[1].status_code
        assert told(pair[0].text, their_rule) == told(pair[1].text, unknown_rule)
    assert await digest(api.world.engine.database) == before


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "schlüssel", "tab\there"])
async def test_an_idempotency_key_is_visible_ascii(api: Api, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = await api.send("POST", f"/rules/{api.rule()}/trigger", json={}, headers=headers)

    assert_refused(answer, 400, "invalid_parameters", ["Idempotency-Key"])


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "figures",
    [
        {"external_account_type": "liability"},
        {"external_account_type": None},
        {"external_account_type": "DEPOSITORY", "balance_in_cents": "1"},
        {"external_account_type": "DEPOSITORY", "balance_in_cents": 10**13 + 1},
        {"external_account_type": "LIABILITY", "next_payment_minimum_in_cents": -1},
        {"external_account_type": "LIABILITY", "next_payment_due_date": "2026-02-30"},
        {"external_account_type": "LIABILITY", "next_payment_due_date": "20260201"},
        {"external_account_type": "LIABILITY", "interest_rate_percentage": "19.99"},
        {"external_account_type": "LIABILITY", "interest_rate_percentage": 101},
    ],
)
async def test_figures_of_an_external_account_are_checked(api: Api, figures: dict[str, Any]) -> None:
    body = {"nickname": "Card"} | figures

    assert_refused(await api.post("/accounts/external-accounts", body), 400, "invalid_parameters")
