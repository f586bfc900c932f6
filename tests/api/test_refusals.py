"""Every refusal has words in every error table; each entry is met by some request, or it is said why by none."""

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any, Final, get_type_hints

import httpx
import pytest

from sluiceway.api.http import (
    Failure,
    Generation,
    MethodNotAllowed,
    PathUnknown,
    RequestTooLarge,
    UnsupportedMediaType,
    every_refusal,
)
from sluiceway.api.platform.app import PLATFORM
from sluiceway.api.remote.app import REMOTE
from sluiceway.api.sandbox.app import SANDBOX
from sluiceway.api.v1.app import V1
from sluiceway.domain import errors as e
from sluiceway.domain.access import Grant, Permission, TransferPair
from sluiceway.domain.ids import IdKind
from sluiceway.domain.money import Cents
from sluiceway.services.audit import run_audit
from sluiceway.services.verifying import stop_money
from tests.api.client import Api, open_http
from tests.api.golden.scenes import Busy, Refusing
from tests.api.remote.client import new_secret, open_remote
from tests.api.test_story import deposit
from tests.cards import issue
from tests.support import AUTO_SAVE, fixed, on_demand

GENERATIONS: Final[dict[str, Generation]] = {"v1": V1, "platform": PLATFORM, "remote": REMOTE, "sandbox": SANDBOX}
OF_THE_APP: Final = {kind for kind in every_refusal() if issubclass(kind, e.AppRefusal)}
"""What no program with a key ever meets; tests/api/app has them."""
EVERY: Final = sorted(every_refusal() - OF_THE_APP, key=lambda kind: kind.__name__)
GENERATION: Final = pytest.mark.parametrize("name", GENERATIONS)

VALUES: Final[dict[Any, tuple[Any, ...]]] = {
    str: ("x",),
    int: (7,),
    bool: (True, False),
    datetime: (datetime(2026, 1, 1, tzinfo=UTC),),
    IdKind: tuple(IdKind),
    tuple[str, ...]: (("GET", "POST"),),
    tuple[e.Problem, ...]: ((e.Problem("steps/0", "must be an object"),),),
}
"""Values for each type of field, so that a refusal that comes later is made too."""


def instances(kind: type[e.Refusal]) -> Iterator[e.Refusal]:
    """Make a refusal in every form that matters."""
    fields = {name: hint for name, hint in get_type_hints(kind).items() if name in kind.__dataclass_fields__}
    for values in product(*(VALUES[hint] for hint in fields.values())):
        yield kind(**dict(zip(fields, values, strict=True)))


@GENERATION
def test_every_refusal_has_an_entry_in_every_table(name: str) -> None:
    generation = GENERATIONS[name]

    assert set(generation.refusals) == set(EVERY)
    for operation in generation.operations:
        assert set(operation.words) <= set(EVERY)


@GENERATION
def test_every_entry_can_be_told(name: str) -> None:
    generation = GENERATIONS[name]
    tables = [generation.refusals, *(operation.words for operation in generation.operations)]
    for kind, words in [entry for table in tables for entry in table.items()]:
        for refusal in instances(kind):
            failure = words(refusal)

            assert 400 <= failure.status < 500
            assert all(isinstance(part, bytes) for header in failure.headers for part in header)
            if not failure.is_plain:
                assert error_in(generation, failure)["code"] == failure.code


@GENERATION
@pytest.mark.parametrize("kind", [e.IdempotencyKeyInUse, e.RateLimited, e.TooManyGuesses])
def test_whoever_asks_too_early_is_told_when_to_ask_again(name: str, kind: type[e.Refusal]) -> None:
    generation = GENERATIONS[name]
    for table in (generation.refusals, *(operation.words for operation in generation.operations)):
        for failure in (table[kind](refusal) for refusal in instances(kind) if kind in table):
            assert dict(failure.headers)[b"retry-after"].isdigit()


def error_in(generation: Generation, failure: Failure) -> dict[str, str]:
    """Read the error out of its envelope, which has all that it must have."""
    told = json.loads(generation.show_failure(failure, "req_1"))
    named = told.get("requestId", told.get("request_id"))
    error = told if generation is REMOTE else told["error"]
    is_lower = generation in (V1, SANDBOX)
    assert named == "req_1"
    assert error["message"]
    assert error["code"].replace("_", "").isalpha()
    assert error["code"] == (error["code"].lower() if is_lower else error["code"].upper())
    return error


@dataclass
class Caller:
    """A program with everything, in one generation."""

    name: str
    api: Api
    rule: str
    remote_secret: str
    remote_token: str
    http: httpx.AsyncClient

    async def __call__(
        self, method: str, path: str, body: Any = None, *, secret: str | None = "", key: str | None = None, **more: Any
    ) -> httpx.Response:
        """Send a request; `secret` is another credential, or None for none at all."""
        headers: dict[str, str] = more.pop("headers", {})
        if key is not None:
            headers["Idempotency-Key"] = key
        if self.name == "remote":
            shown = (secret or self.remote_secret) if path.endswith("/trigger") else (secret or self.remote_token)
            header = "x-sequence-signature" if path.endswith("/trigger") else "x-sequence-access-token"
            headers |= {} if secret is None else {header: f"Bearer {shown}"}
        elif secret is not None:
            scheme = "Bearer" if self.name == "platform" else "ApiKey"
            headers["Authorization"] = f"{scheme} {secret or self.api.secret}"
        if "content" not in more:
            more["json"] = body
        return await self.http.request(method, PREFIXES[self.name] + path, headers=headers, **more)

    @property
    def trigger(self) -> str:
        return f"/rules/{self.rule}/trigger"

    async def holding(self, *grants: Any) -> str:
        """Make another key."""
        return (await self.api.with_grants(*grants)).secret or ""

    def ends(self, source: str, destination: str, amount: int) -> dict[str, Any]:
        names = (
            ("sourceAccountId", "destinationAccountId", "amountInCents")
            if self.name == "platform"
            else ("source_account_id", "destination_account_id", "amount_in_cents")
        )
        return dict(zip(names, (source, destination, amount), strict=True))


PREFIXES: Final = {"v1": "/api/v1", "platform": "/platform/v1", "remote": "", "sandbox": "/sandbox"}
AN_OPERATION: Final = {
    "v1": ("GET", "/rules"), "platform": ("GET", "/rules"), "remote": ("POST", "/accounts"),
    "sandbox": ("GET", "/clock"),
}  # fmt: skip
WITH_A_BODY: Final = {
    "v1": "/rules", "platform": "/rules", "remote": "/accounts", "sandbox": "/deposits",
}  # fmt: skip

Meeting = Callable[[Caller], Awaitable[httpx.Response]]


async def nobody(call: Caller) -> httpx.Response:
    return await call(*AN_OPERATION[call.name], secret=None)


async def with_too_little(call: Caller) -> httpx.Response:
    return await call(*AN_OPERATION[call.name], secret=await call.holding(Permission.MANUAL_TRANSFER))


async def another_rule_s_secret(call: Caller) -> httpx.Response:
    await call.api.world.rule("other", on_demand("income", fixed(100, "income", "savings")))
    return await call("POST", call.trigger, {}, secret=await new_secret(call.api.world, "other"))


async def not_there(call: Caller) -> httpx.Response:
    if call.name == "sandbox":
        return await call("POST", "/transfers/nonsense/settle", {})
    if call.name == "remote":
        # A malformed id belongs to no secret, which is looked at before whether it exists.
        return await call("POST", "/rules/nonsense/trigger", {})
    return await call("GET", "/rules/nonsense")


async def badly_asked(call: Caller) -> httpx.Response:
    return await call("POST", WITH_A_BODY[call.name], content=b"{", headers={"Content-Type": "application/json"})


async def from_nowhere(call: Caller) -> httpx.Response:
    return await call("POST", "/transfers", call.ends("nonsense", call.api.account("savings"), 100))


async def too_much(call: Caller) -> httpx.Response:
    world = call.api.world
    pair = TransferPair(world.accounts["savings"], world.accounts["income"], Cents(200))
    secret = await call.holding((Permission.MANUAL_TRANSFER, Grant(pairs=(pair,))))
    return await call(
        "POST", "/transfers", call.ends(world.accounts["savings"], world.accounts["income"], 201), secret=secret
    )


async def disabled(call: Caller) -> httpx.Response:
    world = call.api.world
    made = await world.rule("off", AUTO_SAVE, enabled=False)
    secret = await new_secret(world, "off") if call.name == "remote" else ""
    return await call("POST", f"/rules/{made.id}/trigger", {}, secret=secret)


async def wordless(call: Caller) -> httpx.Response:
    action = {"type": "REMOTE_AMOUNT", "url": "https://example.com/a", "source": "income", "destination": "savings"}
    made = await call.api.world.rule("wordless", on_demand("income", action))
    return await call("GET", f"/rules/{made.id}")


async def another_body(call: Caller) -> httpx.Response:
    if call.name == "sandbox":
        money = {"account_id": call.api.account("savings"), "amount_in_cents": 100}
        assert (await call("POST", "/deposits", money, key="k")).is_success
        return await call("POST", "/deposits", money | {"amount_in_cents": 101}, key="k")
    amount = "executeAmount" if call.name == "platform" else "manual_execute_amount"
    assert (await call("POST", call.trigger, {amount: 1}, key="k")).is_success
    return await call("POST", call.trigger, {amount: 2}, key="k")


async def in_use(call: Caller) -> httpx.Response:
    async with open_http(Busy(call.api.world.engine)) as http:
        call.http = http
        if call.name == "sandbox":
            money = {"account_id": call.api.account("savings"), "amount_in_cents": 100}
            return await call("POST", "/deposits", money, key="k")
        return await call("POST", call.trigger, {}, key="k")


async def too_often(call: Caller) -> httpx.Response:
    async with open_http(Refusing(call.api.world, e.RateLimited(7, 7))) as http:
        call.http = http
        return await call(*AN_OPERATION[call.name])


async def guessed(call: Caller) -> httpx.Response:
    async with open_http(Refusing(call.api.world, e.TooManyGuesses(7))) as http:
        call.http = http
        return await call(*AN_OPERATION[call.name])


async def not_empty(call: Caller) -> httpx.Response:
    await deposit(call.api, 100, "savings")
    return await call("DELETE", f"/accounts/{call.api.account('savings')}")


async def over_already(call: Caller) -> httpx.Response:
    await deposit(call.api, 100, "savings")
    ends = call.ends(call.api.account("savings"), call.api.account("income"), 100)
    made = (await call("POST", "/transfers", ends)).json()["data"]
    return await call("POST", f"/transfers/{made['id']}/cancel", {})


async def while_money_is_stopped(call: Caller) -> httpx.Response:
    world = call.api.world
    await stop_money(world.engine, world.organization_id, (await run_audit(world.engine))[0])
    return await call("POST", "/transfers", call.ends(call.api.account("savings"), call.api.account("income"), 100))


async def back_in_time(call: Caller) -> httpx.Response:
    return await call("POST", "/clock/advance", {"to": "2000-01-01T00:00:00Z"})


async def what_no_bank_does(call: Caller) -> httpx.Response:
    return await call("POST", f"/accounts/{call.api.account('income')}/state", {"state": "open"})


async def what_no_card_does(call: Caller) -> httpx.Response:
    card = await issue(call.api.world, "savings")
    return await call("POST", f"/cards/{card.id}/account", {"account_id": call.api.account("emergency")})


async def nowhere(call: Caller) -> httpx.Response:
    return await call("POST", "/rules/a/b/c/d")


async def by_another_method(call: Caller) -> httpx.Response:
    return await call("PUT", AN_OPERATION[call.name][1])


async def no_json(call: Caller) -> httpx.Response:
    return await call("POST", WITH_A_BODY[call.name], content=b"{}", headers={"Content-Type": "text/plain"})


async def too_long(call: Caller) -> httpx.Response:
    body = b" " * ((1 << 20) + 1)
    return await call("POST", WITH_A_BODY[call.name], content=body, headers={"Content-Type": "application/json"})


MET: Final[dict[type[e.Refusal], dict[str, Meeting]]] = {
    e.Unauthenticated: dict.fromkeys(GENERATIONS, nobody),
    e.PermissionDenied: {
        "v1": with_too_little, "platform": with_too_little, "sandbox": with_too_little, "remote": another_rule_s_secret,
    },
    e.NotFound: {"v1": not_there, "platform": not_there, "sandbox": not_there},
    e.InvalidParameters: dict.fromkeys(GENERATIONS, badly_asked),
    e.TransferAccountNotFound: {"v1": from_nowhere, "platform": from_nowhere},
    e.MaximumAmountExceeded: {"v1": too_much, "platform": too_much},
    e.RuleDisabled: {"v1": disabled, "platform": disabled, "remote": disabled},
    e.RuleNotSupported: {"platform": wordless},
    e.IdempotencyKeyMismatch: {"v1": another_body, "platform": another_body, "sandbox": another_body},
    e.IdempotencyKeyInUse: dict.fromkeys(GENERATIONS, in_use),
    e.RateLimited: dict.fromkeys(GENERATIONS, too_often),
    e.TooManyGuesses: dict.fromkeys(GENERATIONS, guessed),
    e.AccountNotEmpty: {"v1": not_empty},
    e.TransferNotCancellable: {"v1": over_already},
    e.MoneyStopped: {"v1": while_money_is_stopped, "platform": while_money_is_stopped},
    e.ClockRefused: {"sandbox": back_in_time},
    e.BankRefused: {"sandbox": what_no_bank_does},
    e.CardRefused: {"sandbox": what_no_card_does},
    PathUnknown: dict.fromkeys(GENERATIONS, nowhere),
    MethodNotAllowed: dict.fromkeys(GENERATIONS, by_another_method),
    UnsupportedMediaType: dict.fromkeys(GENERATIONS, no_json),
    RequestTooLarge: dict.fromkeys(GENERATIONS, too_long),
}  # fmt: skip
"""A request for each entry that can be met."""

A_PERSON_ONLY: Final = "said to a person who reviews, enables or approves; no API can"
BODY_IGNORED: Final = "the body is ignored, so two with one key are the same"
NOT_OFFERED: Final = "there is no such operation"

UNMET: Final[dict[type[e.Refusal], dict[str, str]]] = {
    e.RuleChanged: dict.fromkeys(GENERATIONS, A_PERSON_ONLY),
    e.RuleHasProblems: dict.fromkeys(GENERATIONS, A_PERSON_ONLY),
    e.PasswordRefused: dict.fromkeys(GENERATIONS, A_PERSON_ONLY),
    e.TransferChanged: dict.fromkeys(GENERATIONS, A_PERSON_ONLY),
    e.NotFound: {"remote": "a secret reaches its own rule alone, so that others are denied before they are not found"},
    e.TransferAccountNotFound: {"remote": NOT_OFFERED, "sandbox": NOT_OFFERED},
    e.MaximumAmountExceeded: {"remote": NOT_OFFERED, "sandbox": NOT_OFFERED},
    e.RuleDisabled: {"sandbox": NOT_OFFERED},
    e.RuleNotSupported: {
        "v1": "it has words for every form", "remote": NOT_OFFERED, "sandbox": NOT_OFFERED,
    },
    e.IdempotencyKeyMismatch: {"remote": BODY_IGNORED},
    e.AccountNotEmpty: {"platform": NOT_OFFERED, "remote": NOT_OFFERED, "sandbox": NOT_OFFERED},
    e.TransferNotCancellable: {"platform": NOT_OFFERED, "remote": NOT_OFFERED, "sandbox": NOT_OFFERED},
    e.MoneyStopped: {"remote": NOT_OFFERED, "sandbox": NOT_OFFERED},
    e.ClockRefused: {"v1": NOT_OFFERED, "platform": NOT_OFFERED, "remote": NOT_OFFERED},
    e.BankRefused: {"v1": NOT_OFFERED, "platform": NOT_OFFERED, "remote": NOT_OFFERED},
    e.CardRefused: {"v1": NOT_OFFERED, "platform": NOT_OFFERED, "remote": NOT_OFFERED},
    e.SandboxOnly: {"v1": NOT_OFFERED, "platform": NOT_OFFERED, "remote": NOT_OFFERED},
}  # fmt: skip
"""Why no request meets an entry."""


@GENERATION
def test_it_is_known_of_every_entry_how_it_is_met_or_why_not(name: str) -> None:
    met = {kind for kind, meetings in MET.items() if name in meetings}
    unmet = {kind for kind, reasons in UNMET.items() if name in reasons}
    # That needs a live organization, and is asked of all operations there: see matrix/test_live.py.
    elsewhere = {e.SandboxOnly} if name == "sandbox" else set()

    assert met | unmet | elsewhere == set(EVERY)
    assert not met & unmet


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, meetings in MET.items() for name in meetings],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
async def test_a_request_meets_it(api: Api, kind: type[e.Refusal], name: str) -> None:
    world, generation = api.world, GENERATIONS[name]
    remote = await open_remote(api.http, world)
    call = Caller(name, api, world.rules["auto_save"].id, remote.secret or "", remote.token or "", api.http)
    answer = await MET[kind][name](call)

    expected = {
        (failure.status, "" if failure.is_plain else failure.code)
        for table in (generation.refusals, *(operation.words for operation in generation.operations))
        if kind in table
        for failure in (table[kind](refusal) for refusal in instances(kind))
    }
    assert (answer.status_code, code_of(answer)) in expected, answer.text


def code_of(answer: httpx.Response) -> str:
    if answer.headers["content-type"] != "application/json":
        return ""
    told = answer.json()
    code: str = told.get("error", told)["code"]
    return code
