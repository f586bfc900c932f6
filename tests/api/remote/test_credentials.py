"""Who gets in: a live token or secret of an organization that lets them in, each for what it is for."""

from collections.abc import Awaitable, Callable

import pytest

from sluiceway.services.keys import checksum, create_key, every_grant
from sluiceway.services.remote_access import (
    disable,
    list_rule_secrets,
    list_tokens,
    revoke_rule_secret,
    revoke_token,
)
from tests.api.client import Api, digest
from tests.api.client import assert_refused as assert_v1_refused
from tests.api.remote.client import Remote, assert_invalid, assert_unauthorized, new_secret, open_remote
from tests.support import first_story

TOKEN, SECRET = "INVALID_ACCESS_TOKEN", "INVALID_API_SECRET"
NOBODY = "A" * 32


async def revoked(remote: Remote) -> Remote:
    engine, organization_id = remote.world.engine, remote.world.organization_id
    for token in await list_tokens(engine, organization_id):
        await revoke_token(engine, organization_id, token.id, "")
    for secret in await list_rule_secrets(engine, organization_id):
        await revoke_rule_secret(engine, organization_id, secret.id, "")
    return remote


async def switched_off(remote: Remote) -> Remote:
    await disable(remote.world.engine, remote.world.organization_id)
    return remote


async def exchanged(remote: Remote) -> Remote:
    return remote.having(token=remote.secret, secret=remote.token)


async def with_a_key(remote: Remote) -> Remote:
    _, key = await create_key(remote.world.engine, remote.world.organization_id, "all", every_grant(), rate_limit=None)
    return remote.having(token=key, secret=key)


async def mistyped(remote: Remote) -> Remote:
    assert remote.token is not None
    assert remote.secret is not None
    return remote.having(token=remote.token[:-1] + "-", secret=remote.secret[:20] + remote.secret[21:])


async def unknown(remote: Remote) -> Remote:
    body = NOBODY + checksum(NOBODY)
    return remote.having(token=f"at_{body}", secret=f"rs_{body}")


async def without_any(remote: Remote) -> Remote:
    return remote.having(token=None, secret=None)


async def too_long(remote: Remote) -> Remote:
    return remote.having(token="x" * 10_000, secret="x" * 10_000)


@pytest.mark.parametrize(
    "somebody", [revoked, switched_off, exchanged, with_a_key, mistyped, unknown, without_any, too_long]
)
async def test_nobody_else_gets_in(remote: Remote, somebody: Callable[[Remote], Awaitable[Remote]]) -> None:
    assert (await remote.accounts()).status_code == 200
    stranger = await somebody(remote)
    before = await digest(remote.world.engine.database)

    assert_unauthorized(await stranger.accounts(), TOKEN)
    assert_unauthorized(await stranger.accounts("/remote-api/accounts"), TOKEN)
    assert_unauthorized(await stranger.trigger(), SECRET)
    # Who is calling comes before which rule, and before what is sent.
    assert_unauthorized(await stranger.trigger(path="/rules/nonsense/trigger", json=None, content=b"{"), SECRET)
    assert await digest(remote.world.engine.database) == before


@pytest.mark.parametrize("header", ["{}", "Bearer", "Bearer ", "Basic {}", "ApiKey {}", "Bearer {} {}", "Bearer{}"])
async def test_a_credential_stands_behind_its_word(remote: Remote, unchanged: None, header: str) -> None:
    token = {"x-sequence-access-token": header.format(remote.token, remote.token)}
    secret = {"x-sequence-signature": header.format(remote.secret, remote.secret)}
    path = f"/rules/{remote.ru()}/trigger"

    assert_unauthorized(await remote.send("POST", "/accounts", {**token}, json={}), TOKEN)
    assert_unauthorized(await remote.send("POST", path, {**secret}, json={}), SECRET)


async def test_a_credential_stands_in_its_own_header(remote: Remote, unchanged: None) -> None:
    for name in ("authorization", "x-sequence-signature"):
        answer = await remote.send("POST", "/accounts", {name: f"Bearer {remote.token}"}, json={})
        assert_unauthorized(answer, TOKEN)
    for name in ("authorization", "x-sequence-access-token"):
        path = f"/rules/{remote.ru()}/trigger"
        assert_unauthorized(await remote.send("POST", path, {name: f"Bearer {remote.secret}"}, json={}), SECRET)


async def test_a_header_that_is_sent_twice_is_invalid(remote: Remote, unchanged: None) -> None:
    pair = ("x-sequence-access-token", f"Bearer {remote.token}")

    assert_invalid(await remote.http.post("/accounts", headers=[pair, pair], json={}))


async def test_the_word_may_be_written_in_any_case(remote: Remote) -> None:
    answer = await remote.send("POST", "/accounts", {"x-sequence-access-token": f"bearer {remote.token}"}, json={})

    assert answer.status_code == 200


async def test_a_secret_runs_its_own_rule_alone(remote: Remote) -> None:
    world = remote.world
    neighbour = await open_remote(remote.http, await first_story(world.engine))
    await world.rule("second", {"trigger": {"type": "REMOTE_API", "account_id": None}, "steps": [{"actions": [
        {"type": "FIXED", "amount_in_cents": 100, "source": "income", "destination": "savings"},
    ]}]})  # fmt: skip
    second = remote.having(secret=await new_secret(world, "second"))
    before = await digest(world.engine.database)

    for caller, path in (
        (second, f"/rules/{remote.ru('auto_save')}/trigger"),
        (remote, f"/rules/{remote.ru('second')}/trigger"),
        (neighbour, f"/rules/{remote.ru('auto_save')}/trigger"),
        (remote, f"/rules/{neighbour.ru('auto_save')}/trigger"),
    ):
        # The same answer whether or not there is such a rule.
        assert_invalid(await caller.trigger(path=path), "no rule with this id")
    assert await digest(world.engine.database) == before
    assert (await second.trigger("second")).status_code == 200


async def test_a_token_sees_its_own_organization_alone(remote: Remote) -> None:
    neighbour = await open_remote(remote.http, await first_story(remote.world.engine))
    await neighbour.world.account("only theirs")

    def names(answer: dict) -> set[str]:
        return {account["name"] for account in answer["data"]["accounts"]}

    assert names((await remote.accounts()).json()) == {"income", "savings", "emergency"}
    assert names((await neighbour.accounts()).json()) == {"income", "savings", "emergency", "only theirs"}


async def test_switching_off_keeps_the_neighbours_in(remote: Remote) -> None:
    neighbour = await open_remote(remote.http, await first_story(remote.world.engine))
    await disable(remote.world.engine, remote.world.organization_id)

    assert (await neighbour.accounts()).status_code == 200
    assert (await neighbour.trigger()).status_code == 200


async def test_they_open_no_other_api(api: Api, remote: Remote, unchanged: None) -> None:
    for secret in (remote.token, remote.secret):
        stranger = api.with_secret(secret)
        assert_v1_refused(await stranger.get("/accounts"), 401, "unauthorized")
        assert_v1_refused(await stranger.post(f"/rules/{api.rule()}/trigger", {}), 401, "unauthorized")
        assert_v1_refused(await stranger.post("/sandbox/clock/freeze", {}), 401, "unauthorized")
