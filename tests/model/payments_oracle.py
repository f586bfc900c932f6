"""Payments that a bank carries: handing them over, and what the bank says of them afterwards."""

from datetime import datetime, timedelta
from typing import Any

from tests.model.bank_oracle import Bank
from tests.model.books_oracle import OTHER_RETURNS, RETURNS, Books, Diverged, Names, Plain

DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))
DAY = timedelta(hours=24)


class Payments(Books):
    """The books, and the bank that they agree with sooner or later."""

    def __init__(self, now: datetime, names: Names) -> None:
        super().__init__(now, names)
        self.bank = Bank()
        self.cursor = 0
        self.ask_at: datetime | None = now
        self.asked_in_vain = 0
        self.is_paused = False

    def legs(self) -> list[Plain]:
        """List all legs."""
        return [leg for made in self.transfers.values() for leg in made["legs"]]

    def is_automatic(self, leg: Plain) -> bool:
        """Tell whether a rule wants it."""
        return self.transfers[leg["transfer"]]["rule"] is not None

    def is_leg_due(self, leg: Plain) -> bool:
        """Tell whether a payment is to be handed over now."""
        return (
            leg["status"] == "PROCESSING" and leg["due"] <= self.now and not (self.is_paused and self.is_automatic(leg))
        )

    def ask_no_later_than(self, at: datetime | None) -> None:
        """Ask the bank for reports by then."""
        if at is not None:
            self.ask_at = at if self.ask_at is None else min(self.ask_at, at)

    # ----------------------------------------------------------------------------------------------------- handing over

    def hand_over(self) -> int:
        """Hand over what is due; tell how much that was."""
        due = sorted((leg for leg in self.legs() if self.is_leg_due(leg)), key=lambda leg: leg["id"])
        answered = [self.attempt(leg) for leg in due]
        if any(answered) and self.bank.faults["submit"]:
            raise Diverged(f"a payment was handed over, and yet these faults wait: {self.bank.faults}")
        return len(due)

    def attempt(self, leg: Plain) -> bool:
        """Try to hand one payment over; tell whether the bank took or refused it as a new one."""
        leg["attempts"] += 1
        has_failed = self.names.has_failed(leg["id"], leg["failures"])
        if leg["attempts"] > 1:
            if has_failed and self.bank.fault("inquire"):
                self.again_later(leg)
                return False
            self.bank.move(self.now)
            if leg["id"] in self.bank.payments:
                self.answered(leg, self.bank.payments[leg["id"]])
                return False
        made = self.transfers[leg["transfer"]]
        if made["is_void"]:
            self.drop(made, leg)
            return False
        if leg["failures"] > len(DELAYS):
            leg |= {"status": "REFUSED", "due": None}
            self.bank.give_up(leg["id"])
            self.broke_off(made, leg, "ERROR", "PAYMENT_FAILED")
            return False
        is_refused = self.names.is_refused(leg["id"])
        fault = self.bank.fault("submit") if has_failed or is_refused else None
        if (has_failed and fault not in {"UNAVAILABLE", "LOST_REPLY"}) or (is_refused and fault != "REFUSED"):
            raise Diverged(f"a payment failed and nobody had asked for that: {leg}")
        kind = "PULL" if leg["purpose"] == "PULL" else "PUSH"
        if fault != "UNAVAILABLE":
            payment = self.bank.submit(
                leg["id"], kind, leg["account"], made["amount"], self.now, is_refused=fault == "REFUSED"
            )
            if not has_failed:
                self.answered(leg, payment)
                return fault is None
        self.again_later(leg)
        return False

    def again_later(self, leg: Plain) -> None:
        """Try again after a while."""
        leg["failures"] += 1
        leg["due"] = self.now + DELAYS[min(leg["failures"], len(DELAYS)) - 1]

    def answered(self, leg: Plain, payment: Plain) -> None:
        """Take the bank's answer."""
        made = self.transfers[leg["transfer"]]
        leg["due"] = None
        if payment["refusal"] is None:
            leg["status"] = "PENDING"
            if made["status"] == "PROCESSING":
                made["status"] = "PENDING"
            self.ask_no_later_than(payment["due"] or self.now)
            return
        leg["status"] = "REFUSED"
        self.broke_off(made, leg, "ERROR", payment["refusal"])

    # ---------------------------------------------------------------------------------------------------------- reports

    def ask_bank(self) -> int:
        """Ask for reports if it is time, and apply them; tell whether it was."""
        if self.ask_at is None or self.ask_at > self.now:
            return 0
        fault = self.bank.faults["reports"][0] if self.bank.faults["reports"] else None
        if fault in {"UNAVAILABLE", "LOST_REPLY"}:
            self.bank.fault("reports")
            self.bank.move(self.now)
            self.asked_in_vain += 1
            self.ask_at = self.now + DELAYS[min(self.asked_in_vain, len(DELAYS)) - 1]
            return 1
        reports, self.cursor, self.ask_at = self.bank.ask(self.cursor, self.now)
        self.asked_in_vain = 0
        if fault == "TWICE" and reports:
            self.bank.fault("reports")
        for report in reports:
            self.apply(report)
        return 1

    def apply(self, report: Plain) -> None:
        """Let one report have its effect."""
        match report["kind"]:
            case "DEPOSITED":
                self.deposit(report["account"], report["amount"])
            case "WITHDRAWN":
                self.withdraw(report["account"], report["amount"])
            case kind:
                [leg] = [leg for leg in self.legs() if leg["id"] == report["key"]]
                if kind == "SETTLED":
                    self.settled(self.transfers[leg["transfer"]], leg)
                else:
                    self.returned(self.transfers[leg["transfer"]], leg, report["code"])

    def settled(self, made: Plain, leg: Plain) -> None:
        """Let a payment have moved its money."""
        leg |= {"status": "SETTLED", "due": None}
        amount = made["amount"]
        if leg["purpose"] == "REVERSAL" or made["is_void"]:
            self.clear(posted=-amount, held=-amount)
        elif leg["purpose"] == "PUSH":
            if leg["sequence"]:
                self.clear(posted=-amount, held=-amount)
            else:
                self.release(made, "source")
                self.accounts[made["source"]]["posted"] -= amount
            self.release(made, "receiver")
            self.complete(made)
        elif self.is_kept(made["receiver"]):
            self.release(made)
            self.accounts[made["receiver"]]["posted"] += amount
            self.complete(made)
        else:
            self.release(made, "source")
            self.clear(posted=amount, held=amount)
            made["status"] = "PENDING"
            self.add_leg(made, "PUSH", made["receiver"])

    def clear(self, *, posted: int = 0, held: int = 0) -> None:
        """Change the clearing account."""
        self.clearing["posted"] += posted
        self.clearing["held_out"] += held

    def returned(self, made: Plain, leg: Plain, code: str) -> None:
        """Let a payment have come back."""
        was_settled = leg["status"] == "SETTLED"
        leg |= {"status": "RETURNED", "due": None}
        status, error = RETURNS.get(code, OTHER_RETURNS)
        if leg["purpose"] == "REVERSAL" or made["is_void"]:
            # Whatever happens to it, the money stays between the banks.
            self.clear(posted=made["amount"] if was_settled else 0, held=0 if was_settled else -made["amount"])
            return
        if leg["purpose"] == "PULL" and was_settled and not self.is_kept(made["receiver"]):
            self.pull_came_back(made, status, error, code)
            return
        made["return_code"] = code
        if not was_settled or made["status"] != "COMPLETE":
            self.broke_off(made, leg, status, error)
            return
        made["returned_at"] = self.now
        if leg["purpose"] == "PULL":
            self.reopen(made["receiver"])
            self.accounts[made["receiver"]]["posted"] -= made["amount"]
        elif leg["sequence"]:
            self.clear(posted=made["amount"], held=made["amount"])
            self.add_leg(made, "REVERSAL", made["source"])
        else:
            self.reopen(made["source"])
            self.accounts[made["source"]]["posted"] += made["amount"]
        self.end(made, status, error)

    def pull_came_back(self, made: Plain, status: str, error: str, code: str) -> None:
        """Give back what was pulled between two banks; what was to carry it on stays if its bank has not got it."""
        self.clear(posted=-made["amount"])
        if made["status"] == "PENDING":
            self.release(made, "receiver")
        made |= {"is_void": True, "return_code": code, "returned_at": self.now}
        self.end(made, status, error)
        last = made["legs"][-1]
        if last["status"] == "PROCESSING" and not last["attempts"]:
            self.drop(made, last)

    def drop(self, made: Plain, leg: Plain) -> None:
        """Keep a payment back whose money has gone already."""
        leg |= {"status": "CANCELLED", "due": None}
        self.clear(held=-made["amount"])

    def broke_off(self, made: Plain, leg: Plain, status: str, code: Any) -> None:
        """End a transfer whose payment was refused or came back before it had arrived."""
        if leg["purpose"] == "REVERSAL" or made["is_void"]:
            self.clear(held=-made["amount"])
        elif leg["sequence"]:
            self.release(made, "receiver")
            self.end(made, status, code)
            self.add_leg(made, "REVERSAL", made["source"])
        else:
            self.release(made)
            self.end(made, status, code)
