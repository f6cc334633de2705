"""docs/queries.md shows what the queries answer today."""

from pathlib import Path

from bench.queries_page import FILE, TITLES, queries_page
from cypher.catalogue import queries_for_people
from kg.store import GraphConfig

PAGE = (Path(__file__).parents[2] / FILE).read_text(encoding="utf-8")


def test_the_page_is_what_the_graph_answers(local_config: GraphConfig, tmp_path: Path) -> None:
    """Written anew by `python -m bench.queries_page`."""
    assert PAGE == queries_page(tmp_path / "graph")


def test_every_topic_has_a_heading() -> None:
    topics = {query.topic for query in queries_for_people()}

    assert topics == set(TITLES)
    assert all(f"\n## {title}\n" in PAGE for title in TITLES.values())
