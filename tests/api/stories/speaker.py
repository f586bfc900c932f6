"""Whoever tells a story: a program that speaks one generation of the API, in the domain's words on this side.

To add a speaker, write a file beside this one with a subclass of `Speaker`, name in NO_WORDS what it cannot say, and
put it into the list in `stage.py`.
"""

# ruff: noqa: ARG002 -- what there are no words for needs none of its arguments

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Final, Generic, NoReturn, TypeVar

import httpx

from sluiceway.domain.access import Grant, Permission
from sluiceway.domain.ids import KeyId
from sluiceway.services.keys import create_key, every_grant, revoke_key
from tests.api.client import PLENTY, whole_grant
from tests.api.stories.facts import Account, Happened, Listed, Moved, Purse, Ran, Rule
from tests.api.stories.refusals import Refused
from tests.support import World

T = TypeVar("T")


class Verb(Enum):
    """What can be said. The value is the name of the speaker's method."""

    PURSES = "purses"
    ACCOUNT = "account"
    ACCOUNTS = "accounts"
    DELETE_ACCOUNT = "delete_account"
    TRIGGER = "trigger"
    TRIGGER_AMOUNT = "trigger_amount"
    SIMULATE = "simulate"
    EXECUTION = "execution"
    EXECUTIONS = "executions"
    TRACE = "trace"
    RULE = "rule"
    RULES = "rules"
    CREATE_RULE = "create_rule"
    EDIT_RULE = "edit_rule"
    DELETE_RULE = "delete_rule"
    TRANSFER = "transfer"
    SIMULATE_TRANSFER = "simulate_transfer"
    CANCEL_TRANSFER = "cancel_transfer"
    READ_TRANSFER = "read_transfer"
    TRANSFERS = "transfers"
    OUTSIDE = "outside"


_PLATFORM: Final = frozenset({Verb.DELETE_ACCOUNT, Verb.DELETE_RULE, Verb.CANCEL_TRANSFER, Verb.TRACE})

# What a generation has no words for. This is the only place that says so, and a test holds it against the speakers.
NO_WORDS: Final[Mapping[str, frozenset[Verb]]] = {
    "v1": frozenset({Verb.SIMULATE_TRANSFER, Verb.OUTSIDE}),
    "platform": _PLATFORM,
    # The Python client says what its generation has words for.
    "client": _PLATFORM,
    "async client": _PLATFORM,
    # Accounts with their balances, and rules that are run: all the rest is known by what has become of the balances.
    "remote": frozenset(Verb) - {Verb.PURSES, Verb.TRIGGER},
}


@dataclass(frozen=True)
class Heard(Generic[T]):
    """An answer to something that was done: the fact, and how it was told."""

    fact: T
    body: bytes
    is_replay: bool


class Speaker:
    """A program with a credential. Whatever is refused raises `Refused`."""

    name: ClassVar[str]
    generation: ClassVar[str]
    """Whose words for refusals it hears."""

    async def purses(self) -> dict[str, Purse]:
        """Tell what is in each account, by its name."""
        self._has_no_words(Verb.PURSES)

    async def account(self, account_id: str) -> Account:
        self._has_no_words(Verb.ACCOUNT)

    async def accounts(self, *, kind: str | None = None, size: int | None = None) -> list[str]:
        """List ids of accounts, newest first."""
        self._has_no_words(Verb.ACCOUNTS)

    async def delete_account(self, account_id: str) -> None:
        self._has_no_words(Verb.DELETE_ACCOUNT)

    async def trigger(self, rule_id: str, *, key: str | None = None) -> Heard[str]:
        """Run a rule; hear the execution's id."""
        self._has_no_words(Verb.TRIGGER)

    async def trigger_amount(self, rule_id: str, amount: int, *, key: str | None = None) -> Heard[str]:
        self._has_no_words(Verb.TRIGGER_AMOUNT)

    async def simulate(self, rule_id: str, amount: int | None = None) -> Heard[str]:
        self._has_no_words(Verb.SIMULATE)

    async def execution(self, rule_id: str, execution_id: str) -> Ran:
        self._has_no_words(Verb.EXECUTION)

    async def executions(
        self,
        rule_id: str,
        *,
        size: int | None = None,
        status: str | None = None,
        why: str | None = None,
        mode: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> list[Ran]:
        """List a rule's executions, newest first, in pages of `size`."""
        self._has_no_words(Verb.EXECUTIONS)

    async def trace(self, execution_id: str) -> dict[str, Any]:
        self._has_no_words(Verb.TRACE)

    async def rule(self, rule_id: str) -> Rule:
        self._has_no_words(Verb.RULE)

    async def rules(self, *, source_id: str | None = None, size: int | None = None) -> list[Listed]:
        """List rules, newest first."""
        self._has_no_words(Verb.RULES)

    async def create_rule(self, rule: Rule, *, key: str | None = None) -> Heard[Rule]:
        """Write a rule, and ask for it to be enabled where there are words for that."""
        self._has_no_words(Verb.CREATE_RULE)

    async def edit_rule(self, rule_id: str, rule: Rule) -> Rule:
        self._has_no_words(Verb.EDIT_RULE)

    async def delete_rule(self, rule_id: str) -> None:
        self._has_no_words(Verb.DELETE_RULE)

    async def transfer(
        self, source_id: str, destination_id: str, amount: int, *, key: str | None = None
    ) -> Heard[Moved]:
        self._has_no_words(Verb.TRANSFER)

    async def simulate_transfer(self, source_id: str, destination_id: str, amount: int) -> Heard[Moved]:
        self._has_no_words(Verb.SIMULATE_TRANSFER)

    async def cancel_transfer(self, transfer_id: str) -> Moved:
        self._has_no_words(Verb.CANCEL_TRANSFER)

    async def read_transfer(self, transfer_id: str) -> Moved:
        """Read a transfer with its legs."""
        self._has_no_words(Verb.READ_TRANSFER)

    async def transfers(
        self,
        account_id: str,
        *,
        size: int | None = None,
        role: str | None = None,
        direction: str | None = None,
        origin: str | None = None,
        status: str | None = None,
        mode: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> list[Moved]:
        """List an account's transfers, newest first, in pages of `size`."""
        self._has_no_words(Verb.TRANSFERS)

    async def outside(self, account_id: str, *, direction: str | None = None) -> list[Happened]:
        """List what happened on an external account, latest first."""
        self._has_no_words(Verb.OUTSIDE)

    async def revoke(self) -> None:
        """Let what this speaker shows work no longer: a person does that."""
        raise NotImplementedError

    def _has_no_words(self, verb: Verb) -> NoReturn:
        raise NotImplementedError(f"{self.name} has no words to {verb.value}")


def has_words(name: str, *verbs: Verb) -> bool:
    """Tell whether a generation can say all of this."""
    return NO_WORDS[name].isdisjoint(verbs)


class KeyHolder(Speaker):
    """A program with an API key."""

    def __init__(self, http: httpx.AsyncClient, world: World, key_id: KeyId, secret: str) -> None:
        self.http = http
        self.world = world
        self.key_id = key_id
        self.secret = secret

    @classmethod
    async def arrive(cls, http: httpx.AsyncClient, world: World, **key: Any) -> "KeyHolder":
        """Come with a new key that may do everything, or what is said."""
        grants = key.pop("grants", None) or every_grant()
        made, secret = await create_key(
            world.engine, world.organization_id, "a story", grants, rate_limit=PLENTY, **key
        )
        return cls(http, world, made.id, secret)

    async def with_key(self, *grants: Permission | tuple[Permission, Grant], **key: Any) -> "KeyHolder":
        """Come again with a key that holds exactly these grants; a bare permission stands for every resource."""
        held = dict(grant if isinstance(grant, tuple) else (grant, whole_grant(grant)) for grant in grants)
        return await type(self).arrive(self.http, self.world, grants=held or None, **key)

    async def revoke(self) -> None:
        await revoke_key(self.world.engine, self.world.organization_id, self.key_id, self.key_id)

    async def ask(self, method: str, path: str, *, status: int = 200, **more: Any) -> httpx.Response:
        """Send a request that is answered with this status. Raises Refused."""
        headers = self.headers() | more.pop("headers", {})
        params = {name: value for name, value in (more.pop("params", None) or {}).items() if value is not None}
        answer = await self.http.request(method, path, headers=headers, params=params or None, **more)
        if answer.status_code >= 400:
            error = answer.json()["error"]
            raise Refused(self.generation, answer.status_code, error["code"], error["message"])
        assert answer.status_code == status, answer.text
        return answer

    def headers(self) -> dict[str, str]:
        raise NotImplementedError


def heard(answer: httpx.Response, fact: T) -> Heard[T]:
    return Heard(fact, answer.content, answer.headers.get("idempotent-replayed") == "true")


def keyed(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}
