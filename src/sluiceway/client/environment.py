"""What a client takes from the process around it: time, chance and new keys. All of it can be handed in instead."""

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass


def new_key() -> str:
    """Make an idempotency key: a random UUID, 36 characters, which is what this API documents as the longest."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Environment:
    """The sources that a client uses."""

    new_key: Callable[[], str] = new_key
    chance: Callable[[], float] = random.random
    """A number from 0 to 1."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds since whenever."""
