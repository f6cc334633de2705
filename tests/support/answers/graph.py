"""Answers about the graph itself, worked out with networkx where ways through it are asked for."""

import itertools
from collections import Counter
from typing import Any

import networkx as nx
import pandas as pd

from tests.support.answers.frames import Answer, Frames, Params, Rows, listed


def as_network(shop: Frames) -> nx.MultiDiGraph:
    """Return the shop as a graph: nodes are (label, id) with a name, edges carry relation, weight and `event`."""
    graph = nx.MultiDiGraph()
    names = dict(zip(shop.products["product_id"], shop.products["title"], strict=True))
    for label, found in (("User", dict.fromkeys(shop.users)), ("Product", names), ("Brand", shop.brands)):
        graph.add_nodes_from(((label, key), {"name": name}) for key, name in found.items())
    graph.add_nodes_from((("Category", key), {"name": name}) for key, name in shop.categories.items())
    for row in shop.events.itertuples():
        graph.add_edge(("User", row.user_id), ("Product", row.product_id), relation=str(row.type).upper(), event=True)
    for relation, ends, label in (("MADE_BY", shop.made_by, "Brand"), ("IN_CATEGORY", shop.in_category, "Category")):
        for one, other in ends.itertuples(index=False):
            graph.add_edge(("Product", one), (label, other), relation=relation, event=False, weight=None)
    for child, parent in shop.child_of.items():
        graph.add_edge(("Category", child), ("Category", parent), relation="CHILD_OF", event=False, weight=None)
    for row in shop.relations.itertuples():
        ends = ("Product", row.from_id), ("Product", row.to_id)
        graph.add_edge(*ends, relation=row.relation, event=False, weight=None if pd.isna(row.weight) else row.weight)
    return graph


def _name(graph: nx.MultiDiGraph, node: tuple[str, str]) -> Any:
    name = graph.nodes[node]["name"]
    return name if isinstance(name, str) else None


def _both_ways(graph: nx.MultiDiGraph) -> nx.MultiGraph:
    """The graph without directions; two edges against each other stay two, which `to_undirected` would make one."""
    both = nx.MultiGraph()
    both.add_nodes_from(graph.nodes(data=True))
    both.add_edges_from(graph.edges(data=True))
    return both


def supernodes(shop: Frames, params: Params) -> Rows:
    graph = as_network(shop)
    rows = [
        {"label": node[0], "id": node[1], "name": _name(graph, node), "degree": degree}
        for node, degree in graph.degree()
    ]
    return sorted(rows, key=lambda row: (-row["degree"], row["label"], row["id"]))


def orphans(shop: Frames, params: Params) -> Rows:
    alone = sorted(node for node, degree in as_network(shop).degree() if degree == 0)
    counts = Counter(label for label, _ in alone)
    return [
        {"label": label, "nodes": count, "ids": [key for kind, key in alone if kind == label][: params["examples"]]}
        for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def duplicate_titles(shop: Frames, params: Params) -> Rows:
    rows = shop.products.dropna(subset="title").sort_values("product_id")
    rows = rows.assign(
        title=rows["title"].str.strip().str.lower(),
        brand_id=rows["product_id"].map(shop.made_by.groupby("product_id")["brand_id"].min()).fillna(""),
    )
    alike = rows.groupby(["title", "brand_id"], as_index=False).agg(product_ids=("product_id", list))
    alike["products"] = alike["product_ids"].map(len)
    order = {"products": False, "title": True, "brand_id": True}
    found = listed(alike[alike["products"] > 1], ("title", "brand_id", "products", "product_ids"), order)
    return [row | {"brand_id": row["brand_id"] or None} for row in found]


def missing_facts(shop: Frames, params: Params) -> Rows:
    products = shop.products
    lacking = {name: int(products[name].isna().sum()) for name in ("title", "description", "price")}
    lacking["brand"] = len(set(products["product_id"]) - set(shop.made_by["product_id"]))
    lacking["category"] = len(set(products["product_id"]) - set(shop.in_category["product_id"]))
    rows = [{"fact": fact, "products": n, "share": n / len(products)} for fact, n in lacking.items() if n]
    return sorted(rows, key=lambda row: (-row["products"], row["fact"]))


def products_by_buyers(shop: Frames, params: Params) -> Rows:
    sold = shop.did("bought").groupby("product_id").agg(buyers=("user_id", "nunique"), purchases=("event_id", "count"))
    every = sold.reindex(shop.products["product_id"], fill_value=0)
    every["buyers_from"] = [1 << (int(count).bit_length() - 1) if count else 0 for count in every["buyers"]]
    rows = every.groupby("buyers_from", as_index=False).agg(
        products=("buyers", "count"), purchases=("purchases", "sum")
    )
    rows["share"] = rows["purchases"] / max(1, rows["purchases"].sum())
    return listed(rows, ("buyers_from", "products", "share"), {"buyers_from": True})


def how_connected(shop: Frames, params: Params) -> Rows:
    graph = _both_ways(as_network(shop))
    ends = ("Product", params["product_id"]), ("Product", params["other_id"])
    found: Counter[tuple[str, ...]] = Counter()
    plain = nx.Graph(graph)
    connected = all(end in plain for end in ends) and nx.has_path(plain, *ends)
    for way in nx.all_shortest_paths(plain, *ends) if connected else ():
        kinds: list[tuple[str, ...]] = [()]
        for one, other in itertools.pairwise(way):
            kinds = [(*kind, edge["relation"]) for kind in kinds for edge in graph.get_edge_data(one, other).values()]
        found.update(kinds)
    rows: Rows = [{"hops": len(kind), "relations": list(kind), "paths": count} for kind, count in found.items()]
    return sorted((row for row in rows if row["hops"] <= 4), key=lambda row: (-row["paths"], row["relations"]))


def in_common(shop: Frames, params: Params) -> Rows:
    graph = as_network(shop)
    one, other = ("Product", params["product_id"]), ("Product", params["other_id"])
    both = _both_ways(graph)
    found: Counter[tuple[Any, ...]] = Counter()
    for node in set(both[one]) & set(both[other]) if one in both and other in both else ():
        kinds = [{edge["relation"] for edge in both.get_edge_data(end, node).values()} for end in (one, other)]
        name = None if node[0] == "User" else _name(graph, node)
        found.update((first, second, node[0], name) for first in kinds[0] for second in kinds[1])
    columns = ("relation", "other_relation", "label", "name")
    rows = [dict(zip(columns, kind, strict=True)) | {"nodes": count} for kind, count in found.items()]
    return sorted(rows, key=lambda row: (-row["nodes"], *(str(row[name]) for name in columns)))


def relations_of_product(shop: Frames, params: Params) -> Rows:
    graph, node = as_network(shop), ("Product", params["product_id"])
    edges = [(True, other, facts) for _, other, facts in graph.out_edges(node, data=True)]
    edges += [(False, other, facts) for other, _, facts in graph.in_edges(node, data=True)]
    rows = [
        {
            "relation": facts["relation"],
            "outgoing": outgoing,
            "label": other[0],
            "name": _name(graph, other),
            "weight": facts["weight"],
        }
        for outgoing, other, facts in edges
        if not facts["event"]
    ]
    return sorted(rows, key=lambda row: (row["relation"], not row["outgoing"], row["name"]))


def node_counts(shop: Frames, params: Params) -> Rows:
    counts = Counter(label for label, _ in as_network(shop))
    return [{"label": label, "num_nodes": count} for label, count in sorted(counts.items())]


def relation_counts(shop: Frames, params: Params) -> Rows:
    counts = Counter(facts["relation"] for _, _, facts in as_network(shop).edges(data=True))
    return [{"relation": name, "num_edges": count} for name, count in sorted(counts.items())]


def ping(shop: Frames, params: Params) -> Rows:
    return [{"answer": 1}]


ANSWERS: dict[str, Answer] = {
    answer.__name__: answer
    for answer in (
        duplicate_titles,
        how_connected,
        in_common,
        missing_facts,
        node_counts,
        orphans,
        ping,
        products_by_buyers,
        relation_counts,
        relations_of_product,
        supernodes,
    )
}
