"""A server that asks everybody for a second factor: a password alone leads to setting one up, and to nothing else."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import pytest_asyncio

from sluiceway.domain.errors import PersonRefused, SecondFactorRequired
from sluiceway.services import passkeys, second_factors
from sluiceway.services.people import reset
from sluiceway.services.rules import enable_rule
from sluiceway.services.sessions import find_session
from sluiceway.storage.database import Database
from sluiceway.web.identify import COOKIE
from sluiceway.web.operations import AppOperation
from tests.api.app.authenticator import Authenticator
from tests.api.app.client import Browser, assert_refused, open_browser
from tests.api.app.test_permissions import GUARDED, NAMES, called, code_of
from tests.api.app.test_second_factors import add_passkey, data, show_passkey, state, turn_on
from tests.support import AS_OWNER, PASSWORD, World, first_story, new_world, plain_engine

BEFORE_FACTOR = {
    "reauthenticate",
    "get_security",
    "begin_totp",
    "confirm_totp",
    "ask_for_new_passkey",
    "add_passkey",
}
"""What somebody may who has no factor yet. A new operation is none of these, or is added here on purpose."""
TELLS_NOTHING = {
    "person": None,
    "organization": None,
    "reauthenticatedAt": None,
    "organizations": [],
    "draftsKey": None,
}


def strict(world: World) -> World:
    """Let the server ask everybody for a second factor."""
    return replace(world, engine=replace(world.engine, is_second_factor_required=True))


@pytest_asyncio.fixture
async def visitor(database: Database) -> AsyncGenerator[Browser]:
    async with open_browser(strict(await first_story(plain_engine(database)))) as browser:
        yield browser


@pytest_asyncio.fixture
async def admin(visitor: Browser) -> Browser:
    """Sign in with a password, where nobody has set up a factor yet."""
    return await visitor.other().sign_in()


@asynccontextmanager
async def restarted(browser: Browser) -> AsyncGenerator[Browser]:
    """Restart the server with the setting on; the browser keeps its cookie."""
    async with open_browser(strict(browser.world)) as later:
        later.cookies = dict(browser.cookies)
        yield later


def token(browser: Browser) -> str:
    return browser.cookies[COOKIE]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(module_database_url: str) -> AsyncGenerator[dict[str, Browser]]:
    """Sign an admin in who has no factor, and one who has and has not shown it."""
    async with (
        Database(module_database_url) as database,
        open_browser(strict(await first_story(plain_engine(database)))) as without,
    ):
        await without.sign_in()
        of_other = await new_world(without.world.engine, email="other@example.com")
        async with open_browser(of_other) as other:
            await turn_on(await other.sign_in())
            yield {"SECOND_FACTOR_MISSING": without, "SECOND_FACTOR_REQUIRED": await other.other().sign_in()}


@pytest.mark.parametrize("operation", GUARDED, ids=NAMES)
async def test_who_has_no_factor_may_set_one_up_and_nothing_else(
    stage: dict[str, Browser], operation: AppOperation
) -> None:
    method, path, more = called(operation)
    answer = await stage["SECOND_FACTOR_MISSING"].send(method, path, **more)

    assert operation.is_before_factor == (operation.name in BEFORE_FACTOR)
    if operation.name in BEFORE_FACTOR:
        assert code_of(answer) not in {"SECOND_FACTOR_MISSING", "SIGNED_OUT", "UNEXPECTED_ERROR"}
    else:
        said = assert_refused(answer, 401, "SECOND_FACTOR_MISSING")
        assert said["message"] == "Set up a second factor first: this server asks everybody for one."


@pytest.mark.parametrize("operation", GUARDED, ids=NAMES)
async def test_who_has_a_factor_and_has_not_shown_it_may_nothing(
    stage: dict[str, Browser], operation: AppOperation
) -> None:
    method, path, more = called(operation)

    assert_refused(await stage["SECOND_FACTOR_REQUIRED"].send(method, path, **more), 401, "SECOND_FACTOR_REQUIRED")


async def test_whoever_sets_the_server_up_sets_up_a_factor_first(database: Database) -> None:
    engine = strict(World(plain_engine(database), "", None)).engine  # type: ignore[arg-type]
    setup = {"organizationName": "Home", "isSandbox": True, "email": "ada@example.com", "password": PASSWORD}
    async with open_browser(World(engine, "", type("Nobody", (), {"email": "ada@example.com"})())) as browser:  # type: ignore[arg-type]
        made = await data(await browser.post("/setup", setup))
        refused = await browser.get("/overview")
        await turn_on(browser)

        assert made == TELLS_NOTHING | {"state": "second_factor_missing"}
        assert_refused(refused, 401, "SECOND_FACTOR_MISSING")
        assert (await browser.get("/overview")).status_code == 200


async def test_whoever_is_invited_sets_up_a_factor_first(admin: Browser) -> None:
    await turn_on(admin)
    made = await data(await admin.post("/invitations", {"email": "ada@example.com", "role": "ADMIN"}))
    guest = admin.other("ada@example.com")
    joined = await data(await guest.post("/invitation/accept", {"token": made["token"], "password": PASSWORD}))
    refused = await guest.get("/people")
    added = await add_passkey(guest, Authenticator())

    assert joined == TELLS_NOTHING | {"state": "second_factor_missing"}
    assert_refused(refused, 401, "SECOND_FACTOR_MISSING")
    assert added.status_code == 201
    assert (await guest.get("/people")).status_code == 200


async def test_whoever_was_reset_sets_up_a_factor_anew(admin: Browser) -> None:
    await turn_on(admin)
    await reset(admin.world.engine, admin.world.person, "quite another one")
    again = await admin.other().sign_in("quite another one")

    assert await state(admin) == "signed_out"
    assert await state(again) == "second_factor_missing"


async def test_a_session_of_somebody_without_a_factor_tells_nothing(admin: Browser) -> None:
    other = await admin.other().sign_in()
    told = await data(await admin.get("/session"))
    listed = (await data(await admin.get("/security")))["sessions"]
    await other.post("/sign-out")

    assert told == TELLS_NOTHING | {"state": "second_factor_missing"}
    assert [each["isCurrent"] for each in listed] == [True], "not where else its owner is signed in"
    assert await state(other) == "signed_out"


async def test_codes_set_up_let_on_and_the_token_changes(admin: Browser) -> None:
    old = admin.other()
    old.cookies = dict(admin.cookies)
    await turn_on(admin)

    assert await state(admin) == "signed_in"
    assert (await admin.get("/overview")).status_code == 200
    assert await state(old) == "signed_out"


async def test_what_somebody_else_sets_up_lets_nobody_else_on(admin: Browser) -> None:
    other = await admin.other().sign_in()
    totp, _ = await turn_on(admin)
    waiting = await state(other)
    begun = await other.post("/security/totp")
    added = await other.post("/security/passkeys/options")
    shown = await other.post("/sign-in/totp", {"code": totp.now()})

    assert waiting == "second_factor_required"
    assert_refused(begun, 401, "SECOND_FACTOR_REQUIRED")
    assert_refused(added, 401, "SECOND_FACTOR_REQUIRED")
    assert (await data(shown))["state"] == "signed_in"


async def test_of_two_who_set_up_at_once_one_does(admin: Browser) -> None:
    """The second one's request has been let in, since there was none yet; what it would add comes too late."""
    engine, other = admin.edge.engine, await admin.other().sign_in()
    device = Authenticator()
    options = (await data(await other.post("/security/passkeys/options")))["options"]
    asked = await find_session(engine, token(other))
    assert asked
    await turn_on(admin)
    place = passkeys.Place("sluiceway.test", "http://sluiceway.test")

    with pytest.raises(SecondFactorRequired):
        await passkeys.add(engine, place, asked, "Mine", device.make(options))
    assert await passkeys.list_passkeys(engine, admin.world.person) == []


async def test_after_a_passkey_the_password_alone_is_not_enough(admin: Browser) -> None:
    device = Authenticator()
    await add_passkey(admin, device)
    other = await admin.other().sign_in()
    waiting = await state(other)
    guessed = await other.post("/sign-in/totp", {"code": "123456"})
    shown = await data(await show_passkey(other, device))

    assert await state(admin) == "signed_in"
    assert waiting == "second_factor_required"
    assert_refused(guessed, 403, "SIGN_IN_REFUSED")
    assert shown["state"] == "signed_in"


async def test_a_recovery_code_stands_for_the_factor(admin: Browser) -> None:
    _, codes = await turn_on(admin)
    other = await admin.other().sign_in()

    assert (await data(await other.post("/sign-in/totp", {"code": codes[0]})))["state"] == "signed_in"


async def test_a_password_shown_again_leads_no_further(admin: Browser) -> None:
    await admin.age(5)
    stale = await admin.post("/security/totp")
    again = await data(await admin.post("/reauthenticate", {"password": PASSWORD}))

    assert_refused(stale, 403, "REAUTHENTICATION_REQUIRED")
    assert again["state"] == "second_factor_missing"
    assert_refused(await admin.get("/overview"), 401, "SECOND_FACTOR_MISSING")
    assert (await admin.post("/security/totp")).status_code == 200


async def test_the_last_factor_stays(admin: Browser) -> None:
    device = Authenticator()
    await turn_on(admin)
    first = await admin.delete("/security/totp")
    made = await data(await add_passkey(admin, device))
    off = await data(await admin.delete("/security/totp"))
    last = await admin.delete(f"/security/passkeys/{made['id']}")
    kept = await data(await admin.get("/security"))

    for refused in (first, last):
        assert assert_refused(refused, 409, "PERSON_REFUSED")["message"] == (
            "This server asks everybody for a second factor, and this is your last one. Add another one first."
        )
    assert not off["hasTotp"]
    assert [each["id"] for each in kept["passkeys"]] == [made["id"]]
    assert await state(admin) == "signed_in"


async def test_of_two_last_factors_that_are_removed_at_once_one_stays(admin: Browser) -> None:
    engine, person = admin.edge.engine, admin.world.person
    await turn_on(admin)
    await data(await add_passkey(admin, Authenticator()))
    [passkey] = await passkeys.list_passkeys(engine, person)
    done = await asyncio.gather(
        second_factors.turn_totp_off(engine, person),
        passkeys.remove(engine, person, passkey.id, ""),
        return_exceptions=True,
    )

    assert sorted(isinstance(one, PersonRefused) for one in done) == [False, True]
    assert (await second_factors.find_factors(engine, person)).is_any


@pytest.mark.parametrize(
    ("factor", "then", "later"),
    [
        ("none", "second_factor_missing", "second_factor_missing"),
        ("passkey", "second_factor_required", "signed_out"),
        ("code", "second_factor_required", "signed_out"),
    ],
)
async def test_a_session_of_the_time_before_is_asked_for_a_factor_as_well(
    database: Database, factor: str, then: str, later: str
) -> None:
    async with open_browser(await first_story(plain_engine(database))) as browser:
        await browser.sign_in()
        if factor == "passkey":
            await add_passkey(await browser.other().sign_in(), Authenticator())
        if factor == "code":
            await turn_on(await browser.other().sign_in())
        before = await state(browser)
    async with restarted(browser) as now:
        at_first = await state(now)
        refused = await now.get("/overview")
        async with database.lend() as tx, tx.conn.transaction():
            await tx.conn.execute(AS_OWNER)
            await tx.conn.execute("UPDATE session SET created_at = created_at - interval '11 minutes'")

        assert before == "signed_in"
        assert at_first == then
        assert_refused(refused, 401, then.upper())
        assert await state(now) == later


async def test_who_showed_a_factor_before_goes_on(database: Database) -> None:
    world = await first_story(plain_engine(database))
    async with open_browser(world) as browser:
        device = Authenticator()
        await add_passkey(await browser.sign_in(), device)
        await show_passkey(with_passkey := browser.other(), device)
        again = await browser.other().sign_in()
        options = (await data(await again.post("/reauthenticate/options")))["options"]
        await data(await again.post("/reauthenticate", {"credential": device.sign(options)}))
    for each in (browser, with_passkey, again):
        async with restarted(each) as now:
            assert await state(now) == "signed_in"


async def test_organizations_are_chosen_from_before_the_factor_which_each_has_of_its_own(admin: Browser) -> None:
    await turn_on(admin)
    await new_world(admin.world.engine)
    browser = admin.other()
    body = {"email": admin.email, "password": PASSWORD}
    first = await data(await browser.post("/sign-in", body))
    ids = [each["id"] for each in first["organizations"]]
    states = [(await data(await browser.post("/sign-in", body | {"organizationId": each})))["state"] for each in ids]

    assert first["state"] in states
    assert first["person"] is first["organization"] is first["draftsKey"] is None
    assert sorted(states) == ["second_factor_missing", "second_factor_required"]


async def test_what_is_refused_for_want_of_a_factor_is_on_record(admin: Browser) -> None:
    await admin.post("/settings/pause")
    await admin.edge.recorder.close()
    await turn_on(admin)

    [entry] = await data(await admin.get("/audit-log", action="PAUSE_ORGANIZATION"))

    assert (entry["actor"], entry["outcome"], entry["errorCode"]) == (admin.email, "FAILURE", "SECOND_FACTOR_MISSING")


async def test_whoever_runs_the_server_still_acts_with_a_password(admin: Browser) -> None:
    world, rule = admin.world, admin.world.rules["auto_save"]

    assert await enable_rule(world.engine, world.person, PASSWORD, rule.id, rule.fingerprint)
