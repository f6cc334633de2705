"""The synthetic shop is an input folder without a broken row, of the size asked for, with something to learn in it."""

from pathlib import Path

import numpy as np
import pytest

from bench.data import main
from bench.synthetic import RELATIONS, synthetic_shop
from kg.reader import read_folder
from kg.snapshot import build_snapshot

SIZE = {"users": 300, "products": 400, "purchases": 3000, "edges": 9000}
FLAGS = [f"--{name}={value}" for name, value in SIZE.items()]


def test_the_folder_reads_without_a_broken_row_and_has_the_numbers_asked_for(tmp_path: Path) -> None:
    assert 0 == main(["synthetic", str(tmp_path), *FLAGS])

    report = read_folder(tmp_path)
    assert 0 == report.quarantined
    assert all(warning.endswith("no event") for warning in report.warnings)
    nodes, edges = report.tables.nodes, report.tables.edges
    assert (300, 400, 3000) == (nodes["User"].num_rows, nodes["Product"].num_rows, report.tables.events.num_rows)
    assert SIZE["edges"] == sum(table.num_rows for table in edges.values())
    assert set(RELATIONS) <= {name for name, table in edges.items() if table.num_rows}
    assert 400 == len(set(nodes["Product"]["title"].to_pylist()))


def test_the_same_seed_gives_the_same_tables_and_another_one_does_not() -> None:
    first, again, other = (synthetic_shop(**SIZE, seed=seed) for seed in (3, 3, 4))

    assert all(first[name].equals(again[name]) for name in first)
    assert not first["events"].equals(other["events"])


def test_users_keep_to_their_tastes_and_few_products_sell_much(tmp_path: Path) -> None:
    main(["synthetic", str(tmp_path), *FLAGS])
    snapshot = build_snapshot(read_folder(tmp_path).tables)
    leaf, links, events = np.empty(400, dtype=np.int64), snapshot.edges["IN_CATEGORY"], snapshot.events
    leaf[links.source] = links.target
    same = events.user[1:] == events.user[:-1]

    alike = np.mean((leaf[events.product[1:]] == leaf[events.product[:-1]])[same])
    by_chance = np.square(np.bincount(leaf[events.product]) / len(events)).sum()
    sold = np.sort(np.bincount(events.product, minlength=400))[::-1]

    assert alike > 1.2 * by_chance
    assert sold[:40].sum() > 0.3 * sold.sum()


def test_no_edge_leads_from_a_product_to_itself_and_none_stands_twice() -> None:
    relations = synthetic_shop(**SIZE)["relations"]

    rows = list(zip(*(relations[name].to_pylist() for name in ("from_id", "relation", "to_id")), strict=True))
    assert len(rows) == len(set(rows))
    assert all(source != target for source, _, target in rows)


def test_numbers_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 user"):
        synthetic_shop(users=10, products=100, purchases=5, edges=300)
    with pytest.raises(ValueError, match="different edges"):
        synthetic_shop(users=10, products=100, purchases=50, edges=30_000)
