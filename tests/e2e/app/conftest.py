"""For tests of the app: one demo for all that a worker does, a browser for each module, a watched page for each."""

from collections.abc import Generator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.e2e.app.browsing import Watch, browser
from tests.e2e.processes import Serving, data_folder, free_port


@pytest.fixture(scope="session")
def demo_server() -> Generator[Serving]:
    """Run the demo, worker included. Tests share it: they look for what they made, never count what is there."""
    with data_folder() as data_dir, Serving("demo", data_dir, free_port()) as serving:
        yield serving


@pytest.fixture(scope="session")
def demo(demo_server: Serving) -> dict[str, Any]:
    return demo_server.demo()


@pytest.fixture(scope="module")
def chromium() -> Generator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def watch(demo_server: Serving) -> Generator[Watch]:
    """Watch all pages of a test; what was seen fails it at its end."""
    watching = Watch(demo_server.url)
    yield watching
    assert not watching.problems


@pytest.fixture
def context(chromium: Browser, demo_server: Serving, watch: Watch) -> Generator[BrowserContext]:
    opened = chromium.new_context(base_url=demo_server.url, viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(10_000)
    watch.over(opened)
    yield opened
    opened.close()


@pytest.fixture
def stranger(context: BrowserContext) -> Page:
    """Open a page for somebody who is not signed in."""
    return context.new_page()


@pytest.fixture
def page(context: BrowserContext, demo: dict[str, Any]) -> Page:
    """Open a page for the demo's person, signed in."""
    sign_in(context, demo["person"])
    return context.new_page()


def sign_in(context: BrowserContext, person: dict[str, str]) -> None:
    """Sign somebody in without the form, as the form does it."""
    answer = context.request.post(
        "/app/sign-in",
        data={"email": person["email"], "password": person["password"]},
        headers={"X-Requested-By": "sluiceway", "Sec-Fetch-Site": "same-origin"},
    )
    assert answer.ok, answer.text()
