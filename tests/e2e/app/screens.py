"""The screens of the app: each is looked at in both schemes, at every width, by axe and by eye (`make screenshots`).

A new screen is a line here. `{account.income}` stands for the id of one of the demo's accounts, `{rule.auto_save}` for
that of a rule, by their short names in demo.json.
"""

import re
from typing import Any, Final

SIGNED_OUT: Final = ("/sign-in", "/invitation")

SIGNED_IN: Final = (
    "/",
    "/accounts",
    "/accounts/{account.card}",
    "/accounts/{account.income}",
    "/approvals",
    "/developers",
    "/developers/audit-log",
    "/developers/requests",
    "/developers/webhooks",
    "/developers/webhooks/deliveries",
    "/map",
    "/map?rule={rule.paycheck}",
    "/map?view=table",
    "/recipes",
    "/recipes?recipe=minimum_plus_avalanche",
    "/rules",
    "/rules/new",
    "/rules/nothing/here",
    "/rules/{rule.auto_save}",
    "/rules/{rule.auto_save}/edit",
    "/rules/{rule.client_payment}/edit",
    "/rules/{rule.paycheck}/review",
    "/rules/{rule.auto_save}/history",
    "/rules/{rule.auto_save}/review",
    "/rules/{rule.auto_save}/tests",
    "/runs",
    "/runs/file",
    "/sandbox",
    "/settings",
    "/settings/people",
    "/settings/security",
    "/simulate",
    "/simulate/backtest",
    "/simulate/forecast",
    "/transfers",
)

_NAMED: Final = re.compile(r"\{(account|rule|card|run)\.(\w+)\}")


def path_of(screen: str, demo: dict[str, Any]) -> str:
    """Write a screen's path with the ids that the demo has."""
    return _NAMED.sub(lambda found: demo[f"{found[1]}s"][found[2]]["id"], screen)
