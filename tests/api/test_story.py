"""The story of the first API: money arrives, rules move it, programs ask why."""

from sluiceway.domain.ids import IdKind, format_id
from tests.api.client import Api


async def test_a_deposit_becomes_the_documented_execution(api: Api) -> None:
    deposited = await api.post("/sandbox/deposits", {"account_id": api.account("income"), "amount_in_cents": 500_000})
    await api.world.settle()
    [listed] = (await api.get("/rule-executions", rule_id=api.rule())).json()["data"]
    shown = (await api.get(f"/rule-executions/{listed['id']}")).json()["data"]

    assert deposited.status_code == 201
    assert listed == shown
    assert shown == {
        "id": shown["id"],
        "rule_id": api.rule(),
        "rule_name": "Auto-save on deposit",
        "trigger_type": "on_funds_transferred",
        "status": "executed",
        "created_at": shown["created_at"],
        "trigger_details": {"type": "on_funds_transferred", "amount_in_cents": 500_000},
        "step_index_matched": 0,
        "conditions_not_met": False,
        "transfers_attempted": 1,
        "transfers_completed": 1,
        "transfers_failed": 0,
        "transfers_pending": 0,
        "transfer_ids": shown["transfer_ids"],
        "error_message": None,
        "next_attempt_at": None,
    }
    assert shown["id"].startswith("rex_")
    assert [spelled.partition("_")[0] for spelled in shown["transfer_ids"]] == ["txr"]
    assert await api.world.balances() == {"income": 400_000, "savings": 100_000, "emergency": 0}


async def test_a_rule_reads_as_documented(api: Api) -> None:
    answer = await api.get(f"/rules/{api.rule()}")

    shown = answer.json()["data"]
    assert answer.status_code == 200
    assert shown["id"] == format_id(IdKind.RULE, api.world.rules["auto_save"].id)
