"""Accounts, balances and postings: `Book` holds running balances and turns movements into postings.

Front door: `Account`, `Balance`, `Posting`, `Book` and the enumerations. A posting is one row with a debit and a credit
account, so it is balanced by construction; the sum of `posted` over all accounts, the world's included, is zero.
"""

from sluiceway.domain.ledger.account import (
    NOTHING,
    Account,
    AccountKind,
    Balance,
    ExternalKind,
    ReportedBalance,
)
from sluiceway.domain.ledger.book import Book, Posting, PostingKind, book_of

__all__ = [
    "NOTHING",
    "Account",
    "AccountKind",
    "Balance",
    "Book",
    "ExternalKind",
    "Posting",
    "PostingKind",
    "ReportedBalance",
    "book_of",
]
