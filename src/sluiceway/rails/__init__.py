"""Connectors to banks and card issuers, each behind one small protocol; those of the sandbox are among them.

Front door: `Rail` and `CardIssuer`, and what they are given and give. They are called while no transaction of ours is
open.
"""

from sluiceway.domain.ach import PaymentKind
from sluiceway.rails.issuing import Authorization, CardIssuer, Issued
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
    "Authorization",
    "BankTransaction",
    "CardIssuer",
    "Deposited",
    "Issued",
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
