"""Whether `serving.path_metrics` and hopwise's own metric classes say the same of the same paths.

Three things are put as hopwise can read them, for both sides alike: of several entities that a path speaks of together
the first stands for all; users and other entities get numbers of their own, because hopwise compares shared entities
without their kind; and where hopwise has NaN (a kind with one entity) there is nothing to compare.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.peers.run import DRIVERS, run_driver
from bench.peers.walks import USER
from serving.path_metrics import ListedPath, PathTables, measure_paths

DRIVER = DRIVERS / "hopwise_metrics.py"


def compare_with_hopwise(
    lists: Mapping[str, Sequence[ListedPath]],
    *,
    times: Mapping[str, Mapping[str, float]],
    degrees: Mapping[str, Mapping[str, float]],
    tables: PathTables,
    python: Path,
    scratch: Path,
) -> dict[str, dict[str, float]]:
    """Return each metric as hopwise is (`published`), without its rounding and unstable sort (`exact`), and by us.

    Args:
        lists: paths by user, `User:row`; there must be one.
        times: when each user had to do with each product, products in the order of their rows.
        degrees: relationships of users and entities.
        tables: of the same times and degrees.
        python: of hopwise's environment.
        scratch: gets the request, the report and the log.

    Raises:
        PeerFailed: hopwise's metrics ended with an error.
    """
    alone = {user: [replace(path, shared=path.shared[:1]) for path in paths] for user, paths in lists.items()}
    scratch.mkdir(parents=True, exist_ok=True)
    path, report = scratch / "metrics-request.json", scratch / "metrics-report.json"
    request = build_request(alone, times=times, degrees=degrees, tables=tables)
    path.write_text(json.dumps({**request, "report": str(report)}), encoding="utf-8")
    run_driver([str(python), str(DRIVER), str(path)], scratch=scratch, threads=1)
    found: dict[str, dict[str, float]] = json.loads(report.read_text(encoding="utf-8"))
    measured = measure_paths(alone, tables)
    return {
        name: {"whycart": measure.mean, "exact": found["exact"][name], "published": found["published"][name]}
        for name, measure in measured.items()
    }


def build_request(
    lists: Mapping[str, Sequence[ListedPath]],
    *,
    times: Mapping[str, Mapping[str, float]],
    degrees: Mapping[str, Mapping[str, float]],
    tables: PathTables,
) -> dict[str, Any]:
    """Return paths and tables in hopwise's numbers: products first, then other entities, then users."""
    users = {name: row for row, name in enumerate(sorted({*times, *degrees.get(USER, {}), *lists}, key=_row))}
    products = sorted({product for of_user in times.values() for product in of_user}, key=_row)
    others = [name for kind, of_kind in degrees.items() if kind != USER for name in of_kind]
    entities = {name: number for number, name in enumerate(dict.fromkeys([*products, *others]))}
    shared = {USER: {name: len(entities) + row for name, row in users.items()}}
    numbers = {kind: shared.get(kind, entities) for kind in degrees}
    relations = sorted({name for paths in lists.values() for path in paths for name in path.relations})
    relation = {name: number for number, name in enumerate(relations)}

    def steps(path: ListedPath) -> list[tuple[int, str, int]]:
        """The linking product, the shared entity, the end; what lies between is not measured."""
        first, *rest = (relation[name] for name in path.relations)
        linking = (first, "entity", entities[path.linking])
        if not rest:
            return [linking]
        *middle, last = rest
        via = [(name, path.kind, numbers[path.kind][path.shared[0]]) for name in middle]
        return [linking, *via, (last, "entity", 0)]

    return {
        "paths": [(users[user], 0, steps(path)) for user, paths in lists.items() for path in paths],
        "times": [
            (users[user], entities[product], at) for user, of_user in times.items() for product, at in of_user.items()
        ],
        "degrees": {
            kind: [(numbers[kind][name], degree) for name, degree in of_kind.items()]
            for kind, of_kind in degrees.items()
        },
        "num_users": len(users),
        "num_products": len(products),
        "num_relations": tables.num_relations,
        "num_patterns": tables.num_patterns,
        "relations": relations,
    }


def _row(name: str) -> int:
    return int(name.partition(":")[2])
