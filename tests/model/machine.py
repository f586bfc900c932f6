"""What can happen beside: people decide, processes die, banks fail, accounts close and payments come back."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from sluiceway.domain.ach import ReturnCode
from sluiceway.domain.errors import AccountNotEmpty, TransferChanged, TransferNotCancellable
from sluiceway.domain.ids import AccountId, LegId, TransferId
from sluiceway.domain.ledger import ExternalKind
from sluiceway.domain.money import Cents
from sluiceway.domain.rules import PaymentSide
from sluiceway.services import approvals, organizations
from sluiceway.services.accounts import delete_account
from sluiceway.services.limits import set_limit
from sluiceway.services.refreshing import refresh
from sluiceway.storage.ach import Period
from sluiceway.storage.bank_rows import BankAccountState, BankCall, BankEvent, EventKind, Fault
from sluiceway.storage.database import WriteTx
from sluiceway.storage.legs import claim_legs
from tests.model.books_oracle import Plain
from tests.model.household import INDEX, THEN, Household, rarely
from tests.model.organization import LEASE
from tests.support import PASSWORD, cancel

FAULTS = (
    (BankCall.SUBMIT, Fault.LOST_REPLY),
    (BankCall.SUBMIT, Fault.UNAVAILABLE),
    (BankCall.SUBMIT, Fault.REFUSED),
    (BankCall.INQUIRE, Fault.UNAVAILABLE),
    (BankCall.REPORTS, Fault.TWICE),
    (BankCall.REPORTS, Fault.UNAVAILABLE),
    (BankCall.REPORTS, Fault.LOST_REPLY),
)


class WorldMachine(Household):
    """Each rule is something that a person, a program, a bank or a clock does."""

    # -------------------------------------------------------------------------------------------------------- processes

    @rarely()
    @rule(then=THEN)
    def restart(self, then: int | None) -> None:
        """Start the process anew."""
        self.life.restart()
        self.done(then)

    @precondition(lambda self: any(map(self.oracle.is_leg_due, self.oracle.legs())))
    @rule(then=THEN)
    def die_while_handing_over(self, then: int | None) -> None:
        """Let a process claim what it is to hand over, and die."""
        life, due = self.life, [leg for leg in self.oracle.legs() if self.oracle.is_leg_due(leg)]
        at, now = self.oracle.now, self.town.real

        async def claim(tx: WriteTx) -> int:
            paused = self.oracle.is_paused
            return len(
                await claim_legs(tx, life.id, at=at, now=now, leased_until=now + LEASE, is_paused=paused, limit=99)
            )

        assert life.act("die", life.write(claim)) == len(due)
        for leg in due:
            leg["attempts"] += 1
        self.town.real += LEASE
        life.restart()
        self.done(then)

    # ------------------------------------------------------------------------------------------------ people and limits

    def waiting(self) -> list[Plain]:
        """List the transfers that wait for a person."""
        return [made for made in self.oracle.transfers.values() if made["status"] == "PENDING_APPROVAL"]

    @precondition(lambda self: bool(self.waiting()))
    @rule(index=INDEX, is_approved=st.sampled_from((True, True, False)), then=THEN)
    def decide(self, index: int, is_approved: bool, then: int | None) -> None:
        """Approve a transfer, or refuse it."""
        life, made = self.life, self.waiting()[index % len(self.waiting())]
        id_ = TransferId(made["id"])

        async def sign() -> None:
            shown = await approvals.find_waiting(life.engine, life.id, id_)
            await approvals.approve(life.engine, life.world.person, PASSWORD, id_, shown.digest)

        if is_approved:
            refusal = None if self.oracle.is_approvable(made) else TransferChanged
            if self.expect(life.act("approve", sign()), refusal):
                self.oracle.approve(made)
        else:
            self.expect(life.act("refuse", approvals.refuse(life.engine, life.world.person, PASSWORD, id_)), None)
            self.oracle.call_back(made)
        self.done(then)

    decide_soon = decide_at_once = decide

    def can_be_cancelled(self, made: Plain) -> bool:
        """Tell whether nobody has carried a transfer away yet."""
        legs = made["legs"]
        return made["status"] == "PENDING_APPROVAL" or (made["status"] == "PROCESSING" and not legs[-1]["attempts"])

    @precondition(lambda self: bool(self.oracle.transfers))
    @rule(index=INDEX, then=THEN)
    def cancel(self, index: int, then: int | None) -> None:
        """Call a transfer back, one that can be if there is one."""
        latest = list(reversed(self.oracle.transfers.values()))
        made = ([each for each in latest if self.can_be_cancelled(each)] + latest)[index % len(latest)]
        if made["source"] is None or made["destination"] is None:
            return
        can = self.can_be_cancelled(made)
        principal = self.life.world.principal()
        work = cancel(self.life.engine, principal, TransferId(made["id"]), made["id"])
        if self.expect(self.life.act("cancel", work), None if can else TransferNotCancellable):
            self.oracle.call_back(made)
        self.done(then)

    @rarely()
    @rule(then=THEN)
    def pause(self, then: int | None) -> None:
        """Pause the automation, or let it go on."""
        switch = organizations.resume if self.oracle.is_paused else organizations.pause
        self.life.act("pause", switch(self.life.engine, self.life.id))
        self.oracle.is_paused = not self.oracle.is_paused
        self.done(then)

    @rarely()
    @rule(
        side=st.sampled_from(list(PaymentSide)),
        period=st.sampled_from(list(Period)),
        amount=st.sampled_from((40_000, None, 5_000)),
        transfers=st.sampled_from((None, 3, 0)),
        then=THEN,
    )
    def limit(
        self, side: PaymentSide, period: Period, amount: int | None, transfers: int | None, then: int | None
    ) -> None:
        """Set an ACH limit."""
        most = None if amount is None else Cents(amount)
        work = set_limit(self.life.engine, self.life.id, side, period, amount=most, transfers=transfers)
        self.life.act("limit", work)
        self.oracle.limits[str(side), str(period)] = (amount, transfers)
        self.done(then)

    @rarely()
    @rule(hours=st.sampled_from((24, 2)), minutes=st.sampled_from((0, 30)), then=THEN)
    def set_waits(self, hours: int, minutes: int, then: int | None) -> None:
        """Set how long people are waited for, and how long a payment can be called back."""
        lasts, delay = timedelta(hours=hours), timedelta(minutes=minutes)
        work = organizations.set_waits(self.life.engine, self.life.id, approval_lasts=lasts, handover_delay=delay)
        self.life.act("set waits", work)
        self.oracle.approval_lasts, self.oracle.handover_delay = lasts, delay
        self.done(then)

    @rarely(lambda self: len(self.oracle.accounts) < 12)
    @rule(is_bank=st.booleans(), then=THEN)
    def open_account(self, is_bank: bool, then: int | None) -> None:
        """Add an account."""
        name = f"account {len(self.oracle.accounts)}"
        if is_bank:
            self.life.connect(name, ExternalKind.DEPOSITORY, 10_000)
        else:
            self.life.open(name)
        self.done(then)

    @rarely()
    @rule(index=INDEX, then=THEN)
    def delete_account(self, index: int, then: int | None) -> None:
        """Delete an account that is not the income source."""
        kept = {self.income, self.bills}
        names = [name for name in self.everyone() if name not in kept]
        if not names:
            return
        name = names[index % len(names)]
        is_needed = any(liability in self.everyone() for liability, pod in self.oracle.pods().items() if pod == name)
        refusal = None if self.oracle.is_empty(name) and not is_needed else AccountNotEmpty
        work = delete_account(self.life.engine, self.life.id, AccountId(name), name)
        if self.expect(self.life.act("delete account", work), refusal):
            self.oracle.accounts[name]["deleted"] = True
        self.done(then)

    # ------------------------------------------------------------------------------------------------ the world outside

    def banks(self) -> list[str]:
        """List the external accounts."""
        return [name for name in self.everyone() if not self.oracle.is_kept(name)]

    @rule(
        kind=st.sampled_from(list(EventKind)),
        index=INDEX,
        amount=st.sampled_from((20_000, 700, 90_000)),
        sign=st.sampled_from((1, -1)),
        minutes=st.sampled_from((0, 90, 2_000)),
        then=THEN,
    )
    def plan(self, kind: EventKind, index: int, amount: int, sign: int, minutes: int, then: int | None) -> None:
        """Let something happen outside, now or later."""
        names = self.kept() if kind in {EventKind.DEPOSIT, EventKind.WITHDRAWAL} else self.banks()
        if kind is EventKind.STATEMENT:
            names = [name for name in names if self.oracle.accounts[name]["liability"]]
        if not names:
            return
        self.keys += 1
        how_much = {EventKind.STATEMENT: 0, EventKind.TRANSACTION: amount * sign}.get(kind, amount)
        at = self.oracle.now + timedelta(minutes=minutes)
        name = names[index % len(names)]
        event = BankEvent(self.town.new_id(), kind, AccountId(name), at, how_much)
        problems = self.life.act(
            "plan", self.life.outside(lambda bank: bank.plan(self.life.id, [event], self.oracle.now))
        )
        assert problems == ()
        self.oracle.bank.plan({"id": event.id, "kind": str(kind), "account": name, "at": at, "amount": how_much})
        self.oracle.ask_no_later_than(self.oracle.now)
        self.done(then)

    @rarely()
    @rule(index=INDEX, state=st.sampled_from(list(BankAccountState)), then=THEN)
    def change_state(self, index: int, state: BankAccountState, then: int | None) -> None:
        """Close, freeze, disconnect or open an account at its bank."""
        if not self.banks():
            return
        name = self.banks()[index % len(self.banks())]
        at = self.oracle.now
        work = self.life.outside(lambda bank: bank.set_state(self.life.id, AccountId(name), state, at))
        assert self.life.act("state", work) == ()
        self.oracle.bank.move(at)
        self.oracle.bank.accounts[name]["state"] = str(state)
        self.oracle.ask_no_later_than(at)
        self.done(then)

    @precondition(lambda self: bool(self.oracle.bank.payments))
    @rule(index=INDEX, code=st.sampled_from(list(ReturnCode)), then=THEN)
    def send_back(self, index: int, code: ReturnCode, then: int | None) -> None:
        """Return a payment, one of the latest."""
        keys = list(reversed(self.oracle.bank.payments))
        key, at = keys[index % len(keys)], self.oracle.now
        work = self.life.outside(lambda bank: bank.return_now(self.life.id, LegId(key), code, at))
        not_done = self.life.act("return", work)
        assert (not_done is None) == self.oracle.bank.return_now(key, str(code), at), not_done
        self.oracle.ask_no_later_than(at)
        self.done(then)

    @rarely()
    @rule(fault=st.sampled_from(FAULTS), times=st.sampled_from((1, 2, 4, 7)), then=THEN)
    def fail_next(self, fault: tuple[BankCall, Fault], times: int, then: int | None) -> None:
        """Let the bank's next answers go wrong: of one kind of call, in one way at a time."""
        call, how = fault
        waiting = self.oracle.bank.faults[str(call)]
        if waiting and set(waiting) != {str(how)}:
            return
        asked_id = self.life.engine.new_id()
        work = self.life.outside(lambda bank: bank.fail_next(self.life.id, asked_id, call, how, times, self.oracle.now))
        assert self.life.act("fault", work) == ()
        waiting.extend([str(how)] * times)
        self.oracle.ask_no_later_than(self.oracle.now)
        self.done(then)

    @rarely()
    @rule(index=INDEX, then=THEN)
    def refresh(self, index: int, then: int | None) -> None:
        """Refresh an external account now."""
        if not self.banks():
            return
        name = self.banks()[index % len(self.banks())]
        self.life.act("refresh", refresh(self.life.engine, self.life.id, [AccountId(name)]))
        self.oracle.refresh(name)
        self.done(then)
