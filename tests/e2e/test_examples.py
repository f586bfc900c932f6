"""The programs in examples/, run as a user would run them."""

import base64
import json
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from tests.e2e.processes import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRET = "k" * 44

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    port = free_port()
    # -I: nothing but the standard library, as it says.
    command = [sys.executable, "-I", "-S", EXAMPLES / "tax_service.py", "--port", str(port), "--secret", SECRET]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"The tax service is at http://127.0.0.1:{port}/\n"
        yield f"http://127.0.0.1:{port}/"
        process.send_signal(2)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()


def ask(url: str, question: dict, secret: str = SECRET, age: timedelta = timedelta(0)) -> httpx.Response:
    body = json.dumps(question)
    at = datetime.now(UTC) - age
    headers = {
        "webhook-id": "an-execution_0_0",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(base64.b64decode(secret)).sign("an-execution_0_0", at, body),
    }
    return httpx.post(url, content=body, headers=headers)


@pytest.mark.parametrize(("amount", "tax"), [(100_000, 30_000), (99, 29), (3, 0), (0, 0), (None, 0)])
def test_it_sets_thirty_percent_aside_rounded_down(url: str, amount: int | None, tax: int):
    answer = ask(url, {"transfer_amount_in_cents": amount})

    assert (answer.status_code, answer.json()) == (200, {"amountInCents": tax})


def test_it_answers_only_who_knows_the_secret(url: str):
    question = {"transfer_amount_in_cents": 100_000}

    assert ask(url, question, secret="j" * 44).status_code == 401
    assert httpx.post(url, json=question).status_code == 401
    assert ask(url, question, age=timedelta(minutes=6)).status_code == 401
    assert ask(url, question, age=timedelta(minutes=-6)).status_code == 401


def test_one_of_several_signatures_is_enough(url: str):
    good = Webhook(base64.b64decode(SECRET)).sign("x", datetime.now(UTC), "{}")
    headers = {
        "webhook-id": "x",
        "webhook-timestamp": str(int(time.time())),
        "webhook-signature": f"v1,bm90IHRoaXMgb25l {good} v1a,other",
    }

    assert httpx.post(url, content="{}", headers=headers).json() == {"amountInCents": 0}


@pytest.mark.parametrize("length", ["-1", "x", "99999999999"])
def test_a_body_of_no_sensible_length_is_not_read(url: str, length: str):
    host, port = url.removeprefix("http://").rstrip("/").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n".encode())

        assert b" 413 " in sock.recv(1000)
