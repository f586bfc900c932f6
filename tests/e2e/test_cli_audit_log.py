"""`sluiceway audit-log` and the key commands around it, as somebody at the server types them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sluiceway.domain.ids import IdKind, format_id
from sluiceway.services.keys import rule_secret
from sluiceway.storage.database import Database
from tests.e2e.processes import run
from tests.support import PASSWORD, World, first_story, plain_engine

pytestmark = pytest.mark.e2e

Command = Callable[..., str]


@pytest.fixture
async def world(database: Database) -> World:
    return await first_story(plain_engine(database))


@pytest.fixture
def sluiceway(database_url: str) -> Command:
    def call(*words: str, status: int = 0) -> str:
        ran = run(*words, "--database-url", database_url, ALLOW_UNSAFE_POSTGRES="1")
        assert ran.returncode == status, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        return ran.stdout if status == 0 else ran.stdout + ran.stderr

    return call


async def test_it_tells_who_did_what_to_what(world: World, sluiceway: Command) -> None:
    rule = format_id(IdKind.RULE, world.rules["auto_save"].id)
    key = json.loads(sluiceway("keys", "create", "--name", "Payroll", "--all", "--rate-limit", "5", "--json"))
    assert "9 calls a minute" in sluiceway("keys", "limit", key["id"], "9")
    assert "as many calls as it likes" in sluiceway("keys", "limit", key["id"], "off")
    secret = json.loads(sluiceway("remote", "secrets", "create", rule, "--json"))
    sluiceway("remote", "secrets", "revoke", secret["id"])
    await rule_secret(world.engine, world.person, PASSWORD, world.rules["auto_save"].id, rule)

    listed = json.loads(sluiceway("audit-log", "list", "--json"))
    told = [(one["actor"]["kind"], one["action"], one["subject_id"], one["outcome"]) for one in listed[::-1]]
    assert told == [
        ("PERSON", "ENABLE_RULE", rule, "SUCCESS"),
        ("OPERATOR", "CREATE_KEY", key["id"], "SUCCESS"),
        ("OPERATOR", "SET_RATE_LIMIT", key["id"], "SUCCESS"),
        ("OPERATOR", "SET_RATE_LIMIT", key["id"], "SUCCESS"),
        ("OPERATOR", "CREATE_RULE_SECRETS", None, "SUCCESS"),
        ("OPERATOR", "REVOKE_RULE_SECRET", secret["id"], "SUCCESS"),
        ("PERSON", "SHOW_RULE_SECRET", rule, "SUCCESS"),
    ]
    table = sluiceway("audit-log", "list", "--action", "enable_rule").splitlines()
    assert table[0].split() == ["When", "Who", "What", "On", "Outcome"]
    assert table[1].split()[1:] == ["person@example.com", "ENABLE_RULE", rule, "done"]
    assert "Nothing like that is in the log." in sluiceway("audit-log", "list", "--action", "SLEEP")
    assert "Nothing like that" in sluiceway("audit-log", "list", "--key", key["id"])
    assert "is not the id of a key" in sluiceway("audit-log", "list", "--key", "nobody", status=2)


def test_a_key_that_is_taken_for_its_id_is_not_shown_again(world: World, sluiceway: Command) -> None:
    secret = json.loads(sluiceway("keys", "create", "--name", "Payroll", "--all", "--json"))["api_key"]

    for words in (("limit", secret, "5"), ("revoke", secret)):
        told = sluiceway("keys", *words, status=2)
        assert "an API key itself" in told
        assert secret not in told


def test_heads_that_were_kept_are_compared(world: World, sluiceway: Command, tmp_path: Path) -> None:
    kept, other = tmp_path / "heads.json", tmp_path / "other.json"
    kept.write_text(sluiceway("audit-log", "heads"))
    [head] = json.loads(kept.read_text())
    other.write_text(json.dumps([head | {"hash": "00" * 32}]))
    sluiceway("keys", "create", "--name", "Later", "--all")

    assert "All is as it should be." in sluiceway("audit", "--heads", str(kept))
    assert "Not so: The audit log is whole" in sluiceway("audit", "--heads", str(other), status=1)
    other.write_text("{}")
    assert "is not what `sluiceway audit-log heads` printed" in sluiceway("audit", "--heads", str(other), status=1)
    assert "cannot be read" in sluiceway("audit", "--heads", str(tmp_path / "nowhere"), status=1)
