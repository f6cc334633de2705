"""Everything of a snapshot as HeteroData: every node, edge and event, with its time."""

import numpy as np
from torch_geometric.transforms import ToUndirected

from gnn.graph import to_hetero_data
from kg.snapshot import build_snapshot
from tests.worlds import DAY_MS, MONDAY, tiny_shop


def test_every_node_edge_and_event_is_there() -> None:
    tables = tiny_shop()

    data = to_hetero_data(build_snapshot(tables))

    assert {label: table.num_rows for label, table in tables.nodes.items()} == {
        label: data[label].num_nodes for label in data.node_types
    }
    edges = {name: data[kind].num_edges for kind in data.edge_types for name in [kind[1]]}
    assert {name: table.num_rows for name, table in tables.edges.items()} == {
        name: edges[name] for name in tables.edges
    }
    assert tables.events.num_rows == sum(edges[name] for name in ("VIEWED", "CARTED", "BOUGHT", "RATED"))


def test_an_event_has_its_ends_its_time_and_its_quantity() -> None:
    data = to_hetero_data(build_snapshot(tiny_shop()))

    bought = data["User", "BOUGHT", "Product"]
    users, products = data["User"].ids, data["Product"].ids
    rows = {
        (users[user], products[product], int(time), float(weight))
        for (user, product), time, weight in zip(bought.edge_index.T.tolist(), bought.time, bought.weight, strict=True)
    }
    assert ("u2", "p05", MONDAY + 2 * DAY_MS, 4.0) in rows
    also = data["Product", "ALSO_BOUGHT", "Product"]
    assert ([0, MONDAY], [1.0, 3.0]) == (sorted(also.time.tolist()), sorted(also.weight.tolist()))


def test_vectors_become_features_and_transforms_of_pyg_apply() -> None:
    snapshot = build_snapshot(tiny_shop())
    vectors = {"Product": np.ones((snapshot.num_nodes("Product"), 3))}

    data = ToUndirected()(to_hetero_data(snapshot, vectors))

    assert ((10, 3), False) == (tuple(data["Product"].x.shape), "x" in data["User"])
    assert ("Product", "rev_BOUGHT", "User") in data.edge_types
