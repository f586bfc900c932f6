"""The one way out of the process: everything that we send to somebody else's server goes through `Outbound`.

Front door: `read_policy` (what the operator allows), `check_url` (when a URL is saved), `Outbound` (a guarded POST),
`ask_amount` (a remote amount), `send_message` (a webhook), `authorities` (whose certificates we believe).
"""

from sluiceway.outbound.amounts import Answered, AskedAmount, Question, TryAgain, Unusable, ask_amount
from sluiceway.outbound.client import Limits, Outbound, OutboundFailed, Response, authorities
from sluiceway.outbound.guard import OutboundRefused, Target, check_url
from sluiceway.outbound.policy import Policy, read_policy
from sluiceway.outbound.resolving import Resolver
from sluiceway.outbound.webhooks import USUAL as MESSAGE_LIMITS
from sluiceway.outbound.webhooks import Message, send_message

__all__ = [
    "MESSAGE_LIMITS",
    "Answered",
    "AskedAmount",
    "Limits",
    "Message",
    "Outbound",
    "OutboundFailed",
    "OutboundRefused",
    "Policy",
    "Question",
    "Resolver",
    "Response",
    "Target",
    "TryAgain",
    "Unusable",
    "ask_amount",
    "authorities",
    "check_url",
    "read_policy",
    "send_message",
]
