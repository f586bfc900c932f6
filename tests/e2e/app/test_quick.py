"""How soon a page shows what it is for, on a slow phone on a slow network."""

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.e2e.app.browsing import settled

LCP_MS = 2_500
TRIES = 6
"""The machine may be busy with other things: the best of at most so many counts."""
SHIFTED = 0.1
SLOWER = 4
LATENCY_MS = 150
DOWN, UP = 1_600_000 / 8, 750_000 / 8

_WATCH = """
window.seen = { lcp: 0, shifted: 0 };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.seen.lcp = entry.startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.seen.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""

pytestmark = pytest.mark.e2e


def on_a_slow_phone(context: BrowserContext, page: Page) -> None:
    """Slow the processor and the network down, and forget what was loaded before."""
    phone = context.new_cdp_session(page)
    phone.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    phone.send("Network.enable")
    phone.send("Network.setCacheDisabled", {"cacheDisabled": True})
    phone.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": LATENCY_MS, "downloadThroughput": DOWN, "uploadThroughput": UP},
    )


def measured(context: BrowserContext, page: Page, path: str) -> tuple[float, float]:
    """Tell when the largest thing was painted, and how much moved on the way."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.add_init_script(_WATCH)
    on_a_slow_phone(context, page)
    page.goto(path)
    settled(page)
    page.wait_for_timeout(300)
    return page.evaluate("window.seen.lcp"), page.evaluate("window.seen.shifted")


def best(context: BrowserContext, path: str) -> tuple[float, float]:
    """Measure until once it was soon enough."""
    tries: list[tuple[float, float]] = []
    while len(tries) < TRIES and not (tries and min(tries)[0] < LCP_MS):
        page = context.new_page()
        tries.append(measured(context, page, path))
        page.close()
    return min(tries)


@pytest.mark.parametrize("path", ["/sign-in"])
def test_a_stranger_sees_soon_what_to_do(path: str, context: BrowserContext):
    lcp, shifted = best(context, path)

    assert 0 < lcp < LCP_MS
    assert shifted < SHIFTED


@pytest.mark.parametrize("path", ["/", "/rules", "/settings"])
def test_a_page_of_a_signed_in_person_is_there_soon(path: str, page: Page, context: BrowserContext):
    lcp, shifted = best(context, path)

    assert 0 < lcp < LCP_MS
    assert shifted < SHIFTED
