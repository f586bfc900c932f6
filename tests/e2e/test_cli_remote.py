"""The remote API's credentials as whoever runs the server manages them."""

import json

import pytest
from typer.testing import CliRunner

from sluiceway.cli.app import app
from sluiceway.domain.access import Caller
from sluiceway.domain.ids import IdKind, format_id, to_base32
from sluiceway.services.remote_access import identify_rule_secrets, identify_tokens
from sluiceway.storage.database import Database
from tests.e2e.processes import run
from tests.support import World, first_story, new_world, plain_engine

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture
async def world(database: Database) -> World:
    return await first_story(plain_engine(database))


@pytest.fixture
def sluiceway(database_url: str):
    """Run a command on this test's database."""

    def call(*words: str, status: int = 0) -> str:
        ran = run("remote", *words, "--database-url", database_url, ALLOW_UNSAFE_POSTGRES="1")
        assert ran.returncode == status, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        return ran.stdout if status == 0 else ran.stderr

    return call


async def test_a_secret_is_shown_once_runs_its_rule_when_that_is_on_and_is_revoked(world: World, sluiceway):
    rule = world.rules["auto_save"].id
    said = sluiceway("secrets", "create", format_id(IdKind.RULE, rule)).splitlines()
    made = json.loads(sluiceway("secrets", "create", rule, "--json"))

    async def works(secret: str) -> bool:
        [found] = await identify_rule_secrets(world.engine, [secret])
        return isinstance(found, Caller)

    assert said[2] == f"It runs the rule with POST /rules/ru_{to_base32(rule)}/trigger"
    assert "sluiceway remote enable" in said[3]
    assert not await works(made["rule_secret"])
    assert "is on" in sluiceway("enable")
    assert await works(said[1])
    assert await works(made["rule_secret"])
    listed = sluiceway("secrets", "list")
    assert said[1] not in listed
    assert made["rule_secret"] not in listed
    assert listed.count("Auto-save on deposit") == 2
    assert "will be refused" in sluiceway("secrets", "revoke", made["id"])
    assert (await works(said[1]), await works(made["rule_secret"])) == (True, False)
    [newest, oldest] = json.loads(sluiceway("secrets", "list", "--json"))
    assert newest | {"revoked_at": None, "rule_secret": made["rule_secret"]} == made
    assert (newest["revoked_at"] is None, oldest["revoked_at"]) == (False, None)
    assert "is off" in sluiceway("disable")
    assert not await works(said[1])


async def test_a_token_is_for_one_beneficiary_who_has_accounts(world: World, sluiceway):
    made = json.loads(sluiceway("tokens", "create", "--name", "Sheet", "--json"))
    assert made["beneficiary_name"] is None
    await world.account("shop", beneficiary_name="Ada")

    assert "say which with --beneficiary: 'Ada', ''" in sluiceway("tokens", "create", "--name", "Sheet", status=1)
    refused = sluiceway("tokens", "create", "--name", "Sheet", "--beneficiary", "ada", status=1)
    assert refused == "No account belongs to 'ada'; there are 'Ada', ''.\n"
    ada = json.loads(sluiceway("tokens", "create", "--name", "Ada's", "--beneficiary", "Ada", "--json"))
    nobody = sluiceway("tokens", "create", "--name", "Rest", "--beneficiary", "").splitlines()
    sluiceway("enable")
    found = await identify_tokens(world.engine, [made["access_token"], ada["access_token"], nobody[1]])
    assert [isinstance(one, Caller) for one in found] == [True] * 3
    sluiceway("tokens", "revoke", ada["id"])
    listed = json.loads(sluiceway("tokens", "list", "--json"))
    assert [(one["name"], one["beneficiary_name"], one["revoked_at"] is None) for one in listed] == [
        ("Rest", None, True), ("Ada's", "Ada", False), ("Sheet", None, True),
    ]  # fmt: skip
    assert ada["access_token"] not in sluiceway("tokens", "list")


async def test_what_does_not_exist_is_said_in_one_sentence(world: World, sluiceway):
    other = await new_world(world.engine, email="other@example.com")
    its = ("--organization", world.organization_id)

    assert sluiceway("tokens", "revoke", "token_x", *its, status=1) == (
        "There is no access token with the id 'token_x'.\n"
    )
    assert sluiceway("secrets", "revoke", "x", *its, status=1) == "There is no rule secret with the id 'x'.\n"
    assert sluiceway("secrets", "create", "x", *its, status=1) == "There is no rule with the id 'x'.\n"
    empty = sluiceway("tokens", "create", "--name", "x", "--organization", other.organization_id, status=1)
    assert empty == "There is no account yet that a token could see.\n"
    assert "ordinary characters" in sluiceway("tokens", "create", "--name", " ", *its, status=1)
    assert CliRunner().invoke(app, ["remote", "tokens", "create"]).exit_code == 2
