"""Stories in the words of /api/v1: snake_case, lower-case words, ids with prefixes, cursors."""

from datetime import datetime
from typing import Any, ClassVar, Final

from sluiceway.domain.ids import IdKind, format_id
from tests.api.stories.facts import (
    ON_DEMAND,
    Account,
    Act,
    End,
    Leaf,
    Leg,
    Listed,
    Moved,
    Purse,
    Ran,
    Rule,
    Step,
    bare,
    bare_or_none,
    is_bare,
    moment,
)
from tests.api.stories.speaker import Heard, KeyHolder, heard, keyed

ORIGINS: Final = {"DIRECT_DEPOSIT": "paycheck"}
ACTIONS: Final = {"FIXED": "fixed_amount"}


class V1(KeyHolder):
    """A program that speaks /api/v1."""

    name: ClassVar[str] = "v1"
    generation: ClassVar[str] = "v1"

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"ApiKey {self.secret}"}

    async def purses(self) -> dict[str, Purse]:
        accounts = [await self.account(account_id) for account_id in await self.accounts()]
        return {one.name: Purse(one.kind, one.current, one.balance["error"]) for one in accounts}

    async def account(self, account_id: str) -> Account:
        shown = await self._read(f"/accounts/{_account(account_id)}")
        return Account(
            bare(IdKind.ACCOUNT, shown["id"]),
            shown["name"],
            shown["type"].upper(),
            shown["external_account_type"],
            shown["description"],
            shown["beneficiary_name"],
            shown["institution_name"],
            shown["can_be_source"],
            shown["can_be_destination"],
            moment(shown["created_at"]),
            shown["balance"],
        )

    async def accounts(self, *, kind: str | None = None, size: int | None = None) -> list[str]:
        listed = await self._list("/accounts", first=size, type=lower(kind))
        return [bare(IdKind.ACCOUNT, one["id"]) for one in listed]

    async def delete_account(self, account_id: str) -> None:
        await self.ask("DELETE", f"/api/v1/accounts/{_account(account_id)}")

    async def trigger(self, rule_id: str, *, key: str | None = None) -> Heard[str]:
        return await self._trigger(rule_id, {}, key)

    async def trigger_amount(self, rule_id: str, amount: int, *, key: str | None = None) -> Heard[str]:
        return await self._trigger(rule_id, {"manual_execute_amount": amount}, key)

    async def simulate(self, rule_id: str, amount: int | None = None) -> Heard[str]:
        return await self._trigger(rule_id, {"manual_execute_amount": amount, "simulation": True}, None)

    async def _trigger(self, rule_id: str, body: Any, key: str | None) -> Heard[str]:
        path = f"/api/v1/rules/{_rule(rule_id)}/trigger"
        answer = await self.ask("POST", path, json=body, headers=keyed(key))
        return heard(answer, bare(IdKind.EXECUTION, answer.json()["data"]["execution_id"]))

    async def execution(self, rule_id: str, execution_id: str) -> Ran:  # noqa: ARG002 -- no part of the path here
        return show_execution(await self._read(f"/rule-executions/{_execution(execution_id)}"))

    async def executions(self, rule_id: str, *, size: int | None = None, **wanted: str | None) -> list[Ran]:
        why = wanted.pop("why", None)
        listed = await self._list(
            "/rule-executions",
            rule_id=_rule(rule_id),
            first=size,
            trigger_type="manual" if why == ON_DEMAND else lower(why),
            status=lower(wanted.get("status")),
            execution_mode=lower(wanted.get("mode")),
            **{"from": wanted.get("since"), "to": wanted.get("until")},
        )
        return [show_execution(one) for one in listed]

    async def trace(self, execution_id: str) -> dict[str, Any]:
        return await self._read(f"/rule-executions/{_execution(execution_id)}/trace")

    async def rule(self, rule_id: str) -> Rule:
        return show_rule(await self._read(f"/rules/{_rule(rule_id)}"))

    async def rules(self, *, source_id: str | None = None, size: int | None = None) -> list[Listed]:
        source = None if source_id is None else _account(source_id)
        return [
            Listed(
                bare(IdKind.RULE, one["id"]),
                one["nickname"],
                one["description"],
                one["status"] == "enabled",
                moment(one["created_at"]),
            )
            for one in await self._list("/rules", source_id=source, first=size)
        ]

    async def create_rule(self, rule: Rule, *, key: str | None = None) -> Heard[Rule]:
        body = write_rule(rule) | {"status": "enabled"}
        answer = await self.ask("POST", "/api/v1/rules", status=201, json=body, headers=keyed(key))
        return heard(answer, show_rule(answer.json()["data"]))

    async def edit_rule(self, rule_id: str, rule: Rule) -> Rule:
        body = write_rule(rule) | {"status": "enabled"}
        return show_rule((await self.ask("PUT", f"/api/v1/rules/{_rule(rule_id)}", json=body)).json()["data"])

    async def delete_rule(self, rule_id: str) -> None:
        await self.ask("DELETE", f"/api/v1/rules/{_rule(rule_id)}")

    async def transfer(
        self, source_id: str, destination_id: str, amount: int, *, key: str | None = None
    ) -> Heard[Moved]:
        body = {
            "source_account_id": _account(source_id),
            "destination_account_id": _account(destination_id),
            "amount_in_cents": amount,
        }
        answer = await self.ask("POST", "/api/v1/transfers", status=201, json=body, headers=keyed(key))
        return heard(answer, show_transfer(answer.json()["data"]))

    async def cancel_transfer(self, transfer_id: str) -> Moved:
        path = f"/api/v1/transfers/{_transfer(transfer_id)}/cancel"
        return show_transfer((await self.ask("POST", path, json={})).json()["data"])

    async def read_transfer(self, transfer_id: str) -> Moved:
        return show_transfer(await self._read(f"/transfers/{_transfer(transfer_id)}"))

    async def transfers(self, account_id: str, *, size: int | None = None, **wanted: str | None) -> list[Moved]:
        origin = wanted.get("origin")
        listed = await self._list(
            "/transfers",
            account_id=_account(account_id),
            first=size,
            account_role=wanted.get("role"),
            direction=lower(wanted.get("direction")),
            origin=None if origin is None else ORIGINS.get(origin, origin.lower()),
            status=lower(wanted.get("status")),
            execution_mode=lower(wanted.get("mode")),
            **{"from": wanted.get("since"), "to": wanted.get("until")},
        )
        return [show_transfer(one) for one in listed]

    async def _read(self, path: str) -> dict[str, Any]:
        return (await self.ask("GET", f"/api/v1{path}")).json()["data"]

    async def _list(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Read a list to its end, page by page."""
        found: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            page = (await self.ask("GET", f"/api/v1{path}", params=query | {"after": after})).json()
            assert query.get("first") is None or len(page["data"]) <= query["first"]
            found += page["data"]
            if not page["page_info"]["has_next_page"]:
                return found
            after = page["page_info"]["end_cursor"]


def lower(word: str | None) -> str | None:
    return None if word is None else word.lower()


def _account(spelling: str) -> str:
    """Write an id as this generation does; what is no id goes as it is."""
    return format_id(IdKind.ACCOUNT, spelling) if is_bare(spelling) else spelling


def _rule(spelling: str) -> str:
    return format_id(IdKind.RULE, spelling) if is_bare(spelling) else spelling


def _execution(spelling: str) -> str:
    return format_id(IdKind.EXECUTION, spelling) if is_bare(spelling) else spelling


def _transfer(spelling: str) -> str:
    return format_id(IdKind.TRANSFER, spelling) if is_bare(spelling) else spelling


def show_execution(shown: dict[str, Any]) -> Ran:
    details = shown["trigger_details"]
    assert details["type"] == shown["trigger_type"]
    return Ran(
        bare(IdKind.EXECUTION, shown["id"]),
        bare(IdKind.RULE, shown["rule_id"]),
        shown["status"].upper(),
        shown["execution_mode"].upper(),
        moment(shown["created_at"]),
        ON_DEMAND if details["type"] == "manual" else details["type"].upper(),
        details.get("amount_in_cents"),
        moment(details.get("scheduled_time")),
        shown["step_index_matched"],
        shown["conditions_not_met"],
        shown["transfers_attempted"],
        shown["transfers_completed"],
        shown["transfers_failed"],
        shown["transfers_pending"],
        tuple(bare(IdKind.TRANSFER, one) for one in shown["transfer_ids"]),
        shown["error_message"],
        moment(shown["next_attempt_at"]),
    )


def show_transfer(shown: dict[str, Any]) -> Moved:
    origins = {word: origin for origin, word in ORIGINS.items()}
    legs = shown.get("legs")
    return Moved(
        bare(IdKind.TRANSFER, shown["id"]),
        shown["amount_in_cents"],
        shown["direction"].upper(),
        origins.get(shown["origin"], shown["origin"].upper()),
        shown["status"].upper(),
        shown["execution_mode"].upper(),
        show_end(shown["source"]),
        show_end(shown["destination"]),
        bare_or_none(IdKind.RULE, shown["rule_id"]),
        bare_or_none(IdKind.EXECUTION, shown["rule_execution_id"]),
        shown["error_code"],
        shown["status_reason"],
        shown["return_code"],
        moment(shown["created_at"]),
        moment(shown["completed_at"]),
        moment(shown["returned_at"]),
        moment(shown["approval_expires_at"]),
        None if legs is None else tuple(show_leg(leg) for leg in legs),
    )


def show_leg(shown: dict[str, Any]) -> Leg:
    return Leg(
        bare(IdKind.TRANSFER, shown["id"]),
        shown["purpose"].upper(),
        show_end(shown["account"]),
        shown["amount_in_cents"],
        shown["status"].upper(),
        moment(shown["expected_at"]),
        moment(shown["settled_at"]),
        shown["error_code"],
        shown["return_code"],
    )


def show_end(shown: dict[str, Any] | None) -> End | None:
    return None if shown is None else End(bare(IdKind.ACCOUNT, shown["id"]), shown["type"].upper(), shown.get("name"))


def write_rule(rule: Rule) -> dict[str, Any]:
    trigger = {"type": rule.trigger, "account_id": None if rule.account_id is None else _account(rule.account_id)}
    if rule.schedule is not None:
        trigger |= {"schedule_type": rule.schedule[0], "start_date": rule.schedule[1].isoformat()}
    steps = [
        {
            "conditions": None if step.when is None else {"condition": step.when._asdict()},
            "actions": [_write_action(action) for action in step.actions],
        }
        for step in rule.steps
    ]
    return {"nickname": rule.name, "description": rule.description, "trigger": trigger, "steps": steps}


def _write_action(action: Act) -> dict[str, Any]:
    written = {
        "type": ACTIONS.get(action.kind, action.kind.lower()),
        "source": _write_end(action.source),
        "destination": _write_end(action.destination),
        "group_index": action.group,
        "up_to_enabled": action.is_up_to,
        "amount_in_cents": action.amount,
        "percentage_value": action.percentage,
        "percentage_target": action.target,
    }
    return {name: value for name, value in written.items() if value is not None}


def _write_end(end: End) -> dict[str, str]:
    return {"id": _account(end.id), "type": end.kind.lower()}


def show_rule(shown: dict[str, Any]) -> Rule:
    trigger = shown["trigger"]
    schedule = (
        (trigger["schedule_type"], datetime.fromisoformat(trigger["start_date"]))
        if trigger["type"] == "SCHEDULED"
        else None
    )
    return Rule(
        shown["nickname"],
        shown["description"],
        trigger["type"],
        bare_or_none(IdKind.ACCOUNT, trigger["account_id"]),
        tuple(
            Step(_show_condition(step["conditions"]), tuple(_show_action(action) for action in step["actions"]))
            for step in shown["steps"]
        ),
        schedule,
        bare(IdKind.RULE, shown["id"]),
        shown["status"] == "enabled",
    )


def _show_condition(shown: dict[str, Any] | None) -> Leaf | None:
    return None if shown is None else Leaf(**shown["condition"])


def _show_action(shown: dict[str, Any]) -> Act:
    kinds = {word: kind for kind, word in ACTIONS.items()}
    source, destination = show_end(shown["source"]), show_end(shown["destination"])
    assert source is not None
    assert destination is not None
    return Act(
        kinds.get(shown["type"], shown["type"].upper()),
        source,
        destination,
        shown.get("amount_in_cents"),
        shown.get("percentage_value"),
        shown.get("percentage_target"),
        shown["group_index"],
        shown["up_to_enabled"],
    )
