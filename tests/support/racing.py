"""How often races are run: a few times in the suite, as often as `DANGOL_RACES` says by `just races`."""

import os
import random

TIMES = int(os.environ.get("DANGOL_RACES", "1"))
SEED = int(os.environ.get("DANGOL_SEED", "1"))


def chance(name: str) -> random.Random:
    """Numbers of chance for one test, the same for the same seed."""
    return random.Random(f"{SEED}:{name}")
