"""The settings of a rule in the words of v1: optional when sent, shown only where they are set."""

from typing import Any

import pytest

from tests.api.client import Api, assert_refused
from tests.api.test_story import body_003

SETTINGS = ("approval_above_in_cents", "max_balance_age_in_minutes")


async def test_settings_are_kept_and_shown(api: Api) -> None:
    created = await api.post("/rules", body_003(api) | {SETTINGS[0]: 0, SETTINGS[1]: 1_440})
    shown = await api.get(f"/rules/{created.json()['data']['id']}")

    assert created.status_code == 201, created.text
    for answer in (created, shown):
        assert {key: answer.json()["data"][key] for key in SETTINGS} == {SETTINGS[0]: 0, SETTINGS[1]: 1_440}


@pytest.mark.parametrize("body", [{}, dict.fromkeys(SETTINGS)])
async def test_settings_that_a_rule_does_not_have_are_not_shown(api: Api, body: dict[str, Any]) -> None:
    created = await api.post("/rules", body_003(api) | body)

    assert created.status_code == 201, created.text
    assert created.json()["data"].keys() & set(SETTINGS) == set()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("approval_above_in_cents", -1),
        ("approval_above_in_cents", "100"),
        ("approval_above_in_cents", 1.5),
        ("max_balance_age_in_minutes", 0),
        ("max_balance_age_in_minutes", 525_601),
        ("max_balance_age_in_minutes", True),
    ],
)
async def test_a_setting_that_cannot_be_is_refused_by_name(api: Api, key: str, value: object) -> None:
    assert_refused(await api.post("/rules", body_003(api) | {key: value}), 400, "invalid_parameters", [key])


async def test_a_rule_that_is_replaced_loses_the_settings_that_are_not_sent_again(api: Api) -> None:
    created = await api.post("/rules", body_003(api) | {"approval_above_in_cents": 500})
    replaced = await api.put(f"/rules/{created.json()['data']['id']}", body_003(api))

    assert replaced.status_code == 200, replaced.text
    assert "approval_above_in_cents" not in replaced.json()["data"]
