"""A rule that is shown can be read back, and means the same; what is not understood is never left out."""

import json
from typing import Any

import pytest

from sluiceway.api.platform.wire.rule_bodies import read_shown_rule
from sluiceway.domain.errors import InvalidParameters
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.domain.rules import canonical
from tests.api.platform.client import Platform
from tests.api.platform.test_rules import saving
from tests.support import fixed, percent

LEAF = {"fact": "BALANCE", "operator": "LESS_THAN", "value": 100, "params": {"account_id": "savings"}}
OTHER = {"fact": "DATE", "operator": "EQUALS", "value_fact": "LAST_DAY_OF_MONTH"}
TREE = {"any": [{"condition": LEAF}, {"all": [{"condition": OTHER}]}]}
CAP = {"limit": {"period": "PER_MONTH", "amount_in_cents": 5000}}
ENDS = {"source": "income", "destination": "card"}
LEVEL = {"type": "TOP_UP", "source": "income", "destination": "savings", "last_statement_balance_account": "card"}

RULES: dict[str, dict[str, Any]] = {
    "conditions": {"steps": [{"conditions": TREE, "actions": [fixed(1, "income", "savings")]}]},
    "a limit and a group": {"steps": [{"actions": [percent(12, "income", "savings", group_index=3, **CAP)]}]},
    "an exact percentage": {
        "steps": [{"actions": [percent(0, "income", "savings") | {"percentage_value": "33.333333"}]}]
    },
    "a level": {"steps": [{"actions": [LEVEL]}]},
    "payments": {
        "steps": [
            {
                "actions": [
                    {"type": "NEXT_PAYMENT_MINIMUM", **ENDS},
                    {"type": "PERCENTAGE_LIABILITY_BALANCE", "percentage_value": 10, **ENDS},
                    {"type": "SWEEP_ABOVE", "amount_in_cents": 0, **ENDS, "up_to_enabled": True},
                ]
            }
        ]
    },
    "a schedule in a zone": {
        "trigger": {
            "type": "SCHEDULED", "account_id": "income", "schedule_type": "MONTHLY", "start": "2026-01-31T09:00:00",
            "zone": "America/New_York",
        },
    },
    "settings": {"description": "Some", "approval_above_in_cents": 1, "max_balance_age_in_minutes": 60},
}  # fmt: skip
MINIMAL = {
    "name": None,
    "trigger": {"type": "MANUAL", "account_id": "income"},
    "steps": [{"actions": [fixed(1, "income", "savings")]}],
}


async def shown(platform: Platform, rule_id: str) -> bytes:
    answer = await platform.get(f"/rules/{rule_id}")
    assert answer.status_code == 200, answer.text
    return json.dumps(answer.json()["data"]).encode()


@pytest.mark.parametrize("written", RULES.values(), ids=RULES)
async def test_it_is_the_same_rule(platform: Platform, written: dict[str, Any]) -> None:
    kind = ExternalKind.LIABILITY
    await platform.world.account("card", AccountKind.EXTERNAL_ACCOUNT, external_kind=kind)
    record = await platform.world.rule("one", MINIMAL | written, enabled=False)
    rule, typed = read_shown_rule(await shown(platform, record.id))

    assert canonical(rule) == canonical(record.rule)
    assert {each.account_id for each in typed} <= set(platform.world.accounts.values())


def changed(platform: Platform, **more: Any) -> bytes:
    rule = saving(platform) | {"id": platform.rule(), "status": "ENABLED", "deletedAt": None}
    rule["steps"][1]["actions"][0] |= more
    return json.dumps(rule).encode()


async def test_what_another_server_leaves_empty_does_not_matter(platform: Platform) -> None:
    plain, _ = read_shown_rule(changed(platform))
    richer, _ = read_shown_rule(changed(platform, moodInCents=None, groupIndex=0.0, percentageValue=None))

    assert richer == plain


@pytest.mark.parametrize(
    "more", [{"moodInCents": 5}, {"type": "SNOWBALL"}, {"upToEnabled": "yes"}, {"amountInCents": 0.5}]
)
async def test_what_it_says_and_we_do_not_know_is_refused(platform: Platform, more: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters) as refused:
        read_shown_rule(changed(platform, **more))

    assert refused.value.problems[0].path.startswith("steps/1/actions/0")


@pytest.mark.parametrize("body", [b"[]", b"{}", b"nothing", b'{"trigger":{"type":"MANUAL","accountId":"x"}}'])
async def test_what_is_no_rule_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidParameters):
        read_shown_rule(body)
