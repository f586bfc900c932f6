"""`sluiceway scale-out`: what it prints, what it does, and what it says where there is nothing to spread over."""

import json

import pytest

from tests.db.citus import install, spread
from tests.e2e.processes import run

pytestmark = pytest.mark.e2e


def test_the_plan_is_printed_as_sql_and_done_on_request(database_url: str):
    url = install(database_url)

    planned = run("scale-out", "--plan", "--database-url", url)
    assert spread(url) == {}
    as_json = json.loads(run("scale-out", "--plan", "--json", "--database-url", url).stdout)
    done = run("scale-out", "--apply", "--database-url", url)

    statements = [f"{statement};" for step in as_json for statement in step["statements"]]
    assert [line for line in planned.stdout.splitlines() if line not in {"BEGIN;", "COMMIT;"}] == statements
    assert planned.stdout.count("BEGIN;") == planned.stdout.count("COMMIT;") == len(as_json)
    assert done.stdout == f"Spread {', '.join(name for step in as_json for name in step['tables'])}.\n"
    assert spread(url).keys() == {name for step in as_json for name in step["tables"]}
    for words in ("--plan", "--apply"):
        again = run("scale-out", words, "--database-url", url)
        assert again.stdout == "Everything is where it belongs: there is nothing to do.\n"


def test_a_server_without_citus_is_told_in_one_sentence(database_url: str):
    refused = run("scale-out", "--apply", "--database-url", database_url)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "has no Citus" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [(), ("--plan", "--apply")])
def test_one_of_the_two_has_to_be_said(words: tuple[str, ...]):
    assert run("scale-out", *words).returncode == 2


def test_commands_on_a_cluster_want_the_setting(database_url: str):
    url = install(database_url)
    assert run("scale-out", "--apply", "--database-url", url).returncode == 0

    # The test's server is not a safe one, which is the first thing that would be said.
    listing = ("organizations", "list", "--database-url", url)
    without = run(*listing, ALLOW_UNSAFE_POSTGRES="1")
    with_it = run(*listing, ALLOW_UNSAFE_POSTGRES="1", ORGANIZATIONS_PER_TRANSACTION="1")

    assert (without.returncode, "ORGANIZATIONS_PER_TRANSACTION=1" in without.stderr) == (1, True)
    assert with_it.returncode == 0


def test_whoever_starts_is_told_of_tables_that_wait(database_url: str):
    made = run("organizations", "create", "First", "--database-url", database_url, ALLOW_UNSAFE_POSTGRES="1")
    assert made.returncode == 0, made.stderr
    url = install(database_url)

    listed = run(
        "organizations", "list", "--database-url", url, ORGANIZATIONS_PER_TRANSACTION="1", ALLOW_UNSAFE_POSTGRES="1"
    )

    assert "First" in listed.stdout
    assert "not spread yet, since there are rows: organization, " in listed.stderr
