"""Stories in the words of the remote API: accounts in dollars, and rules that are run by their secrets."""

import json
from decimal import Decimal
from typing import Any, ClassVar, Final

import httpx

from sluiceway.domain.errors import NotFound
from sluiceway.domain.ids import IdKind, RuleId, parse_id, to_base32
from sluiceway.services.remote_access import (
    create_rule_secrets,
    create_token,
    enable,
    list_rule_secrets,
    list_tokens,
    revoke_rule_secret,
    revoke_token,
)
from tests.api.stories.facts import Purse, bare, is_bare
from tests.api.stories.refusals import Refused
from tests.api.stories.speaker import Heard, Speaker, heard
from tests.support import World

KINDS: Final = {"Pod": "POD", "Income Source": "INCOME_SOURCE", "Account": "EXTERNAL_ACCOUNT"}


class Remote(Speaker):
    """A program with an access token, and a secret for each rule that it has run."""

    name: ClassVar[str] = "remote"
    generation: ClassVar[str] = "remote"

    def __init__(self, http: httpx.AsyncClient, world: World, token: str) -> None:
        self.http = http
        self.world = world
        self.token = token
        self.secrets: dict[str, str] = {}

    @classmethod
    async def arrive(cls, http: httpx.AsyncClient, world: World) -> "Remote":
        await enable(world.engine, world.organization_id)
        _, token = await create_token(world.engine, world.organization_id, "a story", None)
        return cls(http, world, token)

    async def purses(self) -> dict[str, Purse]:
        answer = await self._ask("/accounts", {"x-sequence-access-token": f"Bearer {self.token}"})
        # Exact, as it was written: this generation alone has fractions.
        shown = json.loads(answer.content, parse_float=Decimal)["data"]["accounts"]
        return {one["name"]: _show_purse(one) for one in shown}

    async def trigger(self, rule_id: str, *, key: str | None = None) -> Heard[str]:
        headers = {"x-sequence-signature": f"Bearer {await self._secret(rule_id)}"}
        if key is not None:
            headers["idempotency-key"] = key
        spelled = f"ru_{to_base32(rule_id)}" if is_bare(rule_id) else rule_id
        answer = await self._ask(f"/rules/{spelled}/trigger", headers)
        return heard(answer, bare(IdKind.EXECUTION, answer.json()["data"]["requestId"]))

    async def revoke(self) -> None:
        engine, organization_id = self.world.engine, self.world.organization_id
        for token in await list_tokens(engine, organization_id):
            await revoke_token(engine, organization_id, token.id, token.id)
        for secret in await list_rule_secrets(engine, organization_id):
            await revoke_rule_secret(engine, organization_id, secret.id, secret.id)

    async def _secret(self, rule_id: str) -> str:
        if rule_id not in self.secrets:
            wanted = parse_id(IdKind.RULE, rule_id)
            named = [(None if wanted is None else RuleId(wanted), rule_id)]
            try:
                [(_, secret)] = await create_rule_secrets(self.world.engine, self.world.organization_id, named)
            except NotFound:
                # Nobody has a secret for what is not there; whoever asks for it shows another rule's.
                return await self._secret(next(iter(self.world.rules.values())).id)
            self.secrets[rule_id] = secret
        return self.secrets[rule_id]

    async def _ask(self, path: str, headers: dict[str, str]) -> httpx.Response:
        answer = await self.http.post(path, headers=headers, json={})
        if answer.status_code >= 400:
            error = answer.json()
            raise Refused(self.generation, answer.status_code, error["code"], error["message"])
        assert answer.status_code == 200, answer.text
        return answer


def _show_purse(shown: dict[str, Any]) -> Purse:
    dollars = shown["balance"]["amountInDollars"]
    cents = None if dollars is None else dollars * 100
    assert cents is None or cents == int(cents), "no fractions of cents"
    return Purse(KINDS[shown["type"]], None if cents is None else int(cents), shown["balance"]["error"])
