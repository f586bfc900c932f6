"""Connectors to banks behind one small protocol; the sandbox bank is one of them.

Front door: `Rail` and what it is given and gives. A rail is called while no transaction of ours is open.
"""

from sluiceway.domain.ach import PaymentKind
from sluiceway.rails.protocol import (
    Accepted,
    Answer,
    BankTransaction,
    Deposited,
    Rail,
    RailUnavailable,
    Refused,
    Report,
    Reports,
    Returned,
    Settled,
    Submission,
    Transactions,
    Withdrawn,
)

__all__ = [
    "Accepted",
    "Answer",
    "BankTransaction",
    "Deposited",
    "PaymentKind",
    "Rail",
    "RailUnavailable",
    "Refused",
    "Report",
    "Reports",
    "Returned",
    "Settled",
    "Submission",
    "Transactions",
    "Withdrawn",
]
