"""What a real process logs, at its most talkative: JSON, with ids, no secrets and no amounts."""

import json

import httpx
import pytest

from tests.e2e.processes import Serving, data_folder, free_port, new_key, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

AMOUNT = 123_457


def test_no_secret_and_no_amount_is_logged_however_much_is_logged():
    with data_folder() as data_dir:
        assert run("organizations", "create", "Sample", "--sandbox", "--data-dir", str(data_dir)).returncode == 0
        key = new_key(data_dir)
        secret = key["Authorization"].removeprefix("ApiKey ")
        canaries = [secret, *(f"c4n4ry{number}C4N4RYc4n4ry" for number in range(10))]
        with Serving("serve", data_dir, free_port(), LOG_LEVEL="debug", LOG_FORMAT="json") as serving:
            pod = httpx.post(f"{serving.url}/api/v1/accounts/pods", json={"nickname": canaries[1]}, headers=key)
            body = {"account_id": pod.json()["data"]["id"], "amount_in_cents": AMOUNT, "description": canaries[2]}
            paid = httpx.post(
                f"{serving.url}/sandbox/deposits", json=body, headers=key | {"Idempotency-Key": canaries[3]}
            )
            for headers in (
                {"Authorization": f"ApiKey {canaries[4]}"},
                {"Authorization": f"Bearer {canaries[4]}"},
                {"x-sequence-signature": canaries[5]},
                {"Cookie": f"sluiceway_session={canaries[6]}"},
            ):
                httpx.get(f"{serving.url}/api/v1/accounts?token={canaries[7]}", headers=headers)
                httpx.post(f"{serving.url}/rules/{canaries[8]}/trigger", headers=headers, json={})
            sign_in = {"email": "a@example.com", "password": canaries[9]}
            own = {"Origin": serving.url, "Sec-Fetch-Site": "same-origin", "X-Requested-By": "sluiceway"}
            httpx.post(f"{serving.url}/app/sign-in", json=sign_in, headers=own)
            assert serving.stop() == 0
            _, _, said = serving.output.partition("\n")

    lines = [json.loads(line) for line in said.splitlines()]
    assert paid.headers["x-request-id"] in {line.get("request_id") for line in lines if line["event"] == "answered"}
    assert not [canary for canary in canaries if canary in said]
    assert str(AMOUNT) not in said
