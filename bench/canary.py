"""`python -m bench.canary`: how often a canary is taken away, rightly or not, in simulated shops.

At its end: users of both models take something up with given probabilities; told is how many canaries are taken away,
among them those of a model that is just as good. At once: answers fail with given probabilities, and both sides are
compared again and again; told is after how many answers of the canary it is taken away, and how often.
"""

import argparse
import json
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import commit_name
from gnn.canary import Canary
from serving.api.trial import is_more
from serving.publish_config import PublishConfig
from serving.uptake import ANY, SPLIT_P, Side, Uptake

USUAL = 0.2
"""Part of the users who take something up."""
LIFTS = (0.1, 0.0, -0.05, -0.1, -0.2, -0.5)
SHARES = ((0.05, 20_000), (0.05, 200_000), (0.5, 20_000))
FAILURES = (0.001, 0.005, 0.02, 0.1, 1.0)
"""Parts of a canary's answers that fail; of the others it is the first."""
ANSWERS, LOOK_EVERY = 40_000, 200


def at_the_end(share: float, users: int, lift: float, *, times: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return how many canaries are taken away for their uptake, and for the split of the users."""
    canary = Canary(version="new", before="old", share=share, since_ms=0, until_ms=None)
    uptake = split = 0
    for _ in range(times):
        shown = int(rng.binomial(users, share))
        sides = []
        for version, number, rate in (("old", users - shown, USUAL), ("new", shown, USUAL * (1 + lift))):
            sides.append(Side(version, number, number, Counter({ANY: int(rng.binomial(number, rate))})))
        found = Uptake(canary, sides[0], sides[1], num_mixed=0)
        split += found.split_p < SPLIT_P
        uptake += found.split_p >= SPLIT_P and found.against(min_users=PublishConfig().min_users) is not None
    return {"share": share, "users": users, "lift": lift, "times": times, "uptake": uptake, "split": split}


def at_once(rate: float, *, times: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return after how many of its answers a canary is taken away that fails so often, and how many are."""
    share, usual, after = 0.05, FAILURES[0], []
    for _ in range(times):
        canary = rng.random(ANSWERS) < share
        failed = rng.random(ANSWERS) < np.where(canary, rate, usual)
        ends = np.arange(LOOK_EVERY, ANSWERS + 1, LOOK_EVERY) - 1
        totals = np.cumsum(canary)[ends]
        bad, all_bad = np.cumsum(failed & canary)[ends], np.cumsum(failed)[ends]
        for end, total, few, every in zip(ends, totals, bad, all_bad, strict=True):
            if few and is_more((int(few), int(total)), (int(every - few), int(end + 1 - total))):
                after.append(int(total))
                break
    median = statistics.median(after) if after else None
    return {"fails": rate, "times": times, "taken_away": len(after), "median_answers": median}


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.canary", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=1000, help="canaries of each kind")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    rng, found = np.random.default_rng(0), {"commit": commit_name(), "end": [], "once": []}
    for share, users in SHARES:
        for lift in LIFTS:
            found["end"].append(at_the_end(share, users, lift, times=options.times, rng=rng))
            print(json.dumps(found["end"][-1]), flush=True)
    for rate in FAILURES:
        found["once"].append(at_once(rate, times=options.times, rng=rng))
        print(json.dumps(found["once"][-1]), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
