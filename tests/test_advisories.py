"""`make advisories` asks about every locked library, and fails where one has a hole. Here our own server is asked."""

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final, cast

ROOT: Final = Path(__file__).parents[1]
HOLE: Final[dict[str, Any]] = {
    "id": "GHSA-0000",
    "modified": "2026-01-01T00:00:00Z",
    "summary": "anybody is let in",
    "affected": [],
}


class Advisories(ThreadingHTTPServer):
    """What speaks as osv.dev does, and knows of a hole in some libraries."""

    def __init__(self, known: set[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.known = known
        self.asked: dict[str, str] = {}


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
        server = cast("Advisories", self.server)
        server.asked |= {query["package"]["name"]: query["version"] for query in queries}
        named = [query["package"]["name"] in server.known for query in queries]
        self._say({"results": [{"vulns": [HOLE]} if each else {} for each in named]})

    def do_GET(self) -> None:
        self._say(HOLE)

    def _say(self, told: Any) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- as its parent calls it
        del format, args


@contextmanager
def advisories(*known: str) -> Generator[Advisories]:
    with Advisories(set(known)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server: Advisories) -> subprocess.CompletedProcess[str]:
    command = ["make", "libraries-advisories", f"ARGS=--service-url http://127.0.0.1:{server.server_port}"]
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment, timeout=100)


def test_every_locked_library_is_asked_about():
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    with advisories() as server:
        ran = ask(server)

    assert ran.returncode == 0, ran.stderr
    everything = {each["name"]: each["version"] for each in locked if "registry" in each["source"]}
    # But for what only other systems and older Pythons would need.
    assert everything.items() >= server.asked.items()
    assert {"uvicorn", "psycopg", "cryptography", "opentelemetry-sdk", "pytest"} <= server.asked.keys()
    assert len(server.asked) > 0.9 * len(everything)


def test_a_library_with_a_hole_fails_it():
    with advisories("uvicorn") as server:
        ran = ask(server)

    assert ran.returncode != 0
    assert "uvicorn" in ran.stdout
    assert "anybody is let in" in ran.stdout


def test_the_apps_libraries_are_asked_about_as_well():
    said = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert re.search(
        r"^advisories: libraries-advisories .*\n\t@\$\(PYTHON\) frontend/build.py npm audit$", said, re.MULTILINE
    )


def test_a_time_is_set_for_each_severity():
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    section = page[page.index("## Libraries with holes") :].partition("\n## ")[0]

    assert "make advisories" in section
    rows = re.findall(r"^\| (critical|high|medium|low)[^|]* \| (\d+) days \| ([^|]+) \|$", section, re.MULTILINE)
    assert [name for name, *_ in rows] == ["critical", "high", "medium", "low"]
    days = [int(each) for _, each, _ in rows]
    assert days == sorted(days)
    assert days[-1] <= 90
