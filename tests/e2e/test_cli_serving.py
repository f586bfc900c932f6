"""The processes that stay: served in one, settled in another; how they stop, and what they refuse."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Generator

import httpx
import pytest

from tests.e2e.processes import SLUICEWAY, Serving, data_folder, free_port, is_postgres_running, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def test_one_process_serves_and_another_settles():
    with data_folder() as data_dir:
        with Serving("demo", data_dir, free_port()) as demo:
            said = demo.demo()
        with Serving("serve", data_dir, free_port(), "--no-worker") as server:
            headers = {"Authorization": f"ApiKey {said['api_key']}"}
            body = {"account_id": said["accounts"]["income"]["id"], "amount_in_cents": 3_000}
            httpx.post(f"{server.url}/sandbox/deposits", headers=headers, json=body).raise_for_status()
            time.sleep(0.5)
            assert balance(server, said, headers) == 0

            worker = subprocess.Popen([SLUICEWAY, "worker", "--data-dir", data_dir], stdout=subprocess.PIPE, text=True)
            try:
                deadline = time.monotonic() + 30
                while balance(server, said, headers) != 3_000:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                worker.send_signal(signal.SIGTERM)
                out, _ = worker.communicate(timeout=30)
            finally:
                worker.kill()
            assert (worker.returncode, out) == (0, "Sluiceway is settling what is due.\n")

            assert server.output == f"Sluiceway is at {server.url}\n"
            assert is_postgres_running(data_dir), "the other process still uses it"
            assert server.stop(signal.SIGTERM) == 0
            assert not is_postgres_running(data_dir)


@pytest.fixture(scope="module")
def serving() -> Generator[Serving]:
    with data_folder() as data_dir, Serving("serve", data_dir, free_port()) as server:
        yield server


def balance(server: Serving, said: dict, headers: dict[str, str]) -> int:
    account = said["accounts"]["emergency"]["id"]
    return httpx.get(f"{server.url}/api/v1/accounts/{account}", headers=headers).json()["data"]["balance"][
        "balance_in_cents"
    ]


def test_a_head_without_an_end_is_cut_off():
    with data_folder() as data_dir, Serving("serve", data_dir, free_port()) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=20) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ")
            with pytest.raises(OSError):  # noqa: PT011 -- which one depends on who notices first
                sock.sendall(b"a" * 100_000_000)

        assert httpx.get(f"{server.url}/").status_code == 200


@pytest.mark.parametrize(
    "request_line", [b"BREW /api/v1/accounts HTTP/1.1", "GET /\u00e9 HTTP/1.1".encode(), b"\x16\x03"]
)
def test_what_is_not_http_is_refused_in_the_envelope_of_every_error(serving: Serving, request_line: bytes):
    host, port = serving.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as sock:
        sock.sendall(request_line + b"\r\nhost: x\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(65536), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    told = json.loads(body)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert told["error"]["code"] == "invalid_parameters"
    assert f"x-request-id: {told['request_id']}".encode() in head


def test_a_server_that_was_told_to_stop_while_starting_stops():
    with data_folder() as data_dir:
        process = subprocess.Popen(
            [SLUICEWAY, "serve", "--port", str(free_port()), "--data-dir", data_dir],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            deadline = time.monotonic() + 60
            while not data_dir.exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=30)
        finally:
            process.kill()
        assert b"Traceback" not in out
        assert process.returncode == 0, out
        assert not is_postgres_running(data_dir)
        assert run("migrate", "--data-dir", str(data_dir)).returncode == 0
