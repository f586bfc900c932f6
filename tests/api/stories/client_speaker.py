"""Stories in the words of the Python client, blocking and awaiting: /platform/v1 as a program in Python has it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

import httpx

from sluiceway import client as c
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
)
from tests.api.stories.platform_speaker import ON_DEMAND_TYPES
from tests.api.stories.refusals import Refused
from tests.api.stories.speaker import Heard, KeyHolder, heard

URL: Final = "https://sluiceway.test"
LATEST: Final[ContextVar[httpx.Response]] = ContextVar("LATEST")
"""What the client was answered last, in this task or thread: it gives values and hides how they were told."""


class Awaiting(httpx.AsyncBaseTransport):
    """Takes calls to the application that the story is played on."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        answer = await self.http.request(request.method, request.url, headers=request.headers, content=content)
        LATEST.set(answer)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


class Blocking(httpx.BaseTransport):
    """Takes calls from another thread to the loop in which the application runs."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.awaiting = Awaiting(http)
        self.loop = asyncio.get_running_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        answer = asyncio.run_coroutine_threadsafe(self.awaiting.handle_async_request(request), self.loop).result(60)
        LATEST.set(answer)
        return answer


class Client(KeyHolder):
    """A program that uses the client. How it waits is what the two below differ in."""

    generation: ClassVar[str] = "platform"

    async def call(self, use: Callable[[Any], Any]) -> tuple[Any, httpx.Response]:
        """Use the client; give the value, and the answer that it came in."""
        raise NotImplementedError

    async def walk(self, use: Callable[[Any], Any]) -> list[Any]:
        """Walk a list of the client to its end."""
        raise NotImplementedError

    async def purses(self) -> dict[str, Purse]:
        accounts = [await self.account(account_id) for account_id in await self.accounts()]
        return {one.name: Purse(one.kind, one.current, one.balance["error"]) for one in accounts}

    async def account(self, account_id: str) -> Account:
        shown, _ = await self.call(lambda client: client.accounts.get(account_id))
        return Account(
            bare(IdKind.ACCOUNT, shown.id),
            shown.name,
            shown.type,
            shown.external_account_type,
            shown.description,
            shown.beneficiary_name,
            shown.institution_name,
            shown.can_be_source,
            shown.can_be_destination,
            shown.created_at,
            {name: as_written(getattr(shown.balance, name)) for name in shown.balance.__struct_fields__},
        )

    async def accounts(self, *, kind: str | None = None, size: int | None = None) -> list[str]:
        listed = await self.walk(lambda client: client.accounts.list(type=kind, **page(size)))
        return [bare(IdKind.ACCOUNT, one.id) for one in listed]

    async def trigger(self, rule_id: str, *, key: str | None = None) -> Heard[str]:
        return await self._trigger(rule_id, idempotency_key=key)

    async def trigger_amount(self, rule_id: str, amount: int, *, key: str | None = None) -> Heard[str]:
        return await self._trigger(rule_id, execute_amount=amount, idempotency_key=key)

    async def simulate(self, rule_id: str, amount: int | None = None) -> Heard[str]:
        return await self._trigger(rule_id, execute_amount=amount, simulation=True)

    async def _trigger(self, rule_id: str, **more: Any) -> Heard[str]:
        told, answer = await self.call(lambda client: client.rules.trigger(rule_id, **more))
        return heard(answer, bare(IdKind.EXECUTION, told.execution_id))

    async def execution(self, rule_id: str, execution_id: str) -> Ran:
        shown, _ = await self.call(lambda client: client.executions.get(rule_id, execution_id))
        return show_execution(shown)

    async def executions(self, rule_id: str, *, size: int | None = None, **wanted: str | None) -> list[Ran]:
        why = wanted.pop("why", None)
        more = {"status": wanted.get("status"), "execution_mode": wanted.get("mode"), **times(wanted), **page(size)}
        found: list[c.ExecutionSummary] = []
        for kind in ON_DEMAND_TYPES if why == ON_DEMAND else (why,):
            found += await self.walk(
                lambda client, kind=kind: client.executions.list(rule_id, trigger_type=kind, **more)
            )
        runs = [await self.execution(rule_id, one.id) for one in found]
        return sorted(runs, key=lambda ran: ran.id, reverse=True)

    async def rule(self, rule_id: str) -> Rule:
        shown, _ = await self.call(lambda client: client.rules.get(rule_id))
        return show_rule(shown)

    async def rules(self, *, source_id: str | None = None, size: int | None = None) -> list[Listed]:
        listed = await self.walk(lambda client: client.rules.list(source_id=source_id, **page(size)))
        return [
            Listed(bare(IdKind.RULE, one.id), one.name, one.description, one.status == "ENABLED", one.created_at)
            for one in listed
        ]

    async def create_rule(self, rule: Rule, *, key: str | None = None) -> Heard[Rule]:
        written = write_rule(rule)
        made, answer = await self.call(lambda client: client.rules.create(**written, idempotency_key=key))
        return heard(answer, show_rule(made))

    async def edit_rule(self, rule_id: str, rule: Rule) -> Rule:
        edited, _ = await self.call(lambda client: client.rules.update(rule_id, **write_rule(rule)))
        return show_rule(edited)

    async def transfer(
        self, source_id: str, destination_id: str, amount: int, *, key: str | None = None
    ) -> Heard[Moved]:
        return await self._transfer(source_id, destination_id, amount, idempotency_key=key)

    async def simulate_transfer(self, source_id: str, destination_id: str, amount: int) -> Heard[Moved]:
        return await self._transfer(source_id, destination_id, amount, simulation=True)

    async def _transfer(self, *what: Any, **more: Any) -> Heard[Moved]:
        made, answer = await self.call(lambda client: client.transfers.create(*what, **more))
        return heard(answer, show_transfer(made))

    async def read_transfer(self, transfer_id: str) -> Moved:
        shown, _ = await self.call(lambda client: client.transfers.get(transfer_id))
        return show_transfer(shown)

    async def transfers(self, account_id: str, *, size: int | None = None, **wanted: str | None) -> list[Moved]:
        role = wanted.pop("role", None)
        more = {
            "direction": wanted.get("direction"),
            "origin": wanted.get("origin"),
            "status": wanted.get("status"),
            "execution_mode": wanted.get("mode"),
            **times(wanted),
            **page(size),
        }
        found = await self.walk(lambda client: client.accounts.transfers(account_id, account_role=role, **more))
        if role is None:
            assert await self.walk(lambda client: client.transfers.list([account_id], **more)) == found
        return [show_transfer(one) for one in found]

    async def outside(self, account_id: str, *, direction: str | None = None) -> list[Happened]:
        listed = await self.walk(lambda client: client.external_transactions.list([account_id], direction=direction))
        return [
            Happened(
                one.id,
                bare(IdKind.ACCOUNT, one.account_id),
                one.amount_in_cents,
                one.direction,
                one.status,
                one.description,
                one.transaction_date,
            )
            for one in listed
        ]


class AsyncClient(Client):
    """A program that awaits."""

    name: ClassVar[str] = "async client"

    async def call(self, use: Callable[[c.AsyncSluiceway], Awaitable[Any]]) -> tuple[Any, httpx.Response]:
        async with c.AsyncSluiceway(URL, self.secret, transport=Awaiting(self.http)) as client:
            try:
                return await use(client), LATEST.get()
            except c.Refused as refused:
                raise as_refused(refused) from refused

    async def walk(self, use: Callable[[c.AsyncSluiceway], c.AsyncPages[Any]]) -> list[Any]:
        async def walked(client: c.AsyncSluiceway) -> list[Any]:
            return [one async for one in use(client)]

        found, _ = await self.call(walked)
        return found


class BlockingClient(Client):
    """A program that blocks: it runs in a thread, the application it calls in the story's loop."""

    name: ClassVar[str] = "client"

    async def call(self, use: Callable[[c.Sluiceway], Any]) -> tuple[Any, httpx.Response]:
        transport = Blocking(self.http)

        def used() -> tuple[Any, httpx.Response]:
            with c.Sluiceway(URL, self.secret, transport=transport) as client:
                return use(client), LATEST.get()

        try:
            return await asyncio.to_thread(used)
        except c.Refused as refused:
            raise as_refused(refused) from refused

    async def walk(self, use: Callable[[c.Sluiceway], c.Pages[Any]]) -> list[Any]:
        found, _ = await self.call(lambda client: list(use(client)))
        return found


def as_refused(refused: c.Refused) -> Refused:
    return Refused("platform", refused.status or 0, refused.code or "", refused.message)


def page(size: int | None) -> dict[str, int]:
    return {} if size is None else {"page_size": size}


def times(wanted: dict[str, str | None]) -> dict[str, datetime | None]:
    since, until = wanted.get("since"), wanted.get("until")
    return {
        "from_at": None if since is None else datetime.fromisoformat(since),
        "to_at": None if until is None else datetime.fromisoformat(until),
    }


def as_written(figure: Any) -> Any:
    """Write a figure of a balance as the other speakers read it."""
    if isinstance(figure, datetime):
        return figure.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(figure, date):
        return figure.isoformat()
    return float(figure) if isinstance(figure, Decimal) else figure


def show_execution(shown: c.Execution) -> Ran:
    details = shown.trigger_details
    return Ran(
        bare(IdKind.EXECUTION, shown.id),
        bare(IdKind.RULE, shown.rule_id),
        shown.status,
        shown.execution_mode,
        shown.created_at,
        ON_DEMAND if details.type in ON_DEMAND_TYPES else details.type,
        details.amount_in_cents,
        details.scheduled_time,
        shown.step_index_matched,
        shown.conditions_not_met,
        shown.transfers_attempted,
        shown.transfers_completed,
        shown.transfers_failed,
        shown.transfers_pending,
        tuple(bare(IdKind.TRANSFER, one) for one in shown.transfer_ids),
        shown.error_message,
        shown.next_attempt_at,
    )


def show_transfer(shown: c.Transfer) -> Moved:
    return Moved(
        bare(IdKind.TRANSFER, shown.id),
        shown.amount_in_cents,
        shown.direction,
        shown.origin,
        shown.status,
        shown.execution_mode,
        show_end(shown.source),
        show_end(shown.destination),
        bare_or_none(IdKind.RULE, shown.rule_id),
        bare_or_none(IdKind.EXECUTION, shown.rule_execution_id),
        shown.error_code,
        shown.status_reason,
        shown.return_code,
        shown.created_at,
        shown.completed_at,
        shown.returned_at,
        shown.approval_expires_at,
        None if shown.legs is None else tuple(show_leg(leg) for leg in shown.legs),
    )


def show_leg(shown: c.Leg) -> Leg:
    return Leg(
        bare(IdKind.TRANSFER, shown.id),
        shown.purpose,
        show_end(shown.account),
        shown.amount_in_cents,
        shown.status,
        shown.expected_at,
        shown.settled_at,
        shown.error_code,
        shown.return_code,
    )


def show_end(shown: c.TransferAccountRef | None) -> End | None:
    return None if shown is None else End(bare(IdKind.ACCOUNT, shown.id or ""), shown.type, shown.name)


def write_rule(rule: Rule) -> dict[str, Any]:
    kind, start = rule.schedule or (None, None)
    return {
        "name": rule.name,
        "description": rule.description,
        "trigger": c.Trigger(rule.trigger, account_id=rule.account_id, schedule_type=kind, start_date=start),
        "steps": [
            c.Step(
                [_write_action(action) for action in step.actions],
                None if step.when is None else c.Condition(c.Comparison(*step.when)),
            )
            for step in rule.steps
        ],
    }


def _write_action(action: Act) -> c.Action:
    return c.Action(
        action.kind,
        c.AccountNode(action.source.id, action.source.kind),
        c.AccountNode(action.destination.id, action.destination.kind),
        amount_in_cents=action.amount,
        percentage_value=None if action.percentage is None else Decimal(action.percentage),
        percentage_target=action.target,
        group_index=action.group,
        up_to_enabled=action.is_up_to,
    )


def show_rule(shown: c.Rule) -> Rule:
    trigger = shown.trigger
    schedule = None
    if trigger.schedule_type is not None and trigger.start_date is not None:
        schedule = (trigger.schedule_type, trigger.start_date)
    return Rule(
        shown.name,
        shown.description,
        trigger.type,
        bare_or_none(IdKind.ACCOUNT, trigger.account_id),
        tuple(
            Step(_show_condition(step), tuple(_show_action(action) for action in step.actions)) for step in shown.steps
        ),
        schedule,
        bare(IdKind.RULE, shown.id),
        shown.status == "ENABLED",
    )


def _show_condition(step: c.Step) -> Leaf | None:
    if step.conditions is None:
        return None
    leaf = step.conditions.condition
    assert leaf is not None
    return Leaf(leaf.fact, leaf.operator, leaf.value or 0)


def _show_action(shown: c.Action) -> Act:
    return Act(
        shown.type,
        End(bare(IdKind.ACCOUNT, shown.source.id), shown.source.type),
        End(bare(IdKind.ACCOUNT, shown.destination.id), shown.destination.type),
        shown.amount_in_cents,
        None if shown.percentage_value is None else float(shown.percentage_value),
        shown.percentage_target,
        shown.group_index,
        shown.up_to_enabled,
    )
