"""Who gets in, beside the matrix: how a credential may be written, and what it opens."""

from sluiceway.services.remote_access import disable
from tests.api.remote.client import Remote, assert_invalid, open_remote
from tests.support import first_story


async def test_a_header_that_is_sent_twice_is_invalid(remote: Remote, unchanged: None) -> None:
    pair = ("x-sequence-access-token", f"Bearer {remote.token}")

    assert_invalid(await remote.http.post("/accounts", headers=[pair, pair], json={}))


async def test_the_word_may_be_written_in_any_case(remote: Remote) -> None:
    answer = await remote.send("POST", "/accounts", {"x-sequence-access-token": f"bearer {remote.token}"}, json={})

    assert answer.status_code == 200


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
