"""Measures paths with hopwise's own metric classes, to hold Whycart's figures against.

`python hopwise_metrics.py REQUEST.json`, in hopwise's own environment; it imports nothing of Whycart. Each metric is
computed twice: `published` as hopwise is, and `exact` with two things of numpy replaced that blur its LIR: the table of
recencies has 4-byte numbers, and interactions of the same moment are ordered by an unstable sort.
"""

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
from hopwise.evaluator import metrics
from hopwise.evaluator.collector import DataStruct

NAMES = ("LIR", "SEP", "LID", "SED", "PTD", "PTC", "PPT")
SETTINGS = {"topk": [1], "metric_decimal_place": 15}
"""Paths are cut before they come here; hopwise gives the same figure for every cut-off."""


class ExactNumpy(types.ModuleType):
    """Numpy with stable sorts and without 4-byte numbers."""

    float32 = np.float64

    def __getattr__(self, name: str) -> Any:
        """Return what numpy has."""
        return getattr(np, name)

    @staticmethod
    def argsort(values: np.ndarray) -> np.ndarray:
        """Return the order of the values, equal ones as they stand."""
        return np.argsort(values, kind="stable")


def main() -> None:
    """Run the request given on the command line."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    found = {"published": measure(request)}
    metrics.np = ExactNumpy("numpy")
    found["exact"] = measure(request)
    Path(request["report"]).write_text(json.dumps(found), encoding="utf-8")


def measure(request: dict[str, Any]) -> dict[str, float]:
    """Return hopwise's figures."""
    found = {}
    for name in NAMES:
        result = getattr(metrics, name)(SETTINGS).calculate_metric(data_of(request))
        (value,) = result.values()
        found[name] = float(value)
    return found


def data_of(request: dict[str, Any]) -> DataStruct:
    """Return what hopwise's metrics read, as its collector would have put it together."""
    times = np.zeros((request["num_users"], request["num_products"]))
    users, products, at = np.array(request["times"]).T
    times[users, products] = at
    data = DataStruct()
    for name, value in {
        "rec.paths": [
            (user, product, 0.0, [("self_loop", "user", user), *map(tuple, steps)])
            for user, product, steps in request["paths"]
        ],
        "data.timestamp": times,
        "data.num_items": request["num_products"],
        "data.node_degree": {kind: dict(degrees) for kind, degrees in request["degrees"].items()},
        "data.max_path_type": list(range(request["num_relations"])),
        "data.max_path_length": request["num_patterns"],
        "data.rid2relation": request["relations"],
    }.items():
        data.set(name, value)
    return data


if __name__ == "__main__":
    main()
