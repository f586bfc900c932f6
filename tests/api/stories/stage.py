"""Where stories happen: a small world, who tells the story, and everybody who is asked what has become of it."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from sluiceway.domain.ids import AccountId, IdKind, RuleId
from sluiceway.services.rules import enable_rule, review_rule
from tests.api import outside
from tests.api.client import Api
from tests.api.stories.client_speaker import AsyncClient, BlockingClient
from tests.api.stories.facts import Purse, bare
from tests.api.stories.platform_speaker import Platform
from tests.api.stories.remote_speaker import Remote
from tests.api.stories.speaker import Speaker, Verb, has_words
from tests.api.stories.v1_speaker import V1
from tests.support import PASSWORD

SPEAKERS: Final = (V1, Platform, Remote, BlockingClient, AsyncClient)


def told_by(*verbs: Verb) -> pytest.MarkDecorator:
    """Let a story be told by each speaker that has the words for it."""
    names = [speaker.name for speaker in SPEAKERS if has_words(speaker.name, *verbs)]
    assert names, f"nobody has words for {verbs}"
    return pytest.mark.parametrize("stage", names, indirect=True)


class Everybody:
    """All speakers at once: each that has words for a question is asked, and all tell the same.

    So every answer that a story looks at is one on which the generations agree.
    """

    def __init__(self, speakers: list[Speaker]) -> None:
        self.speakers = speakers

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
        async def ask(*what: Any, **more: Any) -> Any:
            told = {
                speaker.name: await getattr(speaker, verb)(*what, **more)
                for speaker in self.speakers
                if has_words(speaker.name, Verb(verb))
            }
            name, fact = next(iter(told.items()))
            for other, told_otherwise in told.items():
                assert told_otherwise == fact, f"{other} tells of {verb} otherwise than {name}"
            return fact

        return ask


class Stage:
    """A world whose clock and bank the story moves, its teller, and everybody who is asked."""

    def __init__(self, api: Api, speakers: list[Speaker], teller: str | None) -> None:
        self.api = api
        self.world = api.world
        self.everybody = Everybody(speakers)
        self._teller = next((speaker for speaker in speakers if speaker.name == teller), None)

    @property
    def teller(self) -> Any:
        """Who tells this story."""
        assert self._teller is not None, "somebody must tell it: see told_by"
        return self._teller

    def cast(self, teller: Speaker) -> None:
        """Let somebody else tell the story from here."""
        self._teller = teller

    def id(self, account: str) -> AccountId:
        return self.world.accounts[account]

    def rule(self, name: str = "auto_save") -> RuleId:
        return RuleId(self.world.rules[name].id)

    async def deposit(self, account: str, amount: int) -> None:
        """Let money arrive."""
        money = {"account_id": self.id(account), "amount_in_cents": amount}
        await outside.told(self.api, "/sandbox/deposits", money, status=201)

    async def connect(self, name: str, balance: int = 0, **more: Any) -> str:
        """Open an account at the bank, and know it."""
        made = bare(IdKind.ACCOUNT, await outside.connect(self.api, name, balance, **more))
        self.world.accounts[name] = AccountId(made)
        await self.work()
        return made

    async def on_monday(self) -> None:
        """Let the clock stand still on a Monday morning, New York's 9 o'clock."""
        await outside.on_monday(self.api)

    async def wait(self, days: int) -> None:
        """Move the clock, and do what is due on the way."""
        await outside.told(self.api, "/sandbox/clock/advance", {"days": days})
        await self.work()

    async def work(self) -> None:
        """Do all that is due, as a worker would."""
        await outside.work(self.api)

    async def enable(self, rule_id: str) -> None:
        """Review and enable a rule: what only a person can do."""
        engine, person = self.world.engine, self.world.person
        review = await review_rule(engine, person.organization_id, RuleId(rule_id), rule_id)
        await enable_rule(engine, person, PASSWORD, RuleId(rule_id), review.record.fingerprint)

    async def amounts(self) -> dict[str, int | None]:
        """Tell what is in each account, as everybody does."""
        purses: dict[str, Purse] = await self.everybody.purses()
        return {name: purse.current for name, purse in purses.items()}
