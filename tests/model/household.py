"""Money, rules and the clock: what happens in every life of the model, one thing after another."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from sluiceway.domain.errors import (
    NotFound,
    RuleDisabled,
    RuleHasProblems,
)
from sluiceway.domain.ids import AccountId, RuleId
from sluiceway.domain.ledger import AccountKind, ExternalKind
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import TriggerType, read_rule
from sluiceway.domain.transfers import Mode
from sluiceway.services.admission import TriggerRule, admit
from sluiceway.services.clock import advance
from sluiceway.services.idempotency import Answer, Idempotency
from sluiceway.services.rules import delete_rule, disable_rule, enable_rule, review_rule, revise_rule
from tests.model.books_oracle import Diverged, Plain
from tests.model.drawing import AMOUNTS, RuleDice
from tests.model.life import Life, canonical
from tests.model.organization import Town
from tests.support import PASSWORD

T = TypeVar("T")

STARTS = (
    datetime(2026, 3, 2, 15, tzinfo=UTC),  # A Monday morning in New York.
    datetime(2026, 3, 6, 19, 30, tzinfo=UTC),  # A Friday before the cut-off; on Sunday the clocks change.
    datetime(2026, 12, 23, 18, 59, tzinfo=UTC),  # Before Christmas, and before a year with 53 weeks begins.
    datetime(2027, 1, 30, 4, 30, tzinfo=UTC),  # A Friday night in New York, near the month's end.
)
BANKS = ("other", "broker", "card", "loan")
INDEX = st.integers(0, 11)
PASSING = (5, 1, 60, 600, 1_440, 4_320, 10_080)
# What comes after an event: nothing at all, all the work that is due now, or so many minutes.
THEN = st.sampled_from((0, None, 0, 1, None, 61, 0, 1_440))
SOON = st.sampled_from((None, 0, 1))
MOST_RULES = 6


def rarely(is_possible: Callable[[Any], bool] = lambda _: True) -> Callable[[T], T]:
    """Let something happen in every fourth turn only, so that most turns move money."""
    return precondition(lambda self: self.turn % 4 == 3 and is_possible(self))


class Household(RuleBasedStateMachine):
    """Each rule is something that a person, a program, a bank or a clock does."""

    def __init__(self, town: Town) -> None:
        """Live in this town."""
        super().__init__()
        self.town = town
        self.keys = self.turn = 0

    @initialize(
        start=st.sampled_from(STARTS),
        banks=st.sets(st.sampled_from(BANKS)),
        data=st.data(),
    )
    def begin(self, start: datetime, banks: set[str], data: st.DataObject) -> None:
        """Open accounts of every kind."""
        self.life = Life(self.town, start)
        life, self.oracle = self.life, self.life.oracle
        self.income = life.open("income", AccountKind.INCOME_SOURCE)
        self.bills = life.open("bills")
        life.connect("checking", ExternalKind.DEPOSITORY, 80_000)
        life.open("savings")
        if "other" in banks:
            life.connect("other bank", ExternalKind.DEPOSITORY, 5_000)
        if "broker" in banks:
            life.connect("broker", ExternalKind.INVESTMENT, 1_000)
        if "card" in banks:
            life.connect("card", ExternalKind.LIABILITY, 30_000, minimum=2_500, statement=20_000, rate=20)
        if "loan" in banks:
            loan = life.connect("loan", ExternalKind.LIABILITY, 50_000, minimum=4_000, statement=45_000, rate=5)
            life.open("loan pod", linked=loan)
        self.deposit(0, 60_000, None)
        for _ in range(2):
            self.add_rule(data, True, None)

    # ---------------------------------------------------------------------------------------------------------- helpers

    def kept(self) -> list[str]:
        """List the accounts that Sluiceway keeps."""
        return [name for name, each in self.oracle.accounts.items() if each["kept"] and not each["deleted"]]

    def sources(self) -> list[str]:
        """List the accounts that money may come from."""
        kinds = {name: account["kind"] for name, account in self.oracle.bank.accounts.items()}
        return [name for name in self.everyone() if kinds.get(name, "DEPOSITORY") == "DEPOSITORY"]

    def everyone(self) -> list[str]:
        """List all accounts."""
        return [name for name, each in self.oracle.accounts.items() if not each["deleted"]]

    def rule_at(self, index: int) -> str:
        """Choose a rule."""
        return list(self.oracle.rules)[index % len(self.oracle.rules)]

    def done(self, then: int | None) -> None:
        """Let work be done or time pass, and compare."""
        self.turn += 1
        self.life.compare()
        if then is not None:
            self.pass_on(then)

    def pass_on(self, minutes: int) -> None:
        """Do the work that is due; with some minutes, also what comes to be due in them."""
        to = self.oracle.now + timedelta(minutes=minutes)
        if not minutes:
            self.life.act("work", self.life.work_off())
        else:
            self.life.act("wait", advance(self.life.engine, self.life.id, to))
        try:
            self.oracle.advance(to)
        except Diverged:
            self.life.tell()
            raise
        self.life.compare()

    def expect(self, outcome: Any, refusal: type | None) -> bool:
        """Check whether something was refused as it should be; tell whether it was done."""
        if refusal is None:
            assert not isinstance(outcome, Exception), outcome
            return True
        assert isinstance(outcome, refusal), f"{outcome!r}, should be {refusal}"
        return False

    def has_rules(self) -> bool:
        """Tell whether there is a rule."""
        return bool(self.oracle.rules)

    # ------------------------------------------------------------------------------------------------------------ money

    @rule(index=INDEX, amount=st.sampled_from((50_000, 10_000, 120_000, 1)), then=THEN)
    def deposit(self, index: int, amount: int, then: int | None) -> None:
        """Let money arrive."""
        accounts = self.kept()
        name = accounts[index % len(accounts)]
        world = self.life.world
        world.accounts[name] = AccountId(name)
        answer = self.life.act("deposit", world.deposit(name, amount))
        made = self.oracle.deposit(name, amount)
        assert answer.body.decode() == made["id"]
        self.done(then)

    @rule(ends=st.tuples(INDEX, INDEX), amount=st.sampled_from(AMOUNTS), twice=st.booleans(), then=SOON)
    def transfer(self, ends: tuple[int, int], amount: int, twice: bool, then: int | None) -> None:
        """Move money by hand, perhaps under one key twice."""
        source = self.sources()[ends[0] % len(self.sources())]
        others = [name for name in self.everyone() if name != source]
        destination = others[ends[1] % len(others)]
        if self.oracle.pods().get(destination) == source:
            return
        self.keys += 1
        key = f"key {self.keys}"
        call = self.life.world.transfer
        answer = self.life.act("transfer", call(source, destination, amount, key))
        if amount >= 100:
            assert isinstance(answer, Answer), answer
            self.oracle.transfer(answer.body.decode(), source, destination, amount)
        if twice and amount >= 100:
            again = self.life.act("transfer again", call(source, destination, amount, key))
            assert again == answer._replace(is_replay=True)
        self.done(then)

    # ------------------------------------------------------------------------------------------------------------ rules

    @precondition(lambda self: len(self.oracle.rules) < MOST_RULES)
    @rule(data=st.data(), enable=st.sampled_from((True, True, False)), then=THEN)
    def add_rule(self, data: st.DataObject, enable: bool, then: int | None) -> None:
        """Create a rule, and mostly enable it."""
        name = self.life.add_rule(self.draw_rule(data))
        if name is not None and enable:
            self.enable_it(name)
        self.done(then)

    def draw_rule(self, data: st.DataObject) -> Plain:
        """Draw a rule."""
        debts = [name for name in self.everyone() if self.oracle.accounts[name]["liability"]]
        pods = self.oracle.pods()
        return RuleDice(data, self.oracle.now, self.sources(), self.everyone(), debts, pods).rule()

    def enable_it(self, name: str) -> None:
        """Let the person sign what is shown now."""
        life, now = self.life, self.oracle.rules[name]
        is_gone = now["deleted"]

        async def sign() -> None:
            shown = await review_rule(life.engine, life.id, RuleId(name), "")
            await enable_rule(life.engine, life.world.person, PASSWORD, RuleId(name), shown.record.fingerprint)

        refusal = NotFound if is_gone else RuleHasProblems if self.has_problems(now) else None
        if self.expect(life.act("enable", sign()), refusal):
            self.oracle.enable(name)

    def has_problems(self, found: Plain) -> bool:
        """Tell whether a rule names an account that has gone, or starts once, and too late."""
        text = json.dumps(found["written"])
        trigger = found["written"]["trigger"]
        is_late = trigger.get("schedule_type") == "ONE_TIME" and (
            datetime.fromisoformat(trigger["start"]).replace(tzinfo=UTC) <= self.oracle.now
        )
        is_gone = any(name in text and each["deleted"] for name, each in self.oracle.accounts.items())
        return (is_late or is_gone) and found["signature"] is None

    @precondition(has_rules)
    @rule(index=INDEX, then=THEN)
    def enable(self, index: int, then: int | None) -> None:
        """Enable a rule that may be enabled already."""
        self.enable_it(self.rule_at(index))
        self.done(then)

    @rarely(lambda self: self.has_rules())
    @rule(index=INDEX, then=THEN)
    def disable(self, index: int, then: int | None) -> None:
        """Disable a rule."""
        name = self.rule_at(index)
        refusal = NotFound if self.oracle.rules[name]["deleted"] else None
        if self.expect(
            self.life.act("disable", disable_rule(self.life.engine, self.life.id, RuleId(name), "")), refusal
        ):
            self.oracle.disable(name)
        self.done(then)

    @precondition(lambda self: self.has_rules())
    @rule(index=INDEX, data=st.data(), enable=st.booleans(), then=THEN)
    def revise(self, index: int, data: st.DataObject, enable: bool, then: int | None) -> None:
        """Edit a rule."""
        name, drawn = self.rule_at(index), self.draw_rule(data)
        work = revise_rule(self.life.engine, self.life.id, RuleId(name), "", read_rule(drawn))
        outcome = self.life.act("revise", work)
        if self.oracle.rules[name]["deleted"]:
            self.expect(outcome, NotFound)
        elif not isinstance(outcome, Exception):
            self.oracle.revise(name, canonical(drawn))
            note(f"{self.life.names[name]} becomes {self.life.readable(drawn)}")
            if enable:
                self.enable_it(name)
        self.done(then)

    @rarely(lambda self: len(self.oracle.rules) > 2)
    @rule(index=INDEX, then=THEN)
    def delete(self, index: int, then: int | None) -> None:
        """Delete a rule."""
        name = self.rule_at(index)
        refusal = NotFound if self.oracle.rules[name]["deleted"] else None
        if self.expect(self.life.act("delete", delete_rule(self.life.engine, self.life.id, RuleId(name), "")), refusal):
            self.oracle.disable(name)
            self.oracle.rules[name]["deleted"] = True
        self.done(then)

    @precondition(has_rules)
    @rule(
        index=INDEX,
        amount=st.sampled_from((None, None, 30_000, 0, 150)),
        above=st.sampled_from((None, 200, 2_000)),
        twice=st.booleans(),
        simulation=st.sampled_from((False, False, True)),
        then=THEN,
    )
    def trigger(
        self, index: int, amount: int | None, above: int | None, twice: bool, simulation: bool, then: int | None
    ) -> None:
        """Run a rule on demand, perhaps under one key twice, perhaps as a rehearsal."""
        name = self.rule_at(index)
        found = self.oracle.rules[name]
        mode = Mode.SIMULATION if simulation else Mode.LIVE
        self.keys += 1
        command = TriggerRule(
            organization_id=self.life.id,
            rule_id=RuleId(name),
            spelling=name,
            trigger_type=TriggerType.SEQUENCE_API,
            amount=None if amount is None else Cents(amount),
            idempotency=Idempotency("trigger", f"key {self.keys}", b"body"),
            show=lambda execution_id: Answer(200, execution_id.encode()),
            mode=mode,
            approval_above=None if above is None else Cents(above),
        )
        [answer] = self.life.act("trigger", admit(self.life.engine, [command]))
        disabled = RuleDisabled if mode is Mode.LIVE and found["signature"] is None else None
        if self.expect(answer, NotFound if found["deleted"] else disabled):
            more = {"mode": str(mode), "stands_in": amount is not None, "approval_above": above}
            run = self.oracle.admit(name, "SEQUENCE_API", amount, **more)
            assert answer.body.decode() == run["id"]
            if twice:
                [again] = self.life.act("trigger again", admit(self.life.engine, [command]))
                assert again == answer._replace(is_replay=True)
        self.done(then)

    # -------------------------------------------------------------------------------------------------------- the clock

    @rule(minutes=st.sampled_from(PASSING))
    def wait(self, minutes: int) -> None:
        """Let time pass."""
        self.turn += 1
        self.pass_on(minutes)
