"""What the demo is made of: two sample beneficiaries, their accounts, cards and rules, and what happens outside.

Tables and simple arithmetic, no chance and no clock: the same history every time. `seeding` writes it down.
"""

from sluiceway.services.sample.accounts import ACCOUNTS, CARDS, HOUSEHOLD, SampleAccount
from sluiceway.services.sample.outside import outside_events
from sluiceway.services.sample.rules import RULE_NAMES, sample_rules

__all__ = ["ACCOUNTS", "CARDS", "HOUSEHOLD", "RULE_NAMES", "SampleAccount", "outside_events", "sample_rules"]
