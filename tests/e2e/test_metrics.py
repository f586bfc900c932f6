"""Figures as Prometheus collects them: of one process, of a worker alone, of several together; and who is told."""

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sluiceway.cli.metrics import PREFIX
from sluiceway.services.measuring import GAUGES
from sluiceway.services.tally import COUNTERS, DISTRIBUTIONS, NOW
from tests.e2e.processes import Serving, data_folder, free_port, new_key, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TOKEN = "a-token-of-this-test"


def figures(port: int, token: str | None = None) -> dict[tuple[str, ...], float]:
    """Read all figures, by name and labels."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def soon(port: int, holds: Callable[[dict[tuple[str, ...], float]], bool]) -> dict[tuple[str, ...], float]:
    for _ in range(150):
        found = figures(port)
        if holds(found):
            return found
        time.sleep(0.1)
    pytest.fail(f"not so within 15 s: {found}")


def sandbox_key(data_dir: Path) -> dict[str, str]:
    """Make an organization and a key of it."""
    made = run("organizations", "create", "Sample", "--sandbox", "--data-dir", str(data_dir))
    assert made.returncode == 0, made.stderr
    return new_key(data_dir)


def deposit(url: str, key: dict[str, str], account: str) -> None:
    body = {"account_id": account, "amount_in_cents": 100_000}
    assert httpx.post(f"{url}/sandbox/deposits", json=body, headers=key).status_code == 201


def test_a_process_tells_what_it_does_in_names_that_are_all_known_and_without_ids_or_amounts():
    with data_folder() as data_dir:
        key, port = sandbox_key(data_dir), free_port()
        with Serving("serve", data_dir, free_port(), METRICS=f"127.0.0.1:{port}") as serving:
            made = httpx.post(f"{serving.url}/api/v1/accounts/pods", json={"nickname": "Savings"}, headers=key)
            deposit(serving.url, key, made.json()["data"]["id"])
            httpx.get(f"{serving.url}/api/v1/accounts", headers=key)
            httpx.get(f"{serving.url}/api/v1/nothing", headers=key)
            found = soon(port, lambda now: now.get(("sluiceway_transfers_total", "complete"), 0) > 0)
            text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            elsewhere = httpx.get(f"{serving.url}/metrics")
            wrong_path = httpx.get(f"http://127.0.0.1:{port}/")

    assert found["sluiceway_requests_total", "sandbox", "2xx"] >= 1
    assert found["sluiceway_requests_total", "v1", "2xx"] >= 1
    assert found["sluiceway_requests_total", "v1", "4xx"] == 1
    assert found["sluiceway_request_seconds_count", "sandbox"] >= 1
    assert found["sluiceway_batch_items_count", "deposits"] == 1
    assert found["sluiceway_batch_items_sum", "deposits"] == 1
    assert found["sluiceway_transfers_total", "complete"] == 1
    assert found["sluiceway_waiting", "triggers"] == 0
    assert found["sluiceway_processes",] == found["sluiceway_database_up",] == found["sluiceway_workers",] == 1
    assert found["sluiceway_executions_due",] == 0
    known = {PREFIX + name for catalogue in (COUNTERS, DISTRIBUTIONS, NOW, GAUGES) for name in catalogue}
    assert {re.sub("_(total|bucket|count|sum)$", "", name) for name, *_ in found} <= {*known, f"{PREFIX}info"}
    assert not re.search(r"acc_|rule_|rex_|txr_|(?<![\d.])100000(\.0)?\b|[0-9a-f]{8}-", text)
    # Where everybody may ask, nothing is told.
    assert elsewhere.status_code == wrong_path.status_code == 404


def test_several_processes_are_one_sum_that_only_grows_when_one_dies():
    with data_folder() as data_dir:
        key, port = sandbox_key(data_dir), free_port()
        options = ("--processes", "2")
        with Serving("serve", data_dir, free_port(), *options, METRICS=f"127.0.0.1:{port}") as serving:
            for _ in range(20):
                httpx.get(f"{serving.url}/api/v1/accounts", headers=key)
            both = soon(port, lambda now: now.get(("sluiceway_requests_total", "v1", "2xx"), 0) == 20)
            os.kill(serving.children()[0], signal.SIGKILL)
            for _ in range(20):
                httpx.get(f"{serving.url}/api/v1/accounts", headers=key)
            later = soon(port, lambda now: now.get(("sluiceway_requests_total", "v1", "2xx"), 0) >= 40)

    assert both["sluiceway_processes",] == 2
    assert later["sluiceway_requests_total", "v1", "2xx"] == 40


def test_a_worker_that_serves_nothing_tells_its_figures_too():
    with data_folder() as data_dir:
        port = free_port()
        with Serving("worker", data_dir, port, METRICS=f"127.0.0.1:{port}"):
            found = soon(port, lambda now: now.get(("sluiceway_workers",), 0) == 1)

    assert found["sluiceway_database_up",] == 1


def test_whoever_does_not_show_the_token_is_told_nothing():
    with data_folder() as data_dir:
        port = free_port()
        place = {"METRICS": f"0.0.0.0:{port}", "METRICS_TOKEN": TOKEN}
        with Serving("worker", data_dir, port, **place):
            url = f"http://127.0.0.1:{port}/metrics"
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
                refused = httpx.get(url, headers=headers)
                assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
                assert "sluiceway_" not in refused.text
            assert figures(port, TOKEN)["sluiceway_processes",] == 1


def test_figures_are_not_offered_to_a_network_without_a_token():
    ran = run("worker", METRICS="0.0.0.0:9464")

    assert ran.returncode == 78
    assert "needs a METRICS_TOKEN" in ran.stderr
