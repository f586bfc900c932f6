"""People whom several ask about at once: one sets up, an admin is left, an invitation is accepted once."""

import asyncio
import threading
import time
from dataclasses import replace

import pytest

from sluiceway.domain.access import Role
from sluiceway.domain.errors import AlreadySetUp, InvitationRefused, PersonRefused, SignInRefused, TooManyAttempts
from sluiceway.services import passwords as hashing
from sluiceway.services.engine import Engine
from sluiceway.services.organizations import create_person
from sluiceway.services.passwords import Passwords
from sluiceway.services.people import accept, invite, list_people, reset, set_role
from sluiceway.services.queues import Overloaded
from sluiceway.services.rules import find_person
from sluiceway.services.sessions import (
    MOST_AT_ONCE,
    MOST_OF_BOTH,
    SignedIn,
    Visitor,
    begin,
    find_session,
    insert,
    list_sessions,
    set_up,
)
from sluiceway.services.sessions import sign_in as services_sign_in
from sluiceway.storage.database import Database, WriteTx, fetch_all
from tests.support import PASSWORD, World, new_world, plain_engine

VISITOR = Visitor("192.0.2.1", "a browser")


@pytest.fixture
async def world(database: Database) -> World:
    return await new_world(plain_engine(database))


async def sign_in(engine: Engine, passwords: Passwords, visitor: Visitor, *, email: str, password: str) -> SignedIn:
    return await services_sign_in(engine, passwords, visitor, email=email, password=password, note=lambda _: None)


async def at_once(*calls) -> list[object]:
    """Do all of it at once; give results and refusals."""
    return await asyncio.gather(*calls, return_exceptions=True)


async def test_of_many_who_set_up_at_once_one_does(database: Database):
    engine = plain_engine(database)
    passwords = Passwords(engine)

    async def begin(number: int) -> object:
        return await set_up(
            engine, passwords, VISITOR, name="Home", is_sandbox=True, email=f"p{number}@example.com", password=PASSWORD
        )

    done = await at_once(*(begin(number) for number in range(5)))

    assert sorted(isinstance(one, AlreadySetUp) for one in done) == [False, True, True, True, True]


async def test_two_admins_who_demote_each_other_leave_one(world: World):
    await create_person(world.engine, world.organization_id, "second@example.com", PASSWORD)
    second = await find_person(world.engine, "second@example.com")
    done = await at_once(
        set_role(world.engine, world.person, second.id, "", Role.VIEWER),
        set_role(world.engine, second, world.person.id, "", Role.VIEWER),
    )

    assert sorted(isinstance(one, PersonRefused) for one in done) == [False, True]
    assert sorted(person.role for person in await list_people(world.engine, world.organization_id)) == [
        Role.ADMIN,
        Role.VIEWER,
    ]


async def test_an_invitation_is_accepted_once_whoever_asks_at_once(world: World):
    _, token = await invite(world.engine, world.person, "new@example.com", Role.WRITER)
    passwords = Passwords(world.engine)
    done = await at_once(*(accept(world.engine, passwords, VISITOR, token, PASSWORD) for _ in range(4)))

    assert sorted(isinstance(one, InvitationRefused) for one in done) == [False, True, True, True]


async def test_of_two_sessions_that_begin_at_once_the_second_counts_the_first(world: World):
    engine, begun = world.engine, asyncio.Event()

    def one_more() -> SignedIn:
        return begin(engine, world.person, VISITOR, is_complete=True)

    for _ in range(MOST_AT_ONCE - 1):
        await engine.database.write(lambda tx: insert(tx, one_more()))
    first, second = one_more(), one_more()

    async def begin_slowly(tx: WriteTx) -> None:
        await insert(tx, first)
        await fetch_all(tx, "SELECT 1")  # Statements go when somebody waits for one.
        begun.set()
        await asyncio.wait([meanwhile], timeout=0.5)

    async def begin_meanwhile() -> None:
        await begun.wait()
        await engine.database.write(lambda tx: insert(tx, second))

    meanwhile = asyncio.create_task(begin_meanwhile())
    await engine.database.write(begin_slowly)
    await meanwhile
    ids = [each.id for each in await list_sessions(engine, world.person)]

    assert len(ids) == MOST_AT_ONCE
    assert ids[:2] == [second.session.id, first.session.id]


async def test_many_at_once_have_no_more_attempts_than_one(world: World, monkeypatch: pytest.MonkeyPatch):
    # What is counted here are attempts; that few may wait to be hashed is another limit.
    monkeypatch.setattr(hashing, "MOST_WAITING", MOST_OF_BOTH)
    passwords = Passwords(world.engine)

    async def guess() -> object:
        return await sign_in(world.engine, passwords, VISITOR, email=world.person.email, password="not this one")

    done = await at_once(*(guess() for _ in range(MOST_OF_BOTH + 5)))

    assert sum(isinstance(one, SignInRefused) for one in done) == MOST_OF_BOTH
    assert sum(isinstance(one, TooManyAttempts) for one in done) == 5


async def test_whoever_is_slowed_down_by_others_attempts_is_not_kept_out_from_elsewhere(world: World):
    passwords = Passwords(world.engine)
    for _ in range(MOST_OF_BOTH + 1):
        with pytest.raises((SignInRefused, TooManyAttempts)):
            await sign_in(world.engine, passwords, VISITOR, email=world.person.email, password="not this one")

    elsewhere = Visitor("192.0.2.2", "a browser")
    assert await sign_in(world.engine, passwords, elsewhere, email=world.person.email, password=PASSWORD)


async def test_a_hash_is_checked_also_for_nobody_and_beside_the_loop(world: World):
    checked: list[tuple[str, bool]] = []

    def verify(hashed: str, password: str) -> bool:
        checked.append((hashed, threading.current_thread() is threading.main_thread()))
        return False

    engine = replace(world.engine, verify_password=verify)
    for email in (world.person.email, "nobody@example.com"):
        with pytest.raises(SignInRefused):
            await sign_in(engine, Passwords(engine), VISITOR, email=email, password=PASSWORD)

    assert len(checked) == 2
    assert not any(in_main for _, in_main in checked)


async def test_a_password_that_is_changed_while_it_is_being_checked_opens_nothing(world: World):
    looking, may_go_on = threading.Event(), threading.Event()

    def verify(hashed: str, password: str) -> bool:
        looking.set()
        may_go_on.wait(10)
        return world.engine.verify_password(hashed, password)

    engine = replace(world.engine, verify_password=verify)
    opening = asyncio.create_task(
        sign_in(engine, Passwords(engine), VISITOR, email=world.person.email, password=PASSWORD)
    )
    await asyncio.to_thread(looking.wait, 10)
    await reset(world.engine, world.person, "another password")
    may_go_on.set()

    with pytest.raises(SignInRefused):
        await opening
    assert await list_sessions(world.engine, world.person) == []


async def test_too_many_passwords_at_once_are_refused(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hashing, "MOST_WAITING", 3)
    slow = replace(world.engine, verify_password=lambda *_: bool(time.sleep(0.2)))
    passwords = Passwords(slow)
    done = await at_once(*(passwords.is_right("hash", "password") for _ in range(5)))

    assert sum(isinstance(one, Overloaded) for one in done) == 2


async def test_whoever_runs_the_server_lets_somebody_in_again(world: World):
    passwords = Passwords(world.engine)
    before = await sign_in(world.engine, passwords, VISITOR, email=world.person.email, password=PASSWORD)
    await reset(world.engine, world.person, "another long password")
    after = await sign_in(world.engine, passwords, VISITOR, email=world.person.email, password="another long password")

    assert await find_session(world.engine, before.token) is None
    assert await find_session(world.engine, after.token) is not None
