"""How batches form: the same triggers from one caller, from a few, and from many."""

from bench.figures import Row
from bench.stage import Stage

CALLERS = (1, 16, 64, 256)


def callers(stage: Stage) -> list[Row]:
    """Trigger rules under different numbers of callers at once."""
    return [stage.drive(f"callers-{count}", stage.seeded.triggers, callers=count) for count in CALLERS]
