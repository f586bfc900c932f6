"""The sandbox bank of docs/reference/sandbox-bank.md, told a second time with dictionaries and lists."""

from collections import deque
from datetime import datetime, timedelta
from typing import Any

from tests.model import ach_oracle as ach

Plain = dict[str, Any]

PULLS_ONLY = {"R01", "R10", "R29"}
TROUBLE = {"CLOSED": "R02", "FROZEN": "R16"}


class Unavailable(Exception):
    """The bank gives no answer."""


class Bank:
    """One organization's bank. Everything is moved to an instant first, then asked."""

    def __init__(self) -> None:
        self.accounts: dict[str, Plain] = {}
        self.payments: dict[str, Plain] = {}
        self.planned: list[Plain] = []
        self.reports: list[Plain] = []
        self.entries: list[tuple[str, int, str]] = []  # Account, amount, what it comes from.
        self.faults: dict[str, deque[str]] = {call: deque() for call in ("submit", "inquire", "reports", "balances")}
        self.again: list[Plain] = []

    # -------------------------------------------------------------------------------------------------------- its clock

    def next_instant(self, *, of_reports: bool) -> datetime | None:
        """Tell when the next thing happens, or the next that is reported."""
        instants = [payment["due"] for payment in self.payments.values() if payment["due"] is not None]
        reported = {"DEPOSIT", "WITHDRAWAL"}
        instants += [event["at"] for event in self.planned if not of_reports or event["kind"] in reported]
        return min(instants, default=None)

    def move(self, to: datetime) -> None:
        """Let happen what is due, one instant after the other; at one instant in the order of ids."""
        while (at := self.next_instant(of_reports=False)) is not None and at <= to:
            due = [(key, payment) for key, payment in self.payments.items() if payment["due"] == at]
            due += [(event["id"], event) for event in self.planned if event["at"] == at]
            _, thing = min(due, key=lambda each: each[0])
            if "kind_of_event" in thing:
                self.planned.remove(thing)
                self.happen(thing)
            elif thing["state"] == "SETTLED":
                self.give_back(thing, thing["comes_back_with"], at)
            else:
                self.settle(thing, at)

    # --------------------------------------------------------------------------------------------------------- accounts

    def open(self, name: str, kind: str, balance: int, figures: Plain) -> None:
        """Open an account."""
        available = None if kind == "LIABILITY" else balance
        account = {"kind": kind, "state": "OPEN", "balance": balance, "available": available}
        self.accounts[name] = account | dict.fromkeys(("minimum", "statement", "rate")) | figures

    def book(self, name: str, amount: int, why: str) -> None:
        """Let money in (or out) of an account."""
        account = self.accounts[name]
        if account["kind"] == "LIABILITY":
            account["balance"] -= amount
        else:
            account["balance"] += amount
            account["available"] += amount
        self.entries.append((name, amount, why))

    def plan(self, event: Plain) -> None:
        """Plan something that happens outside."""
        self.planned.append(event | {"kind_of_event": True})

    def happen(self, event: Plain) -> None:
        """Let a planned event happen."""
        account = self.accounts.get(event["account"])
        if account is not None and account["state"] in TROUBLE:
            return
        match event["kind"]:
            case "TRANSACTION":
                self.book(event["account"], event["amount"], event["id"])
            case "STATEMENT":
                assert account is not None
                debt = max(0, account["balance"])
                account["statement"] = debt
                account["minimum"] = min(debt, max(2_500, debt * 2 // 100))
            case _:
                told = {"DEPOSIT": "DEPOSITED", "WITHDRAWAL": "WITHDRAWN"}[event["kind"]]
                self.reports.append(event | {"kind": told})

    # --------------------------------------------------------------------------------------------------------- payments

    def fault(self, call: str) -> str | None:
        """Take the next fault that waits for a call."""
        return self.faults[call].popleft() if self.faults[call] else None

    def submit(self, key: str, kind: str, name: str, amount: int, at: datetime, *, is_refused: bool) -> Plain:
        """Take a payment or refuse it; the first answer to a key is the answer for ever."""
        self.move(at)
        if key in self.payments:
            return self.payments[key]
        account = self.accounts.get(name)
        code = "PAYMENT_FAILED" if is_refused else None
        if amount > 9_999_999_999 or (kind == "PULL" and account is not None and account["kind"] != "DEPOSITORY"):
            code = "PAYMENT_NOT_SUPPORTED"
        is_liability = account is not None and account["kind"] == "LIABILITY"
        due = None if code else ach.settles(kind, at, amount, is_liability=is_liability)
        payment = {"key": key, "kind": kind, "account": name, "amount": amount, "refusal": code, "due": due}
        payment |= {"state": "REFUSED" if code else "ACCEPTED", "settled_at": None, "is_booked": False}
        self.payments[key] = payment
        return payment

    def give_up(self, key: str) -> None:
        """Promise never to carry a payment that is not there yet."""
        self.payments[key] = {"key": key, "state": "CANCELLED", "due": None, "refusal": None}

    def settle(self, payment: Plain, at: datetime) -> None:
        """Let a payment settle, or come back instead."""
        account = self.accounts.get(payment["account"])
        is_pull = payment["kind"] == "PULL"
        code = "R03" if account is None else TROUBLE.get(account["state"])
        if is_pull and code is None and account is not None and account["available"] < payment["amount"]:
            code = "R01"
        if is_pull and code is not None:
            self.give_back(payment, code, at)
            return
        if code is None:
            # On an account that is closed or frozen it is not booked before it comes back.
            self.book(payment["account"], -payment["amount"] if is_pull else payment["amount"], payment["key"])
            payment["is_booked"] = True
        payment |= {"state": "SETTLED", "settled_at": at, "comes_back_with": code}
        payment["due"] = None if code is None else ach.comes_back(at)
        self.reports.append({"kind": "SETTLED", "key": payment["key"], "at": at})

    def give_back(self, payment: Plain, code: str, at: datetime) -> None:
        """Return a payment, with what it has moved."""
        if payment["is_booked"]:
            amount = payment["amount"] if payment["kind"] == "PULL" else -payment["amount"]
            self.book(payment["account"], amount, payment["key"])
        payment |= {"state": "RETURNED", "due": None}
        self.reports.append({"kind": "RETURNED", "key": payment["key"], "at": at, "code": code})

    def return_now(self, key: str, code: str, at: datetime) -> bool:
        """Return a payment because somebody wants it; tell whether that can be."""
        self.move(at)
        payment = self.payments.get(key)
        if payment is None or payment["state"] not in {"ACCEPTED", "SETTLED"}:
            return False
        if payment["kind"] == "PUSH" and code in PULLS_ONLY:
            return False
        if payment["state"] == "SETTLED" and at > ach.last_return(code, payment["settled_at"]):
            return False
        self.give_back(payment, code, at)
        return True

    # ---------------------------------------------------------------------------------------------------- what it tells

    def ask(self, cursor: int, at: datetime) -> tuple[list[Plain], int, datetime | None]:
        """Tell what has happened since the cursor, the next cursor, and when to ask again."""
        self.move(at)
        told = self.reports[cursor : cursor + 200]
        upto = cursor + len(told)
        return told, upto, at if upto < len(self.reports) else self.next_instant(of_reports=True)

    def balances(self, name: str, at: datetime) -> Plain:
        """Tell what an account's owner would see."""
        self.move(at)
        account = self.accounts[name]
        if account["state"] == "DISCONNECTED":
            return {"error": "DISCONNECTED_ACCOUNT"}
        seen = {key: account[key] for key in ("balance", "available", "minimum", "statement", "rate")}
        return seen | {"error": None}


def within(at: datetime, minutes: int) -> datetime:
    """Give an instant so many minutes later."""
    return at + timedelta(minutes=minutes)
