"""Accounts and transfers as plain dictionaries: who holds what, and how a transfer's story goes on.

Written from docs/explanation/life-of-a-transfer.md alone; it shares no code with the services.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Protocol

from tests.model import ach_oracle as ach

Plain = dict[str, Any]

OPEN = {"PENDING_APPROVAL", "PROCESSING", "PENDING"}
FAILED = {"INCOMPLETE", "ERROR", "CANCELLED"}
RETURNS = {"R01": ("INCOMPLETE", "INSUFFICIENT_FUNDS"), "R02": ("ERROR", "DISCONNECTED_ACCOUNT")}
OTHER_RETURNS = ("ERROR", "PAYMENT_FAILED")
CODES = {
    ("CREDIT", "DAY"): "DAILY_ACH_CREDIT_LIMIT_REACHED",
    ("CREDIT", "MONTH"): "MONTHLY_ACH_CREDIT_LIMIT_REACHED",
    ("DEBIT", "DAY"): "DAILY_ACH_DEBIT_LIMIT_REACHED",
    ("DEBIT", "MONTH"): "MONTHLY_ACH_DEBIT_LIMIT_REACHED",
}
WORLD, CLEARING = "WORLD", "CLEARING"


class Diverged(AssertionError):
    """What the services did has no place in the oracle's account of events."""


class Names(Protocol):
    """How the services called what the oracle foretells, and which calls of several at once a bank let fail."""

    def execution(self, rule: str, number: int) -> str:
        """Name the n-th execution of a rule."""
        ...

    def transfer(self, execution: str, step: int, action: int, part: int) -> str:
        """Name a rule's transfer."""
        ...

    def outside(self, account: str, kind: str, number: int) -> str:
        """Name the n-th transfer of an account with somebody unknown outside."""
        ...

    def leg(self, transfer: str, sequence: int) -> str:
        """Name a leg."""
        ...

    def has_failed(self, leg: str, times: int) -> bool:
        """Tell whether handing over had no answer more often than so many times."""
        ...

    def is_refused(self, leg: str) -> bool:
        """Tell whether the bank was told to refuse this payment."""
        ...


class Books:
    """The ledger, and the transfers that move it."""

    def __init__(self, now: datetime, names: Names) -> None:
        self.now, self.names = now, names
        self.accounts: dict[str, Plain] = {}
        self.clearing = {"posted": 0, "held_out": 0}
        self.transfers: dict[str, Plain] = {}
        self.executions: dict[str, Plain] = {}
        self.limits: dict[tuple[str, str], tuple[int | None, int | None]] = {}
        self.used: Counter[tuple[str, str, Any, str]] = Counter()
        self.outsiders: Counter[tuple[str, str]] = Counter()
        self.approval_lasts = timedelta(hours=24)
        self.handover_delay = timedelta(0)

    # --------------------------------------------------------------------------------------------------------- accounts

    def pods(self) -> dict[str, str]:
        """Give the holding pod of each manual liability."""
        found = self.accounts.items()
        return {each["linked"]: name for name, each in found if each["linked"] and not each["deleted"]}

    def is_kept(self, name: str) -> bool:
        """Tell whether Sluiceway keeps this account's money."""
        return self.accounts[name]["kept"]

    def is_empty(self, name: str) -> bool:
        """Tell whether nothing is in an account or on its way."""
        account = self.accounts[name]
        return not (account["posted"] or account["held_out"] or account["expected_in"])

    def available(self, name: str) -> int | None:
        """Tell what can be spent of an account that is no liability."""
        account = self.accounts[name]
        if account["kept"]:
            return account["posted"] - account["held_out"] - account["floor"]
        if account["error"] or account["available"] is None:
            return None
        return account["available"] - account["held_out"]

    # ------------------------------------------------------------------------------------------------------- ACH limits

    def starts(self) -> dict[str, Any]:
        """Give the first day of the bank's present day and month."""
        day = ach.eastern_day(self.now)
        return {"DAY": day, "MONTH": day.replace(day=1)}

    def rooms(self) -> dict[str, list[tuple[str, int | None, int | None]]]:
        """Tell what is left of the limits, by side."""
        found: dict[str, list[tuple[str, int | None, int | None]]] = {"DEBIT": [], "CREDIT": []}
        for (side, period), code in CODES.items():
            most = self.limits.get((side, period), (None, None))
            used = [self.used[side, period, self.starts()[period], what] for what in ("cents", "transfers")]
            left = [None if top is None else top - gone for top, gone in zip(most, used, strict=True)]
            found[side].append((code, *left))
        return found

    def sides(self, source: str, receiver: str) -> list[str]:
        """Tell on which sides a transfer counts, in the order in which the limits are asked."""
        return ["DEBIT"] * (not self.is_kept(source)) + ["CREDIT"] * (not self.is_kept(receiver))

    def count(self, source: str, receiver: str, amount: int) -> None:
        """Use up limits."""
        for side in self.sides(source, receiver):
            for period, start in self.starts().items():
                self.used[side, period, start, "cents"] += amount
                self.used[side, period, start, "transfers"] += 1

    # -------------------------------------------------------------------------------------------------------- transfers

    def new_transfer(self, id_: str, source: str | None, destination: str | None, amount: int, **more: Any) -> Plain:
        """Begin a transfer's story."""
        receiver = self.pods().get(destination, destination) if destination else None
        made: Plain = {"id": id_, "source": source, "destination": destination, "receiver": receiver}
        made |= {"amount": amount, "status": "PROCESSING", "code": None, "mode": "LIVE", "execution": None}
        made |= {"rule": None, "created_at": self.now, "completed_at": None, "returned_at": None, "return_code": None}
        made |= {"expires": None, "legs": [], "is_void": False}
        made |= more
        self.transfers[id_] = made
        return made

    def hold(self, made: Plain) -> None:
        """Hold a transfer's money at its source, and expect it where it goes."""
        self.accounts[made["source"]]["held_out"] += made["amount"]
        self.accounts[made["receiver"]]["expected_in"] += made["amount"]

    def release(self, made: Plain, *ends: str) -> None:
        """Hold and expect it no more."""
        for end in ends or ("source", "receiver"):
            figure = {"source": "held_out", "receiver": "expected_in"}[end]
            self.accounts[made[end]][figure] -= made["amount"]

    def go(self, made: Plain, *, is_held: bool) -> None:
        """Let a transfer go: at once between kept accounts, else towards its bank."""
        source, receiver = made["source"], made["receiver"]
        if self.is_kept(source) and self.is_kept(receiver):
            if is_held:
                self.release(made)
            self.accounts[source]["posted"] -= made["amount"]
            self.accounts[receiver]["posted"] += made["amount"]
            self.complete(made)
            return
        if not is_held:
            self.hold(made)
        made["status"] = "PROCESSING"
        is_push = self.is_kept(source)
        self.add_leg(made, "PUSH" if is_push else "PULL", receiver if is_push else source)

    def add_leg(self, made: Plain, purpose: str, account: str) -> None:
        """Add a payment for a bank to carry."""
        leg = {"transfer": made["id"], "sequence": len(made["legs"]), "purpose": purpose, "account": account}
        leg |= {
            "status": "PROCESSING",
            "attempts": 0,
            "failures": 0,
            "due": self.now,
            "id": self.names.leg(made["id"], len(made["legs"])),
        }
        if not made["legs"]:
            leg["due"] = self.now + self.handover_delay
        made["legs"].append(leg)

    def complete(self, made: Plain) -> None:
        """End a transfer well; what has arrived fires rules."""
        made |= {"status": "COMPLETE", "completed_at": self.now}
        self.recount(made)
        self.arrived(made)

    def end(self, made: Plain, status: str, code: str | None) -> None:
        """End a transfer badly."""
        made |= {"status": status, "code": code}
        self.recount(made)

    def call_back(self, made: Plain) -> None:
        """Cancel a transfer that nobody has carried away yet."""
        self.release(made)
        for leg in made["legs"]:
            leg |= {"status": "CANCELLED", "due": None}
        self.end(made, "CANCELLED", None)

    def recount(self, made: Plain) -> None:
        """Count a change in the transfer's execution."""
        run = self.executions.get(made["execution"])
        if run is None or run["status"] == "DUE":
            return
        statuses = [self.transfers[id_]["status"] for id_ in run["transfers"]]
        pending, completed = sum(each in OPEN for each in statuses), statuses.count("COMPLETE")
        failed = run["without_transfer"] + sum(each in FAILED for each in statuses)
        run["counts"] = (run["attempted"], completed, failed, pending)
        if pending:
            run["status"] = "IN_PROGRESS"
        elif failed:
            run["status"] = "PARTIAL" if completed else "FAILED"
        else:
            run["status"] = "EXECUTED"

    def arrived(self, made: Plain) -> None:
        """Say that money has arrived."""
        raise NotImplementedError

    def reopen(self, name: str) -> None:
        """Bring an account back that was deleted before money came for it."""
        self.accounts[name]["deleted"] = False

    # ---------------------------------------------------------------------------------------------- by somebody's word

    def deposit(self, name: str, amount: int) -> Plain:
        """Let money come in from the world."""
        self.reopen(name)
        made = self.from_outside(name, "in", amount)
        self.accounts[name]["posted"] += amount
        self.complete(made)
        return made

    def withdraw(self, name: str, amount: int) -> Plain:
        """Let somebody outside collect money."""
        made = self.from_outside(name, "out", amount)
        has = self.available(name)
        assert has is not None
        if has < amount:
            self.end(made, "INCOMPLETE", "INSUFFICIENT_FUNDS")
        else:
            self.accounts[name]["posted"] -= amount
            self.complete(made)
        return made

    def from_outside(self, name: str, way: str, amount: int) -> Plain:
        """Begin the story of money that comes from or goes to somebody unknown."""
        self.outsiders[name, way] += 1
        id_ = self.names.outside(name, way, self.outsiders[name, way])
        return self.new_transfer(id_, *((None, name) if way == "in" else (name, None)), amount)

    def transfer(self, id_: str, source: str, destination: str, amount: int) -> Plain:
        """Move money by hand."""
        made = self.new_transfer(id_, source, destination, amount)
        code = self.obstacle(made)
        if code is not None:
            self.end(made, "INCOMPLETE" if code == "INSUFFICIENT_FUNDS" else "ERROR", code)
            return made
        self.count(source, made["receiver"], amount)
        self.go(made, is_held=False)
        return made

    def obstacle(self, made: Plain) -> str | None:
        """Tell why a transfer by hand cannot be: connection, funds, ACH limits, in this order."""
        for end in ("source", "destination"):
            account = self.accounts[made[end]]
            if not account["kept"] and account["error"] == "DISCONNECTED_ACCOUNT":
                return "DISCONNECTED_ACCOUNT"
        has = self.available(made["source"])
        if has is None:
            return "NULL_BALANCE"
        if has < made["amount"]:
            return "INSUFFICIENT_FUNDS"
        rooms = self.rooms()
        for side in self.sides(made["source"], made["receiver"]):
            for code, cents, transfers in rooms[side]:
                if (cents is not None and made["amount"] > cents) or (transfers is not None and transfers < 1):
                    return code
        return None
