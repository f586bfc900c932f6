"""Every screen, in light and dark, at every width: nothing that axe finds, nothing cut off, nothing that moves."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.app.browsing import NARROWEST, faults, look_at, looks, overflow, settled
from tests.e2e.app.screens import SIGNED_IN, SIGNED_OUT, path_of

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("screen", SIGNED_OUT)
def test_a_screen_before_signing_in_is_for_everybody(screen: str, stranger: Page):
    stranger.goto(screen)

    _is_for_everybody(stranger)


@pytest.mark.parametrize("screen", SIGNED_IN)
def test_a_screen_is_for_everybody(screen: str, page: Page, demo: dict[str, Any]):
    page.goto(path_of(screen, demo))

    _is_for_everybody(page)


def _is_for_everybody(page: Page) -> None:
    settled(page)
    for scheme, width in looks(page):
        assert faults(page) == [], (scheme, width)
        assert overflow(page) <= 0, (scheme, width)
    look_at(page, "light", NARROWEST)
    assert overflow(page) <= 0, NARROWEST
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate("document.getAnimations().length") == 0
