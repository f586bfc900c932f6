"""Behind a proxy that serves the app under a path of its own, as in `https://home.example/money`."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.e2e.app.browsing import Watch, settled

pytestmark = pytest.mark.e2e

PREFIX = "/money"
HANDED_ON: list[str] = []


def proxied(route: Route) -> None:
    """Hand a request on as a proxy does: without the prefix, which it names in a header."""
    HANDED_ON.append(route.request.url)
    headers = route.request.headers | {"x-forwarded-prefix": PREFIX}
    route.continue_(url=route.request.url.replace(PREFIX, "", 1), headers=headers)


def test_the_app_works_under_a_path(context: BrowserContext, watch: Watch, demo: dict[str, Any]):
    context.route(f"**{PREFIX}/**", proxied)
    page = context.new_page()
    page.goto(f"{PREFIX}/runs")
    page.get_by_label("E-mail").fill(demo["person"]["email"])
    page.get_by_label("Password").fill(demo["person"]["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Sandbox").click()
    settled(page)
    page.get_by_role("button", name="Let it arrive").click()
    expect(page.get_by_text("arrived in").first).to_be_visible()
    page.reload()
    settled(page)

    assert urlsplit(page.url).path == f"{PREFIX}/sandbox"
    kept = page.evaluate("() => navigator.serviceWorker.ready.then((worker) => worker.scope)")
    assert urlsplit(kept).path == f"{PREFIX}/"
    # Whatever had asked beside the prefix would have come past the proxy. What a page asks of its service worker keeps
    # the prefix here: the worker asks the proxy for it.
    asked = [request.url for request in watch.requests if not urlsplit(request.url).path.startswith(f"{PREFIX}/")]
    assert sorted(asked) == sorted(url.replace(PREFIX, "", 1) for url in HANDED_ON)
