"""docs/conformance.md says what both servers answer today."""

import re
from pathlib import Path

import pytest

from bench.features import FEATURES, FILE, conformance_page, probe, uses_of
from cypher.catalogue import list_queries
from kg.ingest import ingest
from kg.store import GraphConfig, GraphStore
from tests.integration.conftest import EMPTY
from tests.worlds import tiny_shop

ROOT = Path(__file__).parents[2]


def test_the_page_is_what_both_servers_answer(neo4j_config: GraphConfig, local_config: GraphConfig) -> None:
    """Written anew by `python -m bench.features`."""
    with GraphStore.open(neo4j_config) as neo4j, GraphStore.open(local_config) as local:
        for store in (neo4j, local):
            store.write(EMPTY, [])
            ingest(store, tiny_shop())

        assert (ROOT / FILE).read_text(encoding="utf-8") == conformance_page({"neo4j": neo4j, "local": local})
        assert {"yes"} == {probe(neo4j, feature) for feature in FEATURES.values()}


@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_is_used(name: str) -> None:
    assert uses_of(FEATURES[name])


def test_every_function_of_the_catalogue_is_among_the_features() -> None:
    functions = {
        name
        for query in list_queries()
        for name in re.findall(r"\b([a-z]\w*)\(", query.text)
        if name not in ("in", "or")
    }
    tried = " ".join(feature.probe for feature in FEATURES.values())

    known = {"count", "collect", "size", "nodes", "properties", "head", "range"}
    assert {name for name in functions if f"{name}(" not in tried} <= known
