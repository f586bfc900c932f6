"""`sluiceway doctor` as people and monitors use it, and programs that do not start where they must not."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import SLUICEWAY, data_folder, free_port, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

CANARY = "canary-5a5a"


def test_a_fresh_embedded_deployment_is_healthy_and_says_so_in_words_and_in_json():
    with data_folder() as data_dir:
        assert run("migrate", "--data-dir", str(data_dir)).returncode == 0
        words = run("doctor", "--data-dir", str(data_dir))
        ran = run("doctor", "--json", "--data-dir", str(data_dir))

    assert (words.returncode, ran.returncode) == (0, 0), words.stdout + words.stderr
    assert "Nothing is wrong" in words.stdout
    told = json.loads(ran.stdout)
    assert told["healthy"] is True
    assert told["settings"]["DATABASE_URL"] == "embedded"
    verdicts = {check["check"]: check["verdict"] for check in told["checks"]}
    assert verdicts["durability"] == verdicts["checksums"] == verdicts["migrations"] == verdicts["rights"] == "ok"
    assert verdicts["disk"] in ("ok", "warning")
    assert verdicts["workers"] == "warning"


def test_an_unsafe_server_is_wrong_however_much_it_is_allowed(database_url: str):
    ran = run("doctor", "--json", "--database-url", database_url, ALLOW_UNSAFE_POSTGRES="1")

    assert ran.returncode == 1
    told = json.loads(ran.stdout)
    assert told["healthy"] is False
    [durability] = [check for check in told["checks"] if check["check"] == "durability"]
    assert durability["verdict"] == "wrong"
    assert "fsync is off" in durability["says"]


def test_a_database_that_is_not_there_is_wrong_and_no_secret_is_shown():
    url = f"postgresql://me:{CANARY}@127.0.0.1:{free_port()}/nothing"
    ran = run("doctor", "--database-url", url)

    assert ran.returncode == 1
    assert "me:****@127.0.0.1" in ran.stdout
    assert CANARY not in ran.stdout + ran.stderr


@pytest.mark.parametrize("words", [("serve", "--port", "0"), ("serve", "--port", "0", "--processes", "2"), ("worker",)])
def test_nothing_starts_on_a_server_that_could_lose_money(database_url: str, words: tuple[str, ...]):
    ran = run(*words, "--database-url", database_url)

    assert ran.returncode == 78
    assert ran.stderr.startswith(
        "This PostgreSQL cannot be trusted with money: fsync is off (what was committed is lost"
    )
    assert len(ran.stderr.splitlines()) == 1


def test_nothing_starts_without_a_secret_that_was_announced(tmp_path: Path):
    ran = run("serve", "--port", "0", DATABASE_URL_FILE=str(tmp_path / "database_url"))

    assert ran.returncode == 78
    assert "the file that DATABASE_URL_FILE names cannot be read" in ran.stderr
    assert not (tmp_path / ".sluiceway").exists()


def test_what_is_used_all_the_same_is_told_to_whoever_starts_what_stays(database_url: str):
    ran = run("organizations", "list", "--database-url", database_url, ALLOW_UNSAFE_POSTGRES="1")

    assert (ran.returncode, ran.stderr) == (0, "")
    worker = subprocess.Popen(
        [SLUICEWAY, "worker", "--database-url", database_url],
        env={**os.environ, "ALLOW_UNSAFE_POSTGRES": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert worker.stderr is not None
    try:
        assert "this PostgreSQL may lose money: fsync is off" in worker.stderr.readline()
    finally:
        worker.terminate()
        worker.communicate(timeout=60)
