"""A second, deliberately naive reading of how one rule runs, to hold the engine against.

It works on the canonical written form of a rule and on plain dictionaries with exact fractions, and shares no code and
no types with the engine. Its words (results, reasons, error codes) are the plain text of the engine's enumerations.
"""

from calendar import monthrange
from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

Plain = dict[str, Any]

REASONS = {
    "RESOURCE_DELETED": "account_deleted",
    "NULL_BALANCE": "balance_unknown",
    "ACCOUNT_NO_MINIMUM_PAYMENT_AMOUNT": "no_minimum_payment",
    "ACCOUNT_NO_LAST_STATEMENT_BALANCE": "no_statement_balance",
    "ACCOUNT_NO_INTEREST_RATE": "no_interest_rate",
    "REMOTE_AMOUNT_UNAVAILABLE": "no_remote_amount",
    "INSUFFICIENT_FUNDS": "insufficient_funds",
    "TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR": "below_minimum",
    "DISCONNECTED_ACCOUNT": "disconnected",
}

COMPARE = {
    "EQUALS": lambda left, right: left == right,
    "NOT_EQUALS": lambda left, right: left != right,
    "GREATER_THAN": lambda left, right: left > right,
    "LESS_THAN": lambda left, right: left < right,
    "GREATER_THAN_OR_EQUAL": lambda left, right: left >= right,
    "LESS_THAN_OR_EQUAL": lambda left, right: left <= right,
}

LEVELS = {
    "next_payment_minimum_account": "NEXT_PAYMENT_MINIMUM",
    "current_balance_account": "TOTAL_AMOUNT_DUE",
    "last_statement_balance_account": "LAST_STATEMENT_BALANCE",
}


class Fails(Exception):
    """The amount cannot be known: the error code, and the account that it is about."""


class Skips(Exception):
    """There is nothing to do and nothing wrong; the reason is one of the trace's."""


def foretell(rule: Plain, event: Plain, world: Plain) -> Plain:
    """Say what a run of the rule does.

    `event` has at, amount, stands_in. `world` has accounts (by id), caps_used (by step, group, period, first day),
    remote_amounts (by step, action), minimum, now, rooms (by side: code, cents and transfers, None for no limit) and
    pods (by liability). An account has kept, liability, deleted, floor, posted, held_out, expected_in, and what its
    bank reports: balance, available, minimum, statement, rate, error, reported_at.
    """
    run = _Run(rule, event, world)
    matched = run.matching_step()
    if matched is not None:
        run.run_step(matched, rule["steps"][matched]["actions"])
    return {
        "step": matched,
        "steps": run.steps,
        "nodes": run.nodes,
        "actions": run.actions,
        "transfers": run.transfers,
        "attempted": len(run.actions),
        "failed": sum(action["error"] is not None for action in run.actions),
        "cap_uses": dict(run.cap_uses),
    }


def local_day(rule: Plain, event: Plain) -> date:
    """Give the rule's own calendar day of the event."""
    return event["at"].astimezone(ZoneInfo(rule["trigger"].get("zone", "UTC"))).date()


def period_start(period: str, day: date) -> date | None:
    """Give the first day of a cap's period; None for one that ends with the run."""
    monday = day - timedelta(days=day.weekday())
    return {"PER_WEEK": monday, "PER_MONTH": day.replace(day=1), "PER_YEAR": date(day.year, 1, 1)}.get(period)


def available(account: Plain) -> int | None:
    """Give what can be spent, or the debt of a liability; None when it is unknown."""
    if account["kept"]:
        return account["posted"] - account["held_out"]
    if account["error"]:
        return None
    if account["liability"]:
        return account["balance"]
    return None if account["available"] is None else account["available"] - account["held_out"]


def current(account: Plain) -> int | None:
    """Give the current balance; None when it is unknown."""
    if account["kept"]:
        return account["posted"]
    return None if account["error"] else account["balance"]


def figure(account: Plain, name: str) -> int:
    """Give a liability's figure by the name of the action that pays it."""
    if account["error"]:
        raise Fails("NULL_BALANCE", account)
    if name == "NEXT_PAYMENT_MINIMUM":
        found, code = account["minimum"], "ACCOUNT_NO_MINIMUM_PAYMENT_AMOUNT"
    elif name == "LAST_STATEMENT_BALANCE":
        found, code = account["statement"], "ACCOUNT_NO_LAST_STATEMENT_BALANCE"
    else:
        found, code = current(account), "NULL_BALANCE"
    if found is None:
        raise Fails(code, account)
    return found


def reason(code: str, account: Plain | None) -> str:
    """Say why an action failed, in the trace's words."""
    is_too_old = code == "NULL_BALANCE" and account is not None and account["error"] == "too old"
    return "balance_too_old" if is_too_old else REASONS.get(code, "limit_reached")


class _Run:
    def __init__(self, rule: Plain, event: Plain, world: Plain) -> None:
        self.rule, self.event, self.world = rule, event, world
        self.accounts = {name: dict(account) for name, account in world["accounts"].items()}
        self.rooms = {side: [list(room) for room in rooms] for side, rooms in world["rooms"].items()}
        if "max_balance_age_in_minutes" in rule:
            self.forget_old_reports(timedelta(minutes=rule["max_balance_age_in_minutes"]))
        self.trigger_account, self.day = rule["trigger"]["account_id"], local_day(rule, event)
        self.left: Counter[str] = Counter()  # What has left each account so far, less what has arrived there.
        self.cap_uses: Counter[tuple[int, int, str, date]] = Counter()
        self.steps: list[tuple[str, bool | None]] = []
        self.nodes: Plain = {}
        self.actions: list[Plain] = []
        self.transfers: list[tuple[int, int, int, str, str, int, str | None, bool]] = []
        self.has_stopped = False

    def is_gone(self, name: str) -> bool:
        return name not in self.accounts or self.accounts[name]["deleted"]

    def forget_old_reports(self, oldest: timedelta) -> None:
        now = self.world["now"] or self.event["at"]
        for account in self.accounts.values():
            is_silent = account["reported_at"] is None or now - account["reported_at"] > oldest
            if not account["kept"] and not account["error"] and is_silent:
                account["error"] = "too old"

    def on_the_way(self, name: str) -> int:
        """Give what is already expected at an account."""
        expected = self.accounts[name]["expected_in"]
        if name in self.world["pods"]:
            pod = self.accounts[self.world["pods"][name]]
            expected += available(pod) + pod["expected_in"]
        return expected

    # ------------------------------------------------------------------------------------------------------ conditions

    def matching_step(self) -> int | None:
        for index, step in enumerate(self.rule["steps"]):
            path = f"steps/{index}"
            result = True if step["conditions"] is None else self.evaluate(step["conditions"], f"{path}/conditions")
            self.steps.append((path, result))
            if result is True:
                return index
        return None

    def evaluate(self, node: Plain, path: str) -> bool | None:
        if "condition" in node:
            leaf = node["condition"]
            params = leaf["params"] or {}
            left, why_left = self.fact(leaf["fact"], params.get("account_id"))
            if leaf["value_fact"] is None:
                right, why_right = leaf["value"], None
            else:
                right, why_right = self.fact(
                    leaf["value_fact"], params.get("value_account_id") or params.get("account_id")
                )
            result = None if left is None or right is None else COMPARE[leaf["operator"]](left, right)
            self.nodes[path] = (result, left, right, why_left or why_right)
            return result
        [(kind, children)] = node.items()
        results = [self.evaluate(child, f"{path}/{kind}/{index}") for index, child in enumerate(children)]
        decisive = kind == "any"
        result = decisive if decisive in results else None if None in results else not decisive
        self.nodes[path] = (result, None, None, None)
        return result

    def fact(self, fact: str, named: str | None) -> tuple[int | None, str | None]:
        if fact == "TRANSFER_AMOUNT":
            return self.event["amount"], "no_transfer_amount" if self.event["amount"] is None else None
        if fact == "DATE":
            return self.day.day, None
        if fact == "LAST_DAY_OF_MONTH":
            return monthrange(self.day.year, self.day.month)[1], None
        name = named or self.trigger_account
        if name is None:
            return None, "no_account"
        if self.is_gone(name):
            return None, "account_deleted"
        account = self.accounts[name]
        if account["error"]:
            return None, reason("NULL_BALANCE", account)
        if fact == "BALANCE":
            found, why = available(account), "balance_unknown"
        elif fact == "NEXT_PAYMENT_MINIMUM_AMOUNT":
            found, why = account["minimum"], "no_minimum_payment"
        else:
            found, why = account["statement"], "no_statement_balance"
        return found, why if found is None else None

    # --------------------------------------------------------------------------------------------------------- actions

    def run_step(self, step: int, actions: list[Plain]) -> None:
        for group in sorted({action["group_index"] for action in actions}):
            members = {index: action for index, action in enumerate(actions) if action["group_index"] == group}
            sums = {action["source"]: self.balance_in_sums(action["source"]) for action in members.values()}
            cap = next((action["limit"] for action in members.values() if action["limit"]), None)
            budget = {"cap": cap, "key": None, "used": 0}
            if cap is not None and (start := period_start(cap["period"], self.day)) is not None:
                budget["key"] = (step, group, cap["period"], start)
                budget["used"] = self.world["caps_used"].get(budget["key"], 0)
            for index in members:
                self.run_action(step, index, members, sums, budget)

    def balance_in_sums(self, name: str) -> int | None:
        if self.event["stands_in"] and self.trigger_account in {None, name}:
            return self.event["amount"] - self.left[name]
        return None if self.is_gone(name) else available(self.accounts[name])

    def run_action(self, step: int, index: int, members: dict[int, Plain], sums: Plain, budget: Plain) -> None:
        action = members[index]
        entry = {"path": f"steps/{step}/actions/{index}", "part": 0}
        entry |= {"source": action["source"], "destination": action["destination"]}
        entry |= {"result": "skipped", "asked": None, "cuts": [], "moved": 0, "why": None, "error": None}
        entry |= {"available": None if self.is_gone(action["source"]) else available(self.accounts[action["source"]])}
        if self.has_stopped:
            self.actions.append(entry | {"why": "stopped"})
            return
        cuts: list[tuple[str, int]] = []
        if action["type"] == "FIXED":
            entry["asked"] = action["amount_in_cents"]
        try:
            self.refuse_deleted(action)
            asked = self.wanted(step, index, members, sums[action["source"]])
            entry["asked"] = asked
            amount = self.limited(action, asked, budget, cuts)
            parts = [(0, action["destination"], asked, amount)]
            if "liabilities" in action:
                entry["asked"] = None
                owing = self.owing(action)
                entry["asked"] = asked
                capped = {part: share for part, _, share in self.allocated(owing, amount)}
                parts = [(part, debt, share, capped.get(part, 0)) for part, debt, share in self.allocated(owing, asked)]
        except Fails as failure:
            self.has_stopped = True
            code, account = failure.args
            self.actions.append(entry | {"result": "error", "error": code, "why": reason(code, account)})
            if code == "RESOURCE_DELETED" and action["type"] == "FIXED":
                ends = action["source"], action["destination"]
                self.transfers.append((step, index, 0, *ends, action["amount_in_cents"], code, False))
            return
        except Skips as skip:
            self.actions.append(entry | {"why": skip.args[0], "cuts": cuts})
            return
        for part, destination, share, amount in parts:
            own = entry | {"part": part, "destination": destination, "cuts": list(cuts)}
            own["available"] = available(self.accounts[action["source"]])
            if "liabilities" in action:
                # What the cap takes from the sum shows as a cut of the parts that it shortens.
                own |= {"asked": share, "cuts": [("cap", amount)] if amount < share else []}
            if self.has_stopped:
                self.actions.append(own | {"why": "stopped", "cuts": []})
            elif amount == 0:
                self.actions.append(own | {"why": "cap"})
            else:
                self.move(step, index, action, own, amount, budget)

    def refuse_deleted(self, action: Plain) -> None:
        named = [action[key] for key in ("source", "destination", *LEVELS) if action.get(key)]
        named += [debt["account"] for debt in action.get("liabilities", ())]
        paid = [action["destination"], *(debt["account"] for debt in action.get("liabilities", ()))]
        named += [self.world["pods"][name] for name in paid if name in self.world["pods"]]
        if any(self.is_gone(name) for name in named):
            raise Fails("RESOURCE_DELETED", None)

    def wanted(self, step: int, index: int, members: dict[int, Plain], base: int | None) -> int:
        action, kind = members[index], members[index]["type"]
        destination = self.accounts.get(action["destination"])
        if kind == "FIXED":
            return action["amount_in_cents"]
        if kind == "REMOTE_AMOUNT":
            if (step, index) not in self.world["remote_amounts"]:
                raise Fails("REMOTE_AMOUNT_UNAVAILABLE", None)
            return self.world["remote_amounts"][step, index]
        if kind == "TOP_UP":
            level, has = self.level(action), current(destination)
            if has is None:
                raise Fails("NULL_BALANCE", destination)
            return max(0, level - (has + self.on_the_way(action["destination"])))
        if kind in {"NEXT_PAYMENT_MINIMUM", "LAST_STATEMENT_BALANCE", "TOTAL_AMOUNT_DUE"}:
            return figure(destination, kind)
        if kind == "PERCENTAGE_LIABILITY_BALANCE":
            return floor(max(0, figure(destination, "TOTAL_AMOUNT_DUE")) * _share(action))
        if kind == "PERCENTAGE" and action["percentage_target"] == "INCOMING_AMOUNT":
            if self.event["amount"] is None:
                raise Skips("no_transfer_amount")
            return _percentage(index, members, self.event["amount"])
        if kind in {"AVALANCHE", "SNOWBALL"} and "amount_in_cents" in action:
            return action["amount_in_cents"]
        # What remains are the sums over the source's balance.
        if base is None:
            raise Fails("NULL_BALANCE", self.accounts[action["source"]])
        if kind == "ROUND_DOWN":
            return max(0, base) % action["amount_in_cents"]
        if kind == "SWEEP_ABOVE":
            return max(0, base - action["amount_in_cents"])
        if kind == "PERCENTAGE":
            return _percentage(index, members, max(0, base))
        return floor(max(0, base) * _share(action))

    def level(self, action: Plain) -> int:
        if "amount_in_cents" in action:
            return action["amount_in_cents"]
        [(name, kind)] = [(action[key], kind) for key, kind in LEVELS.items() if key in action]
        return figure(self.accounts[name], kind)

    def limited(self, action: Plain, asked: int, budget: Plain, cuts: list[tuple[str, int]]) -> int:
        amount = asked
        if amount <= 0:
            raise Skips("nothing_to_move")
        ceiling = action.get("ceiling_in_cents")
        if ceiling is not None and amount > ceiling:
            amount = ceiling
            cuts.append(("ceiling", amount))
        if budget["cap"] is not None:
            room = budget["cap"]["amount_in_cents"] - budget["used"]
            if amount > room:
                amount = max(0, room)
                cuts.append(("cap", amount))
            if amount == 0:
                raise Skips("cap")
        return amount

    def owing(self, action: Plain) -> list[tuple[Any, ...]]:
        """List the debts of a pay-down that are owed, most urgent first."""
        found = []
        for part, debt in enumerate(action["liabilities"]):
            account = self.accounts[debt["account"]]
            balance = current(account)
            if balance is None:
                raise Fails("NULL_BALANCE", account)
            owed = balance - self.on_the_way(debt["account"])
            if owed <= 0:
                continue
            if account["minimum"] is None:
                raise Fails("ACCOUNT_NO_MINIMUM_PAYMENT_AMOUNT", account)
            rate = account["rate"] if debt["interest_rate_percentage"] is None else debt["interest_rate_percentage"]
            if action["type"] == "AVALANCHE" and rate is None:
                raise Fails("ACCOUNT_NO_INTEREST_RATE", account)
            rank = -Fraction(rate) if action["type"] == "AVALANCHE" else owed
            found.append((rank, part, debt["account"], owed, max(0, account["minimum"])))
        return sorted(found)

    def allocated(self, owing: list[tuple[Any, ...]], amount: int) -> list[tuple[int, str, int]]:
        shares = dict.fromkeys([part for _, part, _, _, _ in owing], 0)
        for _, part, _, owed, minimum in owing:
            shares[part] = min(minimum, owed, amount - sum(shares.values()))
        for _, part, _, owed, _ in owing:
            shares[part] += min(owed - shares[part], amount - sum(shares.values()))
        parts = [(part, name, shares[part]) for _, part, name, _, _ in owing if shares[part] > 0]
        if not parts:
            raise Skips("nothing_to_move")
        return parts

    def move(self, step: int, index: int, action: Plain, entry: Plain, amount: int, budget: Plain) -> None:
        goes_to = self.world["pods"].get(entry["destination"], entry["destination"])
        source, receiver = self.accounts[action["source"]], self.accounts[goes_to]
        try:
            self.refuse_ends(action["source"], entry["destination"], goes_to)
            amount = self.affordable(action, entry, source, amount)
            self.refuse_amount(source, receiver, amount)
        except Skips as skip:
            self.actions.append(entry | {"why": skip.args[0]})
            return
        except Fails as failure:
            code, account = failure.args
            self.transfers.append(
                (step, index, entry["part"], action["source"], entry["destination"], amount, code, False)
            )
            self.has_stopped = code != "TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR"
            result = "incomplete" if code == "INSUFFICIENT_FUNDS" else "error"
            self.actions.append(entry | {"result": result, "error": code, "why": reason(code, account)})
            return
        waits = amount > self.rule.get("approval_above_in_cents", amount)
        self.transfers.append((step, index, entry["part"], action["source"], entry["destination"], amount, None, waits))
        why = entry["cuts"][-1][0] if entry["cuts"] else None
        self.actions.append(entry | {"result": "moved", "moved": amount, "why": why})
        self.left[action["source"]] += amount
        if source["kept"] and receiver["kept"] and not waits:
            self.left[goes_to] -= amount
            source["posted"] -= amount
            receiver["posted"] += amount
        else:
            source["held_out"] += amount
            receiver["expected_in"] += amount
        budget["used"] += amount
        if budget["key"] is not None:
            self.cap_uses[budget["key"]] += amount

    def refuse_ends(self, source: str, destination: str, goes_to: str) -> None:
        if goes_to == source:
            raise Skips("already_there")
        for end in (self.accounts[source], self.accounts[destination]):
            if not end["kept"] and end["error"] == "DISCONNECTED_ACCOUNT":
                raise Fails("DISCONNECTED_ACCOUNT", None)

    def affordable(self, action: Plain, entry: Plain, source: Plain, amount: int) -> int:
        has = available(source)
        if has is None:
            raise Fails("NULL_BALANCE", source)
        spendable = has - source["floor"]
        if spendable >= amount:
            return amount
        if not action["up_to_enabled"]:
            raise Fails("INSUFFICIENT_FUNDS", None)
        entry["cuts"].append(("available_funds", max(0, spendable)))
        if spendable <= 0:
            raise Skips("available_funds")
        return spendable

    def refuse_amount(self, source: Plain, receiver: Plain, amount: int) -> None:
        """Refuse what is too little, or more than an ACH limit leaves; otherwise count it towards these limits."""
        if amount < self.world["minimum"]:
            raise Fails("TRANSFER_AMOUNT_LESS_THAN_ONE_DOLLAR", None)
        rooms = [] if source["kept"] else [*self.rooms.get("DEBIT", [])]
        rooms += [] if receiver["kept"] else self.rooms.get("CREDIT", [])
        for code, cents, transfers in rooms:
            if (cents is not None and cents < amount) or (transfers is not None and transfers <= 0):
                raise Fails(code, None)
        for room in rooms:
            room[1:] = [None if left is None else left - used for left, used in zip(room[1:], (amount, 1), strict=True)]


def _share(action: Plain) -> Fraction:
    return Fraction(action["percentage_value"]) / 100


def _percentage(index: int, members: dict[int, Plain], base: int) -> int:
    """Floor the share; where a group's shares of one base make a whole, hand out the left-over cents."""

    def kin(action: Plain) -> tuple[str, ...]:
        return action["type"], action.get("percentage_target", ""), action["source"]

    exact = {other: base * _share(action) for other, action in members.items() if kin(action) == kin(members[index])}
    cents = {other: floor(share) for other, share in exact.items()}
    if sum(_share(members[other]) for other in exact) == 1:
        by_remainder = sorted(exact, key=lambda other: (cents[other] - exact[other], other))
        for other in by_remainder[: base - sum(cents.values())]:
            cents[other] += 1
    return cents[index]
