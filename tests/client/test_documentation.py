"""The page for whoever calls from Python, run as it is written against a real server."""

import asyncio
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from sluiceway.client import Retries, calling
from tests.support import World

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "python-client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
SECRET = "whsec_" + "k" * 44
BODY = (
    '{"type":"transfer.created","timestamp":"2026-01-05T14:00:00Z","data":{"id":"x","organization_id":"o",'
    '"status":"COMPLETE","amount_in_cents":2500,"currency":"USD","direction":"INTERNAL","mode":"LIVE"}}'
)


async def test_the_page_runs_as_it_is_written(url: str, secret: str, world: World) -> None:
    await world.deposit("income", 200_000)
    await world.settle()
    environment = {"SLUICEWAY_URL": url, "SLUICEWAY_KEY": secret}
    program = [sys.executable, "-W", "error", "-c", "\n".join(BLOCKS)]
    ran = await asyncio.to_thread(
        subprocess.run, program, env=environment, capture_output=True, text=True, check=False, timeout=60
    )

    assert ran.returncode == 0, ran.stderr
    # 20 % of the deposit, then of the run on demand; 25 dollars moved on.
    assert ran.stdout.split("\n") == [
        "POD emergency",
        "POD savings",
        "INCOME_SOURCE income",
        "EXECUTED 1",
        "30000 COMPLETE",
        "COMPLETE None",
        "DISABLED",
        "70000",
        "",
    ]


def test_the_webhook_of_the_page_is_answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    written: dict[str, object] = {}
    exec("import os\n" + BLOCKS[-1], written)  # noqa: S102 -- the page's own example
    received = written["received"]
    assert callable(received)
    at = datetime.now(UTC)
    headers = {
        "webhook-id": "event-1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("event-1", at, BODY),
    }

    assert received(headers, BODY.encode()) == 204
    assert received(headers, BODY.encode() + b" ") == 400
    assert capsys.readouterr().out == "event-1 transfer.created 2500\n"


def test_the_figures_of_the_page_are_the_codes() -> None:
    usual = Retries()
    pauses = [usual.first_s * 2**number for number in range(usual.attempts - 1)]

    assert (usual.attempts, pauses, usual.longest_asked_s) == (5, [0.5, 1, 2, 4], 60)
    assert "Five times in all, after about 0.5, 1, 2 and 4 seconds" in PAGE
    for status in calling._AGAIN:
        assert str(int(status)) in PAGE
