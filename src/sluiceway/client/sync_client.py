"""The client for programs that block. Made from `async_client.py`: change it there; see tests/client/twin.py."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

import httpx
from msgspec import UNSET, UnsetType

from sluiceway.client import filters as f
from sluiceway.client import models as m
from sluiceway.client import rules as r
from sluiceway.client.calling import Request, Retries
from sluiceway.client.environment import Environment
from sluiceway.client.errors import NotFinished, NotFound
from sluiceway.client.filters import query, segment
from sluiceway.client.sync_sending import Pages, Sender

T = TypeVar("T")

LARGEST_PAGE: Final = 100
FIRST_LOOK_S: Final = 0.2
LONGEST_LOOK_S: Final = 10.0
UNSEEN_S: Final = 10.0
"""How long an execution that was just started may be unknown to whoever reads it."""


class _Part:
    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def _list(self, path: str, item: type[T], page_size: int, filters: Mapping[str, object]) -> Pages[T]:
        return Pages(self._sender, Request("GET", path, item, query(filters)), page_size)


class Accounts(_Part):
    """Accounts: what there is, and what is in it."""

    def list(
        self,
        *,
        type: f.AccountType | None = None,  # noqa: A002 -- the API's own name
        state: f.AccountState | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Pages[m.AccountSummary]:
        """List the accounts that the key may read, without their balances; with `state="ALL"` deleted ones too."""
        return self._list("/accounts", m.AccountSummary, page_size, {"type": type, "state": state})

    def get(self, account_id: str) -> m.Account:
        """Read an account with its balance and its numbers."""
        return self._sender.send(Request("GET", f"/accounts/{segment(account_id)}", m.Account))

    def transfers(
        self,
        account_id: str,
        *,
        account_role: f.AccountRole | None = None,
        page_size: int = LARGEST_PAGE,
        **filters: Unpack[f.TransferFilters],
    ) -> Pages[m.Transfer]:
        """List the transfers of an account, newest first."""
        path = f"/accounts/{segment(account_id)}/transfers"
        return self._list(path, m.Transfer, page_size, {"account_role": account_role, **filters})


class Transfers(_Part):
    """Transfers: money that moved, moves or did not."""

    def list(
        self, account_ids: Sequence[str], *, page_size: int = LARGEST_PAGE, **filters: Unpack[f.TransferFilters]
    ) -> Pages[m.Transfer]:
        """List the transfers from and to these accounts, at least one, newest first."""
        return self._list("/transfers", m.Transfer, page_size, {"account_ids": account_ids, **filters})

    def get(self, transfer_id: str) -> m.Transfer:
        """Read a transfer."""
        return self._sender.send(Request("GET", f"/transfers/{segment(transfer_id)}", m.Transfer))

    def create(
        self,
        source_account_id: str,
        destination_account_id: str,
        amount_in_cents: int,
        *,
        description: str | None = None,
        simulation: bool = False,
        idempotency_key: str | None = None,
    ) -> m.Transfer:
        """Move money between two accounts; look at the `status` of what comes back. A simulation moves nothing.

        `description` has at most 10 letters, digits and spaces. Give a key of your own where the same payment may be
        asked for again after your program was restarted.
        """
        body: dict[str, Any] = {
            "sourceAccountId": source_account_id,
            "destinationAccountId": destination_account_id,
            "amountInCents": amount_in_cents,
        }
        body |= {} if description is None else {"description": description}
        body |= {"simulation": True} if simulation else {}
        return self._sender.send(Request("POST", "/transfers", m.Transfer, body=body, idempotency_key=idempotency_key))


class Rules(_Part):
    """Rules: read, written, run on demand. Only a person enables one, and not here."""

    def list(self, *, source_id: str | None = None, page_size: int = LARGEST_PAGE) -> Pages[r.RuleSummary]:
        """List the rules that the key may read, newest first; of one source account if you name it."""
        return self._list("/rules", r.RuleSummary, page_size, {"source_id": source_id})

    def get(self, rule_id: str) -> r.Rule:
        """Read a rule in full. Raises Denied (`INVALID_RULE`) if this API has no words for it."""
        return self._sender.send(Request("GET", f"/rules/{segment(rule_id)}", r.Rule))

    def create(
        self,
        *,
        name: str | None,
        trigger: r.Trigger,
        steps: Sequence[r.Step],
        description: str | None = None,
        approval_above_in_cents: int | None = None,
        max_balance_age_in_minutes: int | None = None,
        idempotency_key: str | None = None,
    ) -> r.Rule:
        """Create a rule. It is disabled until a person has reviewed and enabled it."""
        body: dict[str, Any] = {"name": name, "trigger": r.write_trigger(trigger), "steps": r.write_steps(steps)}
        more = {
            "description": description,
            "approvalAboveInCents": approval_above_in_cents,
            "maxBalanceAgeInMinutes": max_balance_age_in_minutes,
        }
        body |= {key: value for key, value in more.items() if value is not None}
        return self._sender.send(Request("POST", "/rules", r.Rule, body=body, idempotency_key=idempotency_key))

    def update(
        self,
        rule_id: str,
        *,
        name: str | UnsetType | None = UNSET,
        description: str | UnsetType | None = UNSET,
        trigger: r.Trigger | UnsetType = UNSET,
        steps: Sequence[r.Step] | UnsetType = UNSET,
        approval_above_in_cents: int | UnsetType | None = UNSET,
        max_balance_age_in_minutes: int | UnsetType | None = UNSET,
    ) -> r.Rule:
        """Change what is named of a rule. It is disabled until a person has reviewed and enabled the new form.

        Without an idempotency key it is sent again only if it cannot have arrived. Raises NotReached where that is
        not known: read the rule to see.
        """
        body = {
            "name": name,
            "description": description,
            "trigger": UNSET if trigger is UNSET else r.write_trigger(trigger),
            "steps": UNSET if steps is UNSET else r.write_steps(steps),
            "approvalAboveInCents": approval_above_in_cents,
            "maxBalanceAgeInMinutes": max_balance_age_in_minutes,
        }
        named = {key: value for key, value in body.items() if value is not UNSET}
        return self._sender.send(Request("PATCH", f"/rules/{segment(rule_id)}", r.Rule, body=named))

    def trigger(
        self,
        rule_id: str,
        *,
        execute_amount: int | None = None,
        simulation: bool = False,
        idempotency_key: str | None = None,
    ) -> m.Triggered:
        """Run an enabled rule. `execute_amount` (cents) becomes the transfer amount; a simulation moves nothing."""
        body: dict[str, Any] = {} if execute_amount is None else {"executeAmount": execute_amount}
        body |= {"simulation": True} if simulation else {}
        path = f"/rules/{segment(rule_id)}/trigger"
        return self._sender.send(Request("POST", path, m.Triggered, body=body, idempotency_key=idempotency_key))


class Executions(_Part):
    """Executions: what became of each run of a rule."""

    def list(
        self,
        rule_id: str,
        *,
        status: f.ExecutionStatus | None = None,
        trigger_type: f.TriggerType | None = None,
        execution_mode: f.ExecutionMode | None = None,
        from_at: datetime | None = None,
        to_at: datetime | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Pages[m.ExecutionSummary]:
        """List the runs of a rule, newest first; without a mode, those that were live."""
        filters = {
            "status": status,
            "trigger_type": trigger_type,
            "execution_mode": execution_mode,
            "from_at": from_at,
            "to_at": to_at,
        }
        return self._list(f"/rules/{segment(rule_id)}/executions", m.ExecutionSummary, page_size, filters)

    def get(self, rule_id: str, execution_id: str) -> m.Execution:
        """Read a run: what started it, how it went, which transfers it made."""
        path = f"/rules/{segment(rule_id)}/executions/{segment(execution_id)}"
        return self._sender.send(Request("GET", path, m.Execution))


class ExternalTransactions(_Part):
    """What happened on external accounts, as their banks list it."""

    def list(
        self,
        account_ids: Sequence[str],
        *,
        direction: f.ExternalDirection | None = None,
        status: f.ExternalStatus | None = None,
        from_at: datetime | None = None,
        to_at: datetime | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Pages[m.ExternalTransaction]:
        """List what happened on these accounts, at least one, in the last 90 days, the latest first."""
        filters = {
            "account_ids": account_ids,
            "direction": direction,
            "status": status,
            "from_at": from_at,
            "to_at": to_at,
        }
        return self._list("/external-transactions", m.ExternalTransaction, page_size, filters)


class CardTransactions(_Part):
    """What cards paid, and what came back."""

    def list(
        self,
        account_id: str,
        *,
        card_id: str | None = None,
        from_at: datetime | None = None,
        to_at: datetime | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Pages[m.CardTransaction]:
        """List the card transactions of a pod, newest first."""
        filters = {"account_id": account_id, "card_id": card_id, "from_at": from_at, "to_at": to_at}
        return self._list("/card-transactions", m.CardTransaction, page_size, filters)


class AuditLogs(_Part):
    """Which calls were made, with which key."""

    def list(
        self,
        *,
        api_key_id: str | None = None,
        action: str | None = None,
        from_at: datetime | None = None,
        to_at: datetime | None = None,
        page_size: int = LARGEST_PAGE,
    ) -> Pages[m.AuditLogEntry]:
        """List the calls of the last 90 days, newest first."""
        filters = {"api_key_id": api_key_id, "action": action, "from_at": from_at, "to_at": to_at}
        return self._list("/audit-logs", m.AuditLogEntry, page_size, filters)


class Sluiceway:
    """A server that speaks /platform/v1: `with Sluiceway(base_url, api_key) as client`.

    `base_url` ends with the API's path, `https://.../platform/v1`; an address without a path is completed with that.
    It begins with `https://`, except on this machine: `allow_plain_http` lets the key be sent where others can read it.
    `timeout_s` bounds each wait for the server, `retries` how often a call is sent again, `called_reason` is sent
    along with every call. The last three arguments are for tests and for unusual networks.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        allow_plain_http: bool = False,
        timeout_s: float = 30.0,
        retries: Retries | None = None,
        called_reason: str | None = None,
        transport: httpx.BaseTransport | None = None,
        environment: Environment | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._sender = Sender(
            base_url,
            api_key,
            allow_plain_http=allow_plain_http,
            timeout_s=timeout_s,
            retries=retries,
            called_reason=called_reason,
            transport=transport,
            environment=environment,
            sleep=sleep,
        )
        self.accounts: Final = Accounts(self._sender)
        self.transfers: Final = Transfers(self._sender)
        self.rules: Final = Rules(self._sender)
        self.executions: Final = Executions(self._sender)
        self.external_transactions: Final = ExternalTransactions(self._sender)
        self.card_transactions: Final = CardTransactions(self._sender)
        self.audit_logs: Final = AuditLogs(self._sender)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._sender.close()

    def wait_for_execution(self, rule_id: str, execution_id: str, *, timeout_s: float = 60.0) -> m.Execution:
        """Look at a run, ever more seldom, until it has ended. Raises NotFinished when it has not within the time.

        A run that pays an account at another bank is `IN_PROGRESS` for days, until the last payment has settled: for
        those hear `execution.finished` by webhook, or look now and then.
        """
        began, pause = self._sender.environment.monotonic(), FIRST_LOOK_S
        while True:
            execution = self._look(rule_id, execution_id, began)
            left = began + timeout_s - self._sender.environment.monotonic()
            if execution is not None and execution.is_final:
                return execution
            if left <= 0:
                raise NotFinished(f"Execution {execution_id} has not ended within {timeout_s:g} seconds")
            self._sender.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_LOOK_S)

    def _look(self, rule_id: str, execution_id: str, began: float) -> m.Execution | None:
        try:
            return self.executions.get(rule_id, execution_id)
        except NotFound:
            # As documented: what was just made may not be there for whoever reads it at once.
            if self._sender.environment.monotonic() - began >= UNSEEN_S:
                raise
            return None

    def send(self, request: Request[T]) -> T:
        """Make a call that may have no method here, with everything that the methods have. Raises SluicewayError."""
        return self._sender.send(request)
