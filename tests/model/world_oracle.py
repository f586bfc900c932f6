"""Everything that happens in an organization, told naively: rules, runs, schedules, approvals, refreshes, the clock."""

import json
from collections import Counter
from datetime import datetime
from typing import Any

from sluiceway.domain.schedule import Schedule, ScheduleType
from tests.model.books_oracle import Diverged, Names, Plain
from tests.model.payments_oracle import DAY, Payments
from tests.unit.oracle import foretell
from tests.unit.schedule_oracle import expected_next

MOST_IN_A_ROW, MOST_IN_ALL = 16, 64


class World(Payments):
    """An organization as it has to be. Each method is something that happens to it, at its present instant."""

    def __init__(self, now: datetime, names: Names) -> None:
        super().__init__(now, names)
        self.rules: dict[str, Plain] = {}
        self.runs_of: Counter[str] = Counter()
        self.caused_by: Counter[str] = Counter()
        self.caps_used: dict[str, Counter[Any]] = {}
        self.signatures = 0

    # --------------------------------------------------------------------------------------------------------- accounts

    def add_account(self, name: str, kind: str, **more: Any) -> None:
        """Add an account that Sluiceway keeps, or one at a bank with what that says of it."""
        account: Plain = {"kept": kind != "EXTERNAL_ACCOUNT", "liability": False, "deleted": False, "floor": 0}
        account |= {
            "posted": 0,
            "held_out": 0,
            "expected_in": 0,
            "linked": None,
            "reported_at": None,
            "refresh_at": None,
        }
        account |= dict.fromkeys(("balance", "available", "minimum", "statement", "rate", "error", "seen"))
        self.accounts[name] = account | more

    def connect(self, name: str, kind: str, balance: int, figures: Plain) -> None:
        """Connect an account at the bank."""
        self.bank.move(self.now)
        self.bank.open(name, kind, balance, figures)
        self.add_account(name, "EXTERNAL_ACCOUNT", liability=kind == "LIABILITY", seen=0)
        self.accounts[name] |= self.bank.balances(name, self.now)
        self.accounts[name] |= {"reported_at": self.now, "refresh_at": self.now + DAY}

    def refresh(self, name: str) -> None:
        """Fetch what an account's bank says of it, and movements that nobody has seen."""
        account = self.accounts[name]
        told = self.bank.balances(name, self.now)
        account |= {"refresh_at": self.now + DAY}
        if told["error"]:
            account |= told
            return
        account |= told | {"reported_at": self.now}
        entries = [(amount, why) for where, amount, why in self.bank.entries if where == name]
        for number, (amount, why) in enumerate(entries[account["seen"] :], account["seen"]):
            if amount > 0 and why not in self.bank.payments:
                self.fire(name, amount, f"{name} {number}", 0, None, None)
        account["seen"] = len(entries)

    def fetch(self) -> int:
        """Fetch everything from outside that is due."""
        done = self.ask_bank()
        for name, account in self.accounts.items():
            if account["refresh_at"] is not None and account["refresh_at"] <= self.now and not account["deleted"]:
                self.refresh(name)
                done += 1
        return done

    # ------------------------------------------------------------------------------------------------------------ rules

    def add_rule(self, name: str, written: Plain) -> None:
        """Add a rule, disabled."""
        self.rules[name] = {"id": name, "position": len(self.rules), "written": written, "signature": None}
        self.rules[name] |= {"deleted": False, "next": None, "fired": set()}
        self.caps_used[name] = Counter()

    def revise(self, name: str, written: Plain) -> None:
        """Put other words in a rule's place: it is disabled."""
        self.disable(name)
        self.rules[name]["written"] = written

    def enable(self, name: str) -> None:
        """Let a person sign a rule."""
        rule = self.rules[name]
        if rule["signature"] is None:
            self.signatures += 1
            rule["signature"] = self.signatures
            rule["next"] = self.occurrence(rule, self.now)

    def disable(self, name: str) -> None:
        """Let a rule move nothing more."""
        self.rules[name] |= {"signature": None, "next": None}

    def occurrence(self, rule: Plain, after: datetime) -> Any:
        """Find when a rule fires next; a nominal time is never used twice."""
        trigger = rule["written"]["trigger"]
        if trigger["type"] != "SCHEDULED":
            return None
        start = datetime.fromisoformat(trigger["start"])
        found = expected_next(Schedule(ScheduleType(trigger["schedule_type"]), start, trigger["zone"]), after)
        if found is not None and found.nominal in rule["fired"]:
            return self.occurrence(rule, found.at)
        return found

    def fire_schedules(self) -> int:
        """Run the rules whose time has come: of each, the latest missed time."""
        due = [each for each in self.rules.values() if each["next"] is not None and each["next"].at <= self.now]
        if self.is_paused:
            return 0
        for rule in due:
            latest = rule["next"]
            while (following := self.occurrence(rule, latest.at)) is not None and following.at <= self.now:
                latest = following
            rule["fired"].add(latest.nominal)
            rule["next"] = self.occurrence(rule, self.now)
            run = self.admit(rule["id"], "SCHEDULED", None)
            run["scheduled_for"] = latest.at
            if self.looked_at(rule["written"]):
                run |= {"stage": "GATHER", "next_attempt_at": None, "try_at": self.now, "tries": 0}
        return len(due)

    def looked_at(self, written: Plain) -> set[str]:
        """Name the external accounts at which a rule looks: all that it names."""
        text = json.dumps(written)
        return {name for name, account in self.accounts.items() if not account["kept"] and name in text}

    # ------------------------------------------------------------------------------------------------------- executions

    def admit(self, name: str, trigger: str, amount: int | None, **more: Any) -> Plain:
        """Admit a run."""
        rule = self.rules[name]
        self.runs_of[name] += 1
        id_ = self.names.execution(name, self.runs_of[name])
        run: Plain = {"id": id_, "rule": name, "signature": rule["signature"], "written": rule["written"]}
        run |= {"trigger": trigger, "amount": amount, "stands_in": False, "mode": "LIVE", "origin": id_, "depth": 0}
        run |= {"status": "DUE", "stage": "SETTLE", "created_at": self.now, "transfers": [], "counts": (0, 0, 0, 0)}
        run |= {"step": None, "not_met": False, "scheduled_for": None, "says": None, "approval_above": None}
        run |= {"attempted": 0, "without_transfer": 0, "next_attempt_at": None}
        run |= more
        self.executions[id_] = run
        return run

    def fire(self, account: str, amount: int, origin: str, depth: int, sender: str | None, run: Plain | None) -> None:
        """Let money that has arrived run the rules that wait for it, in their order."""
        last = ""
        for rule in sorted(self.rules.values(), key=lambda each: each["position"]):
            trigger = rule["written"]["trigger"]
            waits = trigger["type"] == "ON_FUNDS_TRANSFERRED" and trigger["account_id"] == account
            if not waits or rule["signature"] is None or rule["id"] == sender:
                continue
            if depth > MOST_IN_A_ROW or self.caused_by[origin] >= MOST_IN_ALL:
                if run is not None:
                    run["says"] = "Some rules were not started"
                continue
            self.caused_by[origin] += 1
            made = self.admit(rule["id"], "ON_FUNDS_TRANSFERRED", amount, origin=origin, depth=depth)
            if made["id"] < last:
                raise Diverged(f"rules of one account ran out of their order: {last}, {made['id']}")
            last = made["id"]

    def arrived(self, made: Plain) -> None:
        """Let a transfer that has arrived run rules."""
        if made["destination"] is None or made["mode"] != "LIVE":
            return
        run = self.executions.get(made["execution"])
        origin, depth = (made["id"], 0) if run is None else (run["origin"], run["depth"] + 1)
        self.fire(made["receiver"], made["amount"], origin, depth, made["rule"], run)

    def gather(self) -> int:
        """Refresh what scheduled runs look at."""
        waiting = [run for run in self.executions.values() if run["status"] == "DUE" and run["stage"] == "GATHER"]
        due = [] if self.is_paused else [run for run in waiting if run["try_at"] <= self.now]
        for run in due:
            for name in sorted(self.looked_at(run["written"])):
                if not self.accounts[name]["deleted"]:
                    self.refresh(name)
            run["stage"] = "SETTLE"
        return len(due)

    def settle(self) -> int:
        """Settle what is due now, in order; what that causes is for the next time."""
        due = [run for run in self.executions.values() if run["status"] == "DUE" and run["stage"] == "SETTLE"]
        if self.is_paused:
            return 0
        for run in sorted(due, key=lambda each: each["id"]):
            self.run(run)
        return len(due)

    def run(self, run: Plain) -> None:
        """Do what a rule says, unless nobody stands by its words any more."""
        rule = self.rules[run["rule"]]
        if run["mode"] == "LIVE" and (rule["signature"] != run["signature"] or rule["deleted"]):
            run |= {"status": "FAILED", "says": "The rule was changed or disabled"}
            return
        written = run["written"]
        if run["approval_above"] is not None:
            lowest = min(run["approval_above"], written.get("approval_above_in_cents", run["approval_above"]))
            written = written | {"approval_above_in_cents": lowest}
        event = {"at": run["created_at"], "amount": run["amount"], "stands_in": run["stands_in"]}
        told = foretell(written, event, self.as_plain(run))
        run |= {"step": told["step"], "not_met": told["step"] is None, "attempted": told["attempted"]}
        made = [self.make(run, *each) for each in told["transfers"]]
        run["transfers"] = [each["id"] for each in made]
        run["without_transfer"] = told["failed"] - sum(each["code"] is not None for each in made)
        run["status"] = "IN_PROGRESS"
        if run["mode"] == "LIVE":
            self.caps_used[run["rule"]].update(told["cap_uses"])
            self.let_go(made)
        self.recount({"execution": run["id"]})

    def let_go(self, made: list[Plain]) -> None:
        """Move what a run has decided to move, in order."""
        for each in made:
            if each["code"] is not None:
                continue
            if each["expires"] is None:
                self.count(each["source"], each["receiver"], each["amount"])
                self.go(each, is_held=False)
            else:
                self.hold(each)

    def as_plain(self, run: Plain) -> Plain:
        """Show the planner's oracle the world; a rehearsal asks what would happen if the given amount were there."""
        accounts = {name: dict(account) for name, account in self.accounts.items()}
        account = accounts.get(run["written"]["trigger"].get("account_id"))
        if run["mode"] == "SIMULATION" and run["stands_in"] and account is not None:
            account["posted" if account["kept"] else "available"] = run["amount"] + account["held_out"]
        return {
            "accounts": accounts,
            "caps_used": dict(self.caps_used[run["rule"]]),
            "remote_amounts": {},
            "minimum": 100,
            "now": self.now,
            "rooms": self.rooms(),
            "pods": self.pods(),
        }

    def make(
        self,
        run: Plain,
        step: int,
        action: int,
        part: int,
        source: str,
        destination: str,
        amount: int,
        code: Any,
        waits: bool,
    ) -> Plain:
        """Begin the story of a rule's transfer."""
        id_ = self.names.transfer(run["id"], step, action, part)
        more: Plain = {"execution": run["id"], "rule": run["rule"], "mode": run["mode"], "code": code}
        if code is not None:
            more["status"] = "INCOMPLETE" if code == "INSUFFICIENT_FUNDS" else "ERROR"
        elif run["mode"] == "SIMULATION":
            more |= {"status": "COMPLETE", "completed_at": self.now}
        elif waits:
            more |= {"status": "PENDING_APPROVAL", "expires": self.now + self.approval_lasts}
        return self.new_transfer(id_, source, destination, amount, **more)

    # -------------------------------------------------------------------------------------------------------- approvals

    def is_approvable(self, made: Plain) -> bool:
        """Tell whether a person may still let a transfer go."""
        run = self.executions[made["execution"]]
        return self.rules[run["rule"]]["signature"] == run["signature"]

    def approve(self, made: Plain) -> None:
        """Let a transfer go that waited; only now does it count towards ACH limits, on this day."""
        self.count(made["source"], made["receiver"], made["amount"])
        self.go(made, is_held=True)

    def expire(self) -> int:
        """Cancel what nobody has approved in time."""
        waiting = [made for made in self.transfers.values() if made["status"] == "PENDING_APPROVAL"]
        late = [made for made in waiting if made["expires"] <= self.now]
        for made in late:
            self.call_back(made)
        return len(late)

    # -------------------------------------------------------------------------------------------------------- the clock

    def work(self) -> None:
        """Do everything that is due: first what money that is there sets off, then what banks say, then the rest."""
        kinds = (self.settle, self.fetch, self.fire_schedules, self.gather, self.hand_over, self.expire)
        while any(kind() for kind in kinds):
            pass

    def next_due(self) -> datetime | None:
        """Tell when the next thing is due."""
        instants = [self.ask_at]
        instants += [each["refresh_at"] for each in self.accounts.values() if not each["deleted"]]
        for leg in self.legs():
            if not (self.is_paused and self.is_automatic(leg)):
                instants.append(leg["due"])
        if not self.is_paused:
            instants += [each["next"].at for each in self.rules.values() if each["next"] is not None]
        instants += [made["expires"] for made in self.transfers.values() if made["status"] == "PENDING_APPROVAL"]
        return min((each for each in instants if each is not None and each > self.now), default=None)

    def advance(self, to: datetime) -> None:
        """Turn the clock forward, stopping wherever something is due."""
        self.work()
        while (following := self.next_due()) is not None and following <= to:
            self.now = following
            self.work()
        self.now = to
