"""Several processes behind one port: renewed under load, killed under load, and ended together."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest

from tests.e2e.processes import Serving, data_folder, free_port, is_postgres_running, new_key, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CALLERS = 6
LONG_S = 90.0


@pytest.fixture(scope="module")
def said() -> Generator[tuple[Path, dict[str, Any]]]:
    """Have the data of a demo, which is not running."""
    with data_folder() as data_dir:
        with Serving("demo", data_dir, free_port()) as demo:
            found = demo.demo()
        yield data_dir, found


@pytest.fixture
def server(said: tuple[Path, dict[str, Any]]) -> Generator[Serving]:
    with Serving("serve", said[0], free_port(), "--processes", "2") as opened:
        yield opened


class Callers:
    """Programs that let cents arrive over connections that they keep, and ask again under the same key when cut off."""

    def __init__(self, server: Serving, demo: dict[str, Any]) -> None:
        self._url = server.url
        self._headers = new_key(server.data_dir)
        self._account = demo["accounts"]["savings"]["id"]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(CALLERS)]
        self.done: list[str] = []
        self.cut_off: list[str] = []
        self.refused: list[tuple[int, str]] = []

    def __enter__(self) -> Self:
        self.before = self.balance()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def balance(self) -> int:
        url = f"{self._url}/api/v1/accounts/{self._account}"
        return httpx.get(url, headers=self._headers, timeout=30).json()["data"]["balance"]["balance_in_cents"]

    def _call(self, number: int) -> None:
        with httpx.Client(base_url=self._url, headers=self._headers, timeout=30) as http:
            count = 0
            while not self._stop.is_set():
                count += 1
                self._deposit(http, f"{self.before}-{number}-{count}")
                # Some ask without a pause, others let their connection lie for a while.
                time.sleep(number * 0.05)

    def _deposit(self, http: httpx.Client, key: str) -> None:
        body = {"account_id": self._account, "amount_in_cents": 1}
        while True:
            try:
                answer = http.post("/sandbox/deposits", json=body, headers={"Idempotency-Key": key})
            except httpx.TransportError as failure:
                self.cut_off.append(repr(failure))
                continue
            if answer.status_code == 201:
                self.done.append(key)
            else:
                self.refused.append((answer.status_code, answer.text))
            return


def children(server: Serving) -> set[int]:
    """Find the processes that a parent has started."""
    found = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return set(map(int, found))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


def is_clean(data_dir: Path) -> bool:
    audited = run("audit", "--json", "--data-dir", str(data_dir))
    return audited.returncode == 0 and json.loads(audited.stdout) is not None


def test_renewing_all_processes_under_load_is_noticed_by_no_client(said, server: Serving):
    data_dir, demo = said
    former = children(server)
    assert len(former) == 2
    with Callers(server, demo) as callers:
        until(lambda: len(callers.done) > 50)
        os.kill(server.pid, signal.SIGHUP)
        until(lambda: len(children(server)) == 2 and not children(server) & former)
        count = len(callers.done)
        until(lambda: len(callers.done) > count + 50)

    assert (callers.cut_off, callers.refused) == ([], [])
    assert callers.balance() - callers.before == len(callers.done)
    assert server.stop(signal.SIGTERM) == 0
    assert not is_postgres_running(data_dir)
    assert is_clean(data_dir)


def test_a_killed_process_is_replaced_and_what_it_was_asked_is_done_once(said, server: Serving):
    data_dir, demo = said
    former = children(server)
    with Callers(server, demo) as callers:
        until(lambda: len(callers.done) > 50)
        killed = min(former)
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(children(server)) == 2 and killed not in children(server))
        count = len(callers.done)
        until(lambda: len(callers.done) > count + 50)

    assert callers.refused == []
    assert len(callers.cut_off) <= CALLERS
    assert callers.balance() - callers.before == len(callers.done) == len(set(callers.done))
    assert "process_died" in server.output
    assert server.stop(signal.SIGTERM) == 0
    assert is_clean(data_dir)


def test_when_the_parent_is_killed_its_processes_end_by_themselves(said, server: Serving):
    former = children(server)

    server.kill()

    until(lambda: not any(is_alive(pid) for pid in former))
    until(lambda: not is_postgres_running(said[0]))


def is_alive(pid: int) -> bool:
    with suppress(OSError, IndexError):
        # Whoever should bury it may not be there in a container.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[0] not in "ZX"
    return False


def test_more_processes_than_the_embedded_database_can_bear_are_refused_in_one_sentence(said):
    ran = run("serve", "--processes", "40", "--port", str(free_port()), "--data-dir", str(said[0]))

    assert ran.returncode == 1
    assert ran.stderr.startswith("40 processes with 10 connections to the database each are more than")
