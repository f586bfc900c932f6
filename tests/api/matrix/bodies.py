"""What is sent: a body for each kind of request, about the thing that is asked for."""

from collections.abc import Callable
from typing import Any

Body = dict[str, Any]


def v1_rule(account: str, pod: str) -> Body:
    """Write the smallest rule in the words of /api/v1."""
    action = {
        "type": "fixed_amount",
        "amount_in_cents": 100,
        "group_index": 0,
        "up_to_enabled": False,
        "source": {"id": account, "type": "income_source"},
        "destination": {"id": pod, "type": "pod"},
    }
    trigger = {"type": "MANUAL", "account_id": account}
    return {
        "nickname": "Small",
        "status": "disabled",
        "trigger": trigger,
        "steps": [{"conditions": None, "actions": [action]}],
    }


def platform_rule(account: str, pod: str) -> Body:
    """Write the smallest rule in the words of /platform/v1."""
    action = {
        "type": "FIXED",
        "amountInCents": 100,
        "groupIndex": 0,
        "upToEnabled": False,
        "isDirectDeposit": False,
        "limit": None,
        "achDescription": None,
        "source": {"id": account, "type": "INCOME_SOURCE"},
        "destination": {"id": pod, "type": "POD"},
    }
    trigger = {"type": "MANUAL", "accountId": account}
    return {"name": "Small", "trigger": trigger, "steps": [{"conditions": None, "actions": [action]}]}


def v1_transfer(source: str, destination: str, amount: int = 100) -> Body:
    """Ask /api/v1 to move money."""
    return {"source_account_id": source, "destination_account_id": destination, "amount_in_cents": amount}


def platform_transfer(source: str, destination: str, amount: int = 100) -> Body:
    """Ask /platform/v1 to move money."""
    return {"sourceAccountId": source, "destinationAccountId": destination, "amountInCents": amount}


Writer = Callable[[str, str, str], Body]
"""Write a body from the id that is asked for, one of our income sources, and one of our pods."""

SHARED: dict[str, Writer] = {"nothing": lambda _, __, ___: {}}
V1: dict[str, Writer] = SHARED | {
    "name": lambda _, __, ___: {"nickname": "New"},
    "external": lambda _, __, ___: {"nickname": "Card", "external_account_type": "LIABILITY"},
    "transfer": lambda asked, _, pod: v1_transfer(asked, pod),
    "rule": lambda _, account, pod: v1_rule(account, pod),
}
PLATFORM: dict[str, Writer] = SHARED | {
    "name": lambda _, __, ___: {"name": "New"},
    "transfer": lambda asked, _, pod: platform_transfer(asked, pod),
    "rule": lambda _, account, pod: platform_rule(account, pod),
}
SANDBOX: dict[str, Writer] = SHARED | {
    "week": lambda _, __, ___: {"days": 7},
    "connection": lambda _, __, ___: {"name": "Bank", "external_account_type": "DEPOSITORY"},
    "statement": lambda _, __, ___: {"next_payment_minimum_in_cents": 5},
    "transaction": lambda _, __, ___: {"amount_in_cents": 5},
    "state": lambda _, __, ___: {"state": "open"},
    "money": lambda asked, _, __: {"account_id": asked, "amount_in_cents": 100},
    "card": lambda asked, _, __: {"account_id": asked, "type": "virtual", "holder_name": "Holder"},
    "frozen": lambda _, __, ___: {"status": "frozen"},
    "other pod": lambda _, __, pod: {"account_id": pod},
    "return": lambda _, __, ___: {"code": "R02"},
    # Nobody inquires about anything here, so that this goes wrong for nobody.
    "failure": lambda _, __, ___: {"call": "inquire", "fault": "unavailable"},
}
BODIES = {"v1": V1, "platform": PLATFORM, "sandbox": SANDBOX}
