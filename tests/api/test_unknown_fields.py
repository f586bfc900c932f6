"""A field that is not understood is refused, not ignored: a misspelled amount must not run without one."""

from typing import Any

import pytest

from tests.api.client import Api, assert_refused, digest


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/rules/{rule}/trigger", {"manual_execution_amount": 1_000}),
        (
            "/transfers",
            {
                "source_account_id": "income",
                "destination_account_id": "savings",
                "amount_in_cents": 1_000,
                "simulation": True,
            },
        ),
        ("/rules/{rule}/trigger", {"manual_execute_amount": 1_000, "simulate": True}),
        ("/sandbox/deposits", {"account_id": "income", "amount_in_cents": 1_000, "currency": "USD"}),
        ("/accounts/pods", {"nickname": "Holiday", "colour": "blue"}),
        ("/accounts/income-sources", {"nickname": "Pay", "colour": "blue"}),
        ("/accounts/external-accounts", {"nickname": "Bank", "external_account_type": "DEPOSITORY", "colour": "blue"}),
    ],
)
async def test_a_field_that_is_not_known_is_refused_by_name(api: Api, path: str, body: dict[str, Any]) -> None:
    names = {key: api.world.accounts.get(value, value) for key, value in body.items() if isinstance(value, str)}
    before = await digest(api.world.engine.database)

    answer = await api.send("POST", path.replace("{rule}", api.world.rules["auto_save"].id), json=body | names)

    assert_refused(answer, 400, "invalid_parameters", [list(body)[-1]])
    assert await digest(api.world.engine.database) == before
