"""Requests to copy: they name what there is here, and only what makes sense here."""

from sluiceway.web.wire.snippets import Place, write_snippets
from tests.api.app.client import Browser


async def test_they_name_what_there_is(viewer: Browser) -> None:
    snippets = (await viewer.get("/snippets")).json()["data"]["snippets"]

    by_title = {snippet["title"]: snippet for snippet in snippets}
    assert viewer.rule() in by_title["Try a rule without moving money"]["curl"]
    assert viewer.account("income") in by_title["Let money arrive in the sandbox"]["curl"]
    assert len(snippets) == 6


def test_where_there_is_nothing_there_is_little_to_ask() -> None:
    [only] = write_snippets(Place(None, None, [], is_sandbox=False))

    assert only.screen == "/accounts"
    assert only.cli == "sluiceway accounts"


def test_python_is_python() -> None:
    place = Place("rule_1", "acc_1", ["acc_2", "acc_3"], is_sandbox=True)

    for snippet in write_snippets(place):
        if snippet.python is not None:
            compile(snippet.python, snippet.title, "exec")
