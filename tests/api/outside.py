"""The world outside, as programs turn it: a clock that stands still on a Monday, accounts at the bank, work done."""

from typing import Any, Final

from sluiceway.services.errands import work_off
from tests.api.client import Api

MONDAY: Final = "2030-01-07T14:00:00.000Z"
"""09:00 Eastern on a banking day: a push settles at 13:00, a pull on Wednesday at 08:30."""


async def work(api: Api) -> None:
    """Do everything that is due, as a worker would."""
    while await work_off(api.world.engine, api.world.organization_id):
        pass


async def on_monday(api: Api) -> None:
    await told(api, "/sandbox/clock/freeze")
    await told(api, "/sandbox/clock/advance", {"to": MONDAY})


async def told(api: Api, path: str, body: Any = None, *, status: int = 200, key: str | None = None) -> dict[str, Any]:
    """Ask for something that is done; give what was answered."""
    answer = await api.post(path, {} if body is None else body, key=key)
    assert answer.status_code == status, answer.text
    return answer.json()["data"]


async def connect(api: Api, name: str, balance: int = 100_000, **more: Any) -> str:
    """Open an account at the bank."""
    body = {"name": name, "external_account_type": "DEPOSITORY", "balance_in_cents": balance} | more
    made = await told(api, "/sandbox/external-accounts", body, status=201)
    return made["id"]


async def transfer(api: Api, source: str, destination: str, amount: int, **more: Any) -> str:
    body = {"source_account_id": source, "destination_account_id": destination, "amount_in_cents": amount}
    return (await told(api, "/transfers", body | more, status=201))["id"]


async def read(api: Api, path: str, **query: Any) -> Any:
    answer = await api.get(path, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def balance(api: Api, account_id: str) -> int:
    return (await read(api, f"/accounts/{account_id}"))["balance"]["balance_in_cents"]


async def available(api: Api, account_id: str) -> int:
    return (await read(api, f"/accounts/{account_id}"))["balance"]["available_balance_in_cents"]
