"""People of an organization: roles, removal, invitations, passwords, sessions; and what an old session may no more."""

import re
from typing import Any

import pytest

from sluiceway.domain.errors import InvalidParameters
from sluiceway.services import people as services
from sluiceway.services.new_passwords import COMMON, ONLY_NAMES
from sluiceway.services.organizations import create_person
from sluiceway.services.sessions import MOST_AT_ONCE
from sluiceway.storage.database import fetch_all
from tests.api.app.client import Browser, assert_refused
from tests.api.app.test_second_factors import data, state, turn_on
from tests.support import AS_OWNER, PASSWORD


async def everybody(browser: Browser) -> dict[str, Any]:
    answer = await browser.get("/people")
    return {person["email"]: person for person in answer.json()["data"]}


async def invite(admin: Browser, email: str = "new@example.com", role: str = "WRITER") -> str:
    made = await data(await admin.post("/invitations", {"email": email, "role": role}))
    return made["token"]


async def test_everybody_sees_who_is_there_and_only_admins_may_change_that(admin: Browser, viewer: Browser) -> None:
    as_admin, as_viewer = await everybody(admin), await everybody(viewer)

    assert as_admin.keys() == as_viewer.keys() == {admin.email, viewer.email}
    assert [as_admin[each]["can"] for each in as_admin] == [[], ["setRole", "remove"]], "the last admin stays"
    assert [as_viewer[each]["can"] for each in as_viewer] == [[], []]
    assert as_viewer[viewer.email]["isYou"]
    assert as_admin[viewer.email]["seenAt"]


async def test_a_role_counts_from_the_next_request_on(admin: Browser, viewer: Browser) -> None:
    person = (await everybody(admin))[viewer.email]["id"]
    before = await viewer.post("/invitations", {"email": "x@example.com", "role": "VIEWER"})
    changed = await admin.patch(f"/people/{person}", {"role": "ADMIN"})
    await viewer.reauthenticate()
    after = await viewer.post("/invitations", {"email": "x@example.com", "role": "VIEWER"})
    await admin.patch(f"/people/{person}", {"role": "WRITER"})
    at_last = await viewer.get("/invitations")

    assert_refused(before, 403, "ROLE_REQUIRED")
    assert {each["role"] for each in changed.json()["data"]} == {"ADMIN"}
    assert after.status_code == 201
    assert_refused(at_last, 403, "ROLE_REQUIRED")
    assert (await admin.get("/invitations")).json()["data"] == [], "who is no admin any more invites nobody"


async def test_the_last_admin_stays(admin: Browser) -> None:
    person = (await everybody(admin))[admin.email]["id"]

    for answer in (
        await admin.patch(f"/people/{person}", {"role": "VIEWER"}),
        await admin.delete(f"/people/{person}"),
    ):
        assert "last one" in assert_refused(answer, 409, "PERSON_REFUSED")["message"]


async def test_whoever_is_removed_is_out_at_once_and_may_be_invited_again(admin: Browser, viewer: Browser) -> None:
    person = (await everybody(admin))[viewer.email]["id"]
    removed = await admin.delete(f"/people/{person}")
    gone = await state(viewer)
    refused = await viewer.other().post("/sign-in", {"email": viewer.email, "password": PASSWORD})
    again = await admin.delete(f"/people/{person}")
    back = viewer.other()
    token = await invite(admin, viewer.email, "WRITER")
    await data(await back.post("/invitation/accept", {"token": token, "password": "another password"}))

    assert [each["email"] for each in removed.json()["data"]] == [admin.email]
    assert gone == "signed_out"
    assert_refused(refused, 403, "SIGN_IN_REFUSED")
    assert_refused(again, 404, "NOT_FOUND")
    assert (await everybody(admin))[viewer.email] | {"seenAt": ""} == {
        "id": person,
        "email": viewer.email,
        "role": "WRITER",
        "isYou": False,
        "seenAt": "",
        "hasTotp": False,
        "createdAt": (await everybody(admin))[viewer.email]["createdAt"],
        "passkeyCount": 0,
        "can": ["setRole", "remove"],
    }


async def test_an_invitation_is_looked_at_and_accepted_once(admin: Browser) -> None:
    token = await invite(admin)
    guest = admin.other("new@example.com")
    seen = await data(await guest.post("/invitation", {"token": token}))
    short = await guest.post("/invitation/accept", {"token": token, "password": "short"})
    await data(await guest.post("/invitation/accept", {"token": token, "password": "a good password"}))
    again = await admin.other().post("/invitation/accept", {"token": token, "password": "a good password"})
    who = (await data(await guest.get("/session")))["person"]

    assert (seen["email"], seen["role"], seen["organizationName"]) == ("new@example.com", "WRITER", "A small world")
    assert_refused(short, 400, "INVALID_PARAMETERS")
    assert_refused(again, 410, "INVITATION_REFUSED")
    assert (who["email"], who["role"]) == ("new@example.com", "WRITER")
    assert await state(await guest.other().sign_in("a good password")) == "signed_in"


@pytest.mark.parametrize("how", ["taken back", "too old", "replaced", "made up", "of another kind"])
async def test_an_invitation_that_does_not_count_any_more_is_refused(
    admin: Browser, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "too old":
        monkeypatch.setattr(services, "INVITED_FOR", services.INVITED_FOR * 0)
    token = await invite(admin)
    if how == "taken back":
        [listed] = (await admin.get("/invitations")).json()["data"]
        await data(await admin.delete(f"/invitations/{listed['id']}"))
        assert_refused(await admin.delete(f"/invitations/{listed['id']}"), 404, "NOT_FOUND")
    if how == "replaced":
        await invite(admin)
    if how == "made up":
        token = token[:-1] + ("a" if token[-1] != "a" else "b")
    if how == "of another kind":
        token = next(iter(admin.cookies.values()))
    guest = admin.other()

    assert_refused(await guest.post("/invitation", {"token": token}), 410, "INVITATION_REFUSED")
    accepted = await guest.post("/invitation/accept", {"token": token, "password": "a good password"})
    assert_refused(accepted, 410, "INVITATION_REFUSED")


async def test_nobody_is_invited_who_is_there(admin: Browser, viewer: Browser) -> None:
    answer = await admin.post("/invitations", {"email": viewer.email.upper(), "role": "ADMIN"})

    assert_refused(answer, 409, "PERSON_REFUSED")


async def test_a_password_is_changed_and_all_other_sessions_end(admin: Browser) -> None:
    other = await admin.other().sign_in()
    short = await admin.post("/security/password", {"password": "short"})
    await data(await admin.post("/security/password", {"password": "quite another one"}))
    old = await admin.other().post("/sign-in", {"email": admin.email, "password": PASSWORD})

    assert_refused(short, 400, "INVALID_PARAMETERS")
    assert (await state(admin), await state(other)) == ("signed_in", "signed_out")
    assert_refused(old, 403, "SIGN_IN_REFUSED")
    await admin.other().sign_in("quite another one")


async def test_a_long_password_of_any_letters_counts_to_the_last_one(admin: Browser) -> None:
    password = "Drei Würfel, 🎲🎲🎲 and no rule about letters ".ljust(199, "x") + "Z"
    await data(await admin.post("/security/password", {"password": password}))

    for wrong in (password[:-1], password[:64], password.lower(), password.strip("Z") + "z", f"{password} "):
        refused = await admin.other().post("/sign-in", {"email": admin.email, "password": wrong})
        assert refused.status_code in (400, 403), wrong
    assert await state(await admin.other().sign_in(password)) == "signed_in"


async def test_sessions_are_listed_and_ended_one_by_one_or_all_but_this(admin: Browser, viewer: Browser) -> None:
    second = await admin.other().sign_in()
    third = await admin.other().sign_in()
    listed = (await data(await admin.get("/security")))["sessions"]
    [own] = [each for each in listed if each["isCurrent"]]
    newest = listed[0]["id"]
    one = await data(await admin.delete(f"/security/sessions/{newest}"))
    states = [await state(each) for each in (admin, second, third)]
    not_mine = await viewer.delete(f"/security/sessions/{own['id']}")
    rest = await data(await admin.delete("/security/sessions"))

    assert len(listed) == 3
    assert len(one["sessions"]) == 2
    assert states == ["signed_in", "signed_in", "signed_out"]
    assert_refused(not_mine, 404, "NOT_FOUND")
    assert [each["id"] for each in rest["sessions"]] == [own["id"]]
    assert await state(second) == "signed_out"


async def test_with_one_session_too_many_the_oldest_ends(admin: Browser, viewer: Browser) -> None:
    others = [await admin.other().sign_in() for _ in range(MOST_AT_ONCE - 1)]
    all_of_them = [await state(each) for each in (admin, *others)]
    newest = await admin.other().sign_in()
    listed = (await data(await newest.get("/security")))["sessions"]

    assert set(all_of_them) == {"signed_in"}
    assert await state(admin) == "signed_out"
    assert [await state(each) for each in (*others, newest)] == ["signed_in"] * MOST_AT_ONCE
    assert len(listed) == MOST_AT_ONCE
    assert await state(viewer) == "signed_in", "somebody else's are theirs"


async def test_one_that_waits_for_a_second_factor_ends_no_other(admin: Browser) -> None:
    others = [await admin.other().sign_in() for _ in range(MOST_AT_ONCE - 2)]
    secret, codes = await turn_on(admin)
    waiting = admin.other()
    for _ in range(3):
        await waiting.post("/sign-in", {"email": admin.email, "password": PASSWORD})
    before = [await state(each) for each in (admin, *others)]
    shown = await waiting.post("/sign-in/totp", {"code": codes[0]})
    again = admin.other()
    await again.post("/sign-in", {"email": admin.email, "password": PASSWORD})
    await data(await again.post("/sign-in/totp", {"code": codes[1]}))

    assert secret
    assert set(before) == {"signed_in"}
    assert shown.status_code == 200
    assert await state(admin) == "signed_out"
    assert [await state(each) for each in (*others, waiting, again)] == ["signed_in"] * MOST_AT_ONCE


@pytest.mark.parametrize(("column", "hours"), [("seen_at", 12), ("created_at", 7 * 24)])
async def test_a_session_ends_when_it_has_been_idle_or_is_old(admin: Browser, column: str, hours: int) -> None:
    async def age(by: int) -> None:
        async with admin.edge.engine.database.lend() as tx, tx.conn.transaction():
            await tx.conn.execute(AS_OWNER)
            await tx.conn.execute(f"UPDATE session SET {column} = {column} - make_interval(hours => {by})".encode())  # noqa: S608 -- a column of ours

    await age(hours - 1)
    before = await state(admin)
    await age(hours)

    assert (before, await state(admin)) == ("signed_in", "signed_out")


async def test_what_is_done_to_people_is_on_record_once(admin: Browser, viewer: Browser) -> None:
    person = (await everybody(admin))[viewer.email]["id"]
    await admin.patch(f"/people/{person}", {"role": "WRITER"})
    await viewer.delete(f"/people/{person}")
    await admin.edge.recorder.close()
    async with admin.edge.engine.database.read() as tx:
        rows = await fetch_all(
            tx, "SELECT action, error_code FROM audit_entry WHERE action IN ('SET_ROLE', 'REMOVE_PERSON') ORDER BY id"
        )

    assert rows == [("SET_ROLE", None), ("REMOVE_PERSON", "ROLE_REQUIRED")]


@pytest.mark.parametrize(
    ("password", "why"),
    [
        pytest.param("Password123", COMMON, id="many have it"),
        pytest.param("A small world", ONLY_NAMES, id="the organization's name"),
        pytest.param("sluiceway 2026", ONLY_NAMES, id="ours"),
        pytest.param("example.example", ONLY_NAMES, id="their own"),
    ],
)
async def test_a_password_that_is_easily_guessed_cannot_be_set_anywhere(
    admin: Browser, password: str, why: str
) -> None:
    world = admin.world
    guest = admin.other("person@example.com")
    token = await invite(admin, "another@example.com")
    for answer in (
        await guest.post("/invitation/accept", {"token": token, "password": password}),
        await admin.post("/security/password", {"password": password}),
    ):
        [error] = assert_refused(answer, 400, "INVALID_PARAMETERS")["errors"]
        assert (error["path"], error["message"]) == ("password", why)
    # By whoever runs the server.
    with pytest.raises(InvalidParameters, match=re.escape(why)):
        await create_person(world.engine, world.organization_id, "person@example.com", password)
    with pytest.raises(InvalidParameters, match=re.escape(why)):
        await services.reset(world.engine, world.person._replace(email="person@example.com"), password)

    # Nothing has changed: the invitation is still good, and so is the password.
    await data(await guest.post("/invitation/accept", {"token": token, "password": "a good password"}))
    await admin.other().sign_in()
