"""The vocabulary is complete, and whatever is filled in by it can be read: an editor needs to know nothing else."""

from typing import Any, get_args

import pytest

from sluiceway.domain.ids import AccountId
from sluiceway.domain.ledger import Account, AccountKind, ExternalKind
from sluiceway.domain.rules import (
    VOCABULARY,
    Amount,
    Fact,
    FieldKind,
    Form,
    Operator,
    Role,
    Trigger,
    label_at,
    read_rule,
    roles_of,
    write_rule,
)
from sluiceway.domain.rules.model import LEFT_FACTS
from sluiceway.domain.rules.notation import AMOUNT_READERS
from sluiceway.domain.rules.vocabulary import Field

SAMPLES: dict[FieldKind, Any] = {
    FieldKind.AMOUNT: 1_234,
    FieldKind.PERCENT: "12.5",
    FieldKind.NUMBER: 3,
    FieldKind.FLAG: True,
    FieldKind.TEXT: "Some text",
    FieldKind.LONG_TEXT: "Some longer text",
    FieldKind.URL: "https://example.com/amount",
    FieldKind.LOCAL_TIME: "2026-01-31T09:00:00",
    FieldKind.ZONE: "Europe/Berlin",
    FieldKind.MINUTES: 90,
}


def ways(fields: tuple[Field, ...]) -> list[dict[str, Any]]:
    """Fill every field in, in every way that there is to do it."""
    filled: list[dict[str, Any]] = [{}]
    for field in fields:
        match field.kind:
            case FieldKind.EITHER:
                parts = [way for option in field.options for way in ways(option.fields)]
            case FieldKind.OBJECT:
                parts = [{field.key: way} for way in ways(field.fields)]
            case FieldKind.LIST:
                parts = [{field.key: [way]} for way in ways(field.fields)]
            case FieldKind.CHOICE:
                parts = [{field.key: choice.value} for choice in field.choices]
            case FieldKind.ACCOUNT:
                parts = [{field.key: field.key}]
            case _:
                parts = [{field.key: SAMPLES[field.kind]}]
        filled = [way | part for way in filled for part in parts]
    return filled


def required(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    return tuple(field for field in fields if field.is_required)


def rule_with(action: dict[str, Any] | None = None, trigger: dict[str, Any] | None = None) -> dict[str, Any]:
    plain = {"type": "FIXED", "amount_in_cents": 1, "source": "a", "destination": "b"}
    steps = [{"conditions": None, "actions": [action or plain]}]
    return {"trigger": trigger or {"type": "MANUAL", "account_id": "a"}, "steps": steps}


def types_of(forms: tuple[Form, ...]) -> list[str]:
    return [form.type for form in forms]


def test_every_action_that_can_be_read_is_offered():
    assert sorted(types_of(VOCABULARY.actions)) == sorted(AMOUNT_READERS)


def test_every_kind_of_amount_in_the_model_can_be_made():
    made = {
        type(read_rule(rule_with({"type": form.type, **way})).steps[0].actions[0].amount)
        for form in VOCABULARY.actions
        for way in ways(form.fields)
    }

    assert made == set(get_args(Amount))


def test_every_trigger_in_the_model_can_be_made():
    made = {
        type(read_rule(rule_with(trigger={"type": form.type, **way})).trigger)
        for form in VOCABULARY.triggers
        for way in ways(form.fields)
    }

    assert made == set(get_args(Trigger))


@pytest.mark.parametrize("form", VOCABULARY.actions, ids=lambda form: form.type)
def test_an_action_is_written_in_the_keys_that_it_is_asked_in(form: Form):
    for way in ways(form.fields):
        [written] = write_rule(read_rule(rule_with({"type": form.type, **way})))["steps"][0]["actions"]

        assert {key: value for key, value in written.items() if value is not None} == {"type": form.type, **way}
    for way in ways(required(form.fields)):
        read_rule(rule_with({"type": form.type, **way}))


@pytest.mark.parametrize("form", VOCABULARY.triggers, ids=lambda form: form.type)
def test_a_trigger_is_written_in_the_keys_that_it_is_asked_in(form: Form):
    for way in ways(form.fields):
        assert write_rule(read_rule(rule_with(trigger={"type": form.type, **way})))["trigger"] == {
            "type": form.type,
            **way,
        }


def test_every_setting_is_offered():
    [settings] = ways(VOCABULARY.settings)

    written = write_rule(read_rule({**rule_with(), **settings}))

    assert {key: value for key, value in written.items() if key not in ("trigger", "steps")} == settings


def test_every_comparison_that_is_offered_can_be_read():
    assert {word.fact for word in VOCABULARY.facts} == LEFT_FACTS
    assert {operator.value for operator in VOCABULARY.operators} == set(Operator)
    assert {right.fact for word in VOCABULARY.facts for right in word.rights} == set(Fact) - {Fact.DATE}
    for word in VOCABULARY.facts:
        for operator in VOCABULARY.operators:
            for right in (None, *word.rights):
                leaf = {"fact": word.fact, "operator": operator.value, "params": {}}
                leaf |= {"value": 1} if right is None else {"value_fact": right.fact}
                for group in VOCABULARY.groups:
                    steps = [
                        {
                            "conditions": {group.key: [{"condition": leaf}]},
                            "actions": rule_with()["steps"][0]["actions"],
                        }
                    ]
                    read_rule({**rule_with(), "steps": steps})


def test_accounts_have_the_roles_that_a_check_allows():
    card = Account(AccountId("card"), AccountKind.EXTERNAL_ACCOUNT, ExternalKind.LIABILITY)
    pod = Account(AccountId("pod"), AccountKind.POD)
    gone = Account(AccountId("gone"), AccountKind.POD, is_deleted=True)

    assert roles_of(card) == [Role.DESTINATION, Role.LIABILITY, Role.ANY]
    assert roles_of(pod) == [Role.SOURCE, Role.DESTINATION, Role.ANY]
    assert roles_of(gone) == []


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("trigger/account_id", "In account"),
        ("steps/0/actions/0/amount_in_cents", "Keep"),
        ("steps/0/actions/0/limit/period", "In what time"),
        ("steps/0/actions/1/source", "From"),
        ("steps/0/actions/2/source", None),
        ("steps/0/conditions/condition/value", None),
    ],
)
def test_a_field_is_called_as_the_form_calls_it_that_it_is_in(path: str, label: str | None):
    actions = [{"type": "SWEEP_ABOVE", "limit": {}}, {"type": "FIXED"}]
    written = {"trigger": {"type": "ON_FUNDS_TRANSFERRED"}, "steps": [{"actions": actions}]}

    assert label_at(written, path) == label
