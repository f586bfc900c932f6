"""For tests of the app: one demo for all that a worker does, a browser for each module, a watched page for each."""

from collections.abc import Generator
from typing import Any

import httpx
import pytest
from playwright._impl._api_structures import SetCookieParam
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.app.browsing import Watch, browser
from tests.e2e.processes import Serving, data_folder, free_port

# A machine that is busy with other tests takes its time.
expect.set_options(timeout=20_000)


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
    opened.set_default_timeout(20_000)
    watch.over(opened)
    yield opened
    opened.close()


@pytest.fixture
def stranger(context: BrowserContext) -> Page:
    """Open a page for somebody who is not signed in."""
    return context.new_page()


@pytest.fixture(scope="module")
def cookies(demo_server: Serving, demo: dict[str, Any]) -> list[SetCookieParam]:
    """Sign the demo's person in, as the form does it: for each module, since nobody has twenty sessions at once."""
    person = demo["person"]
    answer = httpx.post(
        f"{demo_server.url}/app/sign-in",
        json={"email": person["email"], "password": person["password"]},
        headers={"X-Requested-By": "sluiceway", "Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == 200, answer.text
    return [{"name": name, "value": value, "url": demo_server.url} for name, value in answer.cookies.items()]


@pytest.fixture
def page(context: BrowserContext, cookies: list[SetCookieParam]) -> Page:
    """Open a page for the demo's person, signed in."""
    context.add_cookies(cookies)
    return context.new_page()
