"""The score of a few products for every user at once: the same as user by user (`gnn.score`), in sparse products.

What recommendations do for one user and all products, this does for all users and some products. Pure numpy and scipy.
"""

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from gnn.score import MAX_HISTORY, History, Scorer, decayed, mass_floor
from kg.snapshot import DAY_MS, Snapshot


def histories_of_all(snapshot: Snapshot, *, now_ms: int) -> tuple[History, Int[np.ndarray, " event"]]:
    """Return the histories of all users one after another, and the user of each event.

    Each is the one that `gnn.score.user_history` gives for the same moment, or for the user's last one where that is
    later.

    Args:
        snapshot: holds the events.
        now_ms: the moment for which ages are counted; ignored where events have no clock.
    """
    events, num_users = snapshot.events, snapshot.num_nodes("User")
    ends = np.searchsorted(events.user, np.arange(num_users), side="right")
    kept = ends[events.user] - np.arange(len(events)) <= MAX_HISTORY
    user, product, kind, time, step = (
        part[kept] for part in (events.user, events.product, events.kind, events.time, events.step)
    )
    types = [snapshot.schema.events[name] for name in snapshot.event_names]
    weight = np.array([one.weight for one in types], dtype=np.float64)[kind]
    top = np.zeros(num_users)
    np.maximum.at(top, user, np.abs(weight))
    last_step, last_time = np.zeros(num_users, dtype=np.int64), np.zeros(num_users, dtype=np.int64)
    np.maximum.at(last_step, user, step)
    np.maximum.at(last_time, user, time)
    rank = last_step[user] - step if snapshot.order != "none" else np.zeros(len(user), dtype=np.int64)
    age = None
    if snapshot.order == "clock":
        age = np.maximum(np.maximum(last_time, now_ms)[user] - time, 0) / DAY_MS
    half_life = np.array([one.half_life_days for one in types], dtype=np.float64)[kind]
    return History(product, weight / np.where(top > 0, top, 1.0)[user], rank, age, half_life, kind, time), user


def score_for_all(
    scorer: Scorer,
    history: History,
    user: Int[np.ndarray, " event"],
    targets: Int[np.ndarray, " target"],
    *,
    num_users: int,
) -> Float[np.ndarray, "user target"]:
    """Return what each user's history says for some products, priors left out; float64.

    Args:
        scorer: the model.
        history: of all users, as `histories_of_all` gives it.
        user: of each event.
        targets: distinct product rows.
        num_users: users counted, those without a history included.
    """
    num_products = scorer.priors.shape[1]
    entries = scorer.entries(np.arange(num_products), targets)
    total = np.zeros((num_users, len(targets)))
    for place, faded in enumerate(decayed(history, scorer.blend.decays)):
        said, loud = (
            sp.csr_array((weight, (user, history.product)), shape=(num_users, num_products))
            for weight in (faded, np.abs(faded))
        )
        for row, kernel in enumerate(scorer.kernels):
            weight = float(scorer.blend.weights[row, place])
            if weight:
                mass = np.maximum(loud @ kernel.mass.astype(np.float64), mass_floor(kernel))
                spoken = np.asarray(said @ entries[row].astype(np.float64))
                total += (weight / mass**scorer.blend.mass_power)[:, None] * spoken
    return total


def who_had(
    history: History, user: Int[np.ndarray, " event"], products: Bool[np.ndarray, " product"], *, num_users: int
) -> Bool[np.ndarray, " user"]:
    """Return which users had to do with one of some products."""
    found = np.zeros(num_users, dtype=bool)
    found[user[products[history.product]]] = True
    return found
