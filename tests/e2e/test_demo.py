"""The first five minutes: start the demo, paste what it prints, stop it, start it again."""

import json
import signal
import socket
import stat
import subprocess
import time
from datetime import timedelta

import httpx
import pytest

from sluiceway.cli.tax import beside_the_demo
from sluiceway.services.clock import advance
from sluiceway.services.seeding import DEMO_ORGANIZATION, START
from sluiceway.settings import Settings
from sluiceway.storage.embedded import EmbeddedPostgres
from sluiceway.wiring import open_database, running
from tests.e2e.processes import Serving, data_folder, free_port, is_postgres_running, run
from tests.support import SECRET_KEY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def paste(line: str) -> dict:
    ran = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_demo_from_its_first_start_to_its_second():
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as demo:
        commands = [line for line in demo.output.splitlines() if line.lstrip().startswith("curl")]
        said = demo.demo()

        assert len(commands) == 4
        assert paste(commands[0])["data"]["amount_in_cents"] == 150_000
        time.sleep(1)
        [execution] = paste(commands[1])["data"]
        assert execution["status"] == "executed"
        assert paste(commands[2])["data"]["balance"]["balance_in_cents"] == 30_000

        for shown in (said["base_url"], said["api_key"], said["person"]["email"], said["person"]["password"]):
            assert shown in demo.output
        assert stat.S_IMODE((data_dir / "demo.json").stat().st_mode) == 0o600
        assert {"income", "savings", "emergency"} <= set(said["accounts"])
        assert set(said["cards"]) == {"groceries"}
        assert said["cards"]["groceries"]["id"].startswith("card_")
        assert said["rules"]["auto_save"]["id"].startswith("rule_")
        told = run("executions", "show", execution["id"], "--trace", "--data-dir", str(data_dir)).stdout
        assert "the balance of Income is above $500.00: true (it was $1,500.00)" in told
        assert "moved $300.00" in told

        assert demo.stop(signal.SIGINT) == 0
        assert not is_postgres_running(data_dir)

        demo.start()
        assert demo.demo() == said
        headers = {"Authorization": f"ApiKey {said['api_key']}"}
        rules = httpx.get(f"{demo.url}/api/v1/rules", headers=headers).json()["data"]
        accounts = httpx.get(f"{demo.url}/api/v1/accounts", headers=headers).json()["data"]
        assert {rule["id"] for rule in rules} == {rule["id"] for rule in said["rules"].values()}
        assert {account["id"] for account in accounts} == {account["id"] for account in said["accounts"].values()}
        assert "new" not in demo.output

        assert demo.stop(signal.SIGTERM) == 0
        assert not is_postgres_running(data_dir)
        assert run("audit", "--data-dir", str(data_dir)).returncode == 0


def test_a_demo_that_lost_its_file_makes_new_secrets_and_says_so():
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as demo:
        before = demo.demo()
        (data_dir / "demo.json").unlink()
        demo.stop()
        demo.start()

        after = demo.demo()
        assert after["accounts"] == before["accounts"]
        assert [rule | {"secret": ""} for rule in after["rules"].values()] == [
            rule | {"secret": ""} for rule in before["rules"].values()
        ]
        for short, rule in after["rules"].items():
            assert rule["secret"] != before["rules"][short]["secret"]
        assert after["api_key"] != before["api_key"]
        assert after["access_token"] != before["access_token"]
        assert "a new password and a new API key and a new access token and a new secret for 10 rules" in demo.output
        headers = {"Authorization": f"ApiKey {after['api_key']}"}
        assert httpx.get(f"{demo.url}/api/v1/accounts", headers=headers).status_code == 200
        rule = after["rules"]["auto_save"]["id"]
        run("rules", "disable", rule, "--data-dir", str(data_dir))
        enabled = run(
            "rules", "enable", rule, "--as", after["person"]["email"], "--data-dir", str(data_dir),
            stdin=after["person"]["password"] + "\n",
        )  # fmt: skip
        assert "Enabled" in enabled.stdout


def test_a_port_in_use_is_said_in_one_sentence():
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as demo:
        port = demo.url.rpartition(":")[2]
        second = run("demo", "--port", port, "--data-dir", str(data_dir / "second"))

        assert second.returncode == 1
        assert second.stderr == (
            f"Port {port} of 127.0.0.1 is in use. Choose another with --port, or stop what runs there.\n"
        )
        assert not (data_dir / "second").exists()


def test_a_demo_on_a_database_of_ones_own_keeps_its_file_in_the_data_folder():
    with data_folder() as server_dir, EmbeddedPostgres(server_dir) as url, data_folder() as data_dir:
        with Serving("demo", data_dir, free_port(), "--database-url", url) as demo:
            first = demo.demo()
            assert demo.stop() == 0
            demo.start()
            assert demo.demo() == first
            assert sorted(path.name for path in data_dir.iterdir()) == ["demo.json"]
            assert demo.stop() == 0
        assert is_postgres_running(server_dir), "it is not ours to stop"


def test_three_months_pass_and_the_tax_service_is_asked():
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as demo:
        said = demo.demo()
        turn = [line for line in demo.output.splitlines() if line.lstrip().startswith("curl")][3]

        moved = paste(turn)

        assert moved["data"]["now"].startswith("2026-04-05T14:00:00")
        # As in tests/services/test_demo_history.py, where no worker was at it too.
        assert {short: balance(demo, short) for short in ("savings", "tax", "bills")} == {
            "savings": 4_726_52,
            "tax": 6_554_99,
            "bills": 2_498_60,
        }
        assert run("audit", "--data-dir", str(data_dir)).returncode == 0
        # It goes on where it stopped, and is asked at the address that the rule was signed with.
        assert demo.stop() == 0
        demo.start()
        assert demo.demo() == said
        paste(turn.replace('"days": 90', '"days": 3'))
        assert balance(demo, "tax") == 6_554_99 + 540_00


def test_programs_of_the_remote_api_find_all_they_need_in_the_demos_file():
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as demo:
        said = demo.demo()
        token = {"x-sequence-access-token": f"Bearer {said['access_token']}"}
        accounts = [httpx.post(f"{demo.url}{path}", headers=token, json={}) for path in ("/accounts", "//accounts")]
        rule = said["rules"]["auto_save"]
        signature = {"x-sequence-signature": f"Bearer {rule['secret']}"}
        triggered = httpx.post(f"{demo.url}/remote-api/rules/{rule['id']}/trigger", headers=signature, json={})
        run("remote", "disable", "--data-dir", str(data_dir))

        assert [answer.status_code for answer in (*accounts, triggered)] == [200] * 3
        for answer in accounts:
            types = {account["type"] for account in answer.json()["data"]["accounts"]}
            assert types == {"Pod", "Income Source", "Account"}
        assert triggered.json()["message"] == f"Rule with id ru_{rule['id'][5:]} has been triggered"
        assert httpx.post(f"{demo.url}/accounts", headers=token, json={}).status_code == 401
        assert demo.stop() == 0


def balance(demo: Serving, short: str) -> int:
    said = demo.demo()
    headers = {"Authorization": f"ApiKey {said['api_key']}"}
    account = httpx.get(f"{demo.url}/api/v1/accounts/{said['accounts'][short]['id']}", headers=headers).json()["data"]
    return account["balance"]["balance_in_cents"]


def test_a_tax_service_that_cannot_be_where_it_was_is_said():
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as demo:
        url = demo.demo()["tax_service"]["url"]
        assert demo.stop() == 0
        with socket.create_server(("127.0.0.1", int(url.rstrip("/").rpartition(":")[2]))):
            demo.start()

            assert f"{url} is taken" in demo.output
            assert demo.stop() == 0


async def test_without_the_demo_running_a_command_serves_what_its_rules_ask():
    with data_folder() as data_dir:
        with Serving("demo", data_dir, free_port()) as demo:
            assert demo.stop() == 0

        with beside_the_demo(Settings(data_dir=data_dir, secret_key=SECRET_KEY)) as settings:
            async with open_database(settings) as database, running(database, settings, with_worker=False) as parts:
                await advance(parts.engine, DEMO_ORGANIZATION, START + timedelta(days=3))

        demo.start()
        assert balance(demo, "tax") == 540_00
        # The demo runs now, so a command leaves its service alone, and may ask it.
        with beside_the_demo(Settings(data_dir=data_dir, remote_allow="https://tax.example.com")) as settings:
            allowed = settings.remote_allow
        assert allowed == f"https://tax.example.com, {demo.demo()['tax_service']['url'].rstrip('/')}"
        assert demo.stop() == 0


def test_where_there_is_no_demo_nothing_more_is_allowed():
    with data_folder() as data_dir, beside_the_demo(Settings(data_dir=data_dir)) as settings:
        assert settings == Settings(data_dir=data_dir)
