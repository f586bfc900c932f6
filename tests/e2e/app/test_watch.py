"""Whoever watches the pages is watched here: what must not happen is done on purpose, and has to be seen."""

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.app.browsing import Watch, settled
from tests.e2e.processes import Serving

pytestmark = pytest.mark.e2e


@pytest.fixture
def watching(demo_server: Serving) -> Watch:
    return Watch(demo_server.url)


@pytest.fixture
def door(chromium: Browser, demo_server: Serving, watching: Watch) -> Generator[Page]:
    """Open the page before signing in, watched by somebody who fails nothing."""
    context = chromium.new_context(base_url=demo_server.url)
    watching.over(context)
    page = context.new_page()
    page.goto("/sign-in")
    yield settled(page)
    context.close()


@pytest.mark.parametrize(
    ("misdeed", "seen"),
    [
        ("console.error('oh')", "console: oh"),
        ("console.warn('hm')", "console: hm"),
        ("setTimeout(() => { throw new Error('lost') })", "lost"),
        (
            "document.body.append(Object.assign(document.createElement('style'), {textContent: '*{}'}))",
            "CSP: style-src",
        ),
        ("location.href = 'http://127.0.0.1:9/'", "another origin: http://127.0.0.1:9/"),
        ("fetch('http://127.0.0.1:9/').catch(() => 0)", "CSP: connect-src"),
        ("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/pixel'}))", "CSP: img-src"),
        ("fetch('/app/anything').catch(() => 0)", "not in docs/api/app.json: GET /app/anything"),
        ("fetch('/app/keys').catch(() => 0)", "GET /app/keys was answered 401"),
        ("document.body.innerHTML = '<b>'", "TrustedHTML"),
    ],
)
def test_what_must_not_happen_is_seen(misdeed: str, seen: str, door: Page, watching: Watch):
    assert watching.problems == []

    door.evaluate(f"() => {{ try {{ {misdeed} }} catch (error) {{ console.error(String(error)) }} }}")
    door.wait_for_timeout(500)

    assert any(seen in problem for problem in watching.problems), watching.problems


def test_a_refusal_that_is_expected_is_none(door: Page, watching: Watch):
    watching.allow(401, "/app/keys")

    door.evaluate("() => fetch('/app/keys').then(() => 0)")
    door.wait_for_timeout(200)

    assert watching.problems == []
