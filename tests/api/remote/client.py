"""Calls the remote API as the programs that use it do."""

from dataclasses import dataclass, replace
from typing import Any

import httpx

from sluiceway.domain.ids import RuleId, to_base32
from sluiceway.services.remote_access import create_rule_secrets, create_token, enable
from tests.support import World


@dataclass
class Remote:
    """A program with an access token and the secret of one rule."""

    http: httpx.AsyncClient
    world: World
    token: str | None
    secret: str | None

    def having(self, **credentials: str | None) -> "Remote":
        return replace(self, **credentials)

    async def send(self, method: str, path: str, headers: dict[str, str | bytes], **more: Any) -> httpx.Response:
        # Joined by hand: the client would tidy doubled slashes away.
        url = httpx.URL("http://sluiceway.test").copy_with(raw_path=path.encode())
        return await self.http.request(method, url, headers=headers, **more)

    async def accounts(self, path: str = "/accounts", **more: Any) -> httpx.Response:
        more.setdefault("json", {})
        return await self.send("POST", path, bearer("x-sequence-access-token", self.token), **more)

    async def trigger(
        self, rule: str = "auto_save", *, path: str | None = None, key: str | None = None, **more: Any
    ) -> httpx.Response:
        """Run a rule by its short name, or whatever is at a path."""
        headers = bearer("x-sequence-signature", self.secret)
        if key is not None:
            headers["idempotency-key"] = key
        more.setdefault("json", {})
        return await self.send("POST", path or f"/rules/{self.ru(rule)}/trigger", headers, **more)

    def ru(self, rule: str = "auto_save") -> str:
        return f"ru_{to_base32(self.world.rules[rule].id)}"


def bearer(header: str, secret: str | None) -> dict[str, str | bytes]:
    return {} if secret is None else {header: f"Bearer {secret}"}


async def new_token(world: World, beneficiary: str | None = None) -> str:
    _, secret = await create_token(world.engine, world.organization_id, "test", beneficiary)
    return secret


async def new_secret(world: World, rule: str = "auto_save") -> str:
    rule_id = RuleId(world.rules[rule].id)
    [(_, secret)] = await create_rule_secrets(world.engine, world.organization_id, [(rule_id, rule)])
    return secret


async def open_remote(http: httpx.AsyncClient, world: World) -> Remote:
    """Let programs in, and be one."""
    await enable(world.engine, world.organization_id)
    return Remote(http, world, await new_token(world), await new_secret(world))


def assert_refused(answer: httpx.Response, status: int, code: str, message: str, says: str = "") -> None:
    """Expect a flat error: code and message as documented, with the request's id, and for people a reason."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    body = answer.json()
    assert body.pop("requestId") == answer.headers["x-request-id"]
    reason = body.pop("reason", "")
    assert body == {"code": code, "message": message}
    assert bool(reason) == (code == "INVALID_REQUEST")
    assert says in reason


def assert_unauthorized(answer: httpx.Response, code: str) -> None:
    assert_refused(answer, 401, code, "Unauthorized")


def assert_invalid(answer: httpx.Response, says: str = "") -> None:
    assert_refused(answer, 400, "INVALID_REQUEST", "Invalid request", says)
