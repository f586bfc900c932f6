"""The client as a package: its two forms agree, it has every operation, and it brings no server along."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from sluiceway.client import AccountNode, Action, AsyncSluiceway, Sluiceway, SluicewayError, Step, Trigger
from sluiceway.client import __all__ as names
from tests.client.scripted import KEY, URL, Script
from tests.client.twin import FIRST, synchronous, twin

ROOT = Path(__file__).parents[2]
DOCUMENT = json.loads((ROOT / "docs" / "api" / "platform.json").read_text(encoding="utf-8"))

SOON = {("GET", "/card-transactions")}
"""Documented operations that a server may not have yet."""

NODE = AccountNode("{id}", "POD")
STEPS = [Step([Action("FIXED", NODE, NODE, amount_in_cents=100)])]


@pytest.mark.parametrize("name", FIRST)
def test_the_blocking_client_is_the_awaiting_one_without_waiting(name: str) -> None:
    assert twin(name).read_text(encoding="utf-8") == synchronous(name), (
        "write it anew: .venv/bin/python -m tests.client.twin"
    )


def test_importing_it_loads_no_server() -> None:
    program = "import sys, sluiceway.client; print(*sorted(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    ours = {name for name in loaded if name.startswith("sluiceway") and not name.startswith("sluiceway.client")}

    assert ours == {"sluiceway"}
    assert not loaded & {"litestar", "psycopg", "uvicorn", "typer"}


def test_the_front_door_has_what_it_says() -> None:
    assert names == sorted(names, key=str.lower)


def everything(client: Sluiceway) -> list[Any]:
    """Name every call; ids are written as in the document, so that its paths can be compared."""
    return [
        lambda: client.accounts.list().page(),
        lambda: client.accounts.get("{id}"),
        lambda: client.accounts.transfers("{accountId}").page(),
        lambda: client.rules.list().page(),
        lambda: client.rules.get("{id}"),
        lambda: client.rules.create(name=None, trigger=Trigger("MANUAL", "{id}"), steps=STEPS),
        lambda: client.rules.update("{id}", name="New"),
        lambda: client.rules.trigger("{id}"),
        lambda: client.executions.list("{ruleId}").page(),
        lambda: client.executions.get("{ruleId}", "{id}"),
        lambda: client.transfers.list(["{id}"]).page(),
        lambda: client.transfers.get("{id}"),
        lambda: client.transfers.create("{id}", "{id}", 100),
        lambda: client.external_transactions.list(["{id}"]).page(),
        lambda: client.card_transactions.list("{id}").page(),
        lambda: client.audit_logs.list().page(),
    ]


def test_every_operation_of_the_document_has_a_method() -> None:
    script = Script([httpx.Response(404)])
    client = Sluiceway(URL, KEY, transport=script)
    for call in everything(client):
        with pytest.raises(SluicewayError):
            call()
    called = {(request.method, request.url.path.removeprefix("/platform/v1")) for request in script.asked}
    documented = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}

    assert called == documented | SOON


def test_every_filter_of_the_document_can_be_given() -> None:
    script = Script([httpx.Response(404)])
    client = Sluiceway(URL, KEY, transport=script)
    at = datetime(2026, 1, 5, tzinfo=UTC)
    times: Any = {"from_at": at, "to_at": at}
    common: Any = {
        "direction": "INTERNAL", "status": "COMPLETE", "execution_mode": "ALL", "origin": "RULE",
        "rule_execution_id": "x", **times,
    }  # fmt: skip
    lists: list[Any] = [
        client.accounts.list(type="POD", state="ALL"),
        client.accounts.transfers("{accountId}", account_role="source", **common),
        client.rules.list(source_id="x"),
        client.executions.list("{ruleId}", status="FAILED", trigger_type="MANUAL", execution_mode="LIVE", **times),
        client.transfers.list(["x"], **common),
        client.external_transactions.list(["x"], direction="MONEY_IN", status="COMPLETE", **times),
        client.audit_logs.list(api_key_id="x", action="GET_RULE", **times),
    ]
    for each in lists:
        with pytest.raises(SluicewayError):
            each.page()
    sent = {request.url.path.removeprefix("/platform/v1"): set(request.url.params) for request in script.asked}
    documented = {
        path: {each["name"] for each in methods["get"]["parameters"] if each["in"] == "query"}
        for path, methods in DOCUMENT["paths"].items()
        if path in sent
    }

    assert sent == documented


def test_both_forms_have_the_same_parts() -> None:
    def parts(client: Any) -> set[str]:
        return {name for name in vars(client) if not name.startswith("_")}

    assert parts(Sluiceway(URL, KEY)) == parts(AsyncSluiceway(URL, KEY))
