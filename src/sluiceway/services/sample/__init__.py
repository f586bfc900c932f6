"""What the demo is made of: two sample beneficiaries, their accounts and rules, and what happens to them outside.

Tables and simple arithmetic, no chance and no clock: the same history every time. `seeding` writes it down.
"""

from sluiceway.services.sample.accounts import ACCOUNTS, HOUSEHOLD, SampleAccount
from sluiceway.services.sample.outside import outside_events
from sluiceway.services.sample.rules import RULE_NAMES, sample_rules

__all__ = ["ACCOUNTS", "HOUSEHOLD", "RULE_NAMES", "SampleAccount", "outside_events", "sample_rules"]
