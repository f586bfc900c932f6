"""One-time codes, recovery codes and passkeys: turned on, shown, shown twice, lost."""

from dataclasses import replace
from typing import Any

import cbor2
import pyotp
import pytest

from tests.api.app.authenticator import PRESENT, Authenticator, decode, encode
from tests.api.app.client import Browser, assert_refused


async def data(answer: Any) -> Any:
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["data"]


async def turn_on(browser: Browser) -> tuple[pyotp.TOTP, list[str]]:
    """Turn one-time codes on. Their step of time is put back, so that tests need not wait for the next one."""
    begun = await data(await browser.post("/security/totp"))
    totp = pyotp.TOTP(begun["secret"])
    codes = (await data(await browser.post("/security/totp/confirm", {"code": totp.now()})))["codes"]
    async with browser.edge.engine.database.lend() as tx:
        await tx.conn.execute("UPDATE totp SET last_step = 0")
    return totp, codes


async def state(browser: Browser) -> str:
    return (await browser.get("/session")).json()["data"]["state"]


async def add_passkey(browser: Browser, device: Authenticator, name: str = "Phone") -> Any:
    options = (await data(await browser.post("/security/passkeys/options")))["options"]
    return await browser.post("/security/passkeys", {"name": name, "credential": device.make(options)})


async def show_passkey(browser: Browser, device: Authenticator) -> Any:
    options = (await data(await browser.post("/sign-in/passkey/options")))["options"]
    return await browser.post("/sign-in/passkey", {"credential": device.sign(options)})


async def test_codes_are_on_once_a_first_one_has_been_shown(admin: Browser) -> None:
    begun = await data(await admin.post("/security/totp"))
    before = await data(await admin.get("/security"))
    wrong = await admin.post("/security/totp/confirm", {"code": "000000"})
    other = admin.other()
    await other.sign_in()

    assert begun["uri"].startswith("otpauth://totp/Sluiceway:")
    assert begun["qr"].startswith("data:image/svg+xml")
    assert not before["hasTotp"]
    assert_refused(wrong, 403, "SIGN_IN_REFUSED")
    assert await state(other) == "signed_in", "what was never confirmed keeps nobody out"


async def test_after_the_password_a_code_is_shown_which_is_good_once(admin: Browser) -> None:
    totp, _ = await turn_on(admin)
    code = totp.now()
    first, second = admin.other(), admin.other()
    for each in (first, second):
        await each.sign_in()
    waiting = await state(first)
    refused = await first.get("/security")
    wrong = await first.post("/sign-in/totp", {"code": "123456" if code != "123456" else "654321"})
    right = await first.post("/sign-in/totp", {"code": f"{code[:3]} {code[3:]}"})
    again = await second.post("/sign-in/totp", {"code": code})

    assert waiting == "second_factor_required"
    assert_refused(refused, 401, "SECOND_FACTOR_REQUIRED")
    assert_refused(wrong, 403, "SIGN_IN_REFUSED")
    assert (await data(right))["person"]["hasTotp"]
    assert_refused(again, 403, "SIGN_IN_REFUSED")
    assert (await state(first), await state(second)) == ("signed_in", "second_factor_required")


async def test_a_recovery_code_stands_in_once_however_it_is_written(admin: Browser) -> None:
    _, codes = await turn_on(admin)
    browser = await admin.other().sign_in()
    right = await browser.post("/sign-in/totp", {"code": codes[3].upper().replace("-", " ")})
    left = (await data(await browser.get("/security")))["recoveryCodesLeft"]
    again = await (await admin.other().sign_in()).post("/sign-in/totp", {"code": codes[3]})

    assert len(set(codes)) == 10
    # Five bits to a letter: what has 112 random ones may be kept under a fast hash.
    assert {len(code.replace("-", "")) * 5 for code in codes} == {120}
    assert (await data(right))["state"] == "signed_in"
    assert left == 9
    assert_refused(again, 403, "SIGN_IN_REFUSED")


async def test_other_recovery_codes_replace_the_old_ones_and_without_codes_there_are_none(admin: Browser) -> None:
    none = await admin.post("/security/recovery-codes")
    _, old = await turn_on(admin)
    new = (await data(await admin.post("/security/recovery-codes")))["codes"]
    browser = await admin.other().sign_in()

    assert_refused(none, 409, "PERSON_REFUSED")
    assert not set(old) & set(new)
    assert_refused(await browser.post("/sign-in/totp", {"code": old[0]}), 403, "SIGN_IN_REFUSED")
    assert (await data(await browser.post("/sign-in/totp", {"code": new[0]})))["state"] == "signed_in"


async def test_codes_that_are_on_are_replaced_only_by_turning_them_off(admin: Browser) -> None:
    await turn_on(admin)
    again = await admin.post("/security/totp")
    off = await data(await admin.delete("/security/totp"))
    other = await admin.other().sign_in()

    assert_refused(again, 409, "PERSON_REFUSED")
    assert (off["hasTotp"], off["recoveryCodesLeft"]) == (False, 0)
    assert await state(other) == "signed_in"


async def test_who_cannot_show_a_code_turns_back(admin: Browser) -> None:
    await turn_on(admin)
    other = await admin.other().sign_in()
    await other.post("/sign-out")

    assert await state(other) == "signed_out"


async def test_guessing_codes_has_an_end(admin: Browser) -> None:
    await turn_on(admin)
    other = await admin.other().sign_in()
    codes = [(await other.post("/sign-in/totp", {"code": f"{number:06}"})).status_code for number in range(12)]

    assert codes[-1] == 429


async def test_the_right_password_forgives_no_wrong_codes(admin: Browser) -> None:
    await turn_on(admin)
    codes: list[int] = []
    for number in range(11):
        other = await admin.other().sign_in()
        codes.append((await other.post("/sign-in/totp", {"code": f"{number:06}"})).status_code)

    assert codes == [403] * 10 + [429]


async def test_nobody_alone_keeps_others_from_their_passkeys(admin: Browser) -> None:
    device = Authenticator()
    await add_passkey(admin, device)
    for _ in range(51):
        await admin.other().post("/sign-in/passkey", {"credential": {}}, X_Forwarded_For="203.0.113.1")

    assert (await show_passkey(admin.other(), device)).status_code == 200


async def test_a_passkey_is_made_and_signs_in_without_a_password(admin: Browser) -> None:
    await turn_on(admin)
    device = Authenticator()
    made = await add_passkey(admin, device)
    stranger = admin.other("nobody@example.com")
    signed_in = await data(await show_passkey(stranger, device))
    listed = (await data(await stranger.get("/security")))["passkeys"]

    assert (await data(made))["name"] == "Phone"
    assert (signed_in["person"]["email"], signed_in["person"]["passkeyCount"]) == (admin.email, 1)
    assert listed[0]["usedAt"]


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"origin": "http://elsewhere.test"}, id="made for a page of somebody else"),
        pytest.param({"flags": PRESENT}, id="nobody made sure who holds it"),
        pytest.param({"key": Authenticator().key}, id="signed by another key"),
        pytest.param({"id": b"unknown"}, id="an unknown one"),
        pytest.param({"handle": bytes(32)}, id="of nobody"),
        pytest.param({"count": -1}, id="it counts backwards, so it is a copy"),
    ],
)
async def test_what_is_not_the_passkey_does_not_sign_in(admin: Browser, broken: dict[str, Any]) -> None:
    device = Authenticator(count=5)
    await add_passkey(admin, device)
    refused = await show_passkey(admin.other(), replace(device, **broken))

    assert_refused(refused, 403, "SIGN_IN_REFUSED")


@pytest.mark.parametrize("key", [[], "x", {}, 1])
async def test_a_key_that_is_none_makes_no_passkey(admin: Browser, key: Any) -> None:
    options = (await data(await admin.post("/security/passkeys/options")))["options"]
    device = Authenticator()
    made = device.make(options)
    attested = cbor2.loads(decode(made["response"]["attestationObject"]))
    before_key = attested["authData"].index(device.id) + len(device.id)
    attested["authData"] = attested["authData"][:before_key] + cbor2.dumps(key)
    made["response"]["attestationObject"] = encode(cbor2.dumps(attested))

    assert_refused(
        await admin.post("/security/passkeys", {"name": "Phone", "credential": made}), 403, "SIGN_IN_REFUSED"
    )


async def test_a_challenge_counts_once_and_only_if_it_is_ours(admin: Browser) -> None:
    device = Authenticator()
    await add_passkey(admin, device)
    stranger = admin.other()
    options = (await data(await stranger.post("/sign-in/passkey/options")))["options"]
    shown = device.sign(options)
    first = await stranger.post("/sign-in/passkey", {"credential": shown})
    second = await admin.other().post("/sign-in/passkey", {"credential": shown})
    made_up = await admin.other().post("/sign-in/passkey", {"credential": device.sign(options | {"challenge": "AAAA"})})
    nonsense = [
        await admin.other().post("/sign-in/passkey", {"credential": credential})
        for credential in ({}, {"response": 5}, {"rawId": "é", "response": {"clientDataJSON": "e30"}})
    ]

    assert first.status_code == 200
    for answer in (second, made_up, *nonsense):
        assert_refused(answer, 403, "SIGN_IN_REFUSED")


async def test_a_passkey_shown_again_makes_a_session_fresh(admin: Browser) -> None:
    device, other_device = Authenticator(), Authenticator()
    await add_passkey(admin, device)
    await admin.age(5)
    stale = await admin.post("/security/totp")
    options = (await data(await admin.post("/reauthenticate/options")))["options"]
    wrong = await admin.post("/reauthenticate", {"credential": other_device.sign(options)})
    options = (await data(await admin.post("/reauthenticate/options")))["options"]
    right = await admin.post("/reauthenticate", {"credential": device.sign(options)})
    fresh = await admin.post("/security/totp")

    assert_refused(stale, 403, "REAUTHENTICATION_REQUIRED")
    assert [each["type"] for each in options["allowCredentials"]] == ["public-key"]
    assert_refused(wrong, 403, "SIGN_IN_REFUSED")
    assert (right.status_code, fresh.status_code) == (200, 200)


async def test_somebody_elses_passkey_makes_nobody_fresh(admin: Browser, viewer: Browser) -> None:
    device = Authenticator()
    await add_passkey(viewer, device)
    options = (await data(await admin.post("/reauthenticate/options")))["options"]

    assert_refused(await admin.post("/reauthenticate", {"credential": device.sign(options)}), 403, "SIGN_IN_REFUSED")


async def test_a_passkey_that_was_removed_is_good_for_nothing(admin: Browser) -> None:
    device = Authenticator()
    made = await data(await add_passkey(admin, device))
    twice = await add_passkey(admin, device)
    removed = await data(await admin.delete(f"/security/passkeys/{made['id']}"))
    again = await admin.delete(f"/security/passkeys/{made['id']}")

    assert_refused(twice, 409, "PERSON_REFUSED")
    assert removed["passkeys"] == []
    assert_refused(again, 404, "NOT_FOUND")
    assert_refused(await show_passkey(admin.other(), device), 403, "SIGN_IN_REFUSED")


async def test_nobody_removes_somebody_elses_passkey(admin: Browser, viewer: Browser) -> None:
    made = await data(await add_passkey(viewer, Authenticator()))

    assert_refused(await admin.delete(f"/security/passkeys/{made['id']}"), 404, "NOT_FOUND")


async def test_a_server_at_a_bare_address_says_why_it_makes_no_passkeys(admin: Browser) -> None:
    refused = await admin.send("POST", "/security/passkeys/options", headers={"Host": "127.0.0.1:8080"})
    told = await admin.send("GET", "/security", headers={"Host": "127.0.0.1:8080"})

    assert "by a name" in assert_refused(refused, 409, "PERSON_REFUSED")["message"]
    assert told.json()["data"]["passkeyHost"] is None
