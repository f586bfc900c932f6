"""Requests that a person can copy and run: what the screens show, asked for by a program, with this place's own ids."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from sluiceway.web.wire.shapes import show


class Snippet(Struct):
    """One thing that a program can do, in each language; null: not in that one.

    They take the server's address from SLUICEWAY_URL and a key from SLUICEWAY_KEY.
    """

    title: str
    screen: str
    curl: str
    python: str | None
    cli: str | None


class Snippets(Struct):
    """Requests to copy."""

    snippets: list[Snippet]


class Place(NamedTuple):
    """What the requests are about, by id as programs write it; None: there is nothing of the kind here."""

    rule: str | None
    income: str | None
    pods: Sequence[str]
    is_sandbox: bool


_PYTHON = """import os

from sluiceway.client import Sluiceway

client = Sluiceway(os.environ["SLUICEWAY_URL"], os.environ["SLUICEWAY_KEY"])
"""


def show_snippets(place: Place) -> bytes:
    """Show the requests that make sense here."""
    return show(Snippets(write_snippets(place)))


def write_snippets(place: Place) -> list[Snippet]:
    """Write the requests that make sense here."""
    found = [
        Snippet(
            "See the accounts and what is in them",
            "/accounts",
            _curl("GET", "/platform/v1/accounts"),
            _PYTHON + "for account in client.accounts.list():\n    print(account.type, account.name)\n",
            "sluiceway accounts",
        )
    ]
    if place.rule is not None:
        found += _of_rule(place.rule)
    if len(place.pods) > 1:
        found.append(_transfer(place.pods[0], place.pods[1]))
    if place.is_sandbox and place.income is not None:
        found += _of_sandbox(place.income)
    return found


def _of_rule(rule: str) -> list[Snippet]:
    trigger = f"triggered = client.rules.trigger({_text(rule)}, simulation=True)\n"
    wait = f"execution = client.wait_for_execution({_text(rule)}, triggered.execution_id)\n"
    return [
        Snippet(
            "Try a rule without moving money",
            "/simulate",
            _curl("POST", f"/platform/v1/rules/{rule}/trigger", {"simulation": True}),
            f"{_PYTHON}{trigger}{wait}print(execution.status, execution.transfers_completed)\n",
            f"sluiceway rules simulate {rule}",
        ),
        Snippet(
            "See what a rule did",
            "/runs",
            _curl("GET", f"/platform/v1/rules/{rule}/executions"),
            f"{_PYTHON}for run in client.executions.list({_text(rule)}):\n    print(run.created_at, run.status)\n",
            f"sluiceway executions list --rule {rule}",
        ),
    ]


def _transfer(source: str, destination: str) -> Snippet:
    body = {"sourceAccountId": source, "destinationAccountId": destination, "amountInCents": 2_500}
    call = f"moved = client.transfers.create(\n    {_text(source)},\n    {_text(destination)},\n    2_500,\n"
    return Snippet(
        "Move money, once",
        "/transfers",
        _curl("POST", "/platform/v1/transfers", body, key="rent-2026-01"),
        f'{_PYTHON}{call}    idempotency_key="rent-2026-01",\n)\nprint(moved.status)\n',
        None,
    )


def _of_sandbox(income: str) -> list[Snippet]:
    deposit = {"account_id": income, "amount_in_cents": 150_000}
    return [
        Snippet(
            "Let money arrive in the sandbox",
            "/sandbox",
            _curl("POST", "/sandbox/deposits", deposit),
            None,
            None,
        ),
        Snippet(
            "Turn the sandbox's clock by a week",
            "/sandbox",
            _curl("POST", "/sandbox/clock/advance", {"days": 7}),
            None,
            "sluiceway clock advance 7d",
        ),
    ]


def _text(value: str) -> str:
    return json.dumps(value)


def _curl(method: str, path: str, body: Mapping[str, object] | None = None, key: str | None = None) -> str:
    # The sandbox takes keys as the oldest API does.
    scheme = "ApiKey" if path.startswith("/sandbox") else "Bearer"
    lines = [f'curl -sS -X {method} "$SLUICEWAY_URL{path}"', f'-H "Authorization: {scheme} $SLUICEWAY_KEY"']
    if method == "GET":
        lines[0] = f'curl -sS "$SLUICEWAY_URL{path}"'
    if key is not None:
        lines.append(f"-H 'Idempotency-Key: {key}'")
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(body)}'"]
    return " \\\n  ".join(lines)
