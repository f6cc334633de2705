"""Lines about the lists that would be served from now on, beside those that are served now.

Both models answer the same users on this machine in turn, so the ratio of their times means the same anywhere.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from serving.canary import canaries, shared_products
from serving.gate.config import GateConfig
from serving.gate.verdict import Line, at_least, at_most
from serving.ready import Ready


def list_lines(ready: Ready, live: Ready, config: GateConfig, *, n: int, seed: int = 0) -> Iterator[Line]:
    """Return the lines about the lists of some users.

    Args:
        ready: the new model.
        live: the model that is served.
        config: the limits.
        n: items of a list.
        seed: draws the users.
    """
    users = canaries(live, ready, number=config.canary_users, seed=seed)
    if users:
        shared = [shared_products(live, ready, user, n=n) for user in users]
        overlap = float(np.mean([one.overlap for one in shared]))
        slowdown = float(np.median([one.took[1] / one.took[0] for one in shared]))
        what = (
            f"the lists of {len(users)} users keep {overlap:.0%} of their products on average, at least "
            f"{config.min_overlap:.0%} are wanted"
        )
        advice = "compare both models: whycart models diff"
        yield at_least("lists", "overlap with the live lists", overlap, config.min_overlap, what, advice)
        most = config.max_slowdown
        what = f"a list takes {slowdown:.2f} times as long as the live model's, at most {most:g} times may be"
        yield at_most("lists", "time of a list", slowdown, most, what)
    growth = _size(ready.bundle.folder) / max(1, _size(live.bundle.folder))
    what = f"the model is {growth:.2f} times as large as the live one, at most {config.max_growth:g} times may be"
    yield at_most("lists", "size", growth, config.max_growth, what)


def _size(folder: Path) -> int:
    """Bytes of what a model answers from."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
