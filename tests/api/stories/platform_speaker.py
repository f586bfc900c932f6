"""Stories in the words of /platform/v1: camelCase, upper-case words, UUIDs, numbered pages."""

import re
from datetime import datetime
from typing import Any, ClassVar, Final

from sluiceway.domain.ids import IdKind
from tests.api.stories.facts import (
    ON_DEMAND,
    Account,
    Act,
    End,
    Happened,
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
    moment,
)
from tests.api.stories.speaker import Heard, KeyHolder, heard, keyed

ON_DEMAND_TYPES: Final = ("MANUAL", "SEQUENCE_API", "REMOTE_API")
"""This generation tells who asked for a run."""


class Platform(KeyHolder):
    """A program that speaks /platform/v1."""

    name: ClassVar[str] = "platform"
    generation: ClassVar[str] = "platform"

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}"}

    async def purses(self) -> dict[str, Purse]:
        accounts = [await self.account(account_id) for account_id in await self.accounts()]
        return {one.name: Purse(one.kind, one.current, one.balance["error"]) for one in accounts}

    async def account(self, account_id: str) -> Account:
        shown = await self._read(f"/accounts/{account_id}")
        return Account(
            bare(IdKind.ACCOUNT, shown["id"]),
            shown["name"],
            shown["type"],
            shown["externalAccountType"],
            shown["description"],
            shown["beneficiaryName"],
            shown["institutionName"],
            shown["canBeSource"],
            shown["canBeDestination"],
            moment(shown["createdAt"]),
            {_snake(name): figure for name, figure in shown["balance"].items()},
        )

    async def accounts(self, *, kind: str | None = None, size: int | None = None) -> list[str]:
        return [bare(IdKind.ACCOUNT, one["id"]) for one in await self._list("/accounts", type=kind, pageSize=size)]

    async def trigger(self, rule_id: str, *, key: str | None = None) -> Heard[str]:
        return await self._trigger(rule_id, {}, key)

    async def trigger_amount(self, rule_id: str, amount: int, *, key: str | None = None) -> Heard[str]:
        return await self._trigger(rule_id, {"executeAmount": amount}, key)

    async def simulate(self, rule_id: str, amount: int | None = None) -> Heard[str]:
        return await self._trigger(rule_id, {"executeAmount": amount, "simulation": True}, None)

    async def _trigger(self, rule_id: str, body: Any, key: str | None) -> Heard[str]:
        path = f"/platform/v1/rules/{rule_id}/trigger"
        answer = await self.ask("POST", path, status=202, json=body, headers=keyed(key))
        return heard(answer, bare(IdKind.EXECUTION, answer.json()["data"]["executionId"]))

    async def execution(self, rule_id: str, execution_id: str) -> Ran:
        return show_execution(await self._read(f"/rules/{rule_id}/executions/{execution_id}"))

    async def executions(self, rule_id: str, *, size: int | None = None, **wanted: str | None) -> list[Ran]:
        why = wanted.pop("why", None)
        found: list[dict[str, Any]] = []
        for kind in ON_DEMAND_TYPES if why == ON_DEMAND else (why,):
            found += await self._list(
                f"/rules/{rule_id}/executions",
                pageSize=size,
                triggerType=kind,
                status=wanted.get("status"),
                executionMode=wanted.get("mode"),
                **{"from": wanted.get("since"), "to": wanted.get("until")},
            )
        whole = [await self._read(f"/rules/{rule_id}/executions/{one['id']}") for one in found]
        # Lists are short here; what they do say, they say alike.
        assert all(brief.items() <= one.items() for brief, one in zip(found, whole, strict=True))
        return sorted((show_execution(one) for one in whole), key=lambda ran: ran.id, reverse=True)

    async def rule(self, rule_id: str) -> Rule:
        return show_rule(await self._read(f"/rules/{rule_id}"))

    async def rules(self, *, source_id: str | None = None, size: int | None = None) -> list[Listed]:
        return [
            Listed(
                bare(IdKind.RULE, one["id"]),
                one["name"],
                one["description"],
                one["status"] == "ENABLED",
                moment(one["createdAt"]),
            )
            for one in await self._list("/rules", sourceId=source_id, pageSize=size)
        ]

    async def create_rule(self, rule: Rule, *, key: str | None = None) -> Heard[Rule]:
        answer = await self.ask("POST", "/platform/v1/rules", status=201, json=write_rule(rule), headers=keyed(key))
        return heard(answer, show_rule(answer.json()["data"]))

    async def edit_rule(self, rule_id: str, rule: Rule) -> Rule:
        answer = await self.ask("PATCH", f"/platform/v1/rules/{rule_id}", json=write_rule(rule))
        return show_rule(answer.json()["data"])

    async def transfer(
        self, source_id: str, destination_id: str, amount: int, *, key: str | None = None
    ) -> Heard[Moved]:
        return await self._transfer(source_id, destination_id, amount, key)

    async def simulate_transfer(self, source_id: str, destination_id: str, amount: int) -> Heard[Moved]:
        return await self._transfer(source_id, destination_id, amount, None, simulation=True)

    async def _transfer(
        self, source_id: str, destination_id: str, amount: int, key: str | None, **more: Any
    ) -> Heard[Moved]:
        body = {"sourceAccountId": source_id, "destinationAccountId": destination_id, "amountInCents": amount} | more
        answer = await self.ask("POST", "/platform/v1/transfers", status=201, json=body, headers=keyed(key))
        return heard(answer, show_transfer(answer.json()["data"]))

    async def read_transfer(self, transfer_id: str) -> Moved:
        return show_transfer(await self._read(f"/transfers/{transfer_id}"))

    async def transfers(self, account_id: str, *, size: int | None = None, **wanted: str | None) -> list[Moved]:
        role = wanted.pop("role", None)
        query = {
            "pageSize": size,
            "direction": wanted.get("direction"),
            "origin": wanted.get("origin"),
            "status": wanted.get("status"),
            "executionMode": wanted.get("mode"),
            "from": wanted.get("since"),
            "to": wanted.get("until"),
        }
        found = await self._list(f"/accounts/{account_id}/transfers", **query, accountRole=role)
        if role is None:
            # There are two lists of an account's transfers, and they are the same.
            assert await self._list("/transfers", **query, accountIds=account_id) == found
        return [show_transfer(one) for one in found]

    async def outside(self, account_id: str, *, direction: str | None = None) -> list[Happened]:
        return [
            Happened(
                one["id"],
                bare(IdKind.ACCOUNT, one["accountId"]),
                one["amountInCents"],
                one["direction"],
                one["status"],
                one["description"],
                moment(one["transactionDate"]),
            )
            for one in await self._list("/external-transactions", accountIds=account_id, direction=direction)
        ]

    async def _read(self, path: str) -> dict[str, Any]:
        return (await self.ask("GET", f"/platform/v1{path}")).json()["data"]

    async def _list(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Read a list to its end, page by page."""
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            data = (await self.ask("GET", f"/platform/v1{path}", params=query | {"page": page})).json()["data"]
            assert len(data["items"]) <= data["pagination"]["pageSize"]
            found += data["items"]
            if not data["pagination"]["hasNextPage"]:
                return found
            page += 1


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def show_execution(shown: dict[str, Any]) -> Ran:
    details = shown["triggerDetails"]
    return Ran(
        bare(IdKind.EXECUTION, shown["id"]),
        bare(IdKind.RULE, shown["ruleId"]),
        shown["status"],
        shown["executionMode"],
        moment(shown["createdAt"]),
        ON_DEMAND if details["type"] in ON_DEMAND_TYPES else details["type"],
        details.get("amountInCents"),
        moment(details.get("scheduledTime")),
        shown["stepIndexMatched"],
        shown["conditionsNotMet"],
        shown["transfersAttempted"],
        shown["transfersCompleted"],
        shown["transfersFailed"],
        shown["transfersPending"],
        tuple(bare(IdKind.TRANSFER, one) for one in shown["transferIds"]),
        shown["errorMessage"],
        moment(shown["nextAttemptAt"]),
    )


def show_transfer(shown: dict[str, Any]) -> Moved:
    legs = shown.get("legs")
    return Moved(
        bare(IdKind.TRANSFER, shown["id"]),
        shown["amountInCents"],
        shown["direction"],
        shown["origin"],
        shown["status"],
        shown["executionMode"],
        show_end(shown["source"]),
        show_end(shown["destination"]),
        bare_or_none(IdKind.RULE, shown["ruleId"]),
        bare_or_none(IdKind.EXECUTION, shown["ruleExecutionId"]),
        shown["errorCode"],
        shown["statusReason"],
        shown["returnCode"],
        moment(shown["createdAt"]),
        moment(shown["completedAt"]),
        moment(shown["returnedAt"]),
        moment(shown["approvalExpiresAt"]),
        None if legs is None else tuple(show_leg(leg) for leg in legs),
    )


def show_leg(shown: dict[str, Any]) -> Leg:
    return Leg(
        bare(IdKind.TRANSFER, shown["id"]),
        shown["purpose"],
        show_end(shown["account"]),
        shown["amountInCents"],
        shown["status"],
        moment(shown["expectedAt"]),
        moment(shown["settledAt"]),
        shown["errorCode"],
        shown["returnCode"],
    )


def show_end(shown: dict[str, Any] | None) -> End | None:
    return None if shown is None else End(bare(IdKind.ACCOUNT, shown["id"]), shown["type"], shown["name"])


def write_rule(rule: Rule) -> dict[str, Any]:
    trigger: dict[str, Any] = {"type": rule.trigger, "accountId": rule.account_id}
    if rule.schedule is not None:
        trigger |= {"scheduleType": rule.schedule[0], "startDate": rule.schedule[1].isoformat()}
    steps = [
        {
            "conditions": None if step.when is None else {"condition": _write_leaf(step.when)},
            "actions": [_write_action(action) for action in step.actions],
        }
        for step in rule.steps
    ]
    return {"name": rule.name, "description": rule.description, "trigger": trigger, "steps": steps}


def _write_leaf(leaf: Leaf) -> dict[str, Any]:
    return leaf._asdict() | {"valueFact": None, "params": None}


def _write_action(action: Act) -> dict[str, Any]:
    own = {
        "amountInCents": action.amount,
        "percentageValue": action.percentage,
        "percentageTarget": action.target,
    }
    return {
        "type": action.kind,
        "source": {"id": action.source.id, "type": action.source.kind},
        "destination": {"id": action.destination.id, "type": action.destination.kind},
        "groupIndex": action.group,
        "upToEnabled": action.is_up_to,
        "isDirectDeposit": False,
        "limit": None,
        "achDescription": None,
    } | {name: value for name, value in own.items() if value is not None}


def show_rule(shown: dict[str, Any]) -> Rule:
    trigger = shown["trigger"]
    schedule = (
        (trigger["scheduleType"], datetime.fromisoformat(trigger["startDate"]))
        if trigger["type"] == "SCHEDULED"
        else None
    )
    return Rule(
        shown["name"],
        shown["description"],
        trigger["type"],
        bare_or_none(IdKind.ACCOUNT, trigger["accountId"]),
        tuple(
            Step(_show_condition(step["conditions"]), tuple(_show_action(action) for action in step["actions"]))
            for step in shown["steps"]
        ),
        schedule,
        bare(IdKind.RULE, shown["id"]),
        shown["status"] == "ENABLED",
    )


def _show_condition(shown: dict[str, Any] | None) -> Leaf | None:
    if shown is None:
        return None
    leaf = shown["condition"]
    assert (leaf["valueFact"], leaf["params"]) == (None, None)
    return Leaf(leaf["fact"], leaf["operator"], leaf["value"])


def _show_action(shown: dict[str, Any]) -> Act:
    source, destination = shown["source"], shown["destination"]
    return Act(
        shown["type"],
        End(bare(IdKind.ACCOUNT, source["id"]), source["type"]),
        End(bare(IdKind.ACCOUNT, destination["id"]), destination["type"]),
        shown.get("amountInCents"),
        shown.get("percentageValue"),
        shown.get("percentageTarget"),
        shown["groupIndex"],
        shown["upToEnabled"],
    )
