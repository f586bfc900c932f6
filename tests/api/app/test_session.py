"""Who is signed in: set-up, sign-in, its limits, showing a password again, signing out."""

from base64 import b64decode

import pytest

from sluiceway.domain.access import Role
from sluiceway.services import passwords
from sluiceway.services.sessions import MOST_OF_BOTH, MOST_OF_EMAIL
from sluiceway.storage.database import Database, fetch_all
from sluiceway.storage.keyring import KEY_BYTES
from tests.api.app.client import HOST, Browser, assert_refused, open_browser
from tests.support import PASSWORD, SECRET_KEY, World, new_world, plain_engine


async def state(browser: Browser) -> str:
    return (await browser.get("/session")).json()["data"]["state"]


async def test_somebody_signs_in_is_known_and_signs_out(visitor: Browser) -> None:
    before = await state(visitor)
    answer = await visitor.post("/sign-in", {"email": visitor.email.upper(), "password": PASSWORD})
    known = (await visitor.get("/session")).json()["data"]
    token = dict(visitor.cookies)
    out = await visitor.post("/sign-out")
    visitor.cookies = token

    assert before == "signed_out"
    assert answer.json()["data"] == known | {"organization": answer.json()["data"]["organization"]}
    assert known["state"] == "signed_in"
    assert known["person"] | {"id": ""} == {
        "id": "",
        "email": visitor.email,
        "role": "ADMIN",
        "hasTotp": False,
        "passkeyCount": 0,
    }
    assert known["organization"]["isSandbox"]
    assert known["organizations"] == [{key: known["organization"][key] for key in ("id", "name")}]
    assert out.status_code == 200
    assert "Max-Age=0" in out.headers["set-cookie"]
    assert await state(visitor) == "signed_out", "the session is over, not only the cookie"


async def test_the_cookie_is_for_this_host_alone_and_for_no_script(visitor: Browser) -> None:
    body = {"email": visitor.email, "password": PASSWORD}
    plain = await visitor.other().post("/sign-in", body)
    secure = await visitor.other().post("/sign-in", body, X_Forwarded_Proto="https")

    assert plain.headers["set-cookie"].startswith("sluiceway-session=ss_")
    assert secure.headers["set-cookie"].startswith("__Host-sluiceway-session=ss_")
    for answer in (plain, secure):
        attributes = answer.headers["set-cookie"].split("; ")[1:]
        assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(attributes)
        assert ("Secure" in attributes) == (answer is secure)


async def test_whoever_does_not_know_the_password_is_refused_whether_or_not_somebody_has_the_address(
    visitor: Browser,
) -> None:
    wrong = await visitor.post("/sign-in", {"email": visitor.email, "password": "not this one"})
    nobody = await visitor.post("/sign-in", {"email": "nobody@example.com", "password": PASSWORD})

    assert assert_refused(wrong, 403, "SIGN_IN_REFUSED") == assert_refused(nobody, 403, "SIGN_IN_REFUSED")
    assert not visitor.cookies


async def test_too_many_attempts_have_to_wait_and_the_right_password_too(visitor: Browser) -> None:
    wrong = {"email": visitor.email, "password": "not this one"}
    refused = [(await visitor.post("/sign-in", wrong)).status_code for _ in range(MOST_OF_BOTH)]
    answer = await visitor.post("/sign-in", wrong | {"password": PASSWORD})

    assert refused == [403] * MOST_OF_BOTH
    assert_refused(answer, 429, "TOO_MANY_ATTEMPTS")
    assert 0 < int(answer.headers["retry-after"]) <= 15 * 60 + 1


async def wrong_passwords(visitor: Browser, address: str, times: int) -> list[int]:
    """Show a wrong password from an address, so many times."""
    body = {"email": visitor.email, "password": "not this one"}
    return [(await visitor.post("/sign-in", body, X_Forwarded_For=address)).status_code for _ in range(times)]


async def test_nobody_alone_keeps_somebody_else_out(visitor: Browser) -> None:
    refused = await wrong_passwords(visitor, "203.0.113.1", MOST_OF_EMAIL + 1)

    assert refused[MOST_OF_BOTH:] == [429] * (MOST_OF_EMAIL + 1 - MOST_OF_BOTH)
    await visitor.sign_in()


async def test_a_network_of_very_many_addresses_is_one_visitor(visitor: Browser) -> None:
    refused = [await wrong_passwords(visitor, f"2001:db8:0:1::{number}", 1) for number in range(MOST_OF_BOTH + 1)]
    elsewhere = await wrong_passwords(visitor, "2001:db8:0:2::1", 1)

    assert refused == [[403]] * MOST_OF_BOTH + [[429]]
    assert elsewhere == [403]


async def test_who_is_signed_in_shows_the_password_again_however_many_others_try_to_sign_in(admin: Browser) -> None:
    for number in range(MOST_OF_EMAIL // MOST_OF_BOTH):
        await wrong_passwords(admin.other(), f"203.0.113.{number}", MOST_OF_BOTH)
    locked_out = await wrong_passwords(admin.other(), "203.0.113.99", 1)
    guesses = [
        (await admin.post("/reauthenticate", {"password": "not this one"})).status_code for _ in range(MOST_OF_BOTH - 1)
    ]

    assert locked_out == [429]
    assert guesses == [403] * (MOST_OF_BOTH - 1)
    await admin.reauthenticate()


async def test_many_who_wait_to_sign_in_keep_nobody_from_the_rest(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MOST_WAITING", 0)
    refused = await admin.other().post("/sign-in", {"email": admin.email, "password": PASSWORD})
    paused = await admin.post("/settings/pause")

    assert_refused(refused, 503, "SERVICE_UNAVAILABLE")
    assert paused.status_code == 200


@pytest.mark.parametrize("host", ["[", "[::1", "//", ":80"])
async def test_a_server_that_is_called_by_no_name_says_so(visitor: Browser, host: str) -> None:
    answer = await visitor.post("/sign-in/passkey/options", X_Forwarded_Host=host)

    [error] = assert_refused(answer, 400, "INVALID_PARAMETERS")["errors"]
    assert error["path"] == ("" if host == "//" else "Host")  # Of that one, no address can be made at all.


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Sec-Fetch-Site": "cross-site"}, id="another site"),
        pytest.param({"Sec-Fetch-Site": "same-site"}, id="a neighbour"),
        pytest.param({"Sec-Fetch-Site": "none"}, id="no page at all"),
        pytest.param({"X-Requested-By": "somebody"}, id="not our script"),
    ],
)
async def test_what_is_not_asked_by_our_own_page_changes_nothing(admin: Browser, headers: dict[str, str]) -> None:
    answer = await admin.send("POST", "/sign-out", headers=headers)

    assert_refused(answer, 403, "CROSS_SITE_REQUEST")
    assert await state(admin) == "signed_in"


async def test_a_browser_that_does_not_say_from_where_has_to_name_our_origin(world: World) -> None:
    async with open_browser(world) as browser:
        body = {"email": browser.email, "password": PASSWORD}

        async def sign_in(origin: str | None) -> int:
            headers = {"X-Requested-By": "sluiceway"} | ({} if origin is None else {"Origin": origin})
            return (await browser.http.post("/app/sign-in", json=body, headers=headers)).status_code

        assert await sign_in(None) == 403
        assert await sign_in("http://elsewhere.test") == 403
        assert await sign_in("null") == 403
        assert await sign_in(HOST) == 200


async def test_a_server_where_nobody_can_sign_in_is_set_up_once(database: Database) -> None:
    world = World(plain_engine(database), None, None)  # type: ignore[arg-type]
    setup = {"organizationName": " Home ", "isSandbox": True, "email": "Ada@Example.com", "password": PASSWORD}
    async with open_browser(World(world.engine, "", type("Nobody", (), {"email": "ada@example.com"})())) as browser:  # type: ignore[arg-type]
        before = await state(browser)
        short = await browser.post("/setup", setup | {"password": "short"})
        common = await browser.post("/setup", setup | {"password": "Password123"})
        only_names = await browser.post(
            "/setup", setup | {"organizationName": "Lighthouse", "password": "lighthouse 1"}
        )
        made = await browser.post("/setup", setup)
        again = await browser.other().post("/setup", setup)
        other = await browser.other().sign_in()

        assert before == "setup_required"
        for bad in (short, common, only_names):
            assert [error["path"] for error in assert_refused(bad, 400, "INVALID_PARAMETERS")["errors"]] == ["password"]
        assert made.json()["data"]["organization"]["name"] == "Home"
        assert made.json()["data"]["person"]["role"] == "ADMIN"
        assert_refused(again, 409, "ALREADY_SET_UP")
        assert await state(browser) == await state(other) == "signed_in"


async def test_the_password_shown_again_is_another_token(admin: Browser) -> None:
    before = (await admin.get("/session")).json()["data"]["reauthenticatedAt"]
    old = dict(admin.cookies)
    wrong = await admin.post("/reauthenticate", {"password": "not this one"})
    right = await admin.post("/reauthenticate", {"password": PASSWORD})
    thief = admin.other()
    thief.cookies = old

    assert_refused(wrong, 403, "SIGN_IN_REFUSED")
    assert right.json()["data"]["reauthenticatedAt"] > before
    assert await state(admin) == "signed_in"
    assert await state(thief) == "signed_out"


async def test_an_organization_is_named_where_the_same_password_opens_several(visitor: Browser) -> None:
    await new_world(visitor.world.engine)
    first = (await visitor.post("/sign-in", {"email": visitor.email, "password": PASSWORD})).json()["data"]
    second = await visitor.post(
        "/sign-in",
        {"email": visitor.email, "password": PASSWORD, "organizationId": first["organizations"][1]["id"]},
    )

    assert len(first["organizations"]) == 2
    assert second.json()["data"]["organization"]["id"] == first["organizations"][1]["id"]


async def test_signing_in_and_failing_to_is_on_record(visitor: Browser) -> None:
    await visitor.post("/sign-in", {"email": visitor.email, "password": "not this one"})
    await visitor.sign_in()
    await visitor.post("/sign-out")
    await visitor.edge.recorder.close()
    async with visitor.world.engine.database.read() as tx:
        rows = await fetch_all(
            tx,
            "SELECT action, outcome, error_code FROM audit_entry WHERE actor_id = %(id)s::uuid"
            " AND action ~ 'SIGN' ORDER BY id",
            {"id": visitor.world.person.id},
        )

    assert rows == [
        ("SIGN_IN", "FAILURE", "SIGN_IN_REFUSED"),
        ("SIGN_IN", "SUCCESS", None),
        ("SIGN_OUT", "SUCCESS", None),
    ]


@pytest.mark.parametrize("role", Role)
async def test_everybody_is_told_their_role(visitor: Browser, role: Role) -> None:
    somebody = await visitor.person(role)

    assert (await somebody.get("/session")).json()["data"]["person"]["role"] == role


async def test_each_person_has_a_key_for_their_drafts_that_stays_the_same(visitor: Browser) -> None:
    somebody, another = await visitor.person(Role.VIEWER), await visitor.person(Role.WRITER)

    async def key_of(browser: Browser) -> str | None:
        key: str | None = (await browser.get("/session")).json()["data"]["draftsKey"]
        return key

    keys = [await key_of(somebody), await key_of(another)]
    assert keys == [await key_of(somebody), await key_of(another)]
    assert len({*keys, SECRET_KEY}) == len([*keys, SECRET_KEY])
    assert [len(b64decode(key or "")) for key in keys] == [KEY_BYTES, KEY_BYTES]
    assert await key_of(visitor) is None, "nobody is signed in here"


async def test_a_body_that_makes_no_sense_says_where(visitor: Browser) -> None:
    answer = await visitor.post("/sign-in", {"email": 1, "password": PASSWORD})

    assert [error["path"] for error in assert_refused(answer, 400, "INVALID_PARAMETERS")["errors"]] == ["email"]
