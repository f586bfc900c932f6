"""Who may do what, for every operation there is: nobody, each role, and with or without a password shown lately."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from sluiceway.api.http import every_refusal
from sluiceway.domain.access import Role
from sluiceway.domain.errors import AppRefusal
from sluiceway.storage.database import Database
from sluiceway.web.app import APP
from sluiceway.web.operations import AppOperation
from sluiceway.web.routes import OPERATIONS
from tests.api.app.client import Browser, add_person, assert_refused, open_browser
from tests.support import first_story, plain_engine

GUARDED = [operation for operation in OPERATIONS if operation.role is not None]
OPEN = {
    "get_session",
    "set_up",
    "sign_in",
    "show_code",
    "ask_for_passkey",
    "sign_in_with_passkey",
    "sign_out",
    "look_at_invitation",
    "accept_invitation",
}
"""What anybody may ask. A new one is added here on purpose, or not at all."""
DECIDES = {"reauthenticate"}
"""What a signed-in person sends to show a password."""


def called(operation: AppOperation) -> tuple[str, str, dict[str, Any]]:
    """Make a request that gets as far as it is let: what it names is not there, and its body is empty."""
    path = operation.path
    for name in operation.path_ids:
        path = path.replace(f"{{{name}}}", "nothing")
    return operation.method, path, {} if operation.body is None else {"json": {}}


def code_of(answer: httpx.Response) -> str | None:
    return answer.json()["error"]["code"] if answer.status_code >= 400 else None


NAMES = [f"{operation.method} {operation.path}" for operation in GUARDED]


def test_only_what_has_to_be_is_open_to_anybody() -> None:
    assert {operation.name for operation in OPERATIONS if operation.role is None} == OPEN


def test_every_operation_has_a_name_and_a_path_of_its_own() -> None:
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)
    assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)


def test_a_viewer_changes_nothing_but_their_own() -> None:
    own = ("/sign-out", "/reauthenticate", "/session", "/me", "/security")
    changing = [one for one in GUARDED if one.role is Role.VIEWER and one.changes_something]

    assert [one.path for one in changing if not one.path.startswith(own)] == []


def test_every_refusal_has_words() -> None:
    assert set(APP.refusals) == every_refusal() - {AppRefusal}


class Stage:
    """One organization for all of them, with somebody of each role, who sign in anew where an operation ends that."""

    def __init__(self, visitor: Browser) -> None:
        self.visitor = visitor
        self._signed_in: dict[Role, Browser] = {}

    async def somebody(self, role: Role) -> Browser:
        known = self._signed_in.get(role)
        if known is None:
            await add_person(self.visitor.world, role, f"{role.lower()}@example.com")
            known = self._signed_in[role] = self.visitor.other(f"{role.lower()}@example.com")
        if (await known.get("/session")).json()["data"]["state"] != "signed_in":
            await known.sign_in()
        return known


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(module_database_url: str) -> AsyncGenerator[Stage]:
    async with (
        Database(module_database_url) as database,
        open_browser(await first_story(plain_engine(database))) as one,
    ):
        one.edge.changes.end()  # Or a stream would go on.
        yield Stage(one)


@pytest.mark.parametrize("operation", GUARDED, ids=NAMES)
async def test_nobody_may_without_signing_in(stage: Stage, operation: AppOperation) -> None:
    method, path, more = called(operation)

    assert_refused(await stage.visitor.other().send(method, path, **more), 401, "SIGNED_OUT")


@pytest.mark.parametrize("operation", GUARDED, ids=NAMES)
async def test_whose_role_is_lower_may_not_and_who_has_it_may(stage: Stage, operation: AppOperation) -> None:
    method, path, more = called(operation)
    for role in Role:
        answer = await (await stage.somebody(role)).send(method, path, **more)

        assert operation.role is not None
        if role.covers(operation.role):
            assert code_of(answer) not in {"ROLE_REQUIRED", "PERMISSION_DENIED", "SIGNED_OUT", "UNEXPECTED_ERROR"}
        else:
            assert_refused(answer, 403, "ROLE_REQUIRED")


@pytest.mark.parametrize("operation", GUARDED, ids=NAMES)
async def test_what_needs_a_password_shown_lately_is_refused_later(stage: Stage, operation: AppOperation) -> None:
    admin = await stage.somebody(Role.ADMIN)
    await admin.age(5)
    method, path, more = called(operation)
    answer = await admin.send(method, path, **more)
    await admin.age(-5)

    assert (code_of(answer) == "REAUTHENTICATION_REQUIRED") == operation.is_proof_needed, answer.text
