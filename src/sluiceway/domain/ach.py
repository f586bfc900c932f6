"""ACH: banking days, windows and cut-offs, settlement days, returns and their deadlines (product facts 1.11)."""

from enum import StrEnum


class ReturnCode(StrEnum):
    """Why the other bank sent a payment back (Nacha's codes)."""

    R01 = "R01"
    R02 = "R02"
    R03 = "R03"
    R10 = "R10"
    R16 = "R16"
    R29 = "R29"
